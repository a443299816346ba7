"""The configuration file: errors that name the line, and a printed form that reads back."""

import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowstream.cli.main import main
from bowstream.cli.setup import personalise
from bowstream.config.file import Config, load, read
from bowstream.config.sample import MASKED, as_toml
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import SETTINGS, ClipsSettings, JsonlSettings
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
        ("\n# words\nhop_s = 0.25", 3, "hop_s must be one of 0.1, 0.2, … 1.0 (got 0.25)"),
        ("hop_s = '1'", 1, "hop_s must be a number (got '1')"),
        ("hop_s = true", 1, "hop_s must be a number (got true)"),
        ("hold_s = 1e9", 1, "hold_s must be 0 … 3600 (got 1000000000)"),
        ("hold_s = nan", 1, "hold_s must be a number (got nan)"),
        ("device = 3", 1, "device must be a string (got a whole number)"),
        ("confirm_hops = 1.5", 1, "confirm_hops must be a whole number (got 1.5)"),
        ("confirm_hops = 0", 1, "confirm_hops must be 1 … 100 (got 0)"),
        (f"hop_s = 1{400 * '0'}", 1, "hop_s must be a number (got 10000"),
        (f"confirm_hops = 1{400 * '0'}", 1, "confirm_hops must be 1 … 100 (got 10000"),
        (f"confirm_hops = 1{5000 * '0'}", 1, "this is not TOML: "),
        ("reconnect = 1", 1, "reconnect must be true or false (got 1)"),
        ("on = 0.2\noff = 0.5", 2, "off must be at most on, which is 0.2 (got 0.5)"),
        ("x = [1,\n2\n", 2, "this is not TOML: "),
        ('device = "x\n', 1, "this is not TOML: "),
        ("hop_s = 1.0\nhop_s = 0.5", 2, "this is not TOML: "),
        ("tags = 3", 1, "tags must be tables [tags.NAME]"),
        ("[tags]\ndog = 3", 2, "[tags.dog] must be a table (got 3)"),
        ("[[sinks.jsonl]]", 1, "[sinks.jsonl] must be a table (got a list)"),
        ("[tags.dog]\non = 0.2\noff = 0.5", 3, "off must be at most on, which is 0.2 (got 0.5)"),
        ("[tags.dog]\nalias = ' '", 2, "alias must be a name (got none)"),
        ("[tags.dog]\n\nmute = true", 3, "[tags.dog] has no setting 'mute'; did you mean 'muted'?"),
        ("[tags]\ndog.on = 2", 2, "on must be 0 … 1 (got 2)"),
        ('[tags]\n\n"dog" = { alias = "Rex",  on = "x" }', 3, "on must be a number (got 'x')"),
        ("[tags.'dog']\nalias = 'Rex'\non = [\n1,\n2,\n]", 3, "on must be a number (got a list)"),
        (
            '[sinks.command]\nargv = ["sh", """\n[tags.dog]\non = 1\n"""]\n[tags.dog]\non = "x"',
            7,
            "on must be a number",
        ),
        ("[sinks.jsnl]", 1, "there is no sink 'jsnl'; did you mean 'jsonl'?"),
        ("hop_s = 0.5\n[sinks.command]\nstates = ['on']", 2, "[sinks.command] must have argv: "),
        ("[sinks.command]\nargv = 'ls'", 2, "argv must be a list of strings (got a string)"),
        ("[sinks.jsonl]\npath = 'x'\nkeep = -1", 3, "keep must be 0 … 1000 (got -1)"),
        ("device = ' '", 1, "device must be an identity, part of a name, a number or an address (got none)"),
        ("[sinks.webhook]\ntimeout_s = 3\nurl = 'x'", 3, "url must begin with http:// or https://"),
        ("[sinks.webhook]\nurl = 'http://'", 2, "url must have a host"),
        ("[sinks.webhook]\nurl = 'http://[::1'", 2, "url must have a host"),
        ("[sinks.webhook]\nurl = 'http://a b/'", 2, "url must have a host"),
        ("[sinks.webhook]\nurl = 'http://a:x/'", 2, "url must have a host"),
        (
            '[sinks.webhook]\nurl = "http://a"\nauthorization = "x\\n"',
            3,
            "authorization must be without control characters",
        ),
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
        ("[tags.dog]\nmuted = true\n[sinks.clips]\nnever = ['cat', 'dog']", 4, "never names 'dog', which is not a tag"),
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
    lowest = min(bundle.tags, key=lambda tag: (tag.on, tag.name))
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
argv = ["true"]
states = ["on", "off"]
"""


def test_what_is_printed_reads_back_the_same(written):
    settings = read(written(FULL)).settings
    assert settings.sample_rate == 48_000
    assert settings.tags["cat"] == TagSettings(muted=True)
    assert read(written(as_toml(settings))).settings == settings


def test_secrets_are_not_printed(written, capsys):
    secrets = """
        [sinks.mqtt]
        password = "hush"
        [sinks.webhook]
        url = "https://hooks.example.com:8443/hush?key=hush"
        authorization = "Bearer hush"
        [sinks.command]
        argv = ["true", "--password", "hush"]
    """
    assert main(["config", str(written(secrets))]) == 0
    out = capsys.readouterr().out
    assert "hush" not in out
    assert out.count(MASKED) == 4
    for line in ('password = "***"', 'authorization = "***"', 'url = "https://hooks.example.com:8443/***"'):
        assert f"\n{line}\n" in out
    assert '\nargv = ["true", "***"]\n' in out
    assert main(["config", str(written(out))]) == 0  # what is masked is still a configuration


@pytest.mark.parametrize(
    "text",
    [
        "[sinks.mqtt]\npassword = ['hush']",
        '[sinks.mqtt]\npassword = "hush\\u001b"',
        "[sinks.webhook]\nurl = 'http://someone:hush@x/'",
        "[sinks.webhook]\nurl = 'ftp://x/hush'",
        "[sinks.webhook]\nurl = ['hush']",
        "[sinks.webhook]\nurl = 'http://x'\nauthorization = 'hüsh hush'",
        "[sinks.command]\nargv = 'true hush'",
        "[sinks.command]\nargv = ['no-such-program-here', 'hush']",
    ],
)
def test_no_error_tells_a_secret(text, written, capsys):
    assert main(["config", str(written(text))]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err and "hush" not in err


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


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
NUMBERS = st.floats(0.0, 1.0)
TAGS = st.builds(
    TagSettings,
    on=st.just(1.0) | st.none(),
    off=NUMBERS | st.none(),
    alias=LINES.filter(str.strip) | st.none(),
    muted=st.booleans(),
)
SINKS = st.fixed_dictionaries(
    {},
    optional={
        "jsonl": st.builds(JsonlSettings, path=LINES, rotate_mb=st.floats(0.001, 1e6), keep=st.integers(0, 1000)),
        "clips": st.builds(ClipsSettings, folder=LINES, never=st.lists(LINES).map(tuple)),
    },
)


@given(st.builds(Settings, device=LINES.filter(str.strip), tags=st.dictionaries(NAMES, TAGS, max_size=3), sinks=SINKS))
def test_whatever_is_printed_is_read_back_the_same(tmp_path_factory, settings):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(as_toml(settings), "utf-8")
    config = read(path)
    config.check()
    assert config.settings == settings


def test_del_in_a_tag_is_read_back(written):
    settings = Settings(tags={"a\x7fb\x9b\u2028": TagSettings(alias="Rex")})
    text = as_toml(settings)
    assert "\x7f" not in text and "\x9b" not in text
    assert read(written(text)).settings == settings


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"unknown_{number} = {number}" for number in range(400)),
        "\n".join([*["# a comment"] * 3000, "hop_s = 7", "hold_s = -1"]),
        "device = [" + "\n1," * 3000 + "\n]\nhop_s = 7",
        "\n".join(f"[tags.unknown{number}]\non = 7" for number in range(400)),
        ".".join(["a"] * 2000) + " = 1",
    ],
    ids=["unknown keys", "comments", "a long list", "unknown tags", "a deep key"],
)
def test_many_complaints_take_no_time(text, written, bundle):
    started_s = time.process_time()
    with pytest.raises(UsageError):
        personalise(read(written(text)), bundle)
    assert time.process_time() - started_s < 1.0


def test_each_of_many_unknown_keys_is_told_with_its_line(written, bundle):
    path = written("\n".join(f"# why\nunknown_{number} = {number}" for number in range(400)))
    with pytest.raises(UsageError) as error:
        personalise(read(path), bundle)
    lines = str(error.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{path}:{2 * number + 2}" for number in range(400)]


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(UsageError, match="/dev/zero: a configuration must be at most 1 MB"):
        read(Path("/dev/zero"))


SECRET = "[sinks.mqtt]\npassword = 'hush'\n"


@pytest.mark.parametrize(
    ("text", "mode", "said"), [(SECRET, 0o644, True), (SECRET, 0o640, False), ("[sinks.mqtt]\n", 0o644, False)]
)
def test_a_password_that_every_user_can_read_is_told(text, mode, said, written, capsys):
    path = written(text)
    path.chmod(mode)
    assert main(["config", str(path)]) == 0
    remedy = f"chmod 600 {path}" if path.stat().st_uid else f"chgrp audio {path} && chmod 640 {path}"
    told = f"bowstream: every user can read [sinks.mqtt] password in {path}: {remedy}\n"
    assert (told in capsys.readouterr().err) == said


def test_a_password_on_the_command_line_is_not_the_files(written):
    path = written("hop_s = 0.5\n")
    path.chmod(0o644)
    for file in (path, Path("/dev/null")):
        assert load(file, {"device": "rtsp://me:hush@cam/x"}).exposed() is None
