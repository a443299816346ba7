import re
import threading
import time

import pytest
from stage import Stage, until

from bowstream.config.sinks import SETTINGS
from bowstream.errors import UsageError
from bowstream.sinks import SINKS, Sinks
from bowstream.sinks.worker import PermanentError, RetryableError, Sink


class Gate(Sink[int]):
    """Delivers integers while it is open; a negative one is refused."""

    first_wait_s, longest_wait_s = 0.01, 0.02

    def __init__(self, capacity=3):
        super().__init__("gate", capacity)
        self.open = threading.Event()
        self.got = []

    def convert(self, record):
        yield record

    def deliver(self, item):
        if item < 0:
            raise PermanentError("a negative number")
        if not self.open.is_set():
            raise RetryableError("the gate is shut")
        self.got.append(item)

    def counts(self):
        report = self.report()
        return report.delivered, report.lost, report.waiting


def test_delivers_in_order_and_reports():
    with Gate() as gate:
        gate.open.set()
        for number in range(3):
            gate.write(number)
        until(lambda: gate.got == [0, 1, 2])
    assert gate.counts() == (3, 0, 0)
    assert str(gate.report()) == "gate: 3 delivered"


def test_an_outage_keeps_the_newest_and_counts_the_rest():
    with Gate(capacity=3) as gate:
        gate.write(0)
        until(lambda: gate.report().trouble == "the gate is shut")
        for number in range(1, 10):  # 0 is being tried: 7, 8 and 9 wait
            gate.write(number)
        assert gate.counts() == (0, 6, 4)
        gate.open.set()
        until(lambda: gate.got == [0, 7, 8, 9])
        assert gate.report().trouble == ""
    assert gate.counts() == (4, 6, 0)


def test_what_is_refused_is_lost_and_the_next_is_delivered():
    with Gate() as gate:
        gate.open.set()
        gate.write(-1)
        gate.write(1)
        until(lambda: gate.got == [1])
    assert gate.counts() == (1, 1, 0)


def test_closing_delivers_what_waits():
    gate = Gate(capacity=100)
    gate.open.set()
    with gate:
        for number in range(100):
            gate.write(number)
    assert gate.got == list(range(100))


def test_closing_gives_up_at_its_deadline_and_counts():
    gate = Gate()
    gate.__enter__()
    for number in range(3):
        gate.write(number)
    started = time.monotonic()
    gate.join(flush_s=0.1)
    assert time.monotonic() - started < 1.0
    assert gate.counts() == (0, 3, 0)


def test_writing_never_waits_for_a_sink_that_hangs():
    class Stuck(Gate):
        def deliver(self, item):
            self.open.wait(20.0)

    stuck = Stuck()
    stuck.__enter__()
    started = time.monotonic()
    for number in range(1000):
        stuck.write(number)
    stuck.join(flush_s=0.05)
    assert time.monotonic() - started < 1.0
    report = stuck.report()
    assert report.delivered == 0
    assert report.lost + report.waiting == 1000
    stuck.open.set()


def test_a_bug_in_a_sink_is_counted_and_does_not_end_it():
    class Buggy(Gate):
        def deliver(self, item):
            if item == 0:
                raise ZeroDivisionError("oops")
            super().deliver(item)

    with Buggy() as buggy:
        buggy.open.set()
        buggy.write(0)
        buggy.write(1)
        until(lambda: buggy.got == [1])
    assert buggy.counts() == (1, 1, 0)


def test_a_bug_in_a_conversion_is_counted_and_does_not_end_the_listening():
    class Buggy(Gate):
        def convert(self, record):
            yield 1 // record

    with Buggy() as buggy:
        buggy.open.set()
        buggy.write(0)
        assert buggy.report().trouble.startswith("ZeroDivisionError")
        buggy.write(1)
        until(lambda: buggy.got == [1])
    assert buggy.counts() == (1, 1, 0)


def test_what_waits_for_long_is_said_though_nothing_fails():
    class Slow(Gate):
        late_s = 0.05

        def deliver(self, item):
            self.open.wait(10.0)

    with Slow() as slow:
        slow.write(0)
        assert slow.report().trouble == ""
        until(lambda: slow.report().trouble == "slow: the oldest has waited for more than 0.05 s")
        slow.open.set()
        until(lambda: slow.report().trouble == "")


def test_a_thread_that_dies_is_said():
    class Mortal(Gate):
        def deliver(self, item):
            raise SystemExit("enough")

    with Mortal() as mortal:
        mortal.write(0)
        until(lambda: mortal.report().trouble == "its thread has died: SystemExit('enough')")


def test_a_delivery_that_goes_on_at_the_end_is_aborted():
    class Stubborn(Gate):
        def deliver(self, item):
            self.open.wait(20.0)

        def abort(self):
            self.open.set()

    stubborn = Stubborn()
    stubborn.__enter__()
    stubborn.write(0)
    until(lambda: stubborn.report().waiting == 1)
    stubborn.join(flush_s=0.05)
    assert not stubborn._thread.is_alive()


def test_sinks_count_losses_in_the_health_and_say_what_changes(tmp_path):
    stage, said = Stage(), []
    sinks = Sinks(*stage.stream, {"jsonl": SETTINGS["jsonl"](path=str(tmp_path / "a" / "events.jsonl"))}, said.append)
    (sink,) = sinks._sinks
    sink.first_wait_s = sink.longest_wait_s = 0.01
    (tmp_path / "a").write_text("a file where a folder should be")
    with sinks:
        sinks.write(stage.begin("dog", 0.0))
        until(lambda: sinks.reports()[0].trouble)
        stage.play(sinks, stage.sound(1))
        assert len(said) == 1 and said[0].startswith("jsonl: 0 delivered, 1 waiting (")
        (tmp_path / "a").unlink()
        until(lambda: not sinks.reports()[0].trouble)
        stage.play(sinks, stage.sound(6))  # they are asked every five seconds
        assert said[1] == "jsonl: 1 delivered; delivers again"
    assert stage.health.report().undelivered == 0


def test_every_setting_has_a_sink():
    assert set(SINKS) == set(SETTINGS.values())


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("jsonl", {"rotate_mb": 0}, "rotate_mb must be 0.001 … 1000000 (got 0)"),
        ("jsonl", {"path": ""}, "path must be a file"),
        ("clips", {"before_s": 5.0, "longest_s": 5.0}, "longest_s must be more than before_s"),
        ("clips", {"only": ("dog",), "never": ("dog",)}, "never must be without what only names (got 'dog')"),
        ("command", {"argv": ()}, "argv must be a program"),
        (
            "command",
            {"argv": ("no-such-program-here",)},
            "argv must begin with a program that is here (got 'no-such-program-here')",
        ),
        ("command", {"argv": ("true",), "states": ("up",)}, "states must be"),
        ("webhook", {"url": "ftp://x"}, "url must begin with"),
        ("mqtt", {"host": ""}, "host must be"),
        ("mqtt", {"topic": "a/#"}, "topic must be"),
        ("prometheus", {"port": 0}, "port must be 1 … 65535 (got 0)"),
    ],
)
def test_settings_refuse_nonsense(name, fields, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        SETTINGS[name](**fields)
