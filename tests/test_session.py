"""The one loop: what it yields, and in which order, whatever the source does."""

import io
import json
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from signals import blocks, noise, scene

from bowstream._ids import event_id
from bowstream._types import Format
from bowstream.audio.clock import rfc3339, steady_s
from bowstream.audio.convert import Converter
from bowstream.audio.file import AudioFile
from bowstream.audio.source import Block, Notice
from bowstream.audio.stream import Player, StreamSource
from bowstream.cli.live import Shown, closing_line, is_watched
from bowstream.errors import AudioError, UsageError
from bowstream.events import Event
from bowstream.health.counters import Health
from bowstream.output.lines import JsonLines, PlainLines
from bowstream.output.values import record_fields, record_json
from bowstream.records import Gap, Idle, Sound
from bowstream.scores import Scores
from bowstream.session import Session
from bowstream.tagger import Tagger


class Script:
    """A source that yields what it is told."""

    name, duration_s, live, clipped, overflows = "script", None, False, 3, 2

    def __init__(self, *steps):
        self.steps = steps

    def __iter__(self):
        yield from self.steps


def told(session):
    """Return a session's records in words."""
    return [type(record).__name__ for record in session]


def test_sound_comes_first_then_its_tags_and_events(bundle):
    session = Session(Script(*map(Block, blocks(scene(2.0), 8000))), Tagger(bundle))
    records = [record for record in session if not isinstance(record, Event)]
    assert [type(record) for record in records] == [Sound, Sound, Scores, Sound, Sound, Scores]
    assert records[0].samples.shape == (8000,)
    assert records[0].log_mel.shape == (50, 96)
    report = session.health.report()
    assert (report.heard_s, report.clipped, report.overflows) == (2.0, 3, 2)
    assert session.windows == 2


@pytest.mark.parametrize(
    ("samples", "got"),
    [
        (np.zeros(1600, np.int16), r"int16 \(1600,\)"),
        (np.zeros(1600), r"float64 \(1600,\)"),
        (np.zeros((1600, 2), np.float32), r"float32 \(1600, 2\)"),
        (np.zeros(1024, np.float32), r"float32 \(1024,\)"),
    ],
)
@pytest.mark.parametrize("highpass_hz", [None, 100.0])
def test_blocks_of_another_form_are_refused(bundle, samples, got, highpass_hz):
    session = Session(Script(Block(samples)), Tagger(bundle), highpass_hz=highpass_hz)
    with pytest.raises(UsageError, match=f"script: blocks must be mono float32 in columns of 1600 samples.*{got}"):
        list(session)


def test_a_source_of_another_rate_is_refused(bundle, tmp_path):
    soundfile.write(tmp_path / "one.wav", scene(0.5), 16_000)
    refused = pytest.raises(UsageError, match=r"one.wav: sound must be 16000 Hz.*got 8000 Hz in columns of 800")
    with AudioFile(tmp_path / "one.wav", Format(8000, 800)) as recording, refused:
        Session(recording, Tagger(bundle))
    with AudioFile(tmp_path / "one.wav", Format(mix="best")) as recording:
        assert told(Session(recording, Tagger(bundle)))


def test_the_last_window_is_filled_with_silence(bundle):
    records = list(Session(Script(Block(scene(0.4)[:6400])), Tagger(bundle)))
    assert [record.end_s for record in records if isinstance(record, Scores)] == [1.0]


def test_nothing_heard_says_nothing(bundle):
    assert list(Session(Script(), Tagger(bundle))) == []


def test_idle_is_passed_on(bundle):
    assert told(Session(Script(None, None), Tagger(bundle))) == ["Idle", "Idle"]


@pytest.fixture
def eager(bundle):
    """The bundle with thresholds that any sound meets, so that there are events whatever the model thinks."""
    return replace(bundle, tags=tuple(replace(tag, on=0.0, off=0.0) for tag in bundle.tags[:2]))


def two_tags(bundle, monkeypatch):
    monkeypatch.setattr(type(bundle.head), "__call__", lambda self, counts: np.full((len(counts), 2), 0.5, np.float32))


