"""Live streams through made-up inputs: gaps, jumps of the clock, bursts, changes of rate, ends and outages."""

import itertools
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from stage import until

from bowstream._types import FORMAT
from bowstream.audio import live, reconnect
from bowstream.audio.live import LiveStream, Piece
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.source import Block, Notice
from bowstream.audio.timeline import CREEP, Timeline
from bowstream.errors import DeviceAbsentError, DeviceError

RATE = FORMAT.sample_rate


def missing(stamps, arrivals, length_s=0.02):
    """Return what a timeline finds missing before each block."""
    timeline = Timeline()
    found = [timeline.missing_s(stamp, length_s, arrival) for stamp, arrival in zip(stamps, arrivals)]
    return np.array(found), timeline


def regular(count, every_s=0.02, from_s=0.0):
    return [from_s + every_s * index for index in range(count)]


def test_what_is_lost_on_the_way_is_missing():
    stamps = [*regular(100), *regular(100, from_s=2.5)]
    found, timeline = missing(stamps, [5.0 + stamp for stamp in stamps])
    assert found[100] == pytest.approx(0.5, abs=0.001)
    assert found.sum() == pytest.approx(0.5, abs=0.001) and timeline.jumps == 0


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 0.5, -0.5, 40 * 365 * 86_400.0])
def test_a_clock_that_is_set_is_no_gap(jump_s):
    stamps = [*regular(100), *regular(100, from_s=2.0 + jump_s)]
    found, timeline = missing(stamps, regular(200, from_s=5.0))
    assert not found.any()
    assert timeline.jumps == 1 and timeline.jumped_s == pytest.approx(jump_s, abs=0.01)


def test_a_sender_that_was_started_again_is_a_gap_of_the_time_that_it_took():
    """Its timestamps begin again, ten seconds later; they come in bursts of a second, as segments do."""
    stamps = [*regular(100), *regular(400)]
    arrivals = [float(int(stamp) + 1) for stamp in [*regular(100), *regular(400, from_s=12.0)]]
    found, timeline = missing(stamps, arrivals)
    assert timeline.jumps == 1 and found.sum() == pytest.approx(10.0, abs=0.1)
    assert np.count_nonzero(found) == 1


def test_a_stream_that_is_only_held_up_lacks_nothing():
    """It stands still for ten seconds, and what was kept comes at once."""
    arrivals = [*regular(100), *[12.0] * 500, *regular(100, from_s=12.0)]
    found, _ = missing(regular(700), arrivals)
    assert not found.any()


def test_a_gap_within_what_was_held_up():
    """The camera has kept only the last second of ten."""
    stamps = [*regular(100), *regular(50, from_s=11.0), *regular(100, from_s=12.0)]
    found, timeline = missing(stamps, [*regular(100), *[12.0] * 50, *regular(100, from_s=12.0)])
    assert found.sum() == pytest.approx(9.0, abs=0.001) and timeline.jumps == 0


def test_packets_that_are_lost_one_by_one_add_up():
    """A tenth of them: a tenth of the time is missing, in gaps of 0.1 s or a little more."""
    kept = [stamp for index, stamp in enumerate(regular(1000)) if index % 10]
    found, _ = missing(kept, kept)
    assert found.sum() == pytest.approx(2.0, abs=0.2)
    assert (found[found > 0.0] < 0.14).all()


def test_a_slow_clock_and_rounded_stamps_are_no_gaps():
    """An hour of stamps in whole milliseconds, of a clock that is 300 millionths off the sound's."""
    stamps = np.round(np.arange(180_000) * 0.02 * 1.0003, 3)
    rng = np.random.default_rng(0)
    found, timeline = missing(stamps, stamps + rng.exponential(0.03, len(stamps)))
    assert not found.any() and timeline.jumps == 0
    assert CREEP > 3e-4


def test_blocks_without_a_stamp_follow_the_one_before():
    stamps = [stamp if index % 3 == 0 else None for index, stamp in enumerate(regular(300))]
    assert not missing(stamps, regular(300))[0].any()


def test_without_stamps_a_pause_is_a_gap_and_a_hold_up_is_not():
    arrivals = [*regular(100), *regular(300, from_s=7.0)]
    assert missing([None] * 400, arrivals)[0].sum() == pytest.approx(5.0, abs=0.05)
    held_up = [*regular(100), *[7.0] * 250, *regular(100, from_s=7.0)]
    assert not missing([None] * 450, held_up)[0].any()


