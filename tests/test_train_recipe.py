"""The recipe end to end on made-up sounds: run, resume, sweep, compare."""

import csv
import datetime
import json
import re

import numpy as np
import pytest
from hums import write_hums, write_negatives

pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")

import keras
import tensorflow

import bowstream
from bowstream.model.front_end import FrontEnd
from train import experiments
from train.cli import main
from train.common import epochs
from train.common.config import EncoderSettings, TrainConfig
from train.common.reels import Reels
from train.common.shards import Shards
from train.common.store import stated_time
from train.dataset.data import Clip, DataSet
from train.dataset.features import CLIP, Features
from train.model.bundle import TagCalibration
from train.model.calibrate import shifted
from train.model.counts import COUNTS, ROWS
from train.model.encoder import fit_autoencoder
from train.model.head import HEAD, fit_head, rarity, train_head

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
    assert tags.array[0] > tags.array[1]
    assert (out / "LICENSE").read_text().startswith("The weights in this folder were trained on labels.")


def test_the_report_needs_nothing_but_itself(place, out):
    page = (place / "runs" / "report_bundle" / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{,20})', page)
    assert sources and all(source.startswith("data:") for source in sources)
    for told in ("8 clips, 0.00 h", "<td>method</td><td>recipe</td>", "<td>context</td><td>1</td>", "begins at"):
        assert told in page
    for heading in ("Scores", "Each tag", "What is taken for what", "codes have learned", "Float against int8"):
        assert heading in page
    metrics = json.loads((place / "runs" / "report_bundle" / "metrics.json").read_text())
    assert {"features", "encoder_pat", "export_o", "codebook_env", "codes", "head", "held"} <= metrics["stages"].keys()


def test_a_second_run_makes_nothing_anew_and_says_the_same(place, asked, out):
    before, metrics = made(place), bowstream.load_bundle(out).description["metrics"]
    assert main(["run", *asked, "--out", str(place / "again")]) == 0
    assert made(place) == before
    assert bowstream.load_bundle(place / "again").description["metrics"] == metrics


