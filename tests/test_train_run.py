"""The learned codebook on the command line: end to end, and what its settings refuse."""

import json

import numpy as np
import pytest
from hums import write_hums, write_negatives

from train.cli import main

SMALL = [
    *("--method", "learned", "--learned-width", "16", "--latent", "4", "--codes-a-band", "8", "--codes-a-family", "8"),
    *("--steps", "60", "--batch", "16", "--learned-head", "16", "--refit-windows", "8", "--refit-epochs", "2"),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    root = tmp_path_factory.mktemp("learned")
    table = write_hums(root, ("train", "train", "val", "eval"))
    return ["--data", "csv", "--root", str(table), "--runs", str(root / "runs")]


@pytest.fixture(scope="module")
def negatives(tmp_path_factory):
    return write_negatives(tmp_path_factory.mktemp("negatives"))


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_the_learned_codebook_goes_through_the_same_stages(tmp_path, asked, negatives):
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
    import bowstream

    out = ["--out", str(tmp_path / "bundle"), "--report", str(tmp_path / "page")]
    assert main(["run", *asked, *SMALL, *out, "--context", "2", "--negatives", str(negatives)]) == 0
    bundle = bowstream.load_bundle(tmp_path / "bundle")
    assert bundle.description["training"]["method"] == "learned"
    assert bundle.description["training"]["learned"]["steps"] == 60 and "head" not in bundle.description["training"]
    assert bundle.head.count_transform == "sqrt" and bundle.level is not None
    noise = (0.1 * np.random.default_rng(9).standard_normal(16_000)).astype(np.float32)
    (tags,) = bowstream.Tagger(bundle).push(noise)
    assert bundle.head.context == 2 and tags.codes.shape == (2, 4 * 143)  # a code per part of a vector
    assert tags.array[0] > tags.array[1]
    metrics = json.loads((tmp_path / "page" / "metrics.json").read_text())
    assert {"joint", "hardened_pat", "augmented_counts", "refit", "held"} <= metrics["stages"].keys()
    assert set(metrics["precision"]["codes_changed_tflite_to_device"].values()) == {0.0}
    table = metrics["robustness"]["table"]
    assert {"as recorded", "gain -30 dB", "white noise, 0 dB SNR", "a copy at 48 kHz"} < table.keys()
    assert any(name.endswith(", 10 dB SNR") and not name.startswith("white") for name in table)
    assert table["as recorded"] == {name: metrics[name]["mean"] for name in ("clip_map", "chunk_map", "accuracy")}
    false = metrics["false_events"]
    assert {"bird", "whistle"} < set(false["hours_by_kind"]) <= {"bird", "whistle", *MADE}
    assert bundle.description["metrics"]["event_recall"] == false["shipped"]["recall"]
    assert "Does it know when it does not know?" in (tmp_path / "page" / "report.html").read_text()
    assert (tmp_path / "page" / "false_events.png").stat().st_size > 1000


MADE = ("made silence", "made hum", "made noise", "made music")
REFUSED = {
    "of the recipe": (["run", "--method", "learned", "--codes", "8"], "--codes is for --method recipe"),
    "of the learned codebook": (["run", "--steps", "8"], "--steps is for --method learned"),
    "range": (["run", "--mask", "1.5"], "--mask must be 0 … 0.95 (got 1.5)"),
    "not a number": (["run", "--method", "learned", "--rate", "nan"], "--rate must be a finite number (got nan)"),
    "no end": (["run", "--equaliser-db", "inf", "--method", "learned"], "--equaliser-db must be a finite number"),
    "rate": (["run", "--head-rate", "1e12"], "--head-rate must be 0 … 1 (got 1e+12)"),
    "seed": (["run", "--seed", "99999999999"], "--seed must be 0 … 4294967295"),
    "an axis twice": (["sweep", "--axis", "mask=0", "--axis", "mask=0.5"], "--axis mask is there twice"),
    "axis": (["sweep", "--axis", "steps=8,9"], "--steps is for --method learned"),
    "one of two methods": (
        ["sweep", "--axis", "method=recipe,learned", "--axis", "codes=8,16"],
        "--codes is for --method recipe",
    ),
    "twice": (["sweep", "--experiment", "factor", "--factor", "5"], "--factor is set by this experiment"),
    "no setting": (["sweep", "--axis", "codez=3"], "the settings are"),
    "negatives": (["sweep", "--axis", "codes=8", "--negatives", "."], "learned from with --method learned only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_setting_that_would_do_nothing_is_refused_in_one_line(tmp_path, asked, capsys, case):
    arguments, said = REFUSED[case]
    assert main([*arguments, *asked, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.splitlines()) == 1
    assert not (tmp_path / "out").exists()
