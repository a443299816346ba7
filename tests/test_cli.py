"""The command line as a whole: help, exit statuses, what is imported, and how it ends."""

import fcntl
import json
import signal
import subprocess
import sys
import termios
import time

import numpy as np
import pytest
import soundfile
from conftest import start
from signals import RATE, noise, scene

import bowstream as package
from bowstream.cli.main import VERBS, build_parser, main


def every_verb():
    """Each verb with its parser."""
    (verbs,) = (action for action in build_parser()._actions if action.dest == "verb")
    return verbs.choices.items()


def test_a_verbs_own_parser_is_that_among_all():
    assert [verb for verb, _ in every_verb()] == list(VERBS)
    for verb, among_all in every_verb():
        (verbs,) = (action for action in build_parser(verb)._actions if action.dest == "verb")
        assert verbs.choices[verb].format_help() == among_all.format_help()


def test_help_lists_each_verb(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    listed = {line.split()[0] for line in out.splitlines() if line.startswith("    ")}
    assert {verb for verb, _ in every_verb()} <= listed


@pytest.mark.parametrize("verb", [verb for verb, _ in every_verb()])
def test_each_verb_and_option_has_help(verb, capsys):
    parser = dict(every_verb())[verb]
    assert all(action.help for action in parser._actions)
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for action in parser._actions:
        for option in action.option_strings:
            assert option in out


def test_without_a_verb_there_is_help_and_status_2(capsys):
    assert main([]) == 2
    assert "listen" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"bowstream {package.__version__}, ")
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in out


def test_version_without_a_runtime(monkeypatch, capsys):
    monkeypatch.setattr("bowstream.model.tflite.RUNTIMES", ())
    assert main(["--version"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("bowstream: no TFLite runtime is installed: ") and err.count("\n") == 1


def imported(code):
    """Return the modules that are there after running code in a fresh interpreter."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"tensorflow", "keras", "librosa", "sklearn", "scipy", "matplotlib", "train"}


def test_the_package_imports_nothing_heavy():
    assert not imported("import bowstream") & (HEAVY | {"sounddevice", "rich", "soundfile", "soxr"})


def test_help_imports_nothing_that_plays_or_draws():
    imports = "import contextlib\nfrom bowstream.cli.main import main\n"
    code = imports + "with contextlib.suppress(SystemExit): main(['--help'])"
    assert not imported(code) & {"numpy", "rich", "sounddevice", "soundfile", "soxr"}


def test_numpy_is_imported_after_its_threads_are_set():
    """One thread, then: a second gains nothing on products this small, and stalls on a busy machine."""
    assert "numpy" not in imported("import bowstream.cli.main")
    lines = [
        "import os",
        "os.environ.pop('OPENBLAS_NUM_THREADS', None)",
        "from bowstream.cli.main import main",
        "main(['check', '--json'])",
        "assert len(os.listdir('/proc/self/task')) == 1",
    ]
    imported("\n".join(lines))


def test_listening_imports_no_decoder_and_no_http():
    """Each costs megabytes: what decodes is for recordings and clips, what posts is for the webhook."""
    assert not imported("import bowstream.cli.live") & (HEAVY | {"soundfile", "http.client", "ssl", "email", "rich"})


def test_replay_imports_nothing_that_captures_or_draws(tmp_path):
    soundfile.write(tmp_path / "noise.wav", noise(0.3, rate=44_100), 44_100)
    heard = f"assert main(['replay', '--json', {str(tmp_path / 'noise.wav')!r}]) == 0"
    code = f"from bowstream.cli.main import main\n{heard}"
    assert not imported(code) & (HEAVY | {"sounddevice", "rich"})


def test_a_reader_that_leaves_is_no_traceback(tmp_path):
    """As in `bowstream replay --json … | head -1`."""
    soundfile.write(tmp_path / "scene.wav", np.tile(scene(5.0), 60), RATE)
    process = start("replay", "--json", "--hop", "0.1", tmp_path / "scene.wav")
    assert json.loads(process.stdout.readline())["type"] == "hop"
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(timeout=60) == 1
    assert err == ""


def test_ctrl_c_ends_a_replay_with_what_it_has(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(8_000 * 3600, np.int16), 8_000)
    process = start("replay", "--json", tmp_path / "long.wav")
    assert json.loads(process.stdout.readline())["type"] == "hop"
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()  # communicate() would pass over what readline() has buffered
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) in (0, 130)
    for line in out.decode().splitlines():
        json.loads(line)


@pytest.mark.parametrize("options", [(), ("--jobs", "2")], ids=" ".join)
def test_ctrl_c_cuts_no_line_of_a_reader_that_is_slow(options, tmp_path):
    """The pipe has room for a part of a line: what is left of it comes when somebody reads again."""
    for name in ("one.wav", "two.wav"):
        soundfile.write(tmp_path / name, np.zeros(8_000 * 60, np.int16), 8_000)
    process = start("replay", "--json", "--hop", "0.1", *options, tmp_path)
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    held = [0]
    while held[-1] == 0 or held[-1] != held[0]:
        time.sleep(0.1)
        held = [*held[-5:], int.from_bytes(fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)]
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    out = process.stdout.read()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert out.endswith(b"\n")
    ends_s = [json.loads(line)["end_s"] for line in out.decode().splitlines() if '"type": "hop"' in line]
    assert ends_s == sorted(set(ends_s))
