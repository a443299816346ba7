"""When a report is due, and what it is about."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from bowstream.config.report import WEEKDAYS, ReportSettings

DAYS = {"day": 1, "week": 7}


def last_due(settings: ReportSettings, now: datetime) -> datetime | None:
    """Return when a report was due last, by this machine's clock; None if none ever is."""
    if settings.every not in DAYS:
        return None
    day = now.astimezone().date()
    if settings.every == "week":
        day -= timedelta(days=(day.weekday() - WEEKDAYS.index(settings.weekday)) % 7)
    due = at(settings, day)
    return due if due <= now else at(settings, day - timedelta(days=DAYS[settings.every]))


def next_due(settings: ReportSettings, now: datetime) -> datetime | None:
    """Return when a report is due next, by this machine's clock; None if none ever is."""
    last = last_due(settings, now)
    return last and at(settings, last.date() + timedelta(days=DAYS[settings.every]))


def at(settings: ReportSettings, day: date) -> datetime:
    """Return the time of a day at which reports are made."""
    return datetime.combine(day, time.fromisoformat(settings.at)).astimezone()
