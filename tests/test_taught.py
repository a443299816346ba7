"""What is taught while a session runs is in force before its next hop, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from broker import needs_mosquitto
from signals import blocks, scene
from stage import Stage, until
from taught import a_correction, a_tag, taught
from test_session import Script
from test_sinks_mqtt import broker, mqtt_settings, reader  # noqa: F401

from bowstream.audio.source import Block
from bowstream.cli.taught import Taught
from bowstream.config.file import Config
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.sinks import ClipsSettings
from bowstream.dashboard.history import History
from bowstream.events import Event
from bowstream.learn import store
from bowstream.records import StreamInfo
from bowstream.scores import Scores
from bowstream.session import Session
from bowstream.sinks.mqtt import Mqtt
from bowstream.tagger import Tagger
from bowstream.web.tuning import Tuning


def session_of(bundle, seconds=6.0):
    return Session(Script(*map(Block, blocks(scene(seconds), 1600))), Tagger(bundle))


def heard(session, retag_at=None, bundle=None):
    """The records of a session that is retagged after so many hops."""
    records = []
    for record in session:
        records.append(record)
        if retag_at is not None and session.windows == retag_at:
            session.retag(bundle)
            retag_at = None
    return records


def of_type(records, *kinds):
    return [record for record in records if isinstance(record, kinds)]


def test_a_new_tag_is_scored_from_the_next_hop_on_and_the_others_as_before(bundle):
    plain = of_type(heard(session_of(bundle)), Scores)
    records = heard(session_of(bundle), 3, taught(bundle, a_tag(bundle, "machine", 3.0)).applied(bundle))
    scores = of_type(records, Scores)
    assert [len(each.tags) - len(plain[0].tags) for each in scores] == [0, 0, 0, 1, 1, 1]
    assert all(np.array_equal(one.array[: len(two.array)], two.array) for one, two in zip(scores, plain))
    assert scores[-1]["machine"] == pytest.approx(1 / (1 + np.exp(-3.0)))
    (info,) = of_type(records, StreamInfo)
    assert info.tags[-1].name == "machine" and info.tags[:-1] == bundle.tags
    assert records.index(info) < records.index(scores[3])
    assert any(event.tag == "machine" for event in of_type(records, Event))


def test_an_event_of_a_tag_that_is_forgotten_ends_and_those_of_others_go_on(bundle):
    both = taught(bundle, a_tag(bundle, "one", 3.0), a_tag(bundle, "two", 3.0))
    records = heard(session_of(both.applied(bundle)), 3, both.without_tag("one").applied(bundle))
    events = [(each.tag, each.offset_s) for each in of_type(records, Event) if each.tag in ("one", "two")]
    assert events == [("one", None), ("two", None), ("one", 3.0), ("two", 6.0)]


def test_a_correction_lowers_a_score_and_nothing_else(bundle):
    name = bundle.tags[3].name
    corrected = taught(bundle, corrections=(a_correction(bundle, name, 2.0),)).applied(bundle)
    plain, lowered = (Tagger(each).tag(scene(3.0)).scores for each in (bundle, corrected))
    logits, less = (np.log(scores[:, 3] / (1.0 - scores[:, 3])) for scores in (plain, lowered))
    np.testing.assert_allclose(less, logits - 2.0, rtol=1e-3)
    plain[:, 3] = lowered[:, 3]
    assert np.array_equal(plain, lowered)


def test_a_correction_never_raises_a_score(bundle):
    raised = taught(bundle, corrections=(a_correction(bundle, bundle.tags[3].name, -5.0),)).applied(bundle)
    assert np.array_equal(Tagger(raised).tag(scene(2.0)).scores, Tagger(bundle).tag(scene(2.0)).scores)


def test_scores_do_not_depend_on_how_many_windows_come_at_a_time(bundle):
    rng = np.random.default_rng(0)
    tag = a_tag(bundle, "machine")
    tag = replace(tag, row=replace(tag.row, weights=rng.standard_normal(bundle.head.n_hidden).astype(np.float32)))
    corrected = replace(a_correction(bundle, bundle.tags[0].name), row=tag.row)
    known = taught(bundle, tag, corrections=(corrected,)).applied(bundle)
    whole = Tagger(known, 0.1).tag(scene(3.0))
    tagger = Tagger(known, 0.1)
    live = [each for block in blocks(scene(3.0), 700) for each in tagger.feed(block)] + tagger.finish()
    assert [each.array.tobytes() for each in live] == [each.array.tobytes() for each in whole.windows]


@pytest.fixture
def following(bundle, tmp_path):
    path = tmp_path / "learned.npz"
    return Taught(Config(Settings(learned=path)), bundle), path


def looked(following, session):
    following._due_s = 0.0
    following.look([session])
    return session._next_bundle


def test_a_changed_file_is_put_in_force_and_a_bad_one_is_said_once(bundle, following, capsys):
    following, path = following
    session = session_of(bundle)
    assert looked(following, session) is None
    store.write(path, taught(bundle, a_tag(bundle, "machine")))
    assert [tag.name for tag in looked(following, session).tags][-1] == "machine"
    session._next_bundle = None
    path.write_bytes(b"PK")
    assert looked(following, session) is None and looked(following, session) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "learned.npz" in line and "stays in force" in line
    path.unlink()
    assert looked(following, session).tags == bundle.tags


def test_it_is_looked_for_once_a_second(bundle, following):
    following, path = following
    session = session_of(bundle)
    following.look([session])
    store.write(path, taught(bundle, a_tag(bundle, "machine")))
    following.look([session])
    assert session._next_bundle is None


def test_a_configuration_that_names_a_forgotten_tag_keeps_what_was_taught(bundle, following, written, capsys):
    from bowstream.config.file import load

    _, path = following
    store.write(path, taught(bundle, a_tag(bundle, "machine")))
    config = load(written('[tags.machine]\nalias = "lathe"\n'), {"learned": path})
    following = Taught(config, bundle)
    assert following.now()[""].tags[-1].name == "lathe"
    session = session_of(bundle)
    for _ in range(2):  # what was complained of once is no complaint about the next file
        store.write(path, taught(bundle))
        assert looked(following, session) is None
        assert "no tag 'machine'" in capsys.readouterr().err
        store.write(path, taught(bundle, a_tag(bundle, "machine")))
        assert looked(following, session).tags[-1].name == "lathe"
        session._next_bundle = None


@needs_mosquitto
def test_home_assistant_knows_a_new_tag_and_no_more_a_forgotten_one(broker, reader):  # noqa: F811
    stage = Stage("dog", "siren")
    topic, config = "bowstream/kitchen/tag", "homeassistant/device/bowstream_kitchen/config"
    with Mqtt(mqtt_settings(broker), *stage.stream) as sink:
        until(lambda: reader.said(f"{topic}/siren"))
        stage.play(sink, Stage("dog", "our doorbell").info, stage.begin("our doorbell", 1.0))
        until(lambda: reader.said(f"{topic}/our_doorbell") == ["OFF", "ON"])
        until(lambda: reader.said(f"{topic}/siren") == ["OFF", ""])
        assert sink.report().lost == 0
    *_, device = reader.objects(config)
    assert "state_topic" in device["components"]["tag_our_doorbell"]
    assert device["components"]["tag_siren"] == {"platform": "binary_sensor"}


def test_the_dashboard_and_the_page_go_on_with_the_new_tags(bundle):
    known = taught(bundle, a_tag(bundle, "machine", 3.0)).applied(bundle)
    session = session_of(bundle)
    history = History(session.info, session.health, session.tracker, session.tagger.explain)
    tuning = Tuning(session.info.tags, session.tracker.retune, None)
    tuning.set(bundle.tags[0].name, TagSettings(on=0.9))
    for record in session:
        if session.windows == 3:
            session.retag(known)
        history.write(record)
        if isinstance(record, StreamInfo):
            tuning.retag(record.tags)
        tuning.apply()
        history.view(5)
    assert any(row.name == "machine" and row.score > 0.9 for row in history.view(5).tags)
    assert tuning["machine"].on == 0.5
    assert session.tracker.thresholds[bundle.tags[0].name][0] == np.float32(0.9)


def test_clips_know_a_private_tag_that_moves(tmp_path):
    from bowstream.sinks.clips import Clips

    stage = Stage("dog", "speech")
    clips = Clips(ClipsSettings(folder=str(tmp_path), never=("speech",)), *stage.stream)
    stage.play(clips, Stage("speech", "dog").info)
    assert clips._cutters[""]._never == [(0, 0.4)]


def test_a_score_that_is_next_to_nothing_warns_of_nothing(bundle, recwarn):
    never = taught(
        bundle, a_tag(bundle, "machine", -1e6), corrections=(a_correction(bundle, bundle.tags[0].name, 1e6),)
    )
    scores = Tagger(never.applied(bundle)).tag(scene(1.0)).scores
    assert 0.0 < scores[0, -1] < 1e-30 and not recwarn.list
