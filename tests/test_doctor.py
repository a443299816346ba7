"""The doctor: each check on a machine that is well, and on one that is not."""

import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from post import serving

from bowstream._types import Format
from bowstream.audio.devices import NONE_FOUND
from bowstream.audio.source import Block
from bowstream.cli import checks, source_check
from bowstream.cli.checks import Finding, check_disk, check_permission, check_processor
from bowstream.cli.main import main
from bowstream.config.settings import Settings
from bowstream.config.sinks import SETTINGS
from bowstream.errors import DeviceError
from bowstream.health.thermal import Thermal


def only(findings):
    (finding,) = findings
    return finding


class Pretended:
    """A microphone that delivers these samples, a column at a time, and then nothing."""

    name, native_rate, overflows, clipped, cancelled_s = "pretended", 48_000, 0, 0, 0.0

    def __init__(self, samples, clipped=0, overflows=0, cancelled_s=0.0):
        self._samples, self.clipped, self.overflows, self.cancelled_s = samples, clipped, overflows, cancelled_s

    def __call__(self, *_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        yield from (Block(column) for column in self._samples.reshape(-1, 1600))
        while True:
            yield None


def sound(level):
    return (np.random.default_rng(0).standard_normal(16_000) * level).astype(np.float32)


def hum(hz):
    return (0.01 * np.sqrt(2.0) * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)).astype(np.float32)


@pytest.mark.parametrize(
    ("microphone", "state", "found", "advice"),
    [
        (Pretended(sound(0.01)), "ok", "pretended: 1.0 s at 48000 Hz, -40 dBFS", ""),
        (Pretended(sound(0.0)), "fail", "every sample is 0", "unmute"),
        (Pretended(sound(1e-6)), "warn", "almost silent", "up"),
        (Pretended(sound(0.5), clipped=700), "warn", "700 samples cut off at full scale", "down"),
        (Pretended(sound(0.01), overflows=2), "warn", "2 overflows", "busy"),
        (Pretended(sound(0.01), cancelled_s=0.9), "warn", "its channels cancel each other", "wires"),
        (Pretended(sound(0.01) + np.float32(0.02)), "warn", "-33 dBFS, a DC offset of +2.0% of full scale", "highpass"),
        (Pretended(sound(0.01) + hum(50.0)), "warn", "mains hum, 50 Hz at -40 dBFS", "cable"),
        (Pretended(sound(0.01) + hum(60.0)), "warn", "mains hum, 60 Hz at -40 dBFS", "cable"),
        (Pretended(sound(0.01) + hum(70.0)), "ok", "dBFS", ""),
        (Pretended(np.zeros(0, np.float32)), "fail", "delivers nothing", "unplug"),
    ],
)
def test_a_second_of_sound(monkeypatch, front_end, microphone, state, found, advice):
    monkeypatch.setattr(source_check, "open_once", microphone)
    monkeypatch.setattr(source_check, "PATIENCE_S", 0.05)
    finding = only(source_check.check_source(Settings(), front_end))
    assert finding.state == state
    assert found in finding.found and advice in finding.advice


@pytest.mark.parametrize("fault", [hum(50.0), np.float32(0.02)], ids=["hum", "offset"])
def test_what_is_filtered_out_is_no_fault(monkeypatch, front_end, fault):
    monkeypatch.setattr(source_check, "open_once", Pretended(sound(0.01) + fault))
    assert only(source_check.check_source(Settings(highpass_hz=200.0), front_end)).state == "ok"


def test_heat_and_throttling():
    assert only(check_processor(Thermal())) == Finding("ok", "processor", "no sensor")
    assert only(check_processor(Thermal(51.2, ()))) == Finding("ok", "processor", "51 °C")
    assert only(check_processor(Thermal(85.0, ()))).state == "warn"
    weak = only(check_processor(Thermal(50.0, ("the supply voltage is too low",))))
    assert (weak.state, weak.found) == ("warn", "50 °C; the supply voltage is too low")


@pytest.mark.parametrize(("free_mb", "state"), [(1000, "ok"), (499, "warn"), (49, "fail")])
def test_disk(monkeypatch, tmp_path, free_mb, state):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=free_mb * 1e6))
    finding = only(check_disk(Settings(sinks={"clips": SETTINGS["clips"](folder=str(tmp_path))})))
    assert finding.state == state
    assert bool(finding.advice) == (state != "ok")


def test_where_no_sink_writes_no_disk_is_wanting(monkeypatch):
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    assert list(check_disk(Settings())) == []