class Made:
    """An input that yields pieces from a function, and fails with an error if there is one."""

    damaged, quiet_after_s, calls_python, name = 0, 10.0, False, "made"

    def __init__(self, pieces, error=None):
        self._pieces, self._error = pieces, error

    def pieces(self):
        yield from self._pieces
        if self._error:
            raise self._error


def piece(seconds, rate=RATE, channels=1, value=0.25, start_s=None):
    return Piece(np.full((round(seconds * rate), channels), value, np.float32), rate, start_s)


def heard(source):
    """Return the blocks and notices of a stream, and what it ends with."""
    blocks, notices, error = [], [], None
    with source:
        try:
            for each in source:
                (notices if isinstance(each, Notice) else blocks).append(each)
        except DeviceError as failure:
            error = failure
    return [block for block in blocks if block], notices, error


def seconds(blocks):
    return sum(len(block.samples) for block in blocks) / RATE


def test_a_burst_is_heard_whole():
    """Twenty seconds at once, five times what the ring holds."""
    sound = np.random.default_rng(0).standard_normal((20 * RATE, 1)).astype(np.float32) * 0.1
    blocks, _, _ = heard(LiveStream(Made([Piece(sound, RATE)])))
    assert np.array_equal(np.concatenate([block.samples for block in blocks]), sound[:, 0])
    assert not any(block.lost for block in blocks)


def test_what_came_before_the_end_is_heard_before_the_error():
    blocks, _, error = heard(LiveStream(Made([piece(3.0)], DeviceAbsentError("gone"))))
    assert seconds(blocks) == 3.0 and str(error) == "gone"


def test_nothing_at_all():
    assert heard(LiveStream(Made([]))) == ([], [], None)
    assert str(heard(LiveStream(Made([], DeviceError("refused"))))[2]) == "refused"


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (16_000, 2), (8_000, 2)])
def test_rate_and_channels_may_change(rate, channels):
    """What was begun of a column is lost, no more."""
    pieces = [piece(1.05, value=0.1), piece(2.0, rate, channels, 0.2), piece(1.0, value=0.3)]
    blocks, _, error = heard(LiveStream(Made(pieces)))
    assert error is None
    gaps = [block.lost for block in blocks if block.lost]
    assert gaps[0] == 800
    assert seconds(blocks) + sum(gaps) / RATE == pytest.approx(4.05, abs=0.1)
    levels = [round(float(block.samples[800]), 2) for block in blocks if len(block.samples)]
    assert [level for level, _ in itertools.groupby(levels)] == [0.1, 0.2, 0.3]


def test_a_gap_is_where_it_is():
    def pieces():
        yield piece(0.2, start_s=7.0)
        time.sleep(0.4)
        yield piece(0.2, start_s=7.4)

    blocks, _, _ = heard(LiveStream(Made(pieces())))
    assert [(block.lost, len(block.samples)) for block in blocks] == [(0, 1600), (0, 1600), (3200, 0), *[(0, 1600)] * 2]


def test_a_clock_that_is_set_is_told_once(monkeypatch):
    pieces = (piece(0.1, start_s=start_s) for start_s in (0.0, 9000.0, 100.0, 9000.0, 0.0))
    blocks, notices, _ = heard(LiveStream(Made(pieces)))
    assert seconds(blocks) == pytest.approx(0.5) and not any(block.lost for block in blocks)
    assert [notice.kind for notice in notices] in ([], ["clock"])  # not before a look, which may be the last
    assert all("'made' has set its clock by" in notice.text for notice in notices)


def test_that_nothing_comes_is_told(monkeypatch):
    """And that something comes again."""
    go_on = threading.Event()

    def pieces():
        yield piece(0.1)
        go_on.wait(10.0)
        yield piece(0.1)
        time.sleep(0.6)

    monkeypatch.setattr(Made, "quiet_after_s", 0.3)
    kinds = []
    with LiveStream(Made(pieces())) as source:
        for each in source:
            if isinstance(each, Notice):
                kinds.append(each.kind)
                go_on.set()
    assert kinds[:2] == ["away", "back"]


def test_it_can_be_left_while_nothing_comes():
    forever = threading.Event()

    def pieces():
        yield piece(0.1)
        forever.wait(60.0)

    started_s = time.monotonic()
    with LiveStream(Made(pieces())) as source:
        next(each for each in source if isinstance(each, Block))
    assert time.monotonic() - started_s < 5.0
    forever.set()


