"""Bad recordings by the dozen: one line that names the file, the rest still done, exit status 1, never a traceback."""

import json
import os
import re
import struct
import subprocess

import numpy as np
import pytest
import soundfile
from signals import RATE, noise, scene

from bowstream.cli.main import main
from bowstream.output.report import CSV_FIELDS


def wav(path, samples, subtype="PCM_16", rate=16_000):
    soundfile.write(path, samples, rate, subtype)


def cut(path, suffix, share, **options):
    """A recording of which only the first part is there."""
    whole = path.with_name(f"whole.{suffix}")
    soundfile.write(whole, noise(4.0), 16_000, **options)
    content = whole.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    whole.unlink()


def spoiled(value):
    def make(path):
        samples = noise(3.0)
        samples[40_000] = value
        wav(path, samples, "FLOAT")

    return make


def raw_header(channels=1, rate=16_000, bits=16, form=1, data=32_000):
    frame = channels * bits // 8
    return (
        struct.pack("<4sI4s4sI", b"RIFF", data + 36, b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", form, channels, rate, rate * frame, frame, bits)
        + struct.pack("<4sI", b"data", data)
    )


BAD = {
    "missing.wav": (lambda path: None, "no such file"),
    "empty.wav": (lambda path: path.write_bytes(b""), "the file is empty"),
    "empty.flac": (lambda path: path.write_bytes(b""), "the file is empty"),
    "no samples.wav": (lambda path: wav(path, np.empty(0, np.float32)), "0 samples"),
    "no samples.ogg": (lambda path: soundfile.write(path, np.empty(0), 16_000), "no recording|0 samples"),
    "text.wav": (lambda path: path.write_text("Dear diary, today I recorded a dog."), "no recording"),
    "text.mp3": (
        lambda path: path.write_text("Dear diary, today I recorded a dog. " * 500),
        "no recording|0 samples|decoded",
    ),
    "junk.wav": (lambda path: path.write_bytes(os.urandom(5000)), "no recording"),
    "junk.flac": (lambda path: path.write_bytes(b"fLaC" + os.urandom(5000)), "no recording|decoded|0 samples"),
    "junk.ogg": (lambda path: path.write_bytes(b"OggS" + os.urandom(5000)), "no recording|it is Ogg, without"),
    "zeros.wav": (lambda path: path.write_bytes(b"\0" * 4096), "no recording"),
    "a picture.wav": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 500), "no recording"),
    "a page.ogg": (lambda path: path.write_text("<!DOCTYPE html><html>404</html>"), "no recording"),
    "only a header.wav": (lambda path: path.write_bytes(raw_header()[:36]), "no recording|0 samples|truncated"),
    "half a header.wav": (lambda path: path.write_bytes(raw_header()[:20]), "no recording"),
    "a header without sound.wav": (lambda path: path.write_bytes(raw_header()), "0 samples|truncated"),
    "no channels.wav": (lambda path: path.write_bytes(raw_header(channels=0) + b"\0" * 32_000), "no recording"),
    "no rate.wav": (lambda path: path.write_bytes(raw_header(rate=0) + b"\0" * 32_000), "no recording"),
    "strange encoding.wav": (lambda path: path.write_bytes(raw_header(form=0x1234) + b"\0" * 32_000), "no recording"),
    "cut.wav": (lambda path: cut(path, "wav", 0.5), "truncated"),
    "cut early.wav": (lambda path: cut(path, "wav", 0.02), "truncated"),
    "cut late.wav": (lambda path: cut(path, "wav", 0.99), "truncated"),
    "cut.aiff": (lambda path: cut(path, "aiff", 0.5), "truncated"),
    "cut.au": (lambda path: cut(path, "au", 0.5), "truncated"),
    "cut.w64": (lambda path: cut(path, "w64", 0.5), "truncated"),
    "cut.rf64": (lambda path: cut(path, "rf64", 0.5, format="RF64"), "truncated"),
    "cut.caf": (lambda path: cut(path, "caf", 0.5), "no recording|truncated"),
    "cut.opus": (lambda path: cut(path, "opus", 0.5, format="OGG", subtype="OPUS"), "truncated"),
    "cut.flac": (lambda path: cut(path, "flac", 0.5), "truncated|decoded"),
    "cut early.flac": (lambda path: cut(path, "flac", 0.02), "truncated|decoded|no recording|0 samples"),
    "cut.mp3": (lambda path: cut(path, "mp3", 0.5), "truncated|decoded"),
    "cut.ogg": (lambda path: cut(path, "ogg", 0.5), "truncated|decoded"),
    "cut header.ogg": (lambda path: cut(path, "ogg", 0.005), "no recording"),
    "nan.wav": (spoiled(np.nan), "got NaN or infinity"),
    "infinite.wav": (spoiled(np.inf), "got NaN or infinity"),
    "minus infinite.wav": (spoiled(-np.inf), "got NaN or infinity"),
    "nothing but nan.wav": (lambda path: wav(path, np.full(100, np.nan), "DOUBLE"), "got NaN or infinity"),
    "format unknown.raw": (lambda path: path.write_bytes(b"\0" * 1000), "give it with --raw"),
    "empty folder": (lambda path: path.mkdir(), "no recording in this folder"),
    "folder.wav": (lambda path: path.mkdir(), "no recording in this folder"),
    "dangling.wav": (lambda path: path.symlink_to("nowhere.wav"), "no such file"),
    "loop.wav": (lambda path: path.symlink_to("loop.wav"), "cannot be read: Too many levels of symbolic links"),
    "beneath.wav/a file": (lambda path: path.parent.write_bytes(b"x"), "cannot be read: Not a directory"),
    "n" * 300 + ".wav": (lambda path: None, "cannot be read: File name too long"),
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    for name, (make, _) in BAD.items():
        make(folder / name)
    return folder


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.wav"
    wav(path, scene(1.2))
    return path


