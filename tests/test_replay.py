"""`bowstream replay` over whatever soundfile reads: the same samples give the same scores."""

import csv
import io

import numpy as np
import pytest
import soundfile
from signals import noise, scene, scored, stereo
from stage import stream_info

from bowstream import Tagger
from bowstream.cli.main import main
from bowstream.events import Event
from bowstream.output.lines import PlainLines
from bowstream.output.report import Gathering, Report, Results

FORMATS = [
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "PCM_32"),
    ("wav", "FLOAT"),
    ("wav", "DOUBLE"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_16"),
    ("au", "PCM_16"),
    ("caf", "PCM_16"),
    ("w64", "PCM_16"),
    ("rf64", "PCM_16"),
]
LOSSY = [
    ("wav", "PCM_U8"),
    ("wav", "ULAW"),
    ("wav", "IMA_ADPCM"),
    ("ogg", "VORBIS"),
    ("opus", "OPUS"),
    ("mp3", "MPEG_LAYER_III"),
]


def write(path, samples, rate=16_000, subtype="PCM_16"):
    container = {"rf64": "RF64", "opus": "OGG"}.get(path.suffix[1:])
    soundfile.write(path, samples, rate, subtype, format=container)
    return path


def of_kind(objects, kind):
    return [each for each in objects if each["type"] == kind]


def without_name(objects):
    return [{key: value for key, value in each.items() if key != "file"} for each in objects]


@pytest.fixture(scope="module")
def wanted(tmp_path_factory, bundle):
    """The scene's scores, from the library."""
    return scores_of(Tagger(bundle), scene(2.3))


