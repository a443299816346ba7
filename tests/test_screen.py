"""The screen on real pseudo-terminals: keys, suspension, stalls, stray messages; and what it looks back on."""

import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import StubNetwork
from pseudo_terminal import ESCAPES, PseudoTerminal

from bowstream.bundle import Bundle, Tag
from bowstream.events import Event
from bowstream.history import HAPPENINGS, SECONDS, History
from bowstream.level import LevelSettings
from bowstream.session import Gap, Session, Sound
from bowstream.sources import Notice
from bowstream.tagger import Tagger, Tags
from bowstream.terminal import Terminal

LISTEN = [sys.executable, "-m", "bowstream", "listen", "--demo"]
ENTER, LEAVE, SHOW_CURSOR, HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h", "\x1b[H"


@pytest.fixture
def listening(bundle):
    """`bowstream listen --demo` on a terminal of 80 by 24."""
    with PseudoTerminal(LISTEN) as terminal:
        terminal.wait_for("4000")
        yield terminal


def test_keys(listening):
    assert "space freeze" in listening.shown
    listening.type("m")
    listening.wait_for("◆ mark 1")
    listening.type("?")
    listening.forget()
    listening.wait_for("hop ")
    assert "space freeze" not in listening.shown
    listening.type(" ")
    listening.wait_for(" FROZEN ")
    listening.forget()
    time.sleep(1.1)
    listening.read()
    assert len(set(re.findall(r"\d\d:\d\d:\d\d   \d+ of", listening.shown))) == 1
    assert 2 <= listening.raw.count(HOME) <= 6  # four a second
    listening.type("q")
    assert listening.end() == 0
    assert listening.is_as_before
    after = listening.raw[listening.raw.index(LEAVE) :]
    assert SHOW_CURSOR in listening.raw and "◆ mark 1" in after and "\nbowstream: " in after


def test_plus_and_minus_change_the_number_of_tags(listening):
    def rows():
        listening.forget()
        listening.wait_for("q quit", times=2)
        frame = re.findall(f"{re.escape(HOME)}.*?q quit", listening.raw, re.S)[-1]
        return len(re.findall(r"[┿┼][━╸─]* \d", ESCAPES.sub("", frame)))

    before = rows()
    listening.type("---")
    assert rows() == before - 3
    listening.type("+")
    assert rows() == before - 2


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_signals_leave_the_terminal_as_it_was(listening, number):
    listening.process.send_signal(number)
    assert listening.end() == 0
    assert listening.raw.count(ENTER) == listening.raw.count(LEAVE) == 1
    assert listening.is_as_before


def test_an_exception_leaves_the_terminal_as_it_was(tmp_path, bundle):
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys; from bowstream import cli, demo\n"
        "def blocks(self, block_s):\n"
        "    yield self.samples[:44100, None]\n"
        "    raise RuntimeError('the wire broke')\n"
        "demo.Scene.blocks = blocks\n"
        "sys.exit(cli.main(['listen', '--demo']))\n"
    )
    with PseudoTerminal([sys.executable, str(script)]) as terminal:
        assert terminal.end() == 1
        assert "the wire broke" in terminal.raw[terminal.raw.index(LEAVE) :]
        assert terminal.is_as_before


@pytest.mark.skipif(not shutil.which("bash"), reason="a shell with job control is wanted")
def test_suspended_it_gives_the_terminal_back(bundle):
    line = " ".join(LISTEN)
    with PseudoTerminal(["bash", "-mc", f"{line}; echo STOPPED; read -r; fg; echo ENDED $?"]) as terminal:
        terminal.wait_for("4000")
        terminal.type("\x1a")
        terminal.wait_for("STOPPED")
        assert terminal.raw.count(LEAVE) == 1 and terminal.is_as_before
        terminal.forget()
        terminal.type("\n")
        terminal.wait_for("4000")
        assert terminal.raw.count(ENTER) == 1
        terminal.type("q")
        terminal.wait_for("ENDED 0")


def test_without_a_keyboard_there_are_no_keys(bundle):
    with PseudoTerminal(LISTEN, stdin=subprocess.DEVNULL) as terminal:
        terminal.wait_for("4000")
        assert "q quit" not in terminal.shown
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0


def test_a_dumb_terminal_gets_lines(bundle):
    dumb = ["env", "TERM=dumb", *LISTEN]
    with PseudoTerminal(dumb) as terminal:
        terminal.wait_for("dBFS")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert "\x1b" not in terminal.raw


def test_a_stalled_terminal_is_not_waited_for(monkeypatch):
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        termios.tcflow(slave, termios.TCOOFF)
        text = "".join(f"{number}\n" for number in range(100_000))
        with Terminal() as terminal:
            terminal.write(text)
            terminal.flush()  # returns though nobody takes anything
            assert not terminal.ready()
            termios.tcflow(slave, termios.TCOON)
            read = b""
            while not terminal.ready() or not read.endswith(b"99999\r\n"):
                read += os.read(master, 65536)
    os.close(master)
    assert read.decode().replace("\r\n", "\n") == text


def test_stray_messages_are_held_back_and_handed_on():
    script = (
        "import os; from bowstream.terminal import Strays\n"
        "with Strays() as strays:\n"
        "    os.write(2, b'from a library\\nunfin')\n"
        "    assert strays.gather() and list(strays.lines) == ['from a library']\n"
        "    assert not strays.gather()\n"
        "    print('DRAWN', flush=True)\n"
    )
    with PseudoTerminal([sys.executable, "-c", script]) as terminal:
        assert terminal.end() == 0
        assert terminal.shown.split() == ["DRAWN", "from", "a", "library", "unfin"]