@pytest.mark.parametrize("name", BAD)
def test_one_line_names_it_and_the_rest_is_done(name, bad, good, replayed):
    path = bad / name
    status, objects, err = replayed(path, good)
    complaint, count, *ends = err.splitlines()
    assert status == 1
    assert ends == (["bowstream: recordings heard: 1, files passed over: 0"] if os.path.isdir(path) else [])  # noqa: PTH112
    assert complaint.startswith(f"bowstream: {path}: ")
    assert re.search(BAD[name][1], complaint.removeprefix(f"bowstream: {path}: ")), complaint
    assert count == "bowstream: 1 of 2 recordings could not be heard whole"
    failed, heard = (each for each in objects if each["type"] == "file")
    assert f"bowstream: {failed['error']}" == complaint
    assert ("scores" in failed) == any(each["type"] == "hop" and each["file"] == str(path) for each in objects)
    assert heard["file"] == str(good) and heard["scores"]


def test_all_at_once(bad, good, replayed):
    status, objects, err = replayed(*(bad / name for name in BAD), good)
    assert status == 1
    *complaints, count, _ = err.splitlines()
    assert len(complaints) == len(BAD) and count.startswith(f"bowstream: {len(BAD)} of {len(BAD) + 1}")
    whole = [each for each in objects if each["type"] == "file" and "error" not in each]
    assert [each["file"] for each in whole] == [str(good)] and whole[0]["scores"]
    assert sum("error" in each for each in objects) == len(BAD)


@pytest.mark.parametrize("form", [[], ["--csv"], ["--realtime", "--json"]], ids=str)
def test_in_every_form(form, bad, capsys):
    for name in ("missing.wav", "empty.wav", "text.wav", "nothing but nan.wav", "no samples.wav"):
        assert main(["replay", *form, str(bad / name)]) == 1
        out, err = capsys.readouterr()
        assert out in ("", ",".join(CSV_FIELDS) + "\n")
        (line,) = err.splitlines()
        assert line.startswith(f"bowstream: {bad / name}: ")


