"""The learned codebook on the command line: end to end, and what its knobs refuse."""

import json

import numpy as np
import pytest
from hums import write_hums

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


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_the_learned_codebook_goes_through_the_same_stages(tmp_path, asked):
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
    import bowstream

    assert main(["run", *asked, *SMALL, "--out", str(tmp_path / "bundle"), "--report", str(tmp_path / "page")]) == 0
    bundle = bowstream.load_bundle(tmp_path / "bundle")
    assert bundle.description["training"]["method"] == "learned"
    assert bundle.description["training"]["learned"]["steps"] == 60 and "head" not in bundle.description["training"]
    assert bundle.count_transform == "sqrt" and bundle.level is not None
    noise = (0.1 * np.random.default_rng(9).standard_normal(16_000)).astype(np.float32)
    (tags,) = bowstream.Tagger(bundle).push(noise)
    assert tags.scores[0] > tags.scores[1]
    metrics = json.loads((tmp_path / "page" / "metrics.json").read_text())
    assert {"joint", "hardened_pat", "augmented_counts", "refit", "held"} <= metrics["stages"].keys()
    assert set(metrics["precision"]["codes_changed_tflite_to_device"].values()) == {0.0}
    assert (tmp_path / "page" / "report.html").stat().st_size > 10_000


REFUSED = {
    "recipe's knob": (["run", "--method", "learned", "--codes", "8"], "--codes is a knob of --method recipe"),
    "learned knob": (["run", "--steps", "8"], "--steps is a knob of --method learned"),
    "range": (["run", "--mask", "1.5"], "--mask must be 0.0 … 0.95, got 1.5"),
    "not a number": (["run", "--method", "learned", "--rate", "nan"], "--rate must be at least 0.0, got nan"),
    "axis": (["sweep", "--axis", "steps=8,9"], "--steps is a knob of --method learned"),
    "one of two methods": (["sweep", "--axis", "method=recipe,learned", "--axis", "codes=8,16"], "--codes is a knob"),
    "twice": (["sweep", "--experiment", "factor", "--factor", "5"], "--factor is what this experiment varies"),
    "no knob": (["sweep", "--axis", "codez=3"], "the knobs are"),
    "negatives": (["sweep", "--axis", "codes=8", "--negatives", "."], "learned from with --method learned only"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_knob_that_would_do_nothing_is_refused_in_one_line(tmp_path, asked, capsys, case):
    arguments, said = REFUSED[case]
    assert main([*arguments, *asked, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.splitlines()) == 1
    assert not (tmp_path / "out").exists()
