"""What `bowstream doctor` says of the page."""

from __future__ import annotations

from bowstream._hosts import is_loopback
from bowstream.cli.checks import Finding, Findings
from bowstream.config.settings import Settings
from bowstream.errors import UsageError
from bowstream.web.page import check_uvicorn


def check_web(settings: Settings) -> Findings:
    """Who can reach the page, and whether what it needs is installed."""
    web = settings.web
    if not web:
        yield Finding("ok", "page", "none is served; with 'listen --web', only this machine reaches it")
        return
    try:
        check_uvicorn()
    except UsageError as error:
        yield Finding("fail", "page", str(error))
    place = f"{web.address}:{web.port}"
    if is_loopback(web.address):
        who = "everyone who has the password" if web.password else "every user of this machine"
        yield Finding("ok", "page", f"{place}: {who} can see it, from this machine alone")
    else:
        found = f"{place}: everyone who has the password can see it, from every network that reaches this machine"
        yield Finding("ok", "page", f"{found}; it is not encrypted (http)")
