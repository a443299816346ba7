"""Folders: each file with sound in it is heard, or named with what would hear it; each file once; pipes and names."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import recordings
import soundfile
import warm
from recordings import encoded, sound
from signals import noise, scene
from test_replay import of_kind, without_name, write

from bowstream.audio import links
from bowstream.cli import folders

M4A = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(300)
COMPANION = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(80)


@pytest.fixture
def without_ffmpeg(monkeypatch):
    for module in (folders, links):
        monkeypatch.setattr(module, "is_there", lambda: False)


def files_of(objects):
    return [Path(each["file"]).name for each in of_kind(objects, "file")]


def test_what_a_folder_passes_over_is_named(tmp_path, without_ffmpeg, replayed):
    write(tmp_path / "a.wav", noise(0.3))
    (tmp_path / "b.m4a").write_bytes(M4A)
    (tmp_path / "c.webm").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(50))
    (tmp_path / "d.wma").write_bytes(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(50))
    (tmp_path / "e.pcm").write_bytes(bytes(100))
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x20ftypheic" + bytes(300))
    (tmp_path / "notes.txt").write_text("no sound")
    status, objects, err = replayed(tmp_path)
    assert status == 0 and files_of(objects) == ["a.wav"]
    install = "pip install 'bowstream[streams]' to hear it"
    assert err.splitlines() == [
        f"bowstream: passed over: {tmp_path}/b.m4a: MP4 or M4A: {install}",
        f"bowstream: passed over: {tmp_path}/c.webm: Matroska or WebM: {install}",
        f"bowstream: passed over: {tmp_path}/d.wma: WMA or another ASF: {install}",
        f"bowstream: passed over: {tmp_path}/e.pcm: it has no header: give its format with --raw",
        "bowstream: recordings heard: 1, files passed over: 4",
    ]


def test_what_exists_is_not_said_not_to(tmp_path, without_ffmpeg, replayed):
    """By its content, whatever its name is."""
    for name in ("phone.m4a", "phone.mp3", "phone"):
        (tmp_path / name).write_bytes(M4A)
        status, _, err = replayed(tmp_path / name)
        reason = "it is MP4 or M4A: pip install 'bowstream[streams]' to hear it"
        assert (status, err) == (1, f"bowstream: {tmp_path / name}: {reason}\n")


@pytest.mark.parametrize("with_ffmpeg", [True, False])
def test_a_recording_is_known_by_how_it_begins(with_ffmpeg, tmp_path, monkeypatch, replayed):
    if not with_ffmpeg:
        for module in (folders, links):
            monkeypatch.setattr(module, "is_there", lambda: False)
    for name, make in (("REC1", recordings.mp3), ("REC2.dat", recordings.flac), ("REC3.tmp", recordings.ogg)):
        (tmp_path / name).write_bytes(make(sound()))
    (tmp_path / "picture.webp").write_bytes(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100))
    status, objects, err = replayed(tmp_path)
    assert (status, files_of(objects)) == (0, ["REC1", "REC2.dat", "REC3.tmp"])
    assert err == "bowstream: recordings heard: 3, files passed over: 0\n"


def test_what_systems_put_beside_recordings_is_passed_over(tmp_path, replayed):
    write(tmp_path / "a.wav", noise(0.3))
    for folder in ("__MACOSX", "@eaDir", "deep"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "._a.wav").write_bytes(COMPANION)
    write(tmp_path / "@eaDir" / "a.wav", noise(0.3))
    status, objects, err = replayed(tmp_path)
    assert (status, files_of(objects)) == (0, ["a.wav"])
    assert err == "bowstream: recordings heard: 1, files passed over: 0\n"
    status, objects, err = replayed(tmp_path / "deep" / "._a.wav", tmp_path / "a.wav")
    assert status == 0 and files_of(objects) == ["a.wav"]
    assert "macOS's companion of another file" in err.splitlines()[0]


def test_what_is_named_as_a_companion_and_is_no_sound_is_passed_over(tmp_path, replayed):
    write(tmp_path / "a.wav", noise(0.3))
    (tmp_path / "._a.wav").write_bytes(b"Finder information" + bytes(100))
    status, objects, err = replayed(tmp_path)
    assert (status, files_of(objects)) == (0, ["a.wav"])
    assert err == "bowstream: recordings heard: 1, files passed over: 0\n"


@pytest.mark.parametrize("suffix", [".raw", ".sd2", ".ul"])
def test_what_has_no_header_is_named(suffix, tmp_path, replayed):
    write(tmp_path / "a.wav", noise(0.3))
    (tmp_path / f"b{suffix}").write_bytes(bytes(100))
    status, _, err = replayed(tmp_path)
    assert status == 0 and f"b{suffix}: it has no header: give its format with --raw" in err


def test_a_recording_may_begin_its_name_as_a_companion_does(tmp_path, replayed):
    write(tmp_path / "._a.wav", noise(0.3))
    assert files_of(replayed(tmp_path)[1]) == ["._a.wav"]


def test_a_file_given_twice_is_heard_once(tmp_path, replayed):
    path = write(tmp_path / "a.wav", noise(0.3))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "link.wav").symlink_to(path)
    status, objects, err = replayed(path, path, tmp_path / "deep" / ".." / "a.wav", tmp_path)
    assert status == 0 and files_of(objects) == ["a.wav"]
    assert f"passed over: {tmp_path}/deep/link.wav: the same file as {path}" in err


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path, monkeypatch, replayed):
    write(tmp_path / "a.wav", noise(0.3))
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, objects, err = replayed(tmp_path)
    assert status == 0 and files_of(objects) == ["a.wav"]
    assert f"passed over: {tmp_path}/secret: cannot be read: Permission denied" in err


@pytest.mark.parametrize("name", ["junk.au", "junk.snd", "junk.vox", "junk.gsm", "junk.raw", "junk.htk", "junk.mp3"])
@pytest.mark.parametrize("content", ["text", "noise"])
def test_headerless_formats_are_not_guessed(content, name, tmp_path, replayed):
    text = b"Dear diary, today I recorded a dog. " * 300
    (tmp_path / name).write_bytes(text if content == "text" else np.random.default_rng(3).bytes(10_000))
    status, objects, err = replayed(tmp_path / name)
    assert status == 1 and files_of(objects) == [name] and len(err.splitlines()) == 1
    assert not of_kind(objects, "hop")


@pytest.mark.parametrize("make", [recordings.flac, recordings.mp3, recordings.ogg, recordings.opus, encoded])
def test_a_pipe_gives_what_the_file_gives(make, tmp_path, replayed, bowstream):
    content = make(sound(2.2))
    (tmp_path / "file").write_bytes(content)
    _, wanted, _ = replayed(tmp_path / "file")
    status, out, err = bowstream("replay", "--json", "-", input=content)
    assert (status, err) == (0, "")
    assert without_name(map(json.loads, out.splitlines())) == without_name(wanted)


@pytest.mark.parametrize("make", [recordings.flac, recordings.mp3, recordings.ogg, encoded])
def test_joined_files_come_through_a_pipe(make, bowstream):
    content = make(sound(1.5)) + make(sound(1.4, seed=1))
    status, out, err = bowstream("replay", "--json", "-", input=content)
    assert (status, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["windows"] == 3


@pytest.mark.parametrize("kind", ["CAF", "VOC"])
def test_what_no_pipe_can_carry_is_said_at_once(kind, bowstream):
    status, _, err = bowstream("replay", "--json", "-", input=encoded(sound(), kind=kind))
    if kind == "CAF":
        assert (status, err) == (0, "")
    else:
        assert status == 1 and "from a pipe: save it to a file first" in err


def test_an_empty_pipe_is_said_to_be_empty(bowstream):
    status, out, err = bowstream("replay", "-", input=b"")
    assert (status, out, err) == (1, "", "bowstream: standard input: there is nothing in it (0 bytes)\n")


@pytest.mark.parametrize("encoding", ["GSM610", "VOX_ADPCM"])
def test_what_would_never_end_is_refused(encoding, tmp_path, bowstream):
    """In a pipe; in a file it is heard."""
    content = np.random.default_rng(0).bytes(7_598)
    status, _, err = bowstream("replay", "--json", "--raw", f"8000:1:{encoding}", "-", input=content)
    reason = f"{encoding} cannot be read from a pipe: save it to a file first"
    assert (status, err) == (1, f"bowstream: standard input: {reason}\n")
    (tmp_path / "sound").write_bytes(content)
    assert bowstream("replay", "--raw", f"8000:1:{encoding}", tmp_path / "sound")[0] == 0


def test_standard_input_that_is_a_file(tmp_path, replayed, bowstream):
    path = write(tmp_path / "scene.wav", scene(1.3))
    with path.open("rb") as file:
        process = warm.run([sys.executable, "-m", "bowstream", "replay", "--json", "-"], stdin=file)
    assert without_name(map(json.loads, process.stdout.splitlines())) == without_name(replayed(path)[1])


def test_a_rate_that_nothing_records_in_is_refused(tmp_path, replayed):
    path = write(tmp_path / "slow.wav", noise(0.2), 1)
    status, _, err = replayed(path)
    assert status == 1
    assert err == (f"bowstream: {path}: its header is wrong: the sample rate must be 1,000 to 768,000 Hz (got 1 Hz)\n")


@pytest.mark.parametrize("value", [3e38, -1e6, 1001.0])
def test_absurd_values_are_not_scored(value, tmp_path, replayed):
    samples = sound(3.0).astype(np.float64)
    samples[40_000] = value
    path = tmp_path / "absurd.wav"
    soundfile.write(path, samples, 16_000, "FLOAT")
    status, objects, err = replayed(path)
    assert status == 1 and "samples must be in -1 … 1" in err and "damaged at 2.5 s" in err
    assert of_kind(objects, "file")[0]["windows"] == 3


def test_decoders_complaints_do_not_reach_standard_error(tmp_path, bowstream):
    content = bytearray(recordings.mp3(sound(4.0)))
    for at in range(len(content) // 3, len(content) * 2 // 3, 97):
        content[at] ^= 0xFF
    (tmp_path / "damaged.mp3").write_bytes(content)
    _, _, err = bowstream("replay", tmp_path / "damaged.mp3")
    assert all(line.startswith("bowstream: ") for line in err.splitlines()), err