def test_the_same_recordings_and_seed_give_the_same_bundle_byte_for_byte(place, asked, out, monkeypatch):
    """From nothing, but for the time that it states; and it states what it was made from."""
    description = json.loads((out / "bundle.json").read_text())
    at = datetime.datetime.fromisoformat(description["created"])
    again = place / "again" / out.name
    runs = asked.index("--runs") + 1
    asked = [*asked[:runs], str(place / "again" / "runs"), *asked[runs + 1 :]]
    assert main(["run", *asked, "--out", str(again)]) == 0
    second = json.loads((again / "bundle.json").read_text())
    assert datetime.datetime.fromisoformat(second.pop("created")) > at
    changed = {name for name in second if second[name] != description[name]}
    assert changed == {"sha256"}  # which is of the time, too
    for name in second["files"]:
        assert (again / name).read_bytes() == (out / name).read_bytes(), name
    assert second["made_from"]["features"]["clips"] and second["made_from"]["encoder_pat"]["settings"]["width"] == 16
    assert set(second["made_from"]) >= {"features", "export_o", "codebook_o", "codes", "head"}
    assert second["versions"]["tensorflow"] == tensorflow.__version__ and second["versions"]["processor"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert stated_time() == "2023-11-14T22:13:20.000000+00:00"


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
    assert all(float(row["bundle_mb"]) > 0.1 and float(row["us_per_s"]) > 100 for row in rows)
    assert (table.parent / "sweep.png").stat().st_size > 1000
    lines = (table.parent / "sweep.md").read_text().splitlines()
    assert lines[0].startswith("| mask | head_dropout | clip mAP | chunk mAP | clip accuracy |") and len(lines) == 6


def test_a_sweep_of_two_processes_has_the_same_table(place, asked, tmp_path):
    """From nothing: what the trials share is made once, by whichever comes first."""
    arguments = [*asked, "--axis", "head_dropout=0.1,0.4", "--folds", "1"]
    arguments[arguments.index("--runs") + 1] = str(tmp_path / "runs")
    assert main(["sweep", *arguments, "--jobs", "2", "--out", str(tmp_path / "two")]) == 0
    assert len(list((tmp_path / "runs").glob("encoder_pat/*/stage.json"))) == 1
    arguments[arguments.index("--runs") + 1] = str(place / "runs")
    assert main(["sweep", *arguments, "--out", str(tmp_path / "one")]) == 0
    tables = []
    for name in ("one", "two"):
        with (tmp_path / name / "sweep.csv").open() as file:
            tables.append([{**row, "us_per_s": ""} for row in csv.DictReader(file)])
    assert tables[0] == tables[1] and len(tables[0]) == 2


def test_the_steps_of_an_experiment_share_what_they_can(place, asked, out, monkeypatch):
    level = {"level": "relative", "low_cut": "yes"}
    steps = experiments.in_steps(
        ("recipe", experiments.PAPER),
        ("+ whitened", {"whiten": "yes"}),
        ("+ level", level),
        ("= logarithm", {"count_transform": "log"}),
        ("= tf-idf", {"idf": "yes"}),
        ("+ bands", {"band_codes": 4}),
        ("= pairs", {"pairs": 64}),
        ("= sums", {"context": 3}),
    )
    assert steps[5].values == {**experiments.PAPER, "whiten": "yes", **level, "band_codes": 4}
    monkeypatch.setitem(experiments.EXPERIMENTS, "ablation", steps)
    before = set(made(place))
    arguments = [*asked, "--experiment", "ablation", "--folds", "1", "--out", str(place / "steps")]
    assert main(["sweep", *arguments]) == 0
    new = [path.parent.parent.name for path in set(made(place)) - before]
    # Beside what the run made: another level with encoders of its own, a whitening of each level's, bands.
    wanted = {"features": 1, "encoder_pat": 1, "export_pat": 3, "codebook_pat": 4, "codebook_o": 3, "head": 8}
    assert {stage: new.count(stage) for stage in wanted} == wanted
    lines = (place / "steps" / "sweep.md").read_text().splitlines()
    assert [line.endswith("| — | — |") for line in lines[2:]] == [False] * 6 + [True, False]
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {step.label['setting']}" for step in steps]
    assert (place / "steps" / "sweep.png").stat().st_size > 1000


def test_negatives_raise_the_thresholds_that_ship(place, asked, out, tmp_path):
    """The folds' models are tried on the negatives; all else is as in the run without them."""
    folder = write_negatives(tmp_path)
    assert main(["run", *asked, "--negatives", str(folder), "--out", str(place / "quiet")]) == 0
    before, after = (bowstream.load_bundle(path).description for path in (out, place / "quiet"))
    false = json.loads((place / "quiet" / "metrics.json").read_text())["false_events"]
    assert false["files"] == 6 + 26 and false["shipped"]["offset"] > 0.0
    raised = shifted([TagCalibration(on=tag["on"]) for tag in before["tags"]], false["shipped"]["offset"])
    assert [(tag["on"], tag["off"]) for tag in after["tags"]] == [(tag.on, tag.off) for tag in raised]
    page = (place / "runs" / "report_quiet" / "report.html").read_text()
    assert ("that limit is not met" in page) is not false["shipped"]["quiet"]
    assert before["files"] == after["files"]  # the same networks, codebooks and probe


def test_what_no_device_can_do_is_tried_but_not_shipped(place, asked, capsys):
    assert main(["run", *asked, "--pairs", "64", "--out", str(place / "never")]) == 2
    assert "no bundle can do --pairs" in capsys.readouterr().err


def test_more_folds_than_there_are_is_said_in_one_line(place, asked, capsys):
    assert main(["sweep", *asked, "--axis", "mask=0,0.35", "--folds", "3", "--out", str(place / "never")]) == 2
    assert capsys.readouterr().err.strip() == "train: --folds must be 1 … 2, which labels has (got 3)"


def test_more_codes_than_patches_is_said_in_one_line(place, asked, capsys):
    assert main(["run", *asked, "--codes", "1024", "--out", str(place / "never")]) == 2
    assert "1024 codes want at least as many windows" in capsys.readouterr().err


def test_more_codes_than_latent_vectors_is_said_before_training(place, asked, capsys):
    bands = ["--band-codes", "16", "--kmeans-latents", "100"]
    assert main(["run", *asked, *bands, "--out", str(place / "never")]) == 2
    assert capsys.readouterr().err.endswith(
        "pat: 16 codes want as many latent vectors, got 8: raise --kmeans-latents\n"
    )


def test_the_weights_of_rare_codes_end_up_in_the_head(tmp_path, data_of_counts):
    """A head that learned from weighted counts takes plain ones: trained without chance, both agree.

    Counts of 64 codes weigh a quarter of those of 256.
    """
    counts, sound, data = data_of_counts
    config = TrainConfig().with_values(head_width=8, head_epochs=1, head_dropout=0.0, mask=0.0, idf="yes", codes=64)
    rows = Shards(counts).whole(0, [COUNTS])[COUNTS].astype(np.float32)
    weights = rarity(Reels(1, lambda _: {ROWS: rows}, rows.nbytes, 1.0))
    assert weights[0] == pytest.approx(1.0) and weights[1] == pytest.approx(np.log(21 / 11) + 1)
    path = train_head(tmp_path, sound, data, np.arange(20), counts, config)
    folded = keras.models.load_model(path / HEAD)
    (tmp_path / "plain").mkdir()
    seen, ones, targets = rows * weights / 4, np.ones(3, np.float32), data.targets()
    reels = Reels(1, lambda _: {ROWS: seen, CLIP: np.arange(20)}, rows.nbytes, 1.0)
    plain = fit_head(tmp_path / "plain", reels, 20, ones, targets, targets.mean(axis=0), config.head, 1)
    np.testing.assert_allclose(folded(rows), plain(seen), atol=1e-3)


@pytest.fixture
def data_of_counts(tmp_path):
    """Twenty clips of a window each; the first of three codes in all of them, the second in every other."""
    counts = tmp_path / "counts"
    counts.mkdir()
    (counts / "stage.json").write_text('{"inputs": {}, "created": "2026"}')
    of_codes = np.stack([np.ones(20), np.arange(20) % 2 * 5, np.arange(20)], axis=1).astype(np.int16)
    Shards(counts).write(0, [{CLIP: np.arange(20, dtype=np.int32), COUNTS: of_codes}])
    sound = Features("made up", FrontEnd(), None, np.zeros((20, 1)), np.arange(20), np.ones(20, np.intp))
    clips = tuple(Clip(f"{n:02}", None, (("odd", "even")[n % 2],), "1") for n in range(20))
    return counts, sound, DataSet("odd", clips, ("even", "odd"), True, "none", False)


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
