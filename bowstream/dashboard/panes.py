"""The parts of the dashboard: each draws its share of a `View` in the cells it is given."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style

from bowstream.dashboard.glyphs import (
    BAD,
    BOLD,
    DIM,
    GOOD,
    PLAIN,
    WARN,
    Line,
    bar,
    fit,
    heat_map,
    lane,
    sparkline,
    width_of,
)
from bowstream.dashboard.view import TagRow, TimelineEntry, View
from bowstream.health.report import metrics
from bowstream.health.warnings import faults
from bowstream.model.log_mel import hz_to_mel
from bowstream.model.patches import FAMILIES

# The meter's left end, and the level that a peak should stay below.
METER_DBFS = -72.0
LOUD_DBFS = -3.0
METER_CELLS = 60
# A tag that reaches this share of its threshold is a near miss; below the lesser one it is not worth a look.
NEAR, FAINT = 0.5, 0.1
# From this width on there is room for whole reasons.
ROOMY = 60
QUIET_S = 5.0
# Sound that is so late has been held up on its way.
LATE_S = 1.0
# Counters that are shown even at 0.
ALWAYS_SHOWN = ("lost_s", "overflows", "clipped")
MARKED_HZ = (4000, 2000, 1000, 500)
KEYS = "space freeze · m mark · l teach · w wrong · q quit · ? keys · + − tags"


def title(view: View, width: int) -> Line:
    """Return what is listened to, and where we are in it."""
    place = (
        f"{view.position_s:.0f} s" if view.duration_s is None else f"{view.position_s:.0f} of {view.duration_s:.0f} s"
    )
    right = [Segment(f"{view.clock}   {place}", DIM)]
    for text, style, holds in ((" FROZEN ", PLAIN, view.frozen), (" AWAY ", BAD, view.away)):
        if holds:
            right = [Segment(text, style + Style(reverse=True)), Segment("  "), *right]
    room = width - width_of(right) - 1
    return [Segment("bowstream", BOLD), Segment(fit(f"  {view.source}", room - 9)), Segment(" "), *right]


def meter(view: View, width: int) -> Line:
    """Return the level meter: RMS as a bar, the highest sample as its tick."""
    style = BAD if view.clipping else WARN if view.peak_dbfs > LOUD_DBFS else PLAIN
    text = f" {view.level_dbfs:6.1f} dBFS  peak {view.peak_dbfs:6.1f}".replace("-", "−")
    tail = [Segment(text, style), Segment("  CLIPPING" if view.clipping else "", BAD)]
    share, peak = (1.0 - max(level, METER_DBFS) / METER_DBFS for level in (view.level_dbfs, view.peak_dbfs))
    return [
        Segment("level ", DIM),
        *bar(share, min(max(0, width - 6 - len(text) - 10), METER_CELLS), style, peak),
        *tail,
    ]


def tags(view: View, width: int, height: int) -> list[Line]:
    """Return the top tags: a score a second, the present score against its threshold, and what it lacks."""
    note = 14 if width >= ROOMY else 7
    name = min(max((len(tag.name) for tag in view.tags), default=4), 24, int(width * 0.28))
    room = max(0, width - 2 - name - 2 - 6 - note)
    past = min(60, int(room * 0.45))
    now = room - past
    captions = ((f"last {past} s", past + 1), ("now, ┼ needed", now))
    heading = fit("  tag", name + 3) + "".join(fit(text if len(text) <= room else "", room) for text, room in captions)
    rows = [tag_row(tag, name, past, now, note) for tag in view.tags[: height - 1]]
    return [[Segment(heading, DIM)], *rows]


def tag_row(tag: TagRow, name: int, past: int, now: int, note: int) -> Line:
    """Return one tag: `● siren  ▁▂▅▇  ━━━┿━──  0.87 for 3.2 s`."""
    is_raised = tag.raised_s is not None
    is_near = not is_raised and tag.score >= NEAR * tag.on
    style = GOOD if is_raised else WARN if is_near else PLAIN if tag.score >= FAINT * tag.on else DIM
    marker = "● " if is_raised else "○ " if is_near else "  "
    return [
        Segment(marker + fit(tag.name, name) + " ", style),
        *sparkline(tag.history, past, tag.on, GOOD),
        Segment(" "),
        *bar(tag.score, now, style, tag.on),
        Segment(f" {tag.score:.2f} {fit(reason(tag, note), note)}", style),
    ]


def reason(tag: TagRow, width: int) -> str:
    """Return why a tag is raised, or nearly is and yet is not; empty for the others."""
    is_roomy = width >= 14
    if tag.raised_s is not None:
        lasted = ("for " if is_roomy else "") + length(tag.raised_s)
        return lasted if tag.score >= tag.off else "fading"
    if tag.held:
        return ("held: " if is_roomy else "") + "{} of {}".format(*tag.held)
    if tag.score >= NEAR * tag.on:
        return f"of {tag.on:.2f}" + (" needed" if is_roomy else "")
    return ""


def families(view: View, width: int, height: int) -> list[Line]:
    """Return how much each family's codes add to the leading tag's score: four rows, or one."""
    heading = [Segment(f"codes that speak for {view.leader}" if view.leader else "codes", DIM)]
    if height >= 1 + len(view.families):
        room = max(0, width - 6 - 7 - 28)
        return [heading] + [
            [Segment(f"  {family:5}"), Segment(fit(FAMILIES[family].meaning, 28), DIM), *gain(value, room)]
            for family, value in view.families.items()
        ]
    leader = f"codes for {view.leader}" if width >= 76 else view.leader
    line = [Segment(fit(leader, min(24, max(0, width - 46))), DIM)]
    room = (width - width_of(line)) // max(len(view.families), 1) - 14
    for family, value in view.families.items():
        line += [Segment(f"  {family} "), *gain(value, room if room > 3 else 0)]
    return [line]


def gain(value: float, width: int) -> Line:
    """Return a share of a score as a bar and a signed number."""
    style = GOOD if value > 0.005 else WARN if value < -0.005 else DIM
    signed = Segment(f"{value:+.2f}".replace("-", "−"), style)
    return [*bar(abs(value), width, style), Segment(" "), signed] if width > 0 else [signed]


def spectrogram(view: View, width: int, height: int, colours: bool) -> list[Line]:
    """Return the log-mel of the last seconds, with a few frequencies at its right edge."""
    heading: list[Line] = []
    columns = max(0, width - 5)
    if height > 5:
        text = view.lesson.heading if view.lesson else f"sound, last {columns / 10:.1f} s"
        heading = [[Segment(fit(text, columns) + "   Hz", BOLD if view.lesson else DIM)]]
        height -= 1
    if view.lesson:
        heading.append([Segment(view.lesson.marked(columns), BOLD)])
        height -= 1
    low, high = (hz_to_mel(hz) for hz in view.span_hz)
    labels = {
        int((high - hz_to_mel(hz)) / (high - low) * height): f"{hz:5d}" for hz in MARKED_HZ[:: 1 if height > 7 else 2]
    }
    picture = heat_map(view.lesson.shown if view.lesson else view.picture, columns, height, colours)
    return heading + [[*line, Segment(labels.get(row, ""), DIM)] for row, line in enumerate(picture)]


def timeline(view: View, width: int, height: int) -> list[Line]:
    """Return what happened, newest first: clock time, name, length, peak, and a lane of the last seconds."""
    name = min(max((len(row.name) for row in view.timeline), default=4), 24, int(width * 0.28))
    room = max(0, width - 8 - 3 - name - 9 - 7)
    room = room if room >= 10 else 0
    heading = f"{'events':8}   {' ' * name}{'length':>9}{'peak':>6} " + (f"last {room} s" if room else "")
    rows = [entry_row(row, view.position_s, name, room) for row in view.timeline[: height - 1]]
    return [[Segment(fit(heading, width), DIM)], *(rows or [[Segment("none yet", DIM)]])]


def entry_row(row: TimelineEntry, now_s: float, name: int, room: int) -> Line:
    """Return one entry of the timeline: `12:41:07 ● siren   3.2 s  0.87 ───━━━`."""
    is_open = row.kind == "event" and row.end_s is None
    end_s = now_s if is_open else row.start_s if row.end_s is None else row.end_s
    style = {"mark": BOLD, "gap": BAD, "notice": WARN}.get(row.kind, GOOD if is_open else PLAIN)
    marker = {"mark": "◆", "gap": "!", "notice": "!"}.get(row.kind, "●" if is_open else " ")
    if row.wrong:
        style, marker = DIM, "✗"
    lasted = "" if row.kind in ("mark", "notice") else length(end_s - row.start_s)
    peak = f"{row.peak:.2f}" if row.kind == "event" else ""
    glyph = "◆" if row.kind == "mark" else "━"
    return [
        Segment(f"{row.clock:8} ", DIM),
        Segment(f"{marker} {fit(row.name, name)}{lasted:>9}{peak:>6} ", style),
        *lane(row.start_s, end_s, now_s, room, glyph, style),
    ]


def length(seconds: float) -> str:
    """Return a length of time: `3.2 s`, `4:05 min`, `2:10 h`."""
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return f"{minutes}:{int(seconds) % 60:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def health(view: View, width: int) -> Line:
    """Return the health line; when the width is short, worries stay."""
    report = view.health
    items = [
        (f"hop {report.latency_p50_ms:.0f}–{report.latency_p95_ms:.0f} ms", report.latency_p95_ms > view.hop_s * 1e3),
        (f"load {report.real_time_factor:.1%}", report.real_time_factor > 0.8),
        (f"silent {report.silent_s:.0f} s", report.silent_s > QUIET_S),
    ]
    for field, metric, value in metrics(report):
        if metric.word and (value or field in ALWAYS_SHOWN):
            items.append(
                (f"{metric.word} {value:.1f} s" if metric.unit == "s" else f"{metric.word} {value}", value > 0)
            )
    if report.late_s >= LATE_S:
        items.append((f"late {report.late_s:.1f} s", True))
    if report.delay_s is not None:
        items.append((f"delay {report.delay_s:.1f} s", False))
    if report.drift_ppm is not None:
        items.append((f"clock {report.drift_ppm:+.0f} ppm", False))
    items += [(found, True) for _, found, _ in faults(report)]
    if report.temperature_c is not None:
        items.append((f"{report.temperature_c:.0f} °C", bool(report.throttled)))
    while len(items) > 1 and sum(len(text) + 3 for text, _ in items) - 3 > width:
        items.remove(next((item for item in reversed(items) if not item[1]), items[-1]))
    line: Line = []
    for text, worry in items:
        line += [Segment(" · ", DIM)] if line else []
        line.append(Segment(text, WARN if worry else DIM))
    return line
