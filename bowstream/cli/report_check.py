"""What `bowstream doctor` says of the report that `[report]` has sent."""

from __future__ import annotations

from datetime import datetime

from bowstream.cli.checks import Finding, Findings
from bowstream.config.settings import Settings
from bowstream.config.sinks import HistorySettings, place_of
from bowstream.errors import BowstreamError
from bowstream.history.place import kept_at
from bowstream.history.schedule import next_due
from bowstream.history.send import mail_server, reach
from bowstream.sinks.reporter import FILE_NAME, read

TIMEOUT_S = 10.0


def check_report(settings: Settings) -> Findings:
    """When the report is due, and whether those who send it can be reached."""
    report, history = settings.report, settings.sinks.get("history")
    if not report:
        return
    due = next_due(report, datetime.now().astimezone())
    when = f"the next is due {due:%A, %Y-%m-%d %H:%M}" if due else "only 'bowstream report --send' sends it"
    if due and not isinstance(history, HistorySettings):
        advice = "keep one: a table [sinks.history], or listen --history"
        yield Finding("warn", "report", f"{when}; there is no history to report on", advice)
    else:
        last = read(kept_at(history.path).with_name(FILE_NAME)) if isinstance(history, HistorySettings) else {}
        sent = ", ".join(f"by {way} {moment:%Y-%m-%d %H:%M}" for way, moment in last.items() if way in report.ways)
        yield Finding("ok", "report", f"{when}; sent last: {sent or 'none yet'}")
    for way in report.ways:
        try:
            if way == "mail":
                with mail_server(report, TIMEOUT_S):
                    found = f"{report.host}:{report.port} takes mail for {', '.join(report.to)}"
            else:
                reach(report.webhook, TIMEOUT_S)
                found = f"{place_of(report.webhook)} answers"
        except BowstreamError as error:
            yield Finding("fail", "report", str(error), "'bowstream report --send' tries it, too")
        else:
            yield Finding("ok", "report", found)
