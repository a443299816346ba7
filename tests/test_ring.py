import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowstream.audio.ring import RingBuffer


def numbered(start, count, channels=1):
    """Frames that carry their own sequence number in every channel."""
    return np.repeat(np.arange(start, start + count, dtype=np.float32)[:, None], channels, axis=1)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 15, 16, 17, 100])
def test_the_newest_frames_are_kept_and_the_lost_are_counted(count):
    ring = RingBuffer(8, 2)
    ring.write(numbered(0, count, 2))
    assert ring.available == min(count, 8)
    lost, frames = ring.read()
    assert lost == max(0, count - 8)
    assert np.array_equal(frames, numbered(lost, count - lost, 2))
    assert ring.available == 0
    lost, frames = ring.read()
    assert (lost, len(frames)) == (0, 0)


@given(
    capacity=st.integers(1, 20),
    steps=st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=30),
)
def test_everything_written_is_read_in_order_or_counted_lost(capacity, steps):
    """None reads, a number writes that many."""
    ring, written, expected = RingBuffer(capacity, 1), 0, 0
    for count in [*steps, None]:
        if count is not None:
            ring.write(numbered(written, count))
            written += count
            continue
        lost, frames = ring.read()
        assert lost == max(0, written - expected - capacity)
        assert np.array_equal(frames, numbered(expected + lost, len(frames)))
        expected += lost + len(frames)
        assert expected == written


@given(
    capacity=st.integers(1, 20),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 30)),
            st.tuples(st.just("skip"), st.integers(1, 50)),
            st.tuples(st.just("read"), st.none() | st.integers(1, 10), st.none() | st.integers(1, 10)),
        ),
        max_size=40,
    ),
)
def test_skipped_frames_are_lost_at_the_place_where_they_are_missing(capacity, steps):
    """Each frame comes out at its own time: what was written, overwritten and skipped before it."""
    ring, times, now, heard = RingBuffer(capacity, 1), [], 0, 0
    for kind, *amounts in [*steps, *[("read", None, None)] * 50]:
        if kind == "write":
            ring.write(numbered(len(times), amounts[0]))
            times += range(now, now + amounts[0])
            now += amounts[0]
        elif kind == "skip":
            ring.skip(amounts[0])
            now += amounts[0]
        else:
            lost, frames = ring.read(*amounts)
            assert lost >= 0
            assert len(frames) <= (amounts[0] or len(frames))
            heard += lost
            for number in frames[:, 0].astype(int):
                assert times[number] == heard
                heard += 1
    assert heard == now == ring.elapsed


class Interrupted(np.ndarray):
    """The ring's store, with a writer that comes in when half of a read is copied."""

    def __getitem__(self, places):
        found = np.asarray(self)[places]
        if self.interruption is None:
            return found
        write, self.interruption = self.interruption, None
        first = found[: len(found) // 2].copy()
        write()
        return np.concatenate([first, found[len(found) // 2 :]])


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 20])
@pytest.mark.parametrize("before", [5, 8])
def test_a_read_that_is_overtaken_gives_nothing_that_was_overwritten(before, count):
    ring = RingBuffer(8, 1)
    ring.write(numbered(0, before))
    ring._frames = ring._frames.view(Interrupted)
    ring._frames.interruption = lambda: ring.write(numbered(before, count))
    expected = 0
    for _ in range(2):
        lost, frames = ring.read()
        assert np.array_equal(frames, numbered(expected + lost, len(frames)))
        expected += lost + len(frames)
    assert expected == before + count


@pytest.mark.parametrize("block", [1, 16, 100, 300])
def test_a_fast_writer_in_another_thread(block):
    """The writer never waits and the reader is slow: whatever is read is in order, the rest is counted."""
    ring, frames, enough = RingBuffer(100, 2), numbered(0, 2**22, 2), threading.Event()
    written = 0

    def write():
        nonlocal written
        while not enough.is_set() and written + block <= len(frames):
            ring.write(frames[written : written + block])
            written += block

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        expected, reads, losses = 0, 0, 0
        while (alive := writer.is_alive()) or ring.available:
            lost, read = ring.read()
            assert lost >= 0
            assert np.array_equal(read, frames[expected + lost :][: len(read)])
            expected += lost + len(read)
            reads, losses = reads + (len(read) > 0), losses + (lost > 0)
            if reads >= 100 and losses >= 10:
                enough.set()
            if alive and reads % 10 == 0:
                time.sleep(0.0005)  # fall behind
    finally:
        enough.set()
        writer.join()
        sys.setswitchinterval(before)
    assert expected == written
    assert reads > 0
    assert losses > 0
