"""Teaching on the dashboard, with the keys of a real terminal, from a file that grows as a microphone would fill it."""

import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from pseudo_terminal import PseudoTerminal
from stage import RATE
from test_dashboard import printed, view  # noqa: F401
from test_learn import beeps

from bowstream.dashboard.layout import render, usual_tags
from bowstream.dashboard.lesson import Lesson
from bowstream.errors import AudioError
from bowstream.learn.newest import Newest
from bowstream.model.learned_file import read_learned


def newest_of(*sounds):
    newest = Newest(RATE)
    for sound in sounds:
        newest.push(sound)
    return newest


def test_a_lesson_is_what_sounds_in_the_last_seconds():
    newest = newest_of(np.zeros(10 * RATE, np.float32), beeps(1000, 0), np.zeros(RATE, np.float32))
    lesson = Lesson.begin(newest, np.full((600, 96), 0.5, np.float32))
    assert len(lesson.picture) == 50 and (lesson.first, lesson.last) == (15, 28)
    assert lesson.heading == "taken: 1.3 s of the last 5.0 s"
    bright = lesson.shown.mean(axis=1)
    assert bright[15:28] == pytest.approx(0.5) and bright[:15] == pytest.approx(0.15)


def test_nothing_is_no_lesson():
    for newest in (newest_of(), newest_of(np.zeros(5 * RATE, np.float32))):
        with pytest.raises(AudioError):
            Lesson.begin(newest, np.zeros((600, 96), np.float32))


def test_a_name_is_typed():
    lesson = Lesson.begin(newest_of(beeps(1000, 0)), np.zeros((600, 96), np.float32))
    for key in "our bx\x7fell\t\x01é":
        lesson = lesson.typed(key)
    assert lesson.name == "our bellé" and "teach this as: our bellé▁" in lesson.prompt
    for key in "x" * 100:
        lesson = lesson.typed(key)
    assert len(lesson.name) == 60


def test_the_dashboard_asks_and_shows_what_is_taken(view):  # noqa: F811
    lesson = Lesson.begin(newest_of(beeps(1000, 0)), np.full((600, 96), 0.9, np.float32)).typed("b")
    for width, height in ((60, 16), (80, 24), (120, 34)):
        tags = view.tags[: usual_tags(width, height)]
        shown = printed(render(replace(view, lesson=lesson, tags=tags)), width, height)
        assert "teach this as: b▁" in shown and "taken: 1.3 s of the last 3.0 s" in shown


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


class Tape(threading.Thread):
    """Fills a file in real time with silence, and with what it is given."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.waiting, self.ending = path, [], False
        path.touch()

    def play(self, sound):
        self.waiting += np.split(sound, range(RATE // 10, len(sound), RATE // 10))

    def run(self):
        rng, due_s = np.random.default_rng(0), time.monotonic()
        with self.path.open("ab", buffering=0) as file:
            while not self.ending:
                piece = self.waiting.pop(0) if self.waiting else 0.001 * rng.standard_normal(RATE // 10)
                file.write((piece * 32767).astype("<i2").tobytes())
                due_s += 0.1
                time.sleep(max(0.0, due_s - time.monotonic()))


def test_a_sound_is_taught_on_the_dashboard_and_known_at_once(home):
    tape = Tape(home / "tape.raw")
    tape.start()
    command = [sys.executable, "-m", "bowstream", "listen", "--device", str(tape.path), "--raw", "16000"]
    with PseudoTerminal(command) as terminal:
        terminal.wait_for("4000")
        terminal.type("w")
        terminal.wait_for("there is no event to judge yet")
        tape.play(beeps(1000, 0))
        time.sleep(4.0)
        terminal.type("l")
        terminal.wait_for("taken: 1.")
        terminal.type("lathe\r")
        terminal.wait_for("learning: lathe: learned from one example", timeout_s=60.0)
        time.sleep(1.5)
        tape.play(beeps(1010, 1))
        terminal.wait_for("● lathe")
        terminal.type("w")
        terminal.wait_for("lathe: marked wrong")
        terminal.wait_for("lathe: 1 wrong, 0 right", timeout_s=60.0)
        terminal.type("q")
        assert terminal.end() == 0 and terminal.is_as_before
    tape.ending = True
    learned = read_learned(home / "config" / "bowstream" / "learned.npz")
    assert learned.names == ("lathe",) and learned.corrections[0].counts == (0, 1)


def test_a_line_is_over_what_is_taken():
    newest = newest_of(np.zeros(10 * RATE, np.float32), beeps(1000, 0), np.zeros(RATE, np.float32))
    lesson = Lesson.begin(newest, np.full((600, 96), 0.5, np.float32))
    assert lesson.marked(60) == " " * 25 + "━" * 13 + " " * 22
    assert lesson.marked(30) == "━" * 8 + " " * 22