def test_who_is_too_slow_for_long_drops_what_is_not_live(monkeypatch):
    """Sound comes as it happens, and is taken at half that pace: it may not come later and later."""
    clock = [0.0]
    monkeypatch.setattr(live, "steady_s", lambda: clock[0])
    source = LiveStream(Made([]))
    source._begin(RATE, 1)
    source._shape = (RATE, 1)

    def wait(_):
        clock[0] += 0.2
        source._ring.read(1600)

    monkeypatch.setattr(source._stop, "wait", wait)
    latest_s = 0.0
    for index in range(3000):
        clock[0] = max(clock[0], index * 0.1)
        source._take(piece(0.1, start_s=index * 0.1))
        latest_s = max(latest_s, source._timeline.late_s)
    assert 30.0 < latest_s < 45.0
    assert source._ring._skipped > 60 * RATE


class Comings:
    """Opens one made input after the other; None stands for a refusal."""

    name, look_every_s = "camera", 1.0

    def __init__(self, inputs):
        self._inputs = iter(inputs)

    def open(self):
        made = next(self._inputs)
        if made is None:
            raise DeviceError("connection refused")
        return LiveStream(made)

    def look(self):
        yield None
        return None


class Outage:
    """A clock that sleeping moves, besides the real one."""

    def __init__(self, monkeypatch):
        self.slept_s = 0.0
        for module in (reconnect, live):
            monkeypatch.setattr(module, "steady_s", lambda: time.monotonic() + self.slept_s)
        monkeypatch.setattr(reconnect, "time", self)
        monkeypatch.setattr(reconnect, "gc", SimpleNamespace(collect=lambda: None))  # which takes its time

    def sleep(self, seconds):
        self.slept_s += seconds


def test_an_hours_outage_is_a_gap_of_an_hour(monkeypatch):
    """Two different reasons take turns for an hour; each is said every ten minutes at most."""
    outage, times_s = Outage(monkeypatch), []

    def inputs():
        yield Made([piece(1.0)], DeviceAbsentError("it has ended"))
        times_s.append(reconnect.steady_s())
        while outage.slept_s < 3600.0:
            yield None
            yield Made([], DeviceError("no route to host"))
        times_s.append(reconnect.steady_s())
        yield Made([piece(1.0)], DeviceAbsentError("it has ended"))

    lost, kinds, heard_s = [], [], 0.0
    with Reconnecting(Comings(inputs())) as source:
        for each in source:
            if isinstance(each, Notice):
                kinds.append((each.kind, each.text))
            elif each:
                heard_s += len(each.samples) / RATE
                lost += [each.lost] if each.lost else []
            if heard_s >= 2.0:
                break
    assert len(lost) == 1 and lost[0] / RATE == pytest.approx(times_s[1] - times_s[0], abs=10.0)
    away = [text for kind, text in kinds if kind == "away"]
    assert 3 <= len(away) <= 20
    assert sum(kind == "back" for kind, _ in kinds) == 1


def test_threads_of_streams_that_ended_are_gone(monkeypatch):
    Outage(monkeypatch)
    before = set(threading.enumerate())
    ends = [Made([piece(0.1)], DeviceAbsentError("it has ended")) for _ in range(20)]
    with Reconnecting(Comings(ends)) as source, pytest.raises(RuntimeError):  # there is no next input
        for _ in source:
            pass
    until(lambda: not [each for each in set(threading.enumerate()) - before if each.name == "bowstream-stream"])


LEFT_WHILE_IT_HANGS = """
import threading
import time
from bowstream.audio.live import LiveStream, is_held

class Hanging:
    damaged, quiet_after_s, calls_python, name = 0, 10.0, True, "hanging"

    def pieces(self):
        try:
            while threading.main_thread().is_alive():
                time.sleep(0.01)
            yield None
            print("read on")
        finally:
            print("closed by", threading.current_thread().name)

with LiveStream(Hanging()):
    print(is_held())
print(is_held())
"""


def test_python_does_not_end_before_an_input_that_calls_it():
    """It hangs until the main thread has ended, is read no further, and closed by the thread that reads it."""
    run = subprocess.run([sys.executable, "-c", LEFT_WHILE_IT_HANGS], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == ["True", "True", "closed by bowstream-stream"]


def test_left_while_the_rate_changes(monkeypatch):
    """The thread has looked whether to stop just before; it must not wait for room that nobody will make."""
    stream, reshape, left = LiveStream(Made([piece(0.1, RATE // 2)])), LiveStream._reshape, threading.Event()

    def held_up(self, shape):
        left.wait()
        return reshape(self, shape)

    monkeypatch.setattr(LiveStream, "_reshape", held_up)
    with stream:
        pass
    left.set()
    stream._thread.join(10.0)
    assert not stream._thread.is_alive()
