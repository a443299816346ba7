"""Memory against hours: made-up sets are learned from as any are, and what grows is told from what was filled."""

import csv

import numpy as np
import pytest
from hums import write_hums

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("matplotlib", reason="needs the train extra: pip install -e '.[train]'")

from train import scale
from train.cli import main

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]

SMALL = ["--width", "8", "--encoder-epochs", "1", "--epoch-patches", "600", "--pool-patches", "600", "--codes", "4"]
SMALL += ["--head-width", "8", "--head-epochs", "1", "--kmeans-latents", "200"]


def test_each_stage_has_a_row_for_each_set(tmp_path):
    table = write_hums(tmp_path / "sounds", (1, 2))
    asked = ["--data", "csv", "--root", str(table), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(["scale", *asked, *SMALL, "--hours", "0.02", "0.03", "0.04", "--jobs", "1"]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "scale.csv").open(newline="")))
    stages = {"features", "made_up_features", "codes", "head"}
    stages |= {
        f"{stage}_{family}" for stage in ("encoder", "export", "codebook") for family in ("pat", "fenv", "env", "o")
    }
    assert {row["stage"] for row in rows} == stages and len(rows) == 3 * len(stages)
    assert {row["hours"] for row in rows} == {"0.02", "0.03", "0.04"} and all(
        float(row["peak_mb"]) > 50 for row in rows
    )
    grown = list(csv.DictReader((tmp_path / "out" / "growth.csv").open(newline="")))
    assert {row["stage"] for row in grown} == stages
    assert (tmp_path / "out" / "scale.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ((870, 1331, 1375), {"largest_mb": 1375, "mb_an_hour": 0.55, "mb_at_1000_h": 1870, "memory": "flat"}),
        ((598, 583, 580), {"largest_mb": 598, "mb_an_hour": -0.04, "mb_at_1000_h": 580, "memory": "flat"}),
        ((402, 420, 500), {"largest_mb": 500, "mb_an_hour": 1.0, "mb_at_1000_h": 1400, "memory": "grows"}),
        ((559, 748, 950), {"largest_mb": 950, "mb_an_hour": 2.52, "mb_at_1000_h": "", "memory": "fills"}),
    ],
)
def test_only_the_largest_sets_tell_of_larger_ones(peaks, expected):
    rows = [{"stage": "head", "hours": hours, "peak_mb": peak} for hours, peak in zip((2.0, 20.0, 100.0), peaks)]
    assert list(scale.growth(rows[::-1])) == [{"stage": "head", **expected}]


def test_two_sizes_are_too_few(tmp_path, capsys):
    table = write_hums(tmp_path / "sounds", (1, 2))
    asked = ["--data", "csv", "--root", str(table), "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(["scale", *asked, "--hours", "2", "20", "2"]) == 2
    assert "--hours must be 3 sizes at least" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_made_up_clip_is_another_one_changed():
    log_mel = np.random.default_rng(0).normal(-8.0, 1.0, (2, 100, 96)).astype(np.float32)
    one, again, other = (scale.changed(log_mel, [1, clip]) for clip in (0, 0, 1))
    assert one.shape == (5, 100, 96) and one.dtype == np.float32
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.abs(np.sort(one[0], axis=None) - np.sort(log_mel, axis=None)[::2]).mean() < 1.5
