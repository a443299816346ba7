"""What the page asks of the past: days, heat maps, verdicts, clips. Every call opens the history for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from bowstream.errors import UsageError
from bowstream.history import listening, queries, totals
from bowstream.history.past import PastEvent
from bowstream.history.spans import Span, day_named
from bowstream.history.store import open_history

# What a page can show of a day, and of tags.
EVENTS, TAGS, MINUTES = 3000, 16, 1500
DAYS = 92
LARGEST_CLIP = 64_000_000
OTHERS = "others"

Fields = dict[str, Any]


class Archive:
    """The history of this listener, and its clips.

    Parameters
    ----------
    path : the history
    clips : folder of the clips, outside of which none is read; None if none are kept
    """

    def __init__(self, path: Path, clips: Path | None) -> None:
        self.path = path
        self.clips = clips

    def day(self, text: str) -> Fields:
        """Return a day: events, when the listener ran, what was lost, how loud each minute was."""
        span = Span.day(day_named(text))
        with self._opened() as connection:
            found = queries.events(connection, span, limit=EVENTS, newest_first=True)
            loud = queries.loudness(connection, span, MINUTES)
            return {
                "day": str(span.start.date()),
                "start_ms": span.start_ms,
                "end_ms": span.end_ms,
                "events": [self.event_fields(event) for event in reversed(found)],
                "is_cut": len(found) == EVENTS,
                "listened": [(one.start_ms, one.end_ms) for one in listening.listened(connection, span)],
                "gaps": [(gap.start_ms, gap.duration_ms) for gap in queries.gaps(connection, span)],
                "minutes": [
                    (start_ms, round(level_dbfs))
                    for start_ms, level_dbfs in zip(loud.start_ms.tolist(), loud.level_dbfs.tolist())
                ],
            }

    def events(self, names: Sequence[str]) -> Fields:
        """Return the events with these ids, as far as they are there."""
        with self._opened() as connection:
            return {"events": [self.event_fields(event) for event in queries.events_named(connection, names)]}

    def heat(self, days: int, tag: str = "", group: str = "", groups: Mapping[str, str] | None = None) -> Fields:
        """Return events per hour: of each of the last days, and of each tag that is heard most.

        The former may be of one tag alone; both may be of a group, as `groups` has them by tag: `others` without one.
        """
        if not 1 <= days <= DAYS:
            raise UsageError(f"days must be 1 … {DAYS} (got {days})")
        span = Span.parse(f"{days}d")
        with self._opened() as connection:
            heard = totals.by_tag_and_hour(connection, span)
            listened_s = listening.listened_by_hour(connection, span)
            known = groups or {}
            shown = [
                (total, counts)
                for total, counts in zip(heard.totals, heard.counts)
                if group in ("", known.get(total.tag) or OTHERS)
            ]
            return {
                "days": [str(day) for day in heard.days],
                "counts": heard.counts_of([tag] if tag else [total.tag for total, _ in shown]).tolist(),
                "listened_s": listened_s.round().astype(int).tolist(),
                "tags": [
                    {
                        "tag": total.tag,
                        "events": total.events,
                        "total_s": round(total.total_s, 1),
                        "hours": hours.sum(axis=0).tolist(),
                    }
                    for total, hours in shown[:TAGS]
                ],
                "heard": sorted(total.tag for total in heard.totals),
            }

    def judge(self, name: str, verdict: str | None) -> Fields:
        """Say that an event was right or wrong, or take it back; return the event."""
        with self._opened(writable=True) as connection:
            if name == "last":
                raise UsageError("an event must be named by its id")
            return self.event_fields(queries.judge(connection, name, verdict))

    def clip(self, name: str) -> tuple[str, bytes] | None:
        """Return the clip of an event, its name and its content; None if there is none in the clips' folder."""
        with self._opened() as connection:
            path = queries.event(connection, name).clip
        if path is None or not self._is_ours(path):
            return None
        try:
            if path.stat().st_size > LARGEST_CLIP:
                return None
            return path.name, path.read_bytes()
        except FileNotFoundError:  # it has made room for newer ones
            return None

    def event_fields(self, event: PastEvent) -> Fields:
        """Return an event as the page has it; `level` is None where it is not known."""
        return {
            "id": event.id,
            "is_kept": True,
            "source": event.source,
            "tag": event.tag,
            "onset_ms": event.onset_ms,
            "duration_ms": event.duration_ms,
            "peak": round(event.peak, 3),
            "level": event.level_dbfs,
            "verdict": event.verdict,
            "clip": event.clip is not None and self._is_ours(event.clip),
        }

    def _is_ours(self, path: Path) -> bool:
        """Whether a file is a clip in the clips' folder itself, and no link to anywhere else."""
        if self.clips is None or path.suffix != ".flac":
            return False
        try:
            return path.resolve(strict=True).parent == self.clips.resolve()
        except OSError:  # it is gone
            return False

    def _opened(self, writable: bool = False) -> closing[Connection]:
        return open_history(self.path, writable)