@pytest.fixture
def small(front_end, stub_encoders):
    """A bundle of three tags that is made of stubs."""
    n_counts = sum(len(encoder.codebook) for encoder in stub_encoders.values())
    return Bundle(
        name="stub",
        path=Path(),
        front_end=front_end,
        level=LevelSettings(),
        encoders=stub_encoders,
        head=StubNetwork(n_counts, 3, 0),
        tags=tuple(Tag(name, 0.5, 0.3) for name in ("low", "high", "rough")),
        count_transform="none",
        slopes=np.full(3, 0.001, np.float32),
        biases=np.zeros(3, np.float32),
        description={},
    )


class Nothing:
    name, duration_s, live, clipped, overflows = "nothing", None, True, 0, 0

    def __iter__(self):
        return iter(())


def scored(end_s, *scores):
    return Tags(round(end_s * 16_000), np.array(scores, np.float32), np.zeros(143, np.intp))


def history_of(small, hop_columns, records):
    history = History(Session(Nothing(), small, hop_columns))
    for record in records:
        history.write(record)
    return history


def test_history_keeps_the_highest_score_of_each_second(small):
    halves = history_of(small, 5, [scored(s, s / 10, 0, 0) for s in (1.0, 1.5, 2.0, 2.5)])
    (row,) = halves.view(1).tags
    assert row.name == "low" and row.score == 0.25
    assert np.allclose(row.history, (0.1, 0.2, 0.25))


def test_history_leaves_out_no_second_of_a_gap(small):
    history = history_of(small, 10, [scored(1, 0.5, 0, 0), Gap(16_000, 48_000), scored(5, 0.75, 0, 0)])
    assert list(history.view(1).tags[0].history) == [0.5, 0.0, 0.0, 0.0, 0.75]
    (gap,) = history.view(1).happenings
    assert (gap.kind, gap.start_s, gap.end_s) == ("gap", 1.0, 4.0)


def test_a_tag_keeps_its_place_for_a_while(small):
    loud = scored(1, 0.2, 0.9, 0.1)
    soon = [scored(2, 0.5, 0.1, 0.1)]
    late = [scored(second, 0.5, 0.1, 0.1) for second in range(2, 9)]
    assert [row.name for row in history_of(small, 10, [loud, *soon]).view(3).tags] == ["high", "low", "rough"]
    assert [row.name for row in history_of(small, 10, [loud, *late]).view(2).tags] == ["low", "high"]
    assert history_of(small, 10, [loud, *soon]).view(3).leader == "low"


def test_events_open_and_close_on_the_timeline(small):
    history = history_of(small, 10, [Event("low", 16_000, None, 0.7, 0.7)])
    history.mark()
    newest, oldest = history.view(1).happenings
    assert newest.name == "mark 1" and (oldest.name, oldest.start_s, oldest.end_s) == ("low", 1.0, None)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", oldest.clock)
    history.write(Event("low", 16_000, 48_000, 0.9, 0.8))
    assert [(row.end_s, row.peak) for row in history.view(1).happenings if row.kind == "event"] == [(3.0, 0.9)]


def test_a_tag_that_is_held_back_says_for_how_long(small):
    session = Session(Nothing(), small, 10, confirm_hops=3)
    history = History(session)
    for second in (1, 2):
        history.write(scored(second, 0.9, 0, 0))
        session.tracker.push(scored(second, 0.9, 0, 0))
    assert history.view(1).tags[0].held == (2, 3) and history.view(1).tags[0].raised_s is None
    session.tracker.push(scored(3, 0.9, 0, 0))
    assert history.view(1).tags[0].held is None and history.view(1).tags[0].raised_s is not None


def test_notices_are_on_the_timeline(small):
    (notice,) = history_of(small, 10, [Notice("away", "gone; waiting for it")]).view(1).happenings
    assert (notice.kind, notice.name) == ("notice", "away")


def test_meter_holds_peaks_and_says_when_there_was_clipping(small):
    session = Session(Nothing(), small)
    history = History(session)
    column = Sound(np.zeros(1600, np.float32), np.zeros((10, 96), np.float32))
    loud = Sound(np.full(1600, 0.5, np.float32), np.ones((10, 96), np.float32))
    assert history.view(1).peak_dbfs == -120.0 and not history.view(1).clipping
    session.health.clipped = 3
    history.write(loud)
    history.write(column)
    view = history.view(1)
    assert abs(view.peak_dbfs + 6.02) < 0.01 and view.clipping
    assert view.picture[:, 0].tolist() == [1.0, 0.0]
    for _ in range(20):
        history.write(column)
    assert history.view(1).peak_dbfs == -120.0 and not history.view(1).clipping


def test_history_is_bounded(small):
    history = history_of(small, 10, (scored(second, 0.1, 0.1, 0.1) for second in range(1, 1000)))
    for _ in range(1000):
        history.mark()
        history.write(Sound(np.zeros(1600, np.float32), np.zeros((10, 96), np.float32)))
    view = history.view(3)
    assert (len(view.tags[0].history), len(view.happenings), len(view.picture)) == (SECONDS, HAPPENINGS, 600)


def test_explain_leaves_each_family_out(small):
    tagger = Tagger(small)
    (tags,) = tagger.push(np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32))
    gains = tagger.explain(tags)
    assert list(gains) == ["pat", "fenv", "env", "o"]
    for family, encoder in small.encoders.items():
        counts = tagger.coder.counts(tags.codes[np.newaxis])
        first = tagger.coder.offsets[family]
        counts[:, first : first + len(encoder.codebook)] = 0
        assert np.array_equal(gains[family], tags.scores - small.scores(counts)[0])
    assert any(np.abs(gain).max() > 0.01 for gain in gains.values())
