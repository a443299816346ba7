import json

import numpy as np
import pytest

from bowstream.bench.stages import Timed, in_rounds, made_up_sound, path, spread, stages
from bowstream.cli import bench
from bowstream.cli.main import main
from bowstream.tagger import Tagger

STAGES = ("log-mel", "level", "patches", "counts", "head", "events", "resample 48 kHz")


@pytest.fixture
def few_rounds(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 3)
    monkeypatch.setattr(bench, "STAGE_ROUNDS", 3)


def benched(capsys, *arguments):
    assert main(["bench", "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_it_tells(few_rounds, bundle, capsys):
    told = benched(capsys)
    assert list(told["stages_us"]) == ["hop 1.0 s", "hop 0.1 s"]
    assert list(told["paths_us"]) == ["hop 1.0 s", "hop 0.5 s", "hop 0.2 s", "hop 0.1 s"]
    for costs in told["stages_us"].values():
        assert {*STAGES, *(f"encoder {f}" for f in bundle.encoders), *(f"assign {f}" for f in bundle.encoders)} == set(
            costs
        )
        assert all(0 < cost["p5"] <= cost["p50"] <= cost["p95"] for cost in costs.values())
    second = told["paths_us"]["hop 1.0 s"]["p50"]
    assert second < told["paths_us"]["hop 0.1 s"]["p50"] < 10 * second
    assert told["real_time_factor"]["hop 1.0 s"] == round(1e6 / second)
    assert told["import_ms"]["numpy"] > 0 and told["import_ms"]["bowstream"] > 0
    assert 0 < told["start"]["first_score_ms"] < 5000
    assert 20 < told["start"]["memory_mb"] <= told["start"]["peak_mb"] < 200
    assert told["ratios"] == {}
    assert told["machine"]["numpy"] == np.__version__


def test_as_tables(few_rounds, capsys):
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    for said in ("processor", "encoder pat", "assign o", "a drawing", "real time at a hop 0.1 s", "first score", "MB"):
        assert said in out


def test_against_a_waveform_tagger(few_rounds, tmp_path, capsys):
    tensorflow = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    keras = tensorflow.keras
    model = keras.Sequential([keras.layers.Input((8000,)), keras.layers.Dense(5)])
    file = tmp_path / "other.tflite"
    file.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(model).convert())
    capsys.readouterr()  # Keras talks
    told = benched(capsys, "--against", file)
    assert set(told["ratios"]) == {"hop 1.0 s / other, no overlap", "hop 0.1 s / other, every 0.1 s"}
    assert all(0 < ratio["p5"] <= ratio["p50"] <= ratio["p95"] for ratio in told["ratios"].values())


@pytest.mark.parametrize("what", ["none", "junk", "a head"])
def test_against_what_is_no_waveform_tagger(what, bundle_path, tmp_path, capsys):
    file = tmp_path / "junk.tflite"
    if what == "junk":
        file.write_bytes(b"junk")
    assert main(["bench", "--against", str(bundle_path / "head.tflite" if what == "a head" else file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("bowstream: --against wants a") and err.count("\n") == 1


def test_rounds_are_interleaved_and_the_first_is_left_out():
    called = []
    costs = in_rounds({name: Timed(lambda name=name: called.append(name), 2.0) for name in "ab"}, 3)
    assert called == ["a", "b"] * 4
    assert [len(cost) for cost in costs.values()] == [3, 3]


def test_a_units_cost_is_told():
    def work():
        return sum(range(200_000))

    costs = in_rounds({"one": Timed(work), "four": Timed(lambda: [work() for _ in range(4)], 4.0)}, 9)
    assert 0.5 < np.median(costs["one"]) / np.median(costs["four"]) < 2.0


def test_spread():
    assert spread(np.arange(101.0)) == {"p5": 5.0, "p50": 50.0, "p95": 95.0}


@pytest.mark.parametrize("hop", [10, 1])
def test_stages_do_what_the_tagger_does(hop, bundle):
    """The same number of values as a hop has go through each."""
    samples = made_up_sound(16_000, 1)
    calls = stages(bundle, samples, hop)
    tagger = Tagger(bundle, hop / 10)
    tagger.push(samples)
    patches = calls["patches"].call()
    assert {family: part.shape[:2] for family, part in patches.items()} == {
        "pat": (hop, 12), "env": (hop, 1), "fenv": (1, 12), "o": (1, 1)
    }  # fmt: skip
    assert np.array_equal(calls["assign pat"].call() + tagger.coder.offsets["pat"], codes_of(tagger, samples, hop))
    assert calls["head"].call().shape == (1, len(bundle.tags))
    assert path(bundle, samples, hop).units == 1.0


def codes_of(tagger, samples, hop):
    """The `pat` codes of a window's first columns."""
    tagger.reset()
    codes = tagger.push(samples)[-1].codes[-1]
    return codes[:130].reshape(10, 13)[:hop, :12]
