import json

import numpy as np
import pytest

from bowstream.bench.kept import kept
from bowstream.bench.paths import drawn, live, made_up_sound, peer, replay
from bowstream.bench.stages import stages
from bowstream.bench.timing import Timed, in_rounds, spread
from bowstream.cli.main import main
from bowstream.session import Session
from bowstream.tagger import Tagger

STAGES = ("log-mel", "level", "patches", "counts and head", "events", "resample 48 kHz")
HOPS = ("hop 1.0 s", "hop 0.5 s", "hop 0.2 s", "hop 0.1 s")
COMPARED = (HOPS[0], HOPS[-1])
PATHS = ("live", "live, drawn", "replay")
KEPT = "history and page"
BETWEEN = {f"{one}, {hop} / {other}, {hop}" for one, other in (("live", "replay"), (KEPT, "live")) for hop in COMPARED}


def benched(capsys, *arguments):
    assert main(["bench", "--json", "--rounds", "3", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_it_tells(bundle, capsys):
    told = benched(capsys)
    assert told["rounds"] == 3
    assert tuple(told["stages_us"]) == COMPARED
    for costs in told["stages_us"].values():
        assert {*STAGES, *(f"encoder {f}" for f in bundle.encoders), *(f"assign {f}" for f in bundle.encoders)} == set(
            costs
        )
    assert list(told["paths_us"]) == [f"{path}, {hop}" for path in (*PATHS, KEPT) for hop in HOPS]
    assert set(told["ratios"]) == BETWEEN
    for costs in (*told["stages_us"].values(), told["paths_us"], told["ratios"]):
        assert all(0 < cost["p5"] <= cost["p50"] <= cost["p95"] for cost in costs.values())
    for path in PATHS:
        second = told["paths_us"][f"{path}, hop 1.0 s"]["p50"]
        assert second < told["paths_us"][f"{path}, hop 0.1 s"]["p50"] < 10 * second
    assert 0 < told["start"]["first_score_ms"] < 5000
    assert 20 < told["start"]["memory_mb"] <= told["start"]["peak_mb"] < 200
    assert told["machine"]["numpy"] == np.__version__


def test_as_tables(capsys):
    assert main(["bench", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    for said in ("processor", "encoder pat", "assign o", "a drawing", "live, drawn, hop 0.1 s", "first score", "MB"):
        assert said in out


@pytest.mark.parametrize("rounds", ["0", "-1", "1001", "many"])
def test_rounds_are_some(rounds, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--rounds", rounds])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert "--rounds" in err and (f"(got {rounds!r})" in err or rounds == "-1")


@pytest.mark.parametrize(("path", "columns"), [(live, 1), (drawn, 1), (kept, 1), (replay, 40)])
def test_a_path_hears_the_same_in_the_blocks_of_its_verb(path, columns, bundle, monkeypatch):
    """A call of a path is four seconds through one session that goes on; live, it is asked for its health."""
    sessions, heard = [], []

    class Watched(Session):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            sessions.append(self)

        def hear(self, block):
            heard.append(len(block.samples) // 1600)
            return super().hear(block)

    monkeypatch.setattr("bowstream.bench.paths.Session", Watched)
    timed = path(bundle, made_up_sound(16_000), 10)
    for _ in range(2):
        timed.prepare()
        timed.call()
    assert timed.units == 4.0
    assert heard == [columns] * (2 * 40 // columns)
    (session,) = sessions
    assert session.source.live == (columns == 1)
    assert session.tagger.position == 8 * 16_000
    assert session.health.report().heard_s == 8.0


def test_a_drawing_is_made_each_second(bundle, monkeypatch):
    drawings = []
    monkeypatch.setattr("bowstream.bench.paths.Drawings.draw", lambda _: drawings.append(1))
    drawn(bundle, made_up_sound(16_000), 1).call()
    assert len(drawings) == 4


def test_against_a_waveform_tagger(tmp_path, capsys):
    tensorflow = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    keras = tensorflow.keras
    model = keras.Sequential([keras.layers.Input((8000,)), keras.layers.Dense(5)])
    file = tmp_path / "other.tflite"
    file.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(model).convert())
    assert [timed.units for timed in peer(file, made_up_sound(16_000), 16_000).values()] == [4.0, 0.8]
    capsys.readouterr()  # Keras talks
    told = benched(capsys, "--against", file)
    assert set(told["ratios"]) == BETWEEN | {
        f"{path}, {hop} / other, {often}"
        for path in PATHS
        for hop, often in zip(COMPARED, ("no overlap", "every 0.1 s"))
    }
    assert all(0 < ratio["p5"] <= ratio["p50"] <= ratio["p95"] for ratio in told["ratios"].values())


@pytest.mark.parametrize("what", ["none", "junk", "a head"])
def test_against_what_is_no_waveform_tagger(what, bundle_path, tmp_path, capsys):
    file = tmp_path / "junk.tflite"
    if what == "junk":
        file.write_bytes(b"junk")
    assert main(["bench", "--against", str(bundle_path / "head.tflite" if what == "a head" else file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("bowstream: --against must be a") and err.count("\n") == 1


def test_calls_take_turns_in_another_order_each_round_and_the_first_round_is_left_out():
    called = []
    costs = in_rounds({name: Timed(lambda name=name: called.append(name), 2.0) for name in "abcd"}, 5)
    orders = ["".join(called[first : first + 4]) for first in range(0, 24, 4)]
    assert {"".join(sorted(order)) for order in orders} == {"abcd"} and len(set(orders)) > 3
    assert list(costs) == list("abcd") and [len(cost) for cost in costs.values()] == [5] * 4


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
    assert np.array_equal(calls["assign pat"].call() + tagger.encoder.offsets["pat"], codes_of(tagger, samples, hop))
    assert calls["counts and head"].call().shape == (1, len(bundle.tags))


def codes_of(tagger, samples, hop):
    """The `pat` codes of a window's first columns."""
    tagger.reset()
    codes = tagger.push(samples)[-1].codes[-1]
    pat, env = (tagger.encoder.encoders[family].codebook.n_parts for family in ("pat", "env"))
    of_columns = codes[: 10 * (12 * pat + env)].reshape(10, -1)
    return of_columns[:hop, : 12 * pat]


def test_further_sources_are_measured_in_processes_of_their_own():
    from bowstream.bench.sources import measure_sources

    report = measure_sources(2, seconds=1.0)
    assert [run["sources"] for run in report["runs"]] == [1, 2]
    for run in report["runs"]:
        assert 0.0 < run["cpu_ms_per_s"] < 1000.0 and run["memory_mb"] > 10.0 and run["lost_s"] >= 0.0
    one, two = (run["cpu_ms_per_s"] for run in report["runs"])
    assert report["further"]["cpu_ratio"] == pytest.approx(two / one - 1.0, abs=0.01)
