"""The dashboard of several sources: all at a glance, each alone; keys switch."""

import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from pseudo_terminal import PseudoTerminal
from signals import RATE, noise
from test_dashboard import line_with, printed, view

from bowstream.dashboard.overview import render_all

assert view  # a fixture


@pytest.fixture
def views(view):
    calm = [replace(tag, raised_s=None, score=0.1) for tag in view.tags]
    lossy = replace(view.health, lost_s=1.25)
    return [
        replace(view, source="kitchen"),
        replace(view, source="living room", position_s=100.0, timeline=view.timeline[-1:], tags=calm, health=lossy),
        replace(view, source="attic", position_s=5.0, timeline=(), away=True),
    ]


def all_lines(views, width=100, height=24, **options):
    return printed(render_all(views), width, height, **options).removesuffix("\n").split("\n")


def test_each_source_has_a_line(views):
    shown = all_lines(views)
    assert len(shown) == 24 and "3 sources" in shown[0]
    assert "● siren 0.87, dog 0.35" in line_with("1 kitchen", shown)
    assert "siren 0.10" in line_with("2 living room", shown) and "lost 1.2 s" in line_with("2 living room", shown)
    assert " AWAY " in line_with("3 attic", shown)
    assert "1 … 9 a source" in shown[-1]


def test_the_timeline_is_of_all_newest_first(views):
    """By how long ago something was: the sources did not begin at the same time."""
    rows = [line for line in all_lines(views) if line[:2] == "12"]
    names = [row[9:40].strip(" ●!◆").split("  ")[0] for row in rows]
    assert (names[0], names[-2:]) == ("kitchen: siren", ["kitchen: dog", "living room: dog"])


@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (200, 60), (40, 6)])
def test_it_fits(views, width, height):
    shown = all_lines(views, width, height)
    assert len(shown) <= height and all(len(line) <= width for line in shown)


def test_keys_switch_between_all_and_one(tmp_path, bundle):
    """Two files that grow, on a real terminal."""
    files = {name: tmp_path / f"{name}.raw" for name in ("kitchen", "hall")}
    tables = [f'[sources.{name}]\ndevice = "{file}"\nraw = "16000:1:PCM_16"\n' for name, file in files.items()]
    config = tmp_path / "bowstream.toml"
    config.write_text("".join(tables))
    for file in files.values():
        file.touch()
    sounds = {"kitchen": np.zeros(RATE // 10), "hall": noise(0.1)}
    done = threading.Event()

    def grow():
        while not done.wait(0.1):
            for name, file in files.items():
                with file.open("ab") as stream:
                    stream.write((sounds[name] * 32767).astype("<i2").tobytes())

    growing = threading.Thread(target=grow)
    with PseudoTerminal([sys.executable, "-m", "bowstream", "listen", "--config", str(config)]) as terminal:
        growing.start()  # not before: the terminal's process is forked
        try:
            terminal.wait_for("2 sources", timeout_s=60.0)
            terminal.wait_for("2 hall")
            terminal.type("l")
            terminal.wait_for("which of them? 1 … 2 shows one")
            terminal.type("2")
            terminal.wait_for("bowstream  hall")
            terminal.wait_for("4000")
            terminal.type("l")
            terminal.wait_for("steady noise, nothing to learn from")  # of what the hall hears
            terminal.type("\t")
            terminal.wait_for("1 … 9 a source")
            terminal.type("\t")
            terminal.wait_for("bowstream  kitchen")
            terminal.type("q")
            assert terminal.end() == 0
            assert "kitchen: " in terminal.raw and "hall: " in terminal.raw
        finally:
            done.set()
            growing.join()
