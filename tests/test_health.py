import resource
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from signals import noise, tone

from bowstream.audio.clock import steady_s
from bowstream.audio.source import Block, Notice
from bowstream.audio.stream import StreamSource
from bowstream.health import counters
from bowstream.health.counters import Health, level_dbfs, quantile
from bowstream.health.thermal import read_thermal
from bowstream.health.warnings import HealthMonitor
from bowstream.session import Session
from bowstream.tagger import Tagger


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


@pytest.mark.parametrize("count", [1, 2, 3, 10, 600])
def test_quantiles_are_numpys(count):
    ranked = sorted(np.random.default_rng(count).gamma(2.0, size=count).tolist())
    for share in (0.0, 0.5, 0.95, 1.0):
        assert quantile(ranked, share) == pytest.approx(np.quantile(ranked, share), rel=1e-12)


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


# Dead silence, heat, and what a session warns about


def report(**changed):
    return replace(Health(16_000).report(), **changed)


def test_dead_is_less_than_silent():
    health = Health(16_000)
    health.heard(noise(0.1) * np.float32(1e-6), 0)
    health.heard(np.zeros(1600, np.float32), 0)
    health.heard(np.zeros(1600, np.float32), 0)
    assert health.report().silent_s == pytest.approx(0.3)
    assert health.report().dead_s == pytest.approx(0.2)


@pytest.fixture
def sysfs(tmp_path):
    """Write files of a made-up sysfs; return its root."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


ZONE = "class/thermal/thermal_zone"
FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("files", "celsius"),
    [
        ({}, None),
        ({f"{ZONE}0/type": "cpu-thermal\n", f"{ZONE}0/temp": "48312\n"}, 48.312),
        (
            {
                f"{ZONE}0/type": "acpitz",
                f"{ZONE}0/temp": "20000",
                f"{ZONE}1/type": "x86_pkg_temp",
                f"{ZONE}1/temp": "71000",
            },
            71.0,
        ),
        ({f"{ZONE}0/type": "acpitz\n", f"{ZONE}0/temp": "-5000\n"}, -5.0),
        ({f"{ZONE}0/type": "cpu", f"{ZONE}0/temp": "what"}, None),
        ({f"{ZONE}0/type": "cpu"}, None),
    ],
)
def test_temperature(files, celsius, sysfs):
    assert read_thermal(sysfs(files)).temperature_c == celsius


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ("0\n", ()),
        ("50000\n", ()),
        ("50005\n", ("the supply voltage is too low", "the processor is throttled")),
        ("8", ("the soft temperature limit is reached",)),
        ("vcgencmd?", None),
    ],
)
def test_throttling(content, reasons, sysfs):
    assert read_thermal(sysfs({FIRMWARE: content})).throttled == reasons
    assert read_thermal(sysfs({}) / "elsewhere").throttled is None


def test_heat_is_in_the_report(sysfs):
    root = sysfs({f"{ZONE}0/type": "cpu", f"{ZONE}0/temp": "81000", FIRMWARE: "2\n"})
    hot = Health(16_000, root).report()
    assert (hot.temperature_c, hot.throttled) == (81.0, "the processor's frequency is capped")
    (notice,) = HealthMonitor().check(hot)
    assert notice.text.startswith("the processor's frequency is capped at 81 °C: ")


def test_a_temperature_that_cannot_be_read_for_want_of_descriptors_stops_nothing(sysfs):
    health = Health(16_000, sysfs({f"{ZONE}0/type": "cpu", f"{ZONE}0/temp": "48000"}))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        during = health.report()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert during.temperature_c is None
    health._thermal_due_s = 0.0
    assert health.report().temperature_c == 48.0


def test_the_percentiles_are_worked_out_once_a_second_of_sound(monkeypatch):
    health, calls = Health(16_000), []
    monkeypatch.setattr(counters, "quantile", lambda *arguments: calls.append(1) or quantile(*arguments))
    for column in range(100):
        health.heard(noise(0.1), 0)
        health.scored(column / 1000)
        health.report()
    assert len(calls) == 2 * 10
    assert health.report().latency_p50_ms == pytest.approx(45.0)  # of the first 91


def test_silence_is_said_once_and_its_end_too():
    monitor, said = HealthMonitor(silence_s=60.0), []
    for second in range(400):
        silent = second % 200 if second % 200 < 150 else 0
        said += [
            (second, notice.kind) for notice in monitor.check(report(heard_s=float(second), silent_s=float(silent)))
        ]
    assert said == [(60, "silent"), (150, "sound"), (260, "silent"), (350, "sound")]


def test_dead_silence_is_told_from_a_quiet_room():
    (dead,) = HealthMonitor(60.0).check(report(heard_s=100.0, silent_s=90.0, dead_s=61.0))
    (quiet,) = HealthMonitor(60.0).check(report(heard_s=100.0, silent_s=90.0, dead_s=59.0))
    assert (dead.kind, quiet.kind) == ("dead", "silent")
    assert "every sample is 0" in dead.text
    assert not list(HealthMonitor(60.0).check(report(heard_s=100.0, silent_s=59.0)))


def test_clipping_is_said_every_ten_minutes_at_most():
    monitor, said = HealthMonitor(), []
    for second in range(1300):
        said += [
            (second, notice.text.split()[0]) for notice in monitor.check(report(heard_s=float(second), clipped=second))
        ]
    assert said == [(1, "1"), (601, "600"), (1201, "600")]


def test_a_session_says_it(bundle):
    """Through the live loop: clipping at once, dead silence once it has lasted."""
    sound = np.concatenate([np.ones(16_000, np.float32), np.zeros(4 * 16_000, np.float32)])
    source = SimpleNamespace(live=True, clipped=3, overflows=0, name="x", duration_s=None)
    records = list(Session(Live(source, sound), Tagger(bundle), silence_s=3.0))
    assert [record.kind for record in records if isinstance(record, Notice)] == ["clipping", "dead"]


class Live:
    """A live source of these samples, each column of which arrived half a second ago."""

    def __init__(self, source, samples):
        self.__dict__.update(vars(source))
        self.samples = samples

    def __iter__(self):
        for samples in self.samples.reshape(-1, 1600):
            yield Block(samples, arrived_s=steady_s() - 0.5)


def test_latency_counts_from_the_arrival_of_the_sound(bundle):
    source = SimpleNamespace(live=True, clipped=0, overflows=0, name="x", duration_s=None)
    session = Session(Live(source, np.zeros(5 * 16_000, np.float32)), Tagger(bundle))
    list(session)
    health = session.health.report()
    assert 500.0 < health.latency_p50_ms < 700.0
    assert health.real_time_factor < 0.5


class Flood(StreamSource):
    """A source that delivers one and a half columns for each that is taken."""

    blocks = 0

    def _ended(self):
        if self.blocks < 1000:
            self._write(np.full((2400, 1), 0.1, np.float32))
            self.blocks += 1
        return self.blocks == 1000


def test_falling_behind_drops_the_oldest_and_never_scores_stale_sound(front_end):
    """What is behind stays within the ring; between two gaps there is sound enough for whole windows."""
    source = Flood("flood", 16_000, 1, front_end.format)
    heard, lost, stretches, oldest = 0, 0, [0], 0
    for each in source:
        heard, lost = heard + len(each.samples), lost + each.lost
        stretches[-1] += len(each.samples)
        stretches += [0] if each.lost else []
        oldest = max(oldest, source.blocks * 2400 - heard - lost)
    assert heard + lost == 1000 * 2400
    assert lost > 0.25 * heard
    assert oldest <= 4 * 16_000
    assert min(stretches[:-1]) >= 16_000