def test_the_disks_are_those_that_sinks_write_on(monkeypatch, tmp_path):
    there, mine = tmp_path / "there", tmp_path / "mine"
    there.mkdir()
    mine.mkdir()
    monkeypatch.setattr(checks.os, "access", lambda folder, _: folder != there)
    sinks = {"clips": SETTINGS["clips"](folder=f"{there}/a/b"), "jsonl": SETTINGS["jsonl"](path=f"{mine}/x.jsonl")}
    found = {finding.found.split()[-1]: finding for finding in check_disk(Settings(sinks={"mqtt": 1, **sinks}))}
    assert found[str(mine)].state == "ok"
    refused = found["permission"]
    assert (refused.state, refused.found) == ("fail", f"{there} cannot be written to: no permission")


def test_permission(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "SOUND_NODES", tmp_path)
    assert list(check_permission()) == []
    (tmp_path / "pcmC0D0c").touch()
    assert only(check_permission()).state == "ok"
    monkeypatch.setattr(checks.os, "access", lambda *_: False)
    finding = only(check_permission())
    assert finding.state == "fail" and "usermod -aG audio" in finding.advice


@pytest.fixture
def deaf(monkeypatch):
    """A machine without PortAudio."""

    def missing(*_):
        raise DeviceError("PortAudio is missing: run 'sudo apt install libportaudio2'")

    for name in ("load_sounddevice", "list_devices"):
        monkeypatch.setattr(checks, name, missing)


def test_a_machine_without_portaudio_gets_its_other_findings_too(deaf, capsys):
    assert main(["doctor", "--json"]) == 1
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [line["check"] for line in lines if line["state"] == "fail"] == ["PortAudio"]
    findings = {line["check"]: line for line in lines}
    assert findings["PortAudio"] == {
        "state": "fail",
        "check": "PortAudio",
        "found": "PortAudio is missing: run 'sudo apt install libportaudio2'",
        "advice": "",
    }
    assert [findings[name]["state"] for name in ("Python", "runtime", "bundle", "config")] == ["ok"] * 4


@pytest.fixture
def examined(deaf, tmp_path, capsys):
    """Let the doctor examine a configuration; return the file and the findings, a list of (state, found) a check."""

    def examine(text):
        file = tmp_path / "bowstream.toml"
        file.write_text(text)
        assert main(["doctor", "--json", "--config", str(file)]) == 1
        findings = {}
        for line in map(json.loads, capsys.readouterr().out.splitlines()):
            findings.setdefault(line["check"], []).append((line["state"], line["found"]))
        return file, findings

    return examine


def test_a_bad_configuration_is_told_whole_and_stops_nothing_else(examined):
    file, findings = examined("hop_s = 7\nhold_s = -1\n")
    assert findings["config"] == [
        ("fail", f"{file}:1: hop_s must be 0.1 … 1 (got 7)"),
        ("fail", f"{file}:2: hold_s must be 0 … 3600 (got -1)"),
    ]
    assert {"Python", "runtime", "bundle", "PortAudio", "processor"} <= set(findings)


def test_what_is_no_toml_stops_what_depends_on_it(examined):
    file, findings = examined("hop_s = \n")
    ((state, found),) = findings["config"]
    assert state == "fail" and found.startswith(f"{file}:1: this is not TOML")
    assert not {"bundle", "sinks", "disk", "microphone"} & set(findings)
    assert {"Python", "runtime", "PortAudio", "processor"} <= set(findings)


def test_a_wrong_tag_is_the_configurations_fault(examined):
    file, findings = examined("[tags.dgo]\nmuted = true\n")
    ((state, found),) = findings["config"]
    assert state == "fail" and found.startswith(f"{file}:1: the bundle has no tag 'dgo'")
    assert [state for state, _ in findings["bundle"]] == ["ok"]


