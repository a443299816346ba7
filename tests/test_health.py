import numpy as np
import pytest
from signals import noise, tone

from bowstream.health import Health, level_dbfs


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        (np.ones(1600, np.float32), 0.0),
        (np.full(1600, 0.1, np.float32), -20.0),
        (np.zeros(1600, np.float32), -120.0),
        (np.full(1600, 1e-9, np.float32), -120.0),
        (np.empty(0, np.float32), -120.0),
        (tone(1.0, 1000.0, 1.0), -3.01),
    ],
    ids=["square", "tenth", "silence", "below the floor", "nothing", "sine"],
)
def test_level(samples, wanted):
    assert level_dbfs(samples) == pytest.approx(wanted, abs=0.01)


def test_nothing_heard_is_a_whole_report():
    report = Health(16_000).report()
    assert report.heard_s == report.lost_s == report.real_time_factor == report.latency_p95_ms == 0.0
    assert report.level_dbfs == -120.0


def test_losses_and_silence_are_counted():
    health = Health(16_000)
    health.heard(noise(0.1), 0)
    health.heard(np.empty(0, np.float32), 8_000)
    health.heard(np.zeros(1600, np.float32), 0)
    health.heard(np.zeros(1600, np.float32), 1_600)
    report = health.report()
    assert report.heard_s == pytest.approx(0.3)
    assert report.lost_s == pytest.approx(0.6)
    assert report.gaps == 2
    assert report.silent_s == pytest.approx(0.2)
    assert report.level_dbfs == -120.0
    health.heard(noise(0.1), 0)
    assert health.report().silent_s == 0.0


def test_latency_is_that_of_windows_and_the_factor_that_of_all_work():
    health = Health(16_000)
    for column in range(100):
        health.heard(noise(0.1), 0)
        health.worked(0.005)
        if column % 10 == 9:
            health.scored(0.005)
    report = health.report()
    assert report.latency_p50_ms == pytest.approx(5.0)
    assert report.latency_p95_ms == pytest.approx(5.0)
    assert report.real_time_factor == pytest.approx(0.05)
