"""The recipe end to end on made-up sounds: run, resume, sweep, compare."""

import csv
import json
import re

import numpy as np
import pytest
from hums import write_hums

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")

import bowstream
from train import epochs
from train.cli import main
from train.config import EncoderSettings
from train.encoder import fit_autoencoder

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

SMALL = ["--width", "16", "--encoder-epochs", "1", "--epoch-patches", "2000", "--codes", "8"]
SMALL += ["--head-width", "16", "--head-epochs", "4", "--seed", "3"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two tags that anyone can tell apart, in two folds."""
    root = tmp_path_factory.mktemp("training")
    write_hums(root, (1, 2))
    return root


@pytest.fixture(scope="module")
def asked(place):
    return ["--data", "csv", "--root", str(place / "labels.csv"), "--runs", str(place / "runs"), *SMALL]


@pytest.fixture(scope="module")
def out(place, asked):
    """A finished run."""
    assert main(["run", *asked, "--out", str(place / "bundle")]) == 0
    return place / "bundle"


def made(place):
    return {path: path.stat().st_mtime_ns for path in (place / "runs").glob("*/*/stage.json")}


def test_the_bundle_loads_and_knows_the_sounds(place, out):
    bundle = bowstream.load_bundle(out)
    assert [tag.name for tag in bundle.tags] == ["hiss", "hum"]
    assert bundle.description["metrics"]["accuracy"]["mean"] == 1.0
    assert bundle.description["training"]["encoder"]["width"] == 16 and bundle.description["training"]["seed"] == 3
    noise = (0.1 * np.random.default_rng(9).standard_normal(16_000)).astype(np.float32)
    (tags,) = bowstream.Tagger(bundle).push(noise)
    assert tags.scores[0] > tags.scores[1]
    assert (out / "LICENSE").read_text().startswith("The weights in this folder were trained on labels.")


def test_the_report_needs_nothing_but_itself(place, out):
    page = (place / "runs" / "report_bundle" / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{,20})', page)
    assert sources and all(source.startswith("data:") for source in sources)
    for heading in ("Scores", "Each tag", "What is taken for what", "codes have learned", "Float against int8"):
        assert heading in page
    metrics = json.loads((place / "runs" / "report_bundle" / "metrics.json").read_text())
    assert {"features", "encoder_pat", "export_o", "codebook_env", "counts", "head", "held"} <= metrics["stages"].keys()


def test_a_second_run_makes_nothing_anew_and_says_the_same(place, asked, out):
    before, metrics = made(place), bowstream.load_bundle(out).description["metrics"]
    assert main(["run", *asked, "--out", str(place / "again")]) == 0
    assert made(place) == before
    assert bowstream.load_bundle(place / "again").description["metrics"] == metrics


def test_the_device_gives_the_codes_that_training_counted(asked, out, capsys):
    assert main(["check", *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["codes_changed_tflite_to_device"].values()) == {0.0}
    assert found["largest_score_difference_tflite_to_device"] == 0.0
    assert max(found["codes_changed_keras_to_tflite"].values()) < 0.2


def test_a_sweep_shares_stages_and_writes_a_table(place, asked, out):
    before = {path.parent.parent.name for path in set(made(place))}
    encoders = [path for path in made(place) if "encoder" in str(path)]
    table = place / "sweep" / "sweep.csv"
    axes = ["--axis", "mask=0,0.35", "--axis", "head_dropout=0.1,0.4"]
    assert main(["sweep", *asked, *axes, "--folds", "1", "--out", str(place / "sweep")]) == 0
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["mask"], row["head_dropout"]) for row in rows] == [
        ("0.0", "0.1"),
        ("0.0", "0.4"),
        ("0.35", "0.1"),
        ("0.35", "0.4"),
    ]
    assert all(0 <= float(row["clip_map"]) <= 1 for row in rows)
    assert [path for path in made(place) if "encoder" in str(path)] == encoders
    assert {path.parent.parent.name for path in made(place)} == before
    assert (table.parent / "sweep.png").stat().st_size > 1000


def test_more_codes_than_patches_is_said_in_one_line(place, asked, capsys):
    assert main(["run", *asked, "--codes", "1024", "--out", str(place / "never")]) == 2
    assert "1024 codes want at least as many windows" in capsys.readouterr().err


def test_training_that_was_interrupted_ends_where_it_would_have(tmp_path, monkeypatch):
    settings = EncoderSettings(width=8, encoder_epochs=3, epoch_patches=600, encoder_batch=100)
    pool = np.random.default_rng(0).uniform(0, 1, (300, 80)).astype(np.float32)
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = fit_autoencoder(tmp_path / "whole", pool, "pat", settings, 1)
    lines = []

    def interrupted(line):
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(epochs, "say", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_autoencoder(tmp_path / "cut", pool, "pat", settings, 1)
    again = fit_autoencoder(tmp_path / "cut", pool, "pat", settings, 1)
    assert [line.split("  ")[1] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 2/3", "epoch 3/3"]
    for one, other in zip(whole.get_weights(), again.get_weights()):
        # The same products on several threads may be summed in another order.
        np.testing.assert_allclose(one, other, atol=1e-4)
