"""Tab: what argcomplete answers the shell, asked as the shell asks."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from argcomplete import CompletionFinder

from bowstream import load_bundle
from bowstream.audio.devices import Device
from bowstream.cli import completion
from bowstream.cli.main import build_parser
from bowstream.errors import DeviceError


class Answered(Exception):
    """Argcomplete is done, and would end the process."""


@pytest.fixture
def tab(monkeypatch):
    """Press Tab at the end of a line; return what is offered."""

    def end(status):
        raise Answered(status)

    def no_descriptor(*_):
        raise OSError

    def press(line):
        for name, value in {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("_ARGCOMPLETE_IFS", "\n")
        answer = io.StringIO()
        # A finder of this test's: argcomplete's has one state for all parsers.
        monkeypatch.setattr("argcomplete.autocomplete", CompletionFinder())
        with monkeypatch.context() as patch, pytest.raises(Answered):
            patch.setattr("os.fdopen", no_descriptor)  # it would take, and close, this process's ninth
            completion.complete(build_parser(), exit_method=end, output_stream=answer)
        return [word.strip() for word in answer.getvalue().split("\n") if word]

    return press


def test_verbs(tab):
    assert {"listen", "replay", "check", "install-service"} <= set(tab("bowstream "))
    assert tab("bowstream repl") == ["replay"]


def test_options(tab):
    assert {"--json", "--demo", "--device", "--no-reconnect"} <= set(tab("bowstream listen --"))
    assert tab("bowstream listen --dev") == ["--device"]
    assert "--device" not in tab("bowstream replay --")


def test_devices(tab, monkeypatch):
    usb = Device(1, "USB microphone", "ALSA", 1, 48_000, True, ("usb-port:1-1.2", "card:Device"))
    monkeypatch.setattr("bowstream.audio.devices.list_devices", lambda: [usb])
    assert tab("bowstream listen --device usb") == ["usb-port:1-1.2"]
    assert len(tab("bowstream listen --device ")) == 3


def test_no_device_is_said_beside_the_line(tab, monkeypatch):
    def none():
        raise DeviceError("PortAudio is missing")

    said = []
    monkeypatch.setattr("bowstream.audio.devices.list_devices", none)
    monkeypatch.setattr("argcomplete.io.warn", said.append)
    assert tab("bowstream listen --device ") == []
    assert said == ["PortAudio is missing"]


def test_bundles_and_folders(tab, tmp_path, monkeypatch, bundle_path):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    offered = tab("bowstream check ")
    assert str(bundle_path) in offered and "mine/" in offered


def test_tags_and_groups(tab):
    assert tab("bowstream history --tag gu") == ["gunshot", "guitar"]
    assert completion.tags() == [tag.name for tag in load_bundle().tags]
    assert "crying baby" in "".join(tab("bowstream export --to csv --tag crying")).replace("\\", "")
    assert tab("bowstream forget --corrections sna") == ["snare\\ drum"]
    assert tab("bowstream history --group ani") == ["animals"]


def test_files_of_the_kind(tab, tmp_path, monkeypatch):
    for name in ("a.toml", "a.wav", "a.tflite"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert tab("bowstream listen --config ") == ["a.toml"]
    assert tab("bowstream bench --against ") == ["a.tflite"]
    assert "a.wav" in tab("bowstream replay ")


def test_the_program_itself_answers_and_runs_nothing(tmp_path):
    answer = tmp_path / "answer"
    line = "bowstream li"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    environment = os.environ | asked | {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    command = [sys.executable, "-m", "bowstream"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert answer.read_text().strip() == "listen"


def test_without_argcomplete_it_says_how_to_get_it(monkeypatch, capsys):
    from bowstream.cli.main import main

    monkeypatch.setitem(sys.modules, "argcomplete", None)
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert main(["listen"]) == 2
    assert capsys.readouterr() == (
        "",
        "bowstream: Tab completion needs argcomplete: pip install 'bowstream[completion]'\n",
    )


def test_global_completion_finds_the_mark():
    """Argcomplete's global completion looks for it in the first 1024 bytes of the entry point's module."""
    import bowstream.__main__ as entry

    assert "PYTHON_ARGCOMPLETE_OK" in Path(entry.__file__).read_text()[:1024]
