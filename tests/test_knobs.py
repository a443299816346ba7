"""No knob without effect: each is turned, and something that comes out is different."""

import inspect
import json
from dataclasses import fields, replace

import numpy as np
import pytest
import soundfile
from signals import RATE, scene

from bowstream import config
from bowstream.audio.source import Block
from bowstream.cli.live import open_source
from bowstream.cli.main import main
from bowstream.cli.setup import open_session, personalise
from bowstream.config.file import Config
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import SETTINGS, ClipsSettings, MqttSettings
from bowstream.output.values import record_fields
from bowstream.sinks import SINKS, cutter, mqtt_branch, mqtt_client
from bowstream.tagger import Tagger


def with_scores(bundle, monkeypatch, *names):
    """Let these tags rise, sink for a moment and fall; the others are silent."""
    high = np.isin(bundle.output_names, names)
    scores = iter([0.55, 0.65, 0.55, 0.45, 0.65, 0.1, 0.1, *[0.0] * 100])

    def scripted(self, counts):
        rows = np.array([high * next(scores) for _ in counts], np.float32).reshape(-1, len(high))
        return rows if self.outputs is None else rows[:, self.outputs]

    monkeypatch.setattr(type(bundle.head), "__call__", scripted)
    return replace(bundle, tags=tuple(replace(tag, on=0.6, off=0.5) for tag in bundle.tags))


class Blocks:
    """A source of columns: sound, then silence."""

    name, duration_s, live, clipped, overflows = "blocks", None, True, 0, 0

    def __init__(self, *samples):
        self.samples = samples

    def __iter__(self):
        for samples in self.samples:
            yield from (Block(column) for column in samples.reshape(-1, 1600))


def outcome(settings, bundle):
    """Return all that a session says with these settings, as JSON would, but its health."""
    source = Blocks(scene(3.0)[:48_000], np.zeros(16_000 * 4, np.float32))
    session = open_session(settings, source, personalise(Config(settings), bundle))
    objects = [record_fields(record) for record in session]
    for each in objects:
        each.pop("time", None)
    return [each for each in objects if each]


CHANGES = {
    "hop_s": 0.5,
    "hold_s": 0.0,
    "confirm_hops": 2,
    "highpass_hz": 500.0,
    "on": 0.55,
    "off": 0.6,
    "only": ("cat",),
    "silence_s": 2.0,
    "tags": {"dog": TagSettings(muted=True)},
}
# What these change is who listens to what, before there is a session; what was taught has tests of its own.
BEFORE = {"sources", "merge_s", "channels", "mix", "track", "device", "sample_rate", "raw", "reconnect"}
BEFORE |= {"bundle", "learned", "sinks", "web"}
# Who gets a report is not the listener's, nor is what teaching keeps, nor what verdicts change.
BESIDE = {"report", "room", "keep_examples", "false_per_day"}


def test_every_setting_has_a_witness():
    assert {field.name for field in fields(Settings)} == set(CHANGES) | BEFORE | BESIDE | {"sensitivity"}


def test_sensitivity_changes_what_is_said(bundle):
    """With the bundle's own head, whose scores it moves."""
    assert outcome(Settings(sensitivity=0.9), bundle) != outcome(Settings(), bundle)


@pytest.mark.parametrize("name", CHANGES)
def test_every_setting_changes_what_is_said(name, bundle, monkeypatch):
    bundle = with_scores(bundle, monkeypatch, "dog")
    before = outcome(Settings(), bundle)
    after = outcome(replace(Settings(), **{name: CHANGES[name]}), with_scores(bundle, monkeypatch, "dog"))
    assert after != before


@pytest.mark.parametrize(
    "change",
    [{"on": 0.7}, {"on": 0.65, "off": 0.6}, {"alias": "Rex"}, {"muted": True}],
    ids=lambda c: next(reversed(c)),
)
def test_every_setting_of_a_tag_changes_what_is_said(change, bundle, monkeypatch):
    bundle = with_scores(bundle, monkeypatch, "dog")
    settings = Settings(hold_s=0.0)
    before = outcome(settings, bundle)
    after = outcome(replace(settings, tags={"dog": TagSettings(**change)}), with_scores(bundle, monkeypatch, "dog"))
    assert after != before


@pytest.mark.parametrize(("change", "gone"), [({"alias": "Rex"}, "dog"), ({"muted": True}, "dog")])
def test_a_muted_or_renamed_tag_is_nowhere_in_the_output(change, gone, written, tmp_path, capsys):
    path = tmp_path / "scene.wav"
    soundfile.write(path, scene(3.0), RATE, "PCM_16")
    lines = [f"{key} = {json.dumps(value)}" for key, value in change.items()]
    config = str(written("\n".join(["on = 0.0", "off = 0.0", f"[tags.{gone}]", *lines])))
    for form in ("--json", "--csv", None):
        assert main(["replay", *([form] if form else []), "--config", config, str(path)]) == 0
        out = capsys.readouterr().out
        assert "cat" in out or form is None
        assert gone not in out
        assert ("Rex" in out) == ("alias" in change) or form is None


def test_scores_of_the_others_stay_the_same(bundle):
    quieter = personalise(Config(Settings(tags={bundle.tags[0].name: TagSettings(muted=True)})), bundle)
    sound = scene(2.0)[:32_000]
    for all_tags, fewer in zip(Tagger(bundle).push(sound), Tagger(quieter).push(sound)):
        assert np.array_equal(all_tags.array[1:], fewer.array)


def test_the_bundle_of_the_file_is_the_one_that_is_loaded(written, capsys):
    assert main(["replay", "--config", str(written("bundle = 'elsewhere'")), "x.wav"]) == 1
    assert "elsewhere is not a bundle" in capsys.readouterr().err


def test_the_device_settings_reach_the_microphone(monkeypatch, bundle):
    asked = []

    class Asked:
        def __init__(self, *which):
            asked.append((type(self).__name__, which[0], which[2]))
            self.name = "asked"

    class AskedPatiently(Asked):
        pass

    monkeypatch.setattr("bowstream.audio.opening.Microphone", Asked)
    monkeypatch.setattr("bowstream.audio.opening.Replugged", AskedPatiently)
    for change in ({}, {"device": "card:x"}, {"sample_rate": 8000}, {"reconnect": True}):
        open_source(Settings(**change), bundle.front_end)
    assert asked == [
        ("Asked", None, None),
        ("Asked", "card:x", None),
        ("Asked", None, 8000),
        ("AskedPatiently", None, None),
    ]


@pytest.mark.parametrize(
    "option", [["--device", "x"], ["--sample-rate", "8000"], ["--reconnect"], ["--track", "2"]], ids=" ".join
)
def test_what_a_scene_has_no_use_for_is_refused(option, capsys):
    assert main(["listen", "--demo", *option]) == 2
    assert capsys.readouterr().err == f"bowstream: --demo hears a made-up scene: leave {option[0]} out\n"


# Modules that look at a sink's settings, beside its own.
HELPERS = {MqttSettings: [mqtt_client, mqtt_branch], ClipsSettings: [cutter]}


@pytest.mark.parametrize("kind", SETTINGS.values())
def test_every_setting_of_a_sink_is_looked_at(kind):
    """What each changes is for the sinks' own tests."""
    modules = [inspect.getmodule(SINKS[kind]), config.sinks, *HELPERS.get(kind, [])]
    source = "".join(map(inspect.getsource, modules))
    for field in fields(kind):
        assert f"settings.{field.name}" in source or f"self.{field.name}" in source