def scores_of(tagger, samples):
    windows = [*tagger.push(samples[: len(samples) // 1600 * 1600]), *tagger.flush()]
    return [{tag: round(score, 4) for tag, score in heard.items()} for heard in windows]


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_lossless_formats_give_the_same_scores(suffix, subtype, wanted, tmp_path, replayed):
    path = write(tmp_path / f"scene.{suffix}", scene(2.3), subtype=subtype)
    status, objects, err = replayed(path)
    assert (status, err) == (0, "")
    hops = of_kind(objects, "hop")
    assert [(hop["start_s"], hop["end_s"]) for hop in hops] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert [hop["scores"] for hop in hops] == wanted
    (last,) = of_kind(objects, "file")
    assert last["windows"] == 3
    for tag, score in last["scores"].items():
        assert score == pytest.approx(np.mean([scores[tag] for scores in wanted]), abs=1e-4)
    assert {each["file"] for each in objects} == {str(path)}


@pytest.mark.parametrize(("suffix", "subtype"), LOSSY)
def test_lossy_formats_are_heard(suffix, subtype, tmp_path, replayed):
    rate = 48_000 if suffix == "opus" else 44_100
    path = write(tmp_path / f"scene.{suffix}", 0.5 * stereo(scene(2.3, rate)), rate, subtype)
    status, objects, err = replayed(path)
    assert (status, err) == (0, "")
    assert len(of_kind(objects, "hop")) == 3


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_and_number_of_channels(rate, channels, tmp_path, replayed):
    path = write(tmp_path / "noise.wav", np.repeat(noise(1.2, rate=rate)[:, None], channels, axis=1), rate)
    status, objects, err = replayed(path)
    assert (status, err) == (0, "")
    assert [hop["end_s"] for hop in of_kind(objects, "hop")] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("count", "rate", "windows"),
    [
        (1, 16_000, 1),
        (1, 48_000, 1),
        (2, 44_100, 1),
        (5_600, 16_000, 1),  # 0.35 s
        (15_999, 16_000, 1),
        (16_000, 16_000, 1),
        (16_001, 16_000, 2),
        (44_100, 44_100, 1),
        (21_000, 16_000, 2),
    ],
)
def test_any_length(count, rate, windows, tmp_path, replayed):
    status, objects, err = replayed(write(tmp_path / "short.wav", noise(3.0, rate=rate)[:count], rate))
    assert (status, err) == (0, "")
    assert len(of_kind(objects, "hop")) == windows
    assert of_kind(objects, "file")[0]["windows"] == windows


def test_events_of_a_file_end_with_it(tmp_path, replayed):
    sound = scene(2.6)
    _, objects, _ = replayed("--hold", 0, write(tmp_path / "scene.wav", sound))
    for event in of_kind(objects, "event"):
        assert event["onset_s"] >= 0.0
        assert event["offset_s"] is None or event["onset_s"] < event["offset_s"] <= 3.0


def test_short_hops(tmp_path, replayed, bundle):
    """As the library's: what a bundle shifts the scores by at a hop is in them."""
    path = write(tmp_path / "scene.wav", scene(2.0))
    slow, quick = (of_kind(replayed("--hop", hop, path)[1], "hop") for hop in (1, 0.1))
    assert [hop["end_s"] for hop in slow] == [1.0, 2.0]
    assert [hop["end_s"] for hop in quick] == [round(1.0 + 0.1 * index, 1) for index in range(11)]
    assert [hop["scores"] for hop in slow] == scores_of(Tagger(bundle, 1.0), scene(2.0))
    assert [hop["scores"] for hop in quick] == scores_of(Tagger(bundle, 0.1), scene(2.0))


def test_a_folder_is_heard_deep_and_sorted(tmp_path, replayed):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/2.flac", "b/1.WAV", "a.ogg"):
        soundfile.write(tmp_path / name, noise(0.2), 16_000)
    (tmp_path / "readme.txt").write_text("not a recording, and not asked for")
    status, objects, err = replayed(tmp_path)
    assert (status, err) == (0, "bowstream: recordings heard: 3, files passed over: 0\n")
    assert [each["file"] for each in of_kind(objects, "file")] == [
        str(tmp_path / name) for name in ("a.ogg", "b/1.WAV", "b/c/2.flac")
    ]


def test_recordings_do_not_leak_into_each_other(tmp_path, replayed):
    loud, faint = write(tmp_path / "1.wav", noise(1.5, 0.9)), write(tmp_path / "2.wav", scene(1.5) * np.float32(0.01))
    _, together, _ = replayed(loud, faint)
    _, alone, _ = replayed(faint)
    assert [each for each in together if each["file"] == str(faint)] == alone


def test_several_processes_say_the_same_in_the_same_order(tmp_path, bowstream):
    paths = [write(tmp_path / f"{index}.wav", scene(1.0 + index / 4, seed=index)) for index in range(4)]
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"junk")
    one = bowstream("replay", "--json", *paths, bad)
    two = bowstream("replay", "--json", "--jobs", 2, *paths, bad)
    assert one == two
    assert one[0] == 1


def test_what_comes_before_the_damage_is_heard(tmp_path, replayed):
    sound = scene(3.0)
    _, wanted, _ = replayed(write(tmp_path / "whole.wav", sound[:40_000], subtype="FLOAT"))
    sound[40_000] = np.nan
    status, objects, err = replayed(write(tmp_path / "damaged.wav", sound, subtype="FLOAT"))
    assert status == 1 and "got NaN" in err and "got NaN" in objects.pop()["error"]
    assert "damaged at 2.5 s" in err
    assert without_name(objects) == without_name(wanted[:-1])


def test_csv(tmp_path, capfd, replayed):
    path = write(tmp_path / 'a "quoted", name.wav', scene(3.0))
    eager = tmp_path / "eager.toml"
    eager.write_text("on = 0.05\noff = 0.03\nhold_s = 0.0\n")  # in a scene of noise, events abound
    other = write(tmp_path / "other.wav", scene(3.0, seed=1))
    _, objects, _ = replayed("--config", eager, path, other)
    assert main(["replay", "--csv", "--config", str(eager), str(path), str(other)]) == 0
    out, err = capfd.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    finished = [event for event in of_kind(objects, "event") if event["state"] == "off"]
    assert out.splitlines()[0] == "file,onset_s,offset_s,tag,peak,mean,time"
    assert err.splitlines() == [f"bowstream: configured by {eager}"]
    assert {event["file"] for event in finished} == {str(path), str(other)}
    # JSON has an event when it has ended, all else a recording's events as they began.
    begun = sorted(finished, key=lambda event: (event["file"] != str(path), event["onset_s"]))
    assert begun != finished
    # A recording that says no date has no time: null in JSON, nothing in CSV.
    assert [
        {key: str(event.get(key) or "") if key == "time" else str(event[key]) for key in rows[0]} for event in begun
    ] == rows


def test_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = write(tmp_path / "scene.wav", scene(2.5))
    assert main(["replay", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "scene.wav" in out
    assert "2.5 s" in out
    assert err == ""


def test_names_with_markup_are_names(tmp_path, capsys, monkeypatch, bundle):
    monkeypatch.setenv("COLUMNS", "400")
    path = write(tmp_path / "[red]scene[bold].wav", scene(0.5))
    config = tmp_path / "bowstream.toml"
    config.write_text(
        "on = 0.0\noff = 0.0\n" + "".join(f'[tags."{tag.name}"]\nalias = "{tag.name} [/b]"\n' for tag in bundle.tags)
    )
    assert main(["replay", "--config", str(config), str(path)]) == 0
    out = capsys.readouterr().out
    assert "[red]scene[bold].wav" in out
    assert out.count("[/b]") == 7  # three loudest tags, four events


def test_a_mean_of_many_windows_is_no_less_exact(bundle):
    """As of a day with ten scores a second: float32 holds 17,000 and a 1,000th no more."""
    gathering = Gathering(stream_info(*(tag.name for tag in bundle.tags)))
    for score in (17_000.0, *[0.0005] * 1000):
        gathering.write(scored(0.0, np.full(len(bundle.tags), score)))
    assert set(gathering.report("a day").scores.values()) == {round(17_000.5 / 1001, 4)}


def test_a_name_that_is_no_text(tmp_path, bowstream):
    import os

    path = os.fsencode(tmp_path) + b"/\xff\xfe.wav"
    with open(path, "wb") as file:  # noqa: PTH123, pathlib has no such name
        soundfile.write(file, scene(0.5), 16_000, "PCM_16", format="WAV")
    for form in ([], ["--json"], ["--csv"]):
        status, out, err = bowstream("replay", *form, os.fsdecode(path))
        assert status == 0, err
        assert out


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum"])
def test_no_name_is_a_formula_in_a_spreadsheet(name, capsys):
    event = {"onset_s": 0.0, "offset_s": 1.0, "tag": f"{name}(\x1b)", "peak": 0.5, "mean": 0.5}
    Results(as_json=False, as_csv=True).put(Report(f"{name}\nfile", 1.0, 1, {}, [event]))
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["file"], row["tag"]) == (rf"'{name}\nfile", rf"'{name}(\x1b)")
    assert row["onset_s"] == "0.0"


def test_no_name_gives_orders_to_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    evil, safe = "dog\x1b]0;owned\x07\n\x9b31m\u202e", r"dog\x1b]0;owned\x07\n\x9b31m\u202e"
    event = {"onset_s": 0.0, "offset_s": 1.0, "tag": evil, "peak": 0.5, "mean": 0.5}
    results = Results(as_json=False, as_csv=False)
    results.put(Report(evil, 1.0, 1, {evil: 0.5}, [event]))
    results.close()
    out = capsys.readouterr().out
    assert out.count(safe) == 3 and out.count("\n") == 2
    lines = io.StringIO()
    output = PlainLines(lines)
    for record in (scored(1.0, 0.9, (evil,)), Event(evil, 0.0, None, 0.9, 0.9), Event(evil, 0.0, 1.0, 0.9, 0.9)):
        output.write(record)
    assert [line.count(safe) for line in lines.getvalue().splitlines()] == [1, 1, 1]
