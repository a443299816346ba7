"""When sound was heard, whatever is done to the system's clock."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from bowstream.audio.clock import FixedClock, StreamClock, rfc3339, utc
from bowstream.audio.drift import Drift

BOOT = 1_700_000_000.0


class Machine:
    """A machine's two clocks: one that is never set, one that may be."""

    def __init__(self):
        self.now_s = 50.0
        self.offset_s = BOOT

    def clock(self):
        return StreamClock(lambda: self.now_s, lambda: self.now_s + self.offset_s)


@pytest.fixture
def machine():
    return Machine()


def hear(machine, clock, first, last, late_s=0.0):
    """Let the seconds from first to last of a stream that began at 50 s of the steady clock arrive."""
    for second in range(first, last + 1):
        machine.now_s = 50.0 + second + late_s
        clock.arrived(float(second), machine.now_s)


def test_before_the_first_arrival_it_is_now(machine):
    assert machine.clock().time(7.0) == utc(BOOT + 50.0)


def test_the_most_punctual_arrival_is_right(machine):
    clock = machine.clock()
    for second, late_s in ((1, 0.02), (2, 1.5), (3, 0.0), (4, 0.1)):
        hear(machine, clock, second, second, late_s)
    assert clock.time(0.0) == utc(BOOT + 50.0)
    assert clock.time(2.01) == utc(BOOT + 52.01)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 1e8, 0.3], ids=["forward", "back", "no clock at boot", "a little"])
def test_a_step_of_the_system_clock_dates_the_next_record_right(machine, step_s):
    clock = machine.clock()
    hear(machine, clock, 1, 10)
    machine.offset_s += step_s
    hear(machine, clock, 11, 11)
    assert clock.time(11.0) == utc(BOOT + step_s + 61.0)
    assert clock.time(3.0) == utc(BOOT + step_s + 53.0)  # what came before is dated by the right clock, too


def test_a_sound_card_that_drifts_is_followed(machine):
    """After an hour at 100 ppm it is 0.36 s late: what is looked back on is a minute."""
    clock = machine.clock()
    for column in range(1, 36_000):
        machine.now_s = 50.0 + column * 0.1 * 1.0001
        clock.arrived(column * 0.1, machine.now_s)
    late_s = (clock.time(3599.9) - utc(BOOT + 50.0 + 3599.9 * 1.0001)).total_seconds()
    assert -0.01 < late_s <= 0.0


def test_a_recording_is_dated_by_its_beginning():
    began = datetime(2027, 1, 15, 9, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(FixedClock(began).time(1.25)) == "2027-01-15T08:00:01.250Z"


def test_rfc3339():
    assert rfc3339(utc(1_800_000_000.25)) == "2027-01-15T08:00:00.250Z"


def drifting(ppm, minutes, jitter_s=0.02, seed=0, stalled=()):
    """Return what is measured of a source whose clock is so many millionths fast, after each minute."""
    rng, drift, found = np.random.default_rng(seed), Drift(), []
    for minute in range(minutes):
        at_s = 1000.0 + 60.0 * minute + np.arange(600) / 10.0
        late_s = rng.exponential(jitter_s, 600) + (3.0 if minute in stalled else 0.0)
        for arrival_s, sent_s in zip(at_s + late_s, at_s):
            drift.arrived(arrival_s - sent_s * (1.0 + ppm * 1e-6), arrival_s)
        found.append(drift.ppm)
    return found


@pytest.mark.parametrize("ppm", [-90.0, 0.0, 40.0, 3000.0])
def test_drift_is_measured(ppm):
    """From five minutes on, to a few millionths, also where sound is held up for a minute."""
    found = drifting(ppm, 30, stalled=(8, 20))
    assert found[:4] == [None] * 4
    known = [value for value in found if value is not None]
    assert len(known) > 20 and known == pytest.approx([ppm] * len(known), abs=10.0)
    assert known[-1] == pytest.approx(ppm, abs=1.0)


def test_drift_that_cannot_be_told_is_not():
    assert drifting(50.0, 12, jitter_s=300.0) == [None] * 12


def test_a_gap_has_drift_measured_anew(machine):
    """Its length is an estimate, here a tenth of a second too long; what was known stays known."""
    clock = machine.clock()
    for second in range(400):
        clock.arrived(second * 1.00005, 50.0 + second)
    assert clock.drift_ppm == pytest.approx(50.0, abs=1.0)
    clock.gap()
    for second in range(400, 460):
        clock.arrived(second * 1.00005 + 0.1, 50.0 + second)
    assert clock.drift_ppm == pytest.approx(50.0, abs=1.0)


def test_how_late_sound_is(machine):
    clock = machine.clock()
    hear(machine, clock, 1, 5)
    assert clock.late_s == 0.0
    hear(machine, clock, 6, 6, late_s=2.5)
    assert clock.late_s == pytest.approx(2.5)