def test_a_sink_whose_package_is_missing(examined, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.setitem(sys.modules, "prometheus_client", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "prometheus_client.core", SimpleNamespace())
    _, findings = examined("[sinks.mqtt]\n[sinks.prometheus]\n")
    assert findings["sinks"] == [
        ("fail", "[sinks.mqtt] needs paho-mqtt: pip install 'bowstream[mqtt]'"),
        ("ok", "what prometheus needs is installed"),
    ]


def test_a_report_is_due_and_who_sends_it_answers(examined, tmp_path):
    with serving() as (mail, web):
        _, findings = examined(
            f"""
            [report]
            every = "day"
            to = ["me@example.org"]
            port = {mail.server_address[1]}
            host = "127.0.0.1"
            security = "none"
            webhook = "http://127.0.0.1:{web.server_address[1]}/hook"
            [sinks.history]
            path = "{tmp_path}/history.db"
            """
        )
        assert mail.got == web.got == []
    (state, due), *ways = findings["report"]
    assert (state, due.partition(":")[0], due.rpartition("; ")[2]) == (
        "ok",
        f"the next is due {tomorrow():%A, %Y-%m-%d} 07",
        "sent last: none yet",
    )
    assert ways == [
        ("ok", f"127.0.0.1:{mail.server_address[1]} takes mail for me@example.org"),
        ("ok", f"http://127.0.0.1:{web.server_address[1]}/*** answers"),
    ]


def tomorrow():
    now = datetime.now()
    return now.date() + timedelta(days=now.hour >= 7)


def test_a_report_that_nobody_can_send(examined):
    _, findings = examined(
        "[report]\nto = ['me@example.org']\nhost = '127.0.0.1'\nport = 9\nwebhook = 'http://127.0.0.1:9/'\n"
    )
    (state, due), *ways = findings["report"]
    assert state == "warn" and "there is no history" in due
    assert [state for state, _ in ways] == ["fail", "fail"]


@pytest.fixture
def usable(deaf, monkeypatch):
    """A machine with PortAudio."""
    portaudio = SimpleNamespace(get_portaudio_version=lambda: (1, "V19, x"))
    monkeypatch.setattr(checks, "load_sounddevice", lambda: portaudio)
    monkeypatch.setattr(checks, "list_devices", lambda: [SimpleNamespace(index=3, name="USB", is_default=True)])


def test_no_microphone_is_said_once(usable, monkeypatch, capsys):
    monkeypatch.setattr(checks, "list_devices", list)
    monkeypatch.setattr("bowstream.audio.devices.why_absent", lambda *_: None)
    assert main(["doctor", "--json"]) == 1
    failed = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line["state"] == "fail"]
    assert [(line["check"], line["found"]) for line in failed] == [("devices", NONE_FOUND)]


def test_the_microphone_is_heard_through_the_bundles_front_end(usable, bundle, monkeypatch, capsys):
    given, own = [], Format()
    monkeypatch.setattr(type(bundle.front_end), "format", own)
    monkeypatch.setattr(source_check, "open_once", lambda *arguments: given.append(arguments) or Pretended(sound(0.01)))
    main(["doctor"])
    assert given[0][1] is own


def test_well(usable, monkeypatch, capsys):
    monkeypatch.setattr(source_check, "open_once", Pretended(sound(0.01)))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "3 USB" in out and "fail" not in out


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[sinks.mqtt]\npassword = 'hush'\n", "[sinks.mqtt] password"),
        ("device = 'rtsp://me:hush@127.0.0.1:1/x'\n", "device"),
        ("[sources.door]\ndevice = 'rtsp://127.0.0.1:1/x?pw=hush'\n", "[sources.door] device"),
    ],
)
def test_a_password_that_every_user_can_read_is_found(text, place, examined):
    file, findings = examined(text)
    assert ("warn", f"every user can read {place} in {file}") in findings["config"]
    assert "hush" not in str(findings)


def test_a_stream_needs_no_microphone(deaf, capsys):
    """Nor PortAudio; what is wrong with the stream is said."""
    assert main(["doctor", "--json", "--device", "tcp://127.0.0.1:1/?key=hush"]) == 1
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    (failed,) = [line for line in lines if line["state"] == "fail"]
    assert failed["check"] == "stream" and failed["found"].startswith("'tcp://127.0.0.1:1/?key=***' ")
    assert not {"PortAudio", "devices", "microphone"} & {line["check"] for line in lines}


def test_a_file_that_grows_is_heard(deaf, tmp_path, capsys):
    soundfile.write(tmp_path / "growing.wav", sound(0.01), 16_000)
    assert main(["doctor", "--device", str(tmp_path / "growing.wav")]) == 0
    assert "1.0 s at 16000 Hz, the first after" in capsys.readouterr().out.replace("\n", " ")


def test_packages_are_those_that_are_installed_with_it():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.S | re.M).group(1)
    names = set(re.findall(r'^    "([a-z-]+)', listed, re.M))
    assert set(checks.PACKAGES) == names - {"ai-edge-litert", "tflite-runtime", "tomli"}
