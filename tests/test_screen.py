"""The screen on real pseudo-terminals: keys, suspension, stalls, stray messages."""

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from pseudo_terminal import PseudoTerminal

from bowstream.dashboard.terminal import Terminal

LISTEN = [sys.executable, "-m", "bowstream", "listen", "--demo"]
ENTER, LEAVE, SHOW_CURSOR, FIRST_ROW = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h", "\x1b[1;1H"


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
    time.sleep(0.2)  # for the rest of that drawing
    listening.read()
    shown = listening.rows
    time.sleep(1.1)
    listening.read()
    assert listening.rows == shown and re.search(r"\d\d:\d\d:\d\d   \d+ of", shown[1])
    listening.type("q")
    assert listening.end() == 0
    assert listening.is_as_before
    after = listening.raw[listening.raw.index(LEAVE) :]
    assert SHOW_CURSOR in listening.raw and "◆ mark 1" in after and "\nbowstream: " in after


def test_plus_and_minus_change_the_number_of_tags(listening):
    def tags():
        return sum(bool(re.search(r"[┿┼][━╾─]* \d", row)) for row in listening.rows.values())

    listening.wait_for("┼")
    before = tags()
    listening.type("---")
    listening.wait_until(lambda: tags() == before - 3)
    listening.type("+")
    listening.wait_until(lambda: tags() == before - 2)


def test_rows_are_drawn_again_only_when_they_change(listening):
    """But all of them now and then, and where the terminal changes its size."""
    listening.wait_until(lambda: listening.raw.count(FIRST_ROW) > 3)
    assert listening.raw.count("\x1b[24;1H") == listening.raw.count("q quit") < listening.raw.count(FIRST_ROW)
    listening.forget()
    fcntl.ioctl(listening.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    # What was read may end within a row.
    whole = dict.fromkeys(range(1, 31), 100)
    listening.wait_until(lambda: {number: len(row) for number, row in listening.rows.items()} == whole)
    assert "\x1b[2J" in listening.raw


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_signals_leave_the_terminal_as_it_was(listening, number):
    listening.process.send_signal(number)
    assert listening.end() == 0
    assert listening.raw.count(ENTER) == listening.raw.count(LEAVE) == 1
    assert listening.is_as_before


def test_an_exception_leaves_the_terminal_as_it_was(tmp_path, bundle):
    script = tmp_path / "broken.py"
    script.write_text(
        "import itertools, sys; from bowstream.audio import demo; from bowstream.cli import main as cli\n"
        "whole = demo.Scene.blocks\n"
        "def blocks(self, block_s):\n"
        "    yield from itertools.islice(whole(self, block_s), 100)\n"
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


def test_a_stalled_terminal_and_much_that_is_said_do_not_hold_it_up(bundle, tmp_path):
    """What strays to standard error is read though nothing can be drawn, else the pipe would fill."""
    script = tmp_path / "chatty.py"
    script.write_text(
        "import os, sys; from bowstream.cli import main as cli; from bowstream.dashboard import history\n"
        "write = history.History.write\n"
        "line = b'chatter' * 5 + b'\\n'\n"
        "history.History.write = lambda self, record: (os.write(2, 200 * line), write(self, record))\n"
        "sys.exit(cli.main(['listen', '--demo']))\n"
    )
    with PseudoTerminal([sys.executable, str(script)]) as terminal:
        terminal.wait_for("4000")
        terminal.type("\x13")  # Ctrl+S
        time.sleep(2.0)
        terminal.type("\x11q")
        assert terminal.end() == 0


def test_what_a_library_wrote_is_handed_on_without_its_orders_to_the_terminal():
    script = (
        "import os; from bowstream.dashboard.terminal import StderrCapture\n"
        "with StderrCapture(): os.write(2, b'a\\x1b]0;owned\\x07\\n')\n"
    )
    with PseudoTerminal([sys.executable, "-c", script]) as terminal:
        assert terminal.end() == 0
        assert "\x1b" not in terminal.raw and r"a\x1b]0;owned\x07" in terminal.raw


def test_stray_messages_are_held_back_and_handed_on():
    script = (
        "import os; from bowstream.dashboard.terminal import StderrCapture\n"
        "with StderrCapture() as captured:\n"
        "    os.write(2, b\"Expression 'x' failed\\n\"); os.write(2, b'from a library\\nunfin')\n"
        "    assert captured.gather() and list(captured.lines) == ['from a library']\n"
        "    assert not captured.gather()\n"
        "    print('DRAWN', flush=True)\n"
    )
    with PseudoTerminal([sys.executable, "-c", script]) as terminal:
        assert terminal.end() == 0
        assert terminal.shown.split() == ["DRAWN", "from", "a", "library", "unfin"]
