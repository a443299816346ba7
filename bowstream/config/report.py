"""The table `[report]`: who gets the report of a day or week, how, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bowstream.config.fields import Checked, require, setting
from bowstream.config.sinks import has_host, is_host, place_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Checked):
    """Who gets it, by mail, by webhook or both, and when."""

    every: str = setting(
        "week",
        "how often 'listen' sends it, if it keeps a history: day, week, or never (only 'bowstream report --send')",
        choices=("day", "week", "never"),
    )
    weekday: str = setting("monday", "day on which the report of the seven days before is sent", choices=WEEKDAYS)
    at: str = setting("07:00", "time at which it is sent, by this machine's clock")
    to: tuple[str, ...] = setting((), "mail addresses that get it, as an attachment", example=["me@example.org"])
    sender: str = setting("", "address that the mail comes from; if empty, the first one in to")
    host: str = setting("localhost", "the mail server's name or address")
    port: int = setting(587, "its port; 465 is usual with tls, 25 with none", low=1, high=65535)
    security: str = setting(
        "starttls", "how the connection is encrypted: starttls, tls or none", choices=("starttls", "tls", "none")
    )
    username: str = setting("", "user name at the mail server; empty if it asks for none")
    password: str = setting("", "password at the mail server", secret=True)
    webhook: str = setting("", "URL that gets it as a POST of HTML; empty for none", mask=place_of)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(TIME.fullmatch(self.at)), "at", f"must be a time, 00:00 … 23:59 (got {self.at[:20]!r})")
        require(bool(self.to or self.webhook), "to", "must be an address, unless there is a webhook (got none)")
        for address in (*self.to, *([self.sender] if self.sender else [])):
            name, at, host = address.rpartition("@")
            right = bool(name and at and host) and address.isascii() and not set(address) & set(" <>,;")
            require(right, "to" if address in self.to else "sender", f"must be an address (got {address[:60]!r})")
        require(is_host(self.host), "host", f"must be the mail server's name or address (got {self.host[:40]!r})")
        open_password = bool(self.password) and self.security == "none"
        require(not open_password, "security", "must be starttls or tls where there is a password (got none)")
        if self.webhook:
            is_url = self.webhook.startswith(("http://", "https://")) and has_host(self.webhook)
            require(is_url, "webhook", "must begin with http:// or https:// and have a host")

    @property
    def ways(self) -> list[str]:
        """How it is sent: `mail`, `webhook` or both."""
        return [way for way, wanted in (("mail", self.to), ("webhook", self.webhook)) if wanted]