def test_a_truncated_recording_says_how_much_is_there(bad, capsys):
    main(["replay", str(bad / "cut.wav")])
    assert "of 128000 bytes are there" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_a_file_that_may_not_be_read(tmp_path, capsys):
    """In a child that gives up its rights, since nothing is forbidden to root."""
    secret = tmp_path / "secret.wav"
    wav(secret, noise(0.5))
    secret.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and "pytest" in folder.name:
            folder.chmod(0o755)
    child = os.fork()
    if not child:
        os.seteuid(65534)
        from bowstream.audio.file import unreadable

        os._exit(42 if unreadable(str(secret)) == "cannot be read: Permission denied" else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


STANDARD_INPUT = {
    "nothing": (b"", []),
    "text": (b"Dear diary, today I recorded a dog.", []),
    "a header without sound": (raw_header(), []),
    "half a header": (raw_header()[:20], []),
    "nothing raw": (b"", ["--raw", "16000"]),
    "no such rate": (b"\0" * 100, ["--raw", "1:1:PCM_16"]),
    "not finite": (np.full(100, np.nan, "<f4").tobytes(), ["--raw", "16000:1:FLOAT"]),
}


@pytest.mark.parametrize("name", [name for name in STANDARD_INPUT if name != "no such rate"])
def test_bad_standard_input(name, bowstream):
    content, options = STANDARD_INPUT[name]
    status, out, err = bowstream("replay", "--json", *options, "-", input=content)
    (line,) = err.splitlines()
    assert line.startswith("bowstream: standard input: ")
    assert status == 1
    assert f"bowstream: {json.loads(out)['error']}" == line


@pytest.mark.parametrize("raw", ["16000", "48000:2:PCM_24", "8000:1:FLOAT", "8000:3:ULAW"])
@pytest.mark.parametrize(("kind", "named"), [("WAV", "WAV"), ("FLAC", "FLAC"), ("OGG", "Ogg"), ("RF64", "WAV")])
def test_a_file_with_a_header_that_was_said_to_have_none(kind, named, raw, tmp_path, replayed):
    path = tmp_path / "scene.bin"
    soundfile.write(path, scene(1.0), RATE, format=kind)
    status, _, err = replayed("--raw", raw, path)
    reason = f"it is not headerless, it begins like {named}: leave --raw out"
    assert (status, err) == (1, f"bowstream: {path}: {reason}\n")


def test_a_closed_standard_input(bowstream):
    status, out, err = bowstream("replay", "--json", "-", popen=subprocess.Popen, preexec_fn=lambda: os.close(0))
    assert status == 1
    assert err.startswith("bowstream: standard input: ")
    assert "error" in json.loads(out)


@pytest.mark.parametrize(
    "raw",
    [
        *[
            "",
            "loud",
            "0",
            "-1",
            "16000:0",
            "16000:1:TAPE",
            "16000:1:PCM_16:LITTLE",
            "16000:one",
            "1e3",
            "16000:",
            "::",
        ],
        *[
            "1",
            "999",
            "768001",
            "4294967295",
            "16000:65",
            "16000:4294967295",
            "1_000",
            "+8000",
            "１６０００",
            "9" * 5000,
        ],
    ],
)
def test_a_raw_format_that_is_none(raw, good, capsys):
    assert main(["replay", f"--raw={raw}", str(good)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bowstream: --raw must be RATE[:CHANNELS[:ENCODING]]")


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "--hop", "soon", "x.wav"],
        ["replay", "--jobs", "0", "x.wav"],
        ["replay", "--json", "--csv", "x.wav"],
        ["replay", "--colour", "x.wav"],
        ["replay", "--real", "x.wav"],
        ["install-service", "--print", "--", "--conf", "x.toml"],
        ["listen", "--sample-rate", "fast"],
        ["listen", "here"],
        ["sing"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_one_line_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    out, err = capsys.readouterr()
    assert end.value.code == 2
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("bowstream")
    assert "--help" in line


@pytest.mark.parametrize(
    ("option", "value", "must"),
    [
        ("--hop", "0", "be 0.1 … 1 (got 0)"),
        ("--hop", "0.15", "be one of 0.1, 0.2, … 1.0 (got 0.15)"),
        ("--hop", "1.1", "be 0.1 … 1 (got 1.1)"),
        ("--hop", "nan", "be a finite number (got nan)"),
        ("--hold", "-1", "be 0 … 3600 (got -1)"),
        ("--hold", "inf", "be a finite number (got inf)"),
    ],
)
def test_a_value_out_of_range_names_the_flag(option, value, must, capsys):
    assert main(["replay", option, value, "x.wav"]) == 2
    assert capsys.readouterr() == ("", f"bowstream: {option} must {must}\n")