def test_a_gap_cuts_events_and_is_told_after_them(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    sound = scene(1.0)
    session = Session(Script(Block(sound), Block(np.empty(0, np.float32), 4000), Block(sound)), Tagger(eager))
    records = list(session)
    assert [type(record) for record in records] == [
        *(Sound, Scores, Event, Event),
        *(Event, Event, Gap),
        *(Sound, Scores, Event, Event, Event, Event),
    ]
    assert [record.offset_s for record in records[4:6]] == [1.0, 1.0]
    assert records[6] == Gap(1.0, 0.25)
    assert records[8].end_s == 2.25
    assert records[9].onset_s == 1.25
    assert session.health.report().gaps == 1
    assert session.events == 4


def test_the_closing_line_counts_in_good_english(eager, monkeypatch):
    one = replace(eager, tags=eager.tags[:1])
    monkeypatch.setattr(type(one.head), "__call__", lambda self, counts: np.full((len(counts), 1), 0.5, np.float32))
    script = Script(Block(np.empty(0, np.float32), 16_000), Block(scene(1.0)))
    script.clipped = script.overflows = 1
    session = Session(script, Tagger(one))
    list(session)
    assert closing_line(session).startswith("1.0 s heard, 1 hop, 1 event; hop latency ")
    assert closing_line(session).endswith("; 1.000 s lost in 1 gap, 1 overflow; 1 sample clipped")
    session = Session(Script(Block(scene(2.0))), Tagger(one))
    list(session)
    assert closing_line(session).endswith("; 0.000 s lost in 0 gaps, 2 overflows; 3 samples clipped")


def test_no_window_reaches_over_a_gap(bundle):
    """Half a second before it is given up; the scores after it are those of a stream that begins there."""
    sound = scene(1.5)
    session = Session(
        Script(Block(sound[:8000]), Block(np.empty(0, np.float32), 4000), Block(sound[8000:])), Tagger(bundle)
    )
    (after,) = (record for record in session if isinstance(record, Scores))
    assert after.end_s == 0.5 + 0.25 + 1.0
    (fresh,) = (record for record in Session(Script(Block(sound[8000:])), Tagger(bundle)) if isinstance(record, Scores))
    assert np.array_equal(after.array, fresh.array)


def unwatched(*arguments, **settings):
    """A session whose sound nobody looks at as it comes."""
    session = Session(*arguments, **settings)
    session.is_watched = lambda: False
    return session


@pytest.mark.parametrize("hop_s", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("highpass_hz", [None, 100.0])
def test_sound_that_nobody_looks_at_waits_for_its_score(hop_s, highpass_hz, bundle):
    """All else is as if somebody looked, with a gap, a pause, a notice and an end in the middle of a window."""
    columns = [Block(column, arrived_s=10.0 + place / 10) for place, column in enumerate(blocks(scene(5.2), 1600))]
    steps = [*columns[:17], Block(columns[17].samples, 1600), *columns[18:30], None, *columns[30:40]]
    steps += [Notice("phase", "they cancel"), *columns[40:]]
    watched, waits = (
        list(of(Script(*steps), Tagger(bundle, hop_s), highpass_hz=highpass_hz)) for of in (Session, unwatched)
    )
    told, told_waiting = ([one for one in records if not isinstance(one, Sound)] for records in (watched, waits))
    assert told == told_waiting and len(told) > 6
    heard, waited = ([one for one in records if isinstance(one, Sound)] for records in (watched, waits))
    assert len(heard) == 52 and len(waited) < (52 if hop_s == 0.1 else 30)
    for part in ("samples", "log_mel"):
        assert np.array_equal(*(np.concatenate([getattr(one, part) for one in all]) for all in (heard, waited)))
    pieces, waiting = ([piece for one in all for piece in one.columns()] for all in (heard, waited))
    assert np.allclose([piece[:2] for piece in pieces], [piece[:2] for piece in waiting])
    assert all(np.array_equal(one[2], other[2]) for one, other in zip(pieces, waiting, strict=True))


def test_sound_waits_only_while_nobody_looks(bundle):
    watches = iter([False] * 13 + [True] * 4 + [False] * 3)
    session = Session(Script(*map(Block, blocks(scene(2.0), 1600))), Tagger(bundle))
    session.is_watched = lambda: next(watches)
    assert [len(one.samples) // 1600 for one in session if isinstance(one, Sound)] == [10, 5, 1, 1, 1, 2]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_dashboard_or_an_open_page_is_looked_at(terminal, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    pages = (None, SimpleNamespace(is_watched=False), SimpleNamespace(is_watched=True))
    for shown in (Shown(), Shown(json=True), Shown(events=True)):
        drawn = terminal and shown == Shown()
        assert [is_watched(shown, page) for page in pages] == [drawn, drawn, True]


def test_what_waits_is_told_before_the_stream_ends(bundle):
    steps = [Block(column) for column in blocks(scene(0.4), 1600)]
    session = unwatched(Script(*steps), Tagger(bundle))
    for _ in session.hear(steps[0]):
        raise AssertionError("it should wait")
    session.stop()
    (sound,) = session.end()
    assert (sound.start_s, sound.end_s, session.position_s) == (0.0, 0.1, 0.1)
    assert session.health.report().heard_s == 0.1


def test_stopping_ends_it_with_open_events_closed(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    session = Session(Script(*map(Block, blocks(scene(5.0), 1600))), Tagger(eager))
    records = []
    for record in session:
        records.append(record)
        if isinstance(record, Scores):
            session.stop()
    assert sum(isinstance(record, Scores) for record in records) == 1
    assert [event.offset_s is None for event in records if isinstance(event, Event)] == [True, True, False, False]


def test_the_end_of_the_sound_closes_events(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    events = [r for r in Session(Script(Block(scene(1.3)[: 13 * 1600])), Tagger(eager)) if isinstance(r, Event)]
    closed = [event for event in events if event.offset_s is not None]
    assert [event.offset_s for event in closed] == [1.3, 1.3]


class Fed(StreamSource):
    """A live source that a test fills by hand."""

    def __init__(self, rate, front_end, steps):
        super().__init__("fed", rate, 1, front_end.format)
        self.steps = list(steps)

    def _ended(self):
        if self._ring.available >= self._converter.missing:
            return False
        if self.steps and (step := self.steps.pop(0)) is not None:
            self._write(step)
        return not self.steps

    def _wait(self):
        return self._ring.available > 0


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_live_hears_what_a_file_hears(rate, bundle):
    """Whatever the blocks, if nothing is lost."""
    sound = scene(2.2, rate)[:, np.newaxis]
    converter = Converter("file", rate, bundle.front_end.format, 10)
    recorded = np.concatenate([*converter.push(sound), *converter.finish()])
    for size in (509, 4800, rate):
        heard = [h for h in Fed(rate, bundle.front_end, blocks(sound, size)) if h is not None]
        assert np.array_equal(np.concatenate([h.samples for h in heard]), recorded)
        assert not any(h.lost for h in heard)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_live_source_that_is_overrun_counts_what_it_lost(rate, front_end):
    """6 s at once into a ring of 4 s: the newest 3 s are kept, and time goes on behind the gap."""
    sound = noise(6.0, rate=rate)[:, np.newaxis]
    heard = [h for h in Fed(rate, front_end, [sound[: rate // 2], sound, sound[:rate], None]) if h is not None]
    (gap,) = (h for h in heard if h.lost)
    assert len(gap.samples) == 0
    assert gap.lost == pytest.approx(3.0 * 16_000, abs=1600)
    total = sum(len(h.samples) + h.lost for h in heard)
    assert total == pytest.approx(7.5 * 16_000, abs=1600)


def test_an_error_in_the_other_thread_is_raised_here(front_end):
    source = Fed(16_000, front_end, [np.zeros((1600, 1), np.float32), np.zeros((160, 3), np.float32), None])
    with pytest.raises(ValueError, match="broadcast"):
        list(source)


def test_quiet_is_told_as_idle(front_end, bundle):
    source = Fed(16_000, front_end, [None, None, np.zeros((1600, 1), np.float32), None, None])
    assert "Idle" in told(Session(source, Tagger(bundle)))


def test_a_player_is_the_file_heard_live(tmp_path, bundle):
    """The same samples through the ring in real time give the same tags and events."""
    import soundfile

    path = tmp_path / "scene.wav"
    soundfile.write(path, scene(1.25, 22_050), 22_050, "PCM_16")

    def heard(source):
        return [record for record in Session(source, Tagger(bundle, 0.5)) if isinstance(record, Scores | Event)]

    with AudioFile(path, bundle.front_end.format) as recording:
        replayed = heard(recording)
    with AudioFile(path, bundle.front_end.format) as recording, Player(recording, bundle.front_end.format) as player:
        played = heard(player)
    assert len(played) == len(replayed) > 1
    for one, other in zip(played, replayed):
        if isinstance(one, Scores):
            assert one.end_s == other.end_s
            assert np.array_equal(one.array, other.array)
        else:
            assert one == other


def test_a_player_hands_on_what_its_file_fails_with(tmp_path, front_end):
    import soundfile

    path = tmp_path / "nan.wav"
    sound = noise(0.5)
    sound[4000] = np.nan
    soundfile.write(path, sound, 16_000, "FLOAT")
    with (
        AudioFile(path, front_end.format) as recording,
        Player(recording, front_end.format) as player,
        pytest.raises(AudioError, match=r"nan\.wav: samples must be finite"),
    ):
        list(player)


# Dates


def dated(session):
    """Return a session's records that may have a date, with the second of the stream that it is about."""
    records = list(session)
    scores = [(record.time, record.end_s) for record in records if isinstance(record, Scores)]
    events = [record for record in records if isinstance(record, Event)]
    scores += [(each.time, each.onset_s if each.offset_s is None else each.offset_s) for each in events]
    return scores + [(record.time, record.start_s) for record in records if isinstance(record, Gap)]


def arriving(now_s, *lengths):
    """Blocks of sound that have arrived one after another, the last one now."""
    ends_s = np.cumsum(lengths)
    starts_s = now_s - ends_s[-1]
    return [Block(scene(length), arrived_s=starts_s + end_s) for length, end_s in zip(lengths, ends_s)]


def test_what_is_heard_live_is_dated(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    script = Script(*arriving(steady_s(), 1.0, 1.0), Block(np.empty(0, np.float32), 16_000))
    script.live = True
    started_s = time.time() - 2.0
    found = dated(Session(script, Tagger(eager)))
    assert len(found) == 7
    for moment, second in found:
        assert moment.timestamp() == pytest.approx(started_s + second, abs=0.2)
        assert moment.utcoffset().total_seconds() == 0.0


def test_a_recording_is_dated_only_if_its_beginning_is_known(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    assert {moment for moment, _ in dated(Session(Script(Block(scene(1.0))), Tagger(eager)))} == {None}
    began = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    session = Session(Script(Block(scene(1.0))), Tagger(eager), started_at=began)
    assert session.info.started_at == began
    for moment, second in dated(session):
        assert rfc3339(moment) == f"2026-03-01T10:00:0{second:.3f}Z"


def test_lines_and_json_have_the_date_beside_the_seconds(eager, monkeypatch):
    two_tags(eager, monkeypatch)
    session = Session(Script(Block(scene(1.0))), Tagger(eager), started_at=datetime(2026, 3, 1, tzinfo=timezone.utc))
    lines, objects = io.StringIO(), io.StringIO()
    outputs = PlainLines(lines, events_only=True), JsonLines(objects)
    for record in session:
        for output in outputs:
            output.write(record)
    names = [tag.name for tag in eager.tags]
    assert lines.getvalue().splitlines()[0] == f"2026-03-01T00:00:00.000Z        0.0 s  >>> {names[0]} begins"
    hop, begins, *_, ends = map(json.loads, objects.getvalue().splitlines())
    assert (hop["time"], hop["end_s"]) == ("2026-03-01T00:00:01.000Z", 1.0)
    assert (begins["time"], begins["onset_s"]) == ("2026-03-01T00:00:00.000Z", 0.0)
    assert (ends["time"], ends["offset_s"]) == ("2026-03-01T00:00:01.000Z", 1.0)
    for event in (begins, ends):
        assert event["id"] == event_id(session.info.started_at, "script", event["tag"])


def test_an_event_has_one_id_from_its_beginning_on(eager, monkeypatch):
    """A dated recording has the same ids each time; without a date there are none."""
    two_tags(eager, monkeypatch)

    def ids(**options):
        records = Session(Script(Block(scene(2.0))), Tagger(eager), **options)
        events = [record for record in records if isinstance(record, Event)]
        opened = {event.tag: event.id for event in events if event.offset_s is None}
        assert opened == {event.tag: event.id for event in events if event.offset_s is not None}
        return opened

    began = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    found = ids(started_at=began)
    assert found == ids(started_at=began)
    assert len(set(found.values())) == 2
    assert set(ids().values()) == {None}


def test_ids_sort_by_onset_and_tell_tags_and_sources_apart():
    onset = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    ids = [event_id(onset + timedelta(milliseconds=ms), "mic", "dog") for ms in range(0, 100_000_000, 999_983)]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {13}
    assert len({event_id(onset, source, tag) for source in "ab" for tag in "cd"}) == 4


def test_json_lines_are_what_json_makes_of_the_fields():
    """All scores that there are, and names that would break a line or a template."""
    tags = tuple(
        f"{name} {index}" for index in range(2000) for name in ("100 %s", 'a "dog"', "line\nbreak", "œuvre", "%")
    )
    scores = (np.arange(10_000) / 10_000).astype(np.float32)
    labels = {"file": "50 %.wav"}
    for array in (scores, 1.0 - scores, np.nextafter(scores, np.float32(1))):
        hop = Scores(tags, array.astype(np.float32), 0.0, 1.0, np.empty((1, 0), np.intp))
        fields = record_fields(hop)
        line = record_json(hop, labels=labels)
        assert list(json.loads(line).items()) == [("type", fields.pop("type")), *labels.items(), *fields.items()]
        assert len(line) == len(record_json(replace(hop, array=np.zeros_like(array)), labels=labels))
    assert record_json(replace(hop, tags=(), array=array[:0])).endswith('"scores": {}}')
    health = Health(16_000)
    health.heard(noise(0.3), 7)
    health.clipped, health.temperature_c, health.throttled = 12, 51.23456, ""
    for record in (hop, Gap(1.0, 0.5), Notice("hot", "hot"), Event("dog", 0.0, None, 0.5, 0.5)):
        assert json.loads(record_json(record, health)) == record_fields(record, health)
    assert record_json(Idle(), health) == ""
