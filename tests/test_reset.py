"""Every stateful thing, run three times: again without a reset differs, after a reset it is the first again."""

import numpy as np
import pytest
from signals import noise, scene, scored

from bowstream import Tagger
from bowstream.audio.convert import Converter
from bowstream.events import EventTracker
from bowstream.health.counters import Health
from bowstream.model.encoder import WindowEncoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.level import Level, LevelSettings
from bowstream.model.log_mel import LogMel
from bowstream.model.tags import Tag

FRONT_END = FrontEnd()
SOUND = scene(1.3)
# Loud first, faint last, so that what is left of one run is heard in the next.
FADING = (scene(1.0) * np.linspace(1.0, 1e-3, 16_000, dtype=np.float32)).astype(np.float32)


def log_mel(stateful):
    return stateful.push(SOUND[:3200])


def level(stateful):
    loud = LogMel(FRONT_END).push(FADING)
    return stateful.push(np.concatenate([loud[-50:], loud[:50]]))


def encoder(stateful):
    log_mel = Level(LevelSettings(), FRONT_END).push(LogMel(FRONT_END).push(SOUND[: 12 * 1600]))
    return stateful.push(log_mel)


def tagger(stateful):
    windows = stateful.push(SOUND[: 12 * 1600])
    return np.concatenate([[scores.end_s, *scores.codes.ravel(), *scores.array] for scores in windows])


def converter(stateful):
    chunks = stateful.push(np.append(noise(0.3, rate=44_100), np.float32(1.0))[:, np.newaxis])
    return np.concatenate([[stateful.clipped, stateful.gap(100)], *chunks])


def events(stateful):
    heard = stateful.push(scored(1.0, 0.9))
    return np.array([len(heard), len(stateful.open_events)])


def health(stateful):
    stateful.heard(np.zeros(1600, np.float32), 10)
    stateful.worked(0.001)
    stateful.scored(0.001)
    stateful.clipped += 1
    report = stateful.report()
    return np.array([report.heard_s, report.lost_s, report.gaps, report.clipped, report.silent_s])


@pytest.mark.parametrize(
    "run", [log_mel, level, encoder, tagger, converter, events, health], ids=lambda run: run.__name__
)
def test_three_runs(run, bundle, stub_encoders):
    stateful = {
        log_mel: lambda: LogMel(FRONT_END),
        level: lambda: Level(LevelSettings(), FRONT_END),
        encoder: lambda: WindowEncoder(stub_encoders, FRONT_END, 10),
        tagger: lambda: Tagger(bundle, 0.1),
        converter: lambda: Converter("test", 44_100, FRONT_END.format, 1),
        events: lambda: EventTracker([Tag("dog", 0.6, 0.4)]),
        health: lambda: Health(16_000),
    }[run]()
    first = run(stateful)
    assert first.size
    assert not np.array_equal(run(stateful), first)
    stateful.reset()
    assert np.array_equal(run(stateful), first)
