"""`bowstream replay` over whatever soundfile reads: the same samples give the same scores."""

import csv
import io
import json
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile
from signals import noise, scene, stereo

from bowstream.cli import main
from bowstream.sources import AudioFile

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
    from bowstream import Tagger

    tagger = Tagger(bundle)
    tags = [*tagger.push(scene(2.3)[: 23 * 1600]), *tagger.flush()]
    return [{tag.name: round(float(score), 4) for tag, score in zip(bundle.tags, heard.scores)} for heard in tags]


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


def test_short_hops(tmp_path, replayed):
    path = write(tmp_path / "scene.wav", scene(2.0))
    slow, quick = (of_kind(replayed("--hop", hop, path)[1], "hop") for hop in (1, 0.1))
    assert [hop["end_s"] for hop in quick] == [round(1.0 + 0.1 * index, 1) for index in range(11)]
    assert [quick[0]["scores"], quick[10]["scores"]] == [hop["scores"] for hop in slow]


def test_a_folder_is_heard_deep_and_sorted(tmp_path, replayed):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/2.flac", "b/1.WAV", "a.ogg"):
        soundfile.write(tmp_path / name, noise(0.2), 16_000)
    (tmp_path / "readme.txt").write_text("not a recording, and not asked for")
    status, objects, err = replayed(tmp_path)
    assert (status, err) == (0, "")
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


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_standard_input_is_a_file(rate, tmp_path, replayed, bowstream):
    path = write(tmp_path / "scene.wav", stereo(scene(1.7, rate)), rate)
    _, wanted, _ = replayed(path)
    status, out, err = bowstream("replay", "--json", "-", input=path.read_bytes())
    assert (status, err) == (0, "")
    objects = [json.loads(line) for line in out.splitlines()]
    assert {each["file"] for each in objects} == {"standard input"}
    assert without_name(objects) == without_name(wanted)


def wav_of_unknown_length(samples, length):
    """What a program that cannot seek back writes in front of its samples."""
    header = (
        b"RIFF" + struct.pack("<I", length) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    )
    return header + b"data" + struct.pack("<I", length) + samples


@pytest.mark.parametrize("length", [0xFFFF_FFFF, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000], ids=hex)
def test_a_wav_of_unknown_length_on_a_pipe(length, tmp_path, replayed, bowstream):
    path = write(tmp_path / "scene.wav", scene(1.7))
    samples = np.rint(scene(1.7) * 32768).astype("<i2").tobytes()
    _, wanted, _ = replayed(path)
    status, out, err = bowstream("replay", "--json", "-", input=wav_of_unknown_length(samples, length))
    assert (status, err) == (0, "")
    assert without_name(map(json.loads, out.splitlines())) == without_name(wanted)


def test_a_raw_stream(tmp_path, replayed, bowstream):
    frames = stereo(scene(1.4, 48_000))
    _, wanted, _ = replayed(write(tmp_path / "scene.wav", frames, 48_000))
    raw = np.rint(frames * 32768).astype("<i2").tobytes()
    status, out, err = bowstream("replay", "--json", "--raw", "48000:2", "-", input=raw)
    assert (status, err) == (0, "")
    assert without_name(map(json.loads, out.splitlines())) == without_name(wanted)


@pytest.mark.parametrize(
    ("encoding", "dtype"), [("FLOAT", "<f4"), ("DOUBLE", "<f8"), ("PCM_16", "<i2"), ("PCM_32", "<i4")]
)
def test_a_raw_file(encoding, dtype, tmp_path, replayed):
    sound = scene(1.2)
    _, wanted, _ = replayed(write(tmp_path / "scene.wav", sound))
    scale = 1.0 if "f" in dtype else 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
    (tmp_path / "scene.bin").write_bytes((sound.astype(np.float64) * scale).astype(dtype).tobytes())
    status, objects, err = replayed("--raw", f"16000:1:{encoding}", tmp_path / "scene.bin")
    assert (status, err) == (0, "")
    assert without_name(objects) == without_name(wanted)


def test_csv(tmp_path, capfd, replayed):
    path = write(tmp_path / 'a "quoted", name.wav', scene(3.0))
    _, objects, _ = replayed(path)
    assert main(["replay", "--csv", str(path), str(path)]) == 0
    out, err = capfd.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    finished = [event for event in of_kind(objects, "event") if event["state"] == "off"]
    assert out.splitlines()[0] == "file,onset_s,offset_s,tag,peak,mean"
    assert err == ""
    assert [{key: str(event[key]) for key in rows[0]} for event in finished * 2] == rows if finished else rows == []


def test_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = write(tmp_path / "scene.wav", scene(2.5))
    assert main(["replay", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "scene.wav" in out
    assert "2.5 s" in out
    assert err == ""


def test_a_name_with_markup_is_a_name(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = write(tmp_path / "[red]scene[bold].wav", scene(0.5))
    assert main(["replay", str(path)]) == 0
    assert "[red]scene[bold].wav" in capsys.readouterr().out


def test_a_name_that_is_no_text(tmp_path, bowstream):
    import os

    path = os.fsencode(tmp_path) + b"/\xff\xfe.wav"
    with open(path, "wb") as file:  # noqa: PTH123, pathlib has no such name
        soundfile.write(file, scene(0.5), 16_000, "PCM_16", format="WAV")
    for form in ([], ["--json"], ["--csv"]):
        status, out, err = bowstream("replay", *form, os.fsdecode(path))
        assert status == 0, err
        assert out


def test_a_pipe_by_name(tmp_path, replayed):
    """As in `bowstream replay <(sox …)`."""
    import os
    import threading

    wav, pipe = write(tmp_path / "scene.wav", scene(1.2)), tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(wav.read_bytes()), daemon=True)
    writer.start()
    status, objects, err = replayed(pipe)
    assert (status, err) == (0, "")
    assert without_name(objects) == without_name(replayed(wav)[1])


def test_memory_is_constant(tmp_path, bundle):
    """A recording of ten minutes needs no more than one of ten seconds, which is less than 30 MB of arrays."""
    from bowstream.session import Session

    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
            for _ in range(seconds // 10):
                file.write(noise(10.0, rate=8_000))
        tracemalloc.start()
        with AudioFile(path, bundle.front_end) as recording:
            windows = sum(1 for record in Session(recording, bundle) if type(record).__name__ == "Tags")
        assert windows == seconds
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    peak(10)
    short = peak(10)
    assert short < 30e6
    assert peak(120) < 1.1 * short + 1e6


def test_the_same_heard_at_its_own_pace(tmp_path, replayed):
    """--realtime goes through the ring, as a microphone does; only the health of a live source is added."""
    path = write(tmp_path / "scene.wav", scene(1.4, 22_050), 22_050)
    _, wanted, _ = replayed("--hop", 0.5, path)
    status, objects, err = replayed("--hop", 0.5, "--realtime", path)
    assert status == 0
    assert "0.000 s lost in 0 gaps" in err
    for hop in of_kind(objects, "hop"):
        assert hop.pop("health")["lost_s"] == 0.0
    assert of_kind(objects, "hop") == of_kind(wanted, "hop")
    assert of_kind(objects, "event") == of_kind(wanted, "event")
