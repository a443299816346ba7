"""Cost tables on tiny settings: each has the rows that were planned, and numbers that make sense."""

import csv

import pytest

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("matplotlib", reason="needs the train extra: pip install -e '.[train]'")

from bowstream import load_bundle
from train import cost

TINY = cost.Plan(widths=(16,), codes=(8,), tags=(3,), minutes=(0.5,), files=(1, 2), file_minutes=0.2, jobs=(1, 2))

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    out = tmp_path_factory.mktemp("cost")
    cost.cost(out, TINY)
    assert {path.stem for path in out.glob("*.csv")} == {path.stem for path in out.glob("*.png")}
    return {path.stem: list(csv.DictReader(path.open(newline=""))) for path in out.glob("*.csv")}


def test_each_setting_has_a_row(tables):
    assert {name: len(rows) for name, rows in tables.items()} == {
        "hop": 4,
        "size": 2,
        "tags": 2,
        "length": 1,
        "files": 4,
    }
    assert [row["hop_s"] for row in tables["hop"]] == ["1.0", "0.5", "0.2", "0.1"]
    assert [(row["files"], row["jobs"]) for row in tables["files"]] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]


def test_costs_make_sense(tables):
    for name in ("hop", "size", "tags"):
        costs = [float(row["us_p50"]) for row in tables[name]]
        assert 0 < costs[0] < costs[-1]  # ten scores a second cost more than one
    (length,) = tables["length"]
    assert float(length["cpu_s"]) > 0 and 20 < float(length["peak_mb"]) < 200
    assert all(float(row["times_real_time"]) > 1 for row in tables["files"])


def test_a_random_bundle_has_the_size_that_is_asked_for():
    with cost.random_bundle(cost.Size(width=16, codes_a_band=8, codes_a_family=32, latent=4, head=24, tags=3)) as path:
        bundle = load_bundle(path)
        assert len(bundle.tags) == 3
        assert bundle.head.network.n_inputs == 2 * (2 * 12 * 8 + 2 * 32)  # of the newest second, and of three
        assert {encoder.network.n_outputs for encoder in bundle.encoders.values()} == {4}
    assert not path.exists()
