"""`bowstream replay` over pipes and headerless streams, at a recording's own pace, and in constant memory."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import start
from signals import noise, scene, stereo
from test_replay import of_kind, without_name, write


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


def test_a_pipe_is_heard_as_it_comes():
    process = start("replay", "--json", "--raw", "16000", "-", stdin=subprocess.PIPE)
    process.stdin.write(np.rint(scene(2.0) * 32767).astype("<i2").tobytes())
    process.stdin.flush()
    hops = (each for each in map(json.loads, process.stdout) if each["type"] == "hop")
    assert [next(hops)["end_s"] for _ in range(2)] == [1.0, 2.0]
    process.stdin.close()
    assert list(hops) == [] and process.wait(60) == 0


PEAKS = """
import sys
import tracemalloc

import bowstream
from bowstream.audio.file import AudioFile
from bowstream.scores import Scores
from bowstream.session import Session

for path in sys.argv[1:]:
    tagger = bowstream.Tagger.load()
    tracemalloc.start()
    with AudioFile(path, tagger.front_end.format) as recording:
        windows = sum(isinstance(record, Scores) for record in Session(recording, tagger))
    print(windows, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


def test_memory_is_constant(tmp_path):
    """A recording of two minutes needs no more than one of ten seconds, which is less than 30 MB of arrays.

    In a process of its own: here, threads of earlier tests may still allocate.
    """
    ten = write(tmp_path / "ten.wav", noise(10.0, rate=8_000), 8_000)
    long = write(tmp_path / "long.wav", np.tile(noise(10.0, rate=8_000), 12), 8_000)
    said = subprocess.run([sys.executable, "-c", PEAKS, ten, ten, long], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    first, short, peak = (tuple(map(int, line.split())) for line in said.stdout.splitlines())
    assert (first[0], short[0], peak[0]) == (10, 10, 120)
    assert short[1] < 30e6
    assert peak[1] < 1.1 * short[1] + 1e6


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
