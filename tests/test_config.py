"""The configuration file: errors that name the line, and a printed form that reads back."""

from dataclasses import fields
from pathlib import Path

import pytest

from bowstream.cli.main import main
from bowstream.cli.setup import personalise
from bowstream.config.file import Config, read
from bowstream.config.sample import as_toml
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import SETTINGS
from bowstream.errors import UsageError
from bowstream.events import HOLD_S
from bowstream.health.warnings import SILENCE_S


@pytest.fixture(autouse=True)
def no_file_of_our_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("hop = 0.5", 1, "there is no setting 'hop'; did you mean 'hop_s'?"),
        ("\n# words\nhop_s = 0.25", 3, "hop_s wants 0.1, 0.2, … 1.0, found 0.25"),
        ("hop_s = '1'", 1, "hop_s wants a number, found '1'"),
        ("hop_s = true", 1, "hop_s wants a number, found true"),
        ("hold_s = 1e9", 1, "hold_s wants 0 … 3600, found 1000000000"),
        ("hold_s = nan", 1, "hold_s wants a number, found nan"),
        ("device = 3", 1, "device wants a string, found 3"),
        ("confirm_hops = 1.5", 1, "confirm_hops wants a whole number, found 1.5"),
        ("confirm_hops = 0", 1, "confirm_hops wants 1 … 100, found 0"),
        (f"hop_s = 1{400 * '0'}", 1, "hop_s wants a number, found 10000"),
        (f"confirm_hops = 1{400 * '0'}", 1, "confirm_hops wants 1 … 100, found 10000"),
        (f"confirm_hops = 1{5000 * '0'}", 1, "this is no TOML: "),
        ("reconnect = 1", 1, "reconnect wants true or false, found 1"),
        ("on = 0.2\noff = 0.5", 2, "off wants at most on, which is 0.2, found 0.5"),
        ("x = [1,\n2\n", 2, "this is no TOML: "),
        ('device = "x\n', 1, "this is no TOML: "),
        ("hop_s = 1.0\nhop_s = 0.5", 2, "this is no TOML: "),
        ("tags = 3", 1, "tags wants tables [tags.NAME]"),
        ("[tags]\ndog = 3", 2, "[tags.dog] wants a table, found 3"),
        ("[[sinks.jsonl]]", 1, "[sinks.jsonl] wants a table, found a list"),
        ("[tags.dog]\non = 0.2\noff = 0.5", 3, "off wants at most on, which is 0.2, found 0.5"),
        ("[tags.dog]\nalias = ' '", 2, "alias wants a name, found none"),
        ("[tags.dog]\n\nmute = true", 3, "[tags.dog] has no setting 'mute'; did you mean 'muted'?"),
        ("[tags]\ndog.on = 2", 2, "on wants 0 … 1, found 2"),
        ('[tags]\n\n"dog" = { alias = "Rex",  on = "x" }', 3, "on wants a number, found 'x'"),
        ("[tags.'dog']\nalias = 'Rex'\non = [\n1,\n2,\n]", 3, "on wants a number, found a list"),
        ('device = """\n[tags.dog]\non = 1\n"""\n[tags.dog]\non = "x"', 6, "on wants a number"),
        ("[sinks.jsnl]", 1, "there is no sink 'jsnl'; did you mean 'jsonl'?"),
        ("hop_s = 0.5\n[sinks.command]\nstates = ['on']", 2, "[sinks.command] wants argv: "),
        ("[sinks.command]\nargv = 'ls'", 2, "argv wants a list of strings, found 'ls'"),
        ("[sinks.jsonl]\npath = 'x'\nkeep = -1", 3, "keep wants 0 … 1000, found -1"),
        ("device = ' '", 1, "device wants an identity, a part of a name or a number, found none"),
        ("[sinks.webhook]\ntimeout_s = 3\nurl = 'x'", 3, "url wants an address"),
        ("[sinks.webhook]\nurl = 'http://'", 2, "url wants a host"),
        ("[sinks.webhook]\nurl = 'http://[::1'", 2, "url wants a host"),
        ("[sinks.webhook]\nurl = 'http://a b/'", 2, "url wants a host"),
        ("[sinks.webhook]\nurl = 'http://a:x/'", 2, "url wants a host"),
        ('[sinks.webhook]\nurl = "http://a"\nauthorization = "x\\n"', 3, "authorization wants one line of text"),
    ],
)
def test_errors_are_one_line_that_names_the_line(text, line, message, written, capsys):
    path = written(text)
    assert main(["config", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    said = err.splitlines()
    assert said[-1].startswith(f"bowstream: {path}:{line}: {message}")
    assert said[:-1] in ([], [f"bowstream: configured by {path}"])


WRONG = """\
devise = "x"
hop_s = 0.25
hold_s = -1
on = 0.5
off = 0.7
[tags.dgo]
[tags.cat]
alias = "rooster"
off = 2
[sinks.jsonl]
rotate_mb = 0
keep = 5000
[sinks.command]
[sinks.webhook]
url = 3
[sinks.clips]
only = ["dgo"]
[sinks.mqqt]
"""


@pytest.mark.parametrize("verb", [["config"], ["listen", "--demo", "--config"], ["replay", "x.wav", "--config"]])
def test_all_errors_are_told_at_once(verb, written, capsys):
    path = written(WRONG)
    assert main([*verb, str(path)]) == 2
    lines = [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()[1:]]
    assert lines == [f"{path}:{line}" for line in (1, 2, 3, 5, 6, 8, 9, 11, 12, 13, 15, 17, 18)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[tags.dgo]\nmuted = true", 1, "the bundle has no tag 'dgo'; did you mean 'dog'?"),
        ("[tags.cow]\non = 0.5\n\n[tags.dog]\nalias = 'cat'", 5, "alias 'cat' is the name of another tag, too"),
        ("[tags.cow]\nalias = 'x'\n[tags.dog]\nalias = 'x'", 2, "alias 'x' is the name of another tag, too"),
        ("[tags.dog]\nmuted = true\n[sinks.clips]\nnever = ['cat', 'dog']", 4, "never names 'dog', which is no tag"),
        ("[tags.dog]\nalias = 'Rex'\n[sinks.jsonl]\n[sinks.mqtt]\nonly = ['dog']", 5, "only names 'dog'"),
        ("on = 0.6\noff = 0.4\n[tags.dog]\non = 0.3", 2, "off must be at most 0.3, at which 'dog' begins (got 0.4): "),
        ("on = 0.4\n[tags.dog]\noff = 0.5", 3, "off must be at most on, which is 0.4 for dog (got 0.5)"),
    ],
)
def test_tags_are_checked_against_the_bundle(text, line, message, written, bundle):
    path = written(text)
    with pytest.raises(UsageError) as error:
        personalise(read(path), bundle)
    assert str(error.value).startswith(f"{path}:{line}: {message}")


def test_an_off_for_all_tags_is_held_to_the_bundles_lowest_on(written, bundle):
    lowest = min(bundle.tags, key=lambda tag: tag.on)
    assert {tag.off for tag in personalise(read(written(f"off = {lowest.on}")), bundle).tags} == {lowest.on}
    with pytest.raises(UsageError, match=f"off must be at most {lowest.on:g}, at which '{lowest.name}' begins"):
        personalise(read(written(f"off = {lowest.on + 0.01}")), bundle)


def test_an_off_for_all_tags_leaves_those_with_their_own_alone(written, bundle):
    text = "on = 0.6\noff = 0.4\n[tags.dog]\non = 0.3\noff = 0.2\n[tags.cat]\non = 0.3\nmuted = true"
    tags = {tag.name: (tag.on, tag.off) for tag in personalise(read(written(text)), bundle).tags}
    assert tags.pop("dog") == (0.3, 0.2)
    assert set(tags.values()) == {(0.6, 0.4)}


def test_config_refuses_what_listen_refuses(written, capsys):
    path = written("[tags.dgo]\nmuted = true")
    assert main(["config", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and f"{path}:1: the bundle has no tag 'dgo'" in err


def test_all_tags_muted_is_refused(bundle):
    muted = {tag.name: TagSettings(muted=True) for tag in bundle.tags}
    with pytest.raises(UsageError, match="nothing is left"):
        personalise(Config(Settings(tags=muted)), bundle)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", "folder"], ids=["missing", "no UTF-8", "folder"])
def test_a_file_that_cannot_be_read(content, tmp_path, capsys):
    path = tmp_path / "x.toml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    assert main(["replay", "--config", str(path), "x.wav"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bowstream: {path}: the configuration cannot be read: ")


FULL = """
device = "usb-port:1-1.2"
sample_rate = 48000
reconnect = true
bundle = "models"
hop_s = 0.3
hold_s = 2
confirm_hops = 3
on = 0.7
off = 0.4
silence_s = 30.5
[tags."clock alarm"]
alias = 'a "quoted" nöise \\n'
[tags.dog]
on = 0.9
off = 0.1
[tags.cat]
muted = true
[sinks.jsonl]
path = "/tmp/x.jsonl"
rotate_mb = 2
[sinks.command]
argv = ["true", "a b"]
states = ["on", "off"]
"""


def test_what_is_printed_reads_back_the_same(written):
    settings = read(written(FULL)).settings
    assert settings.sample_rate == 48_000
    assert settings.tags["cat"] == TagSettings(muted=True)
    assert read(written(as_toml(settings))).settings == settings


def test_secrets_are_not_printed(written, capsys):
    secrets = "[sinks.mqtt]\npassword = 'hush'\n[sinks.webhook]\nurl = 'http://x'\nauthorization = 'Bearer hush'"
    assert main(["config", str(written(secrets))]) == 0
    out = capsys.readouterr().out
    assert "hush" not in out
    assert out.count("# It is set, but not shown") == 2
    assert 'password = "…"' in out and 'authorization = "…"' in out


def test_a_default_stands_once():
    assert HOLD_S is Settings.hold_s
    assert SILENCE_S is Settings.silence_s


def test_the_sample_is_the_defaults_and_names_every_knob(written, capsys):
    assert main(["config"]) == 0
    sample = capsys.readouterr().out
    assert read(written(sample)).settings == Settings()
    for kind in (Settings, TagSettings, *SETTINGS.values()):
        for field in fields(kind):
            if knob := field.metadata.get("knob"):
                assert f"{field.name} = " in sample
                assert knob.help in sample


def test_every_line_of_the_sample_can_be_switched_on(written, capsys):
    """All but the explanations uncommented, it is still a configuration."""
    main(["config"])
    lines = [line.removeprefix("# ") for line in capsys.readouterr().out.splitlines()]
    known = {field.name for kind in (Settings, TagSettings, *SETTINGS.values()) for field in fields(kind)}
    switched_on = [line for line in lines if line.startswith("[") or line.split(" = ")[0] in known]
    settings = read(written("\n".join(switched_on).replace("notify-send", "true"))).settings
    assert set(settings.sinks) == set(SETTINGS)
    assert settings.device is not None


def test_paths_are_the_files_neighbours(written, tmp_path):
    assert read(written("bundle = 'models/mine'")).settings.bundle == tmp_path / "models/mine"
    assert read(written("bundle = '/else/where'")).settings.bundle == Path("/else/where")
