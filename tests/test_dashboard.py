"""The dashboard's text, read as a person would read it, at many sizes and on poor terminals."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.color import Color
from rich.console import Console

from bowstream.dashboard.canvas import CLEAR, ENTER, LEAVE, WHOLE_EVERY, Canvas
from bowstream.dashboard.glyphs import RAMP, heat_map
from bowstream.dashboard.layout import render, render_timeline, usual_tags
from bowstream.dashboard.view import TagRow, TimelineEntry, View
from bowstream.health.counters import Health

NAMES = ("siren", "church bells", "dog", "crickets", "rain", "wind", "hen", "cow", "cat", "frog")
SIZES = ((60, 16), (80, 24), (72, 20), (100, 30), (120, 34), (200, 60), (400, 120))


def hiss(first, last, columns=600):
    """Steady noise in some bands, as log-mel of 0 … 1."""
    picture = np.zeros((columns, 96), np.float32)
    picture[:, first:last] = 1.0
    return picture


@pytest.fixture
def view():
    scores = (0.87, 0.42, 0.35, 0.2, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01)
    tags = [TagRow(name, 0.6, 0.4, score, (0.1, 0.5, score)) for name, score in zip(NAMES, scores)]
    tags[0] = replace(tags[0], raised_s=3.2)
    tags[2] = replace(tags[2], raised_s=9.0)
    return View(
        source="USB microphone",
        clock="12:41:10",
        position_s=88.0,
        duration_s=None,
        hop_s=1.0,
        level_dbfs=-23.4,
        peak_dbfs=-12.1,
        clipping=False,
        picture=hiss(16, 64),
        span_hz=(0.0, 8000.0),
        tags=tuple(tags),
        leader="siren",
        families={"pat": 0.31, "fenv": 0.15, "env": 0.4, "o": -0.02},
        timeline=(
            TimelineEntry("event", "siren", "12:41:06", 84.8, None, 0.87),
            TimelineEntry("mark", "mark 1", "12:41:02", 80.0, 80.0),
            TimelineEntry("gap", "sound lost", "12:40:55", 73.0, 73.5),
            TimelineEntry("notice", "silent", "12:40:50", 68.0, 68.0),
            TimelineEntry("event", "dog", "12:40:42", 60.0, 63.0, 0.71),
        ),
        health=replace(Health(16_000).report(), latency_p50_ms=3.1, latency_p95_ms=4.2, real_time_factor=0.031),
        keys=True,
    )


def printed(renderable, width, height, color_system=None, encoding="utf-8", **options):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=stream, width=width, height=height, color_system=color_system, force_terminal=True, _environ={}, **options
    )
    console.print(renderable)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def lines(view, width, height, tags=None, **options):
    view = replace(view, tags=view.tags[: tags or usual_tags(width, height)])
    return printed(render(view), width, height, **options).removesuffix("\n").split("\n")


def line_with(text, found):
    """The first of these lines that has a text: tags come before events."""
    return next(line for line in found if text in line)


@pytest.mark.parametrize("size", SIZES)
def test_every_part_is_there_at_every_supported_size(view, size):
    found = lines(view, *size)
    assert len(found) == size[1] and {len(line) for line in found} == {size[0]}
    text = "\n".join(found)
    assert re.search(r"^bowstream  USB microphone.*12:41:10   88 s", found[0])
    assert re.search(r"level ━+.*−23.4 dBFS  peak  −12.1", found[1])
    assert re.search(r"● siren .*▁▅▇ ━+┿━+.* 0\.87 .*3\.2 s", text)
    assert re.search(r"○ church bells.*━╾?─+┼─+ 0\.42 of 0\.60", text)
    assert re.search(r"codes .*siren|(?m:^)siren .* pat", text) and "+0.31" in text and "−0.02" in text
    assert " 4000" in text and " 1000" in text and "█" * 20 in text
    assert re.search(r"12:41:06 ● siren +3\.2 s +0\.87 .*━", text)
    assert re.search(r"12:41:02 ◆ mark 1 .*◆─", text)
    assert "hop 3–4 ms" in text and "load 3.1%" in text and "lost 0.0 s" in text
    assert "m mark" in found[-1] and "q quit" in found[-1]


def test_near_misses_say_what_they_lack(view):
    found = lines(view, 80, 24)
    assert line_with("church bells", found).rstrip().endswith("0.42 of 0.60 needed")
    assert line_with("crickets", found).rstrip().endswith(" 0.20")  # too far off to be called near
    held = replace(view, tags=(view.tags[0], replace(view.tags[1], score=0.7, held=(1, 2)), *view.tags[2:]))
    assert line_with("○ church bells", lines(held, 80, 24)).rstrip().endswith("0.70 held: 1 of 2")
    assert line_with("○ church bells", lines(held, 60, 16)).rstrip().endswith("0.70 held: 1 of 2")
    assert line_with("○ church bells", lines(held, 59, 16)).rstrip().endswith("0.70 1 of 2")
    fading = line_with("0.35", found)
    assert fading.startswith("● dog") and fading.rstrip().endswith("fading")


def test_the_tick_stands_at_the_threshold(view):
    found = lines(view, 100, 30)
    line = line_with("● siren", found)
    rail = line[line.index("━") : line.rindex("─") + 1]
    assert rail.index("┿") == int(0.6 * len(rail))
    assert abs(rail.count("━") + 1 - 0.87 * len(rail)) <= 1
    below = line_with("○ church bells", found)
    assert below.index("┼") == line.index("┿")


def test_wide_terminals_have_two_columns_and_explain_the_families(view):
    found = lines(view, 120, 40)
    assert "sound, last" in line_with("now, ┼ needed", found)
    assert "+0.15" in line_with("a band through the second", found)
    text = "\n".join(found)
    assert re.search(r"! sound lost +0\.5 s", text) and re.search(r"12:40:50 ! silent ", text)


@pytest.mark.parametrize("width", (1, 2, 7, 20, 33, 40, 59))
@pytest.mark.parametrize("height", (1, 2, 3, 5, 9, 15))
def test_small_terminals_keep_what_fits(view, width, height):
    for shown in (view, replace(view, tags=(), timeline=(), families={}, leader="", picture=view.picture[:0])):
        found = lines(shown, width, height)
        assert len(found) == height and {len(line) for line in found} == {width}


def test_tags_that_are_asked_for_come_before_all_else(view):
    text = "\n".join(lines(view, 80, 24, tags=10))
    assert "frog" in text and "codes for" in text and "events" in text
    text = "\n".join(lines(view, 80, 18, tags=10))
    assert "frog" in text and "4000" in text and "events" not in text
    assert "frog" not in "\n".join(lines(view, 80, 12, tags=10))


def test_tags_stay_longest(view):
    assert "siren" in "\n".join(lines(view, 40, 5))
    assert "hop 3–4 ms" in lines(view, 40, 3)[-1]
    assert "siren" in lines(view, 40, 8)[3] and "events" not in "\n".join(lines(view, 40, 8))


def test_colours_and_their_absence(view):
    assert "48;5;228" in printed(render(view), 80, 24, color_system="256")
    view = replace(view, tags=view.tags[:5])
    for options in ({"color_system": "256", "no_color": True}, {"color_system": "standard"}, {}):
        plain = printed(render(view), 80, 24, **options)
        assert "█" * 20 in plain and "8;5;" not in plain


def test_what_matters_stands_out_in_colour(view):
    good, warn, bad = "\x1b[1;32m", "\x1b[33m", "\x1b[1;31m"
    view = replace(view, tags=view.tags[:5])
    text = printed(render(view), 80, 24, color_system="256")
    assert f"{good}● siren" in text and f"{good}▇" in text and f"{warn}○ church bells" in text
    assert (
        f"{good}+0.31" in text
        and f"{warn}−0.02" in text
        and f"{bad}! sound lost" in printed(render_timeline(view, 9), 80, 24, color_system="256")
    )
    assert f"{bad}━━" not in text and f"{warn}lost" not in text
    troubled = replace(view, clipping=True, health=replace(view.health, lost_s=2.0))
    text = printed(render(troubled), 80, 24, color_system="256")
    assert f"{bad}━━" in text and f"{warn}lost 2.0 s" in text


def test_the_meter_marks_the_peak(view):
    line = lines(view, 80, 24)[1]
    rail = line[6 : line.rindex("─") + 1]
    assert abs(rail.index("┼") / len(rail) - (1 - 12.1 / 72)) < 0.03
    assert abs(rail.count("━") / len(rail) - (1 - 23.4 / 72)) < 0.03


def test_a_terminal_without_unicode_gets_ascii(view):
    found = printed(render(replace(view, frozen=True)), 80, 24, encoding="ascii")
    assert "?" not in found.replace("? keys", "") and re.search(r"\* siren +\S+ =+\+=+", found)


def test_the_ramp_grows_lighter_step_by_step():
    def luminance(number):
        red, green, blue = Color.from_ansi(number).get_truecolor()
        linear = np.array([red, green, blue]) / 255.0
        return np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    assert all(np.diff([luminance(number) for number in RAMP]) > 0)


@pytest.mark.parametrize("colours", (True, False))
def test_the_picture_shows_low_sounds_low_and_new_ones_right(colours):
    picture = np.zeros((10, 96), np.float32)
    picture[-1, :24] = 1.0
    rows = heat_map(picture, 12, 4, colours)
    cells = [[(char, segment.style) for segment in row for char in segment.text] for row in rows]
    assert [len(row) for row in cells] == [12] * 4
    assert [row[0] for row in cells] == [(" ", None)] * 4  # two columns have not been heard yet
    assert cells[3][11] != cells[3][10] == cells[0][11]
    assert heat_map(picture, 1, 4, colours) == [[row[0], row[-1]] for row in heat_map(picture[-1:], 1, 4, colours)]


def test_troubles_are_said_and_stay_when_width_is_short(view):
    troubled = replace(
        view,
        clipping=True,
        health=replace(
            view.health,
            lost_s=1.25,
            overflows=3,
            clipped=17,
            silent_s=40.0,
            undelivered=2,
            reconnects=4,
            temperature_c=81.4,
        ),
    )
    for width in (60, 120):
        text = "\n".join(lines(troubled, width, 24))
        assert "CLIPPING" in text
        for trouble in ("lost 1.2 s", "overflows 3", "clipped 17", "silent 40 s"):
            assert trouble in text
    assert "undelivered 2 · reconnects 4 · 81 °C" in lines(troubled, 140, 24)[-2]
    assert "undelivered" not in "\n".join(lines(view, 200, 60))


def test_states_are_said(view):
    assert " FROZEN " in lines(replace(view, frozen=True), 80, 24)[0]
    assert " AWAY " in lines(replace(view, away=True), 60, 16)[0]
    assert not {"FROZEN", "AWAY"} & set(lines(view, 80, 24)[0].split())
    assert "3 of 48 s" in lines(replace(view, position_s=3.0, duration_s=48.0), 80, 24)[0]
    assert lines(replace(view, notice="ALSA underrun"), 80, 24)[-1].rstrip() == "ALSA underrun"
    assert lines(replace(view, notice="ALSA underrun", keys=False), 80, 24)[-1].rstrip() == "ALSA underrun"
    assert "q quit" not in "\n".join(lines(replace(view, keys=False), 80, 24))
    assert "none yet" in "\n".join(lines(replace(view, timeline=()), 80, 24))


def test_wide_characters_keep_the_columns(view):
    tags = (replace(view.tags[0], name="サイレン"), *view.tags[1:5])
    text = printed(render(replace(view, tags=tags)), 80, 24).split("\n")
    assert line_with("サイレン", text).index("┿") + 4 == line_with("○ church bells", text).index("┼")


def test_the_timeline_can_be_printed_alone(view):
    found = printed(render_timeline(view, 3), 80, 24).removesuffix("\n").split("\n")
    assert len(found) == 3 and "siren" in found[1] and "mark 1" in found[2]


def test_no_name_gives_orders_to_a_terminal(view):
    evil = "dog\x1b]0;owned\x07\n\x9b31m\u202e"
    named = replace(
        view,
        source=evil,
        tags=[replace(tag, name=evil) for tag in view.tags],
        timeline=[replace(entry, name=evil) for entry in view.timeline],
        leader=evil,
        notice=evil,
    )
    shown = "\n".join(lines(named, 120, 34))
    assert r"dog\x1b]0;owned\x07\n\x9b31m\u202e" in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert len(lines(named, 120, 34)) == 34


def canvas(width=80, height=24, **options):
    console = Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=True,
        _environ={},
        **{"color_system": "256", **options},
    )
    return Canvas(console)


def written(canvas):
    """What was written since the last time."""
    text = canvas.console.file.getvalue()
    canvas.console.file.seek(0)
    canvas.console.file.truncate()
    return text


def rows_of(text):
    pieces = re.split(r"\x1b\[(\d+);1H", text)
    return {int(row): re.sub(r"\x1b\[[0-9;]*m", "", row_text) for row, row_text in zip(pieces[1::2], pieces[2::2])}


def test_the_screen_is_what_is_printed_and_only_changes_are_drawn(view):
    screen, drawn = {}, canvas()
    later = replace(view, clock="12:41:11", position_s=89.0, picture=view.picture[::-1] * 0.5)
    for shown in (view, later, replace(later, tags=view.tags[:3]), replace(later, timeline=())):
        drawn.draw(render(shown))
        screen |= rows_of(written(drawn))
        found = printed(render(shown), 80, 24, color_system="256").removesuffix("\n").split("\n")
        assert list(screen.values()) == [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in found]
    drawn.draw(render(replace(later, timeline=(), clock="12:41:12")))
    assert set(rows_of(written(drawn))) == {1}
    for _ in range(WHOLE_EVERY):
        drawn.draw(render(replace(later, timeline=(), clock="12:41:12")))
    assert written(drawn).count("\x1b[24;1H") == 1  # all of them now and then


def test_a_style_is_written_once_for_all_that_has_it(view):
    drawn = canvas()
    drawn.draw(render(view))
    text = written(drawn)
    assert text.startswith(CLEAR) and "\x1b[0m\x1b[1;32m● siren" in text and "48;5;228" in text
    assert not re.search(r"(\x1b\[0m\x1b\[[0-9;]+m)[^\x1b]+\1", text)


@pytest.mark.parametrize("options", [{"color_system": None}, {"no_color": True}])
def test_a_screen_without_colours(options, view):
    drawn = canvas(**options)
    drawn.draw(render(view))
    codes = set(re.findall(r"\x1b\[([0-9;]*)m", written(drawn)))
    assert codes == ({"0"} if options == {"color_system": None} else {"0", "1", "2"})


def test_the_other_screen_is_left(view):
    with canvas() as drawn:
        drawn.draw(render(view))
    text = written(drawn)
    assert text.startswith(ENTER) and text.endswith(LEAVE)
