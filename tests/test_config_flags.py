"""Where the configuration is looked for, and the flags that override it."""

from dataclasses import fields
from pathlib import Path

import pytest

from bowstream.cli.main import build_parser, main
from bowstream.cli.parser import ConfigOptions
from bowstream.cli.setup import load
from bowstream.config.file import default_files
from bowstream.config.settings import Settings


@pytest.fixture(autouse=True)
def no_file_of_our_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


def arguments(*words):
    return ConfigOptions.of(build_parser().parse_args(words))


def test_flags_override_the_file(written, capsys):
    path = str(written("hop_s = 0.5\nhold_s = 3\ndevice = 'x'\nsample_rate = 8000\nbundle = 'b'\n"))
    flags = ["--hop", "0.2", "--hold", "0", "--device", "y", "--sample-rate", "44100", "--bundle", "c", "--reconnect"]
    settings = load(arguments("listen", "--config", path, *flags)).settings
    overridden = Settings(hop_s=0.2, hold_s=0.0, device="y", sample_rate=44_100, bundle=Path("c"), reconnect=True)
    assert settings == overridden
    assert load(arguments("listen", "--config", path)).settings.hop_s == 0.5
    assert capsys.readouterr().err == f"bowstream: configured by {path}\n" * 2


def test_a_flag_switches_off_what_the_file_switches_on(written):
    path = str(written("reconnect = true"))
    assert load(arguments("listen", "--config", path)).settings.reconnect
    assert not load(arguments("listen", "--config", path, "--no-reconnect")).settings.reconnect


@pytest.mark.parametrize("verb", ["listen", "replay", "doctor"])
def test_a_flag_is_its_settings_name_without_the_unit(verb):
    (verbs,) = (action for action in build_parser()._actions if action.dest == "verb")
    names = {field.name for field in fields(Settings)}
    flags = {action.dest: action.option_strings[0] for action in verbs.choices[verb]._actions if action.dest in names}
    assert flags == {name: f"--{name.removesuffix('_s').removesuffix('_hz').replace('_', '-')}" for name in flags} != {}


def test_default_places(monkeypatch, tmp_path, capsys):
    """The user's own before the system's; without either, nothing is said."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert list(default_files()) == [tmp_path / "bowstream/bowstream.toml", Path("/etc/bowstream/bowstream.toml")]
    monkeypatch.setattr("bowstream.config.file.SYSTEM_FILE", tmp_path / "etc.toml")
    assert load(arguments("listen")).settings == Settings()
    assert capsys.readouterr().err == ""
    (tmp_path / "etc.toml").write_text("hop_s = 0.2")
    assert load(arguments("listen")).settings.hop_s == 0.2
    (tmp_path / "bowstream").mkdir()
    (tmp_path / "bowstream/bowstream.toml").write_text("hop_s = 0.4")
    assert load(arguments("listen")).settings.hop_s == 0.4
    assert "configured by" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--device", "--hop", "--config"])
def test_a_flag_that_is_given_twice_is_refused(flag, capsys):
    """The second would replace the first without a word: one listener hears one microphone."""
    with pytest.raises(SystemExit) as end:
        main(["listen", flag, "1", flag, "0.5"])
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"bowstream listen: argument {flag}: can be given once; see 'bowstream listen --help'\n"
    )


def test_two_devices_are_refused_for_the_service(capsys):
    with pytest.raises(SystemExit):
        main(["install-service", "--print", "--", "--device", "1", "--device=2"])
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("bowstream listen: argument --device: can be given once")
