"""A report by mail or webhook."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bowstream import __version__
from bowstream.config.report import ReportSettings
from bowstream.config.sinks import place_of
from bowstream.errors import BowstreamError

if TYPE_CHECKING:
    import smtplib

TIMEOUT_S = 60.0


def send(settings: ReportSettings, ways: Sequence[str], subject: str, summary: str, html: str) -> list[str]:
    """Send a report by mail, webhook or both, to all who get it so; return who they were.

    Raises
    ------
    BowstreamError
        If one of them cannot be reached, or refuses it.
    """
    sent: list[str] = []
    if "mail" in ways:
        mail(settings, message(settings, subject, summary, html))
        sent += settings.to
    if "webhook" in ways:
        post(settings.webhook, html)
        sent.append(place_of(settings.webhook))
    return sent


def message(settings: ReportSettings, subject: str, summary: str, html: str) -> EmailMessage:
    """Return a mail with a summary as its text, and the report attached: mail programs show no sound."""
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = settings.sender or settings.to[0]
    made["To"] = ", ".join(settings.to)
    made.set_content(summary)
    made.add_attachment(
        html.encode(), maintype="text", subtype="html", filename="report.html", params={"charset": "utf-8"}
    )
    return made


def mail(settings: ReportSettings, message: EmailMessage) -> None:
    """Hand a mail to the mail server."""
    with mail_server(settings) as server:
        server.send_message(message)


@contextmanager
def mail_server(settings: ReportSettings, timeout_s: float = TIMEOUT_S) -> Iterator[smtplib.SMTP]:
    """Yield a connection to the mail server, which knows us.

    Raises
    ------
    BowstreamError
        If it cannot be reached, or refuses what is asked of it.
    """
    import smtplib

    context = ssl.create_default_context()
    try:
        if settings.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=timeout_s, context=context)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=timeout_s)
        with server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.username:
                server.login(settings.username, settings.password)
            yield server
    except (OSError, smtplib.SMTPException) as error:  # an SMTPException is an OSError, but says so nowhere
        raise BowstreamError(f"the report cannot be mailed by {settings.host}:{settings.port}: {error}") from error


def post(url: str, html: str) -> None:
    """Post a report to a URL."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Content-Type": "text/html; charset=utf-8", "User-Agent": f"bowstream/{__version__}"}
    try:
        urlopen(Request(url, html.encode(), headers, method="POST"), timeout=TIMEOUT_S).close()
    except HTTPError as error:
        error.close()
        raise BowstreamError(f"{place_of(url)} answered {error.code} {error.reason}") from error
    except OSError as error:
        raise BowstreamError(f"the report cannot be sent to {place_of(url)}: {error}") from error


def reach(url: str, timeout_s: float) -> None:
    """Connect to the host of a URL, and send it nothing.

    Raises
    ------
    BowstreamError
        If it cannot be reached, or its certificate is not right.
    """
    place = urlsplit(url)
    host, is_encrypted = place.hostname or "", place.scheme == "https"
    try:
        with socket.create_connection((host, place.port or (443 if is_encrypted else 80)), timeout_s) as connection:
            if is_encrypted:
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except OSError as error:
        raise BowstreamError(f"{place_of(url)} cannot be reached: {error}") from error
