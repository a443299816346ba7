"""The table `[web]`: the page for a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bowstream._hosts import is_loopback
from bowstream.config.fields import Checked, require, setting

# scrypt:N:r:p:SALT:HASH, the last two in base64; 'bowstream password' makes it.
HASH = re.compile(r"scrypt:(\d{1,8}):(\d{1,2}):(\d{1,2}):([A-Za-z0-9+/]{22,}={0,2}):([A-Za-z0-9+/]{43,}={0,2})")


@dataclass(frozen=True, kw_only=True)
class WebSettings(Checked):
    """Where the page is served, and to whom."""

    address: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 for the whole network, which needs a password")
    port: int = setting(8765, "port of http://ADDRESS:PORT/", low=1, high=65535)
    password: str = setting(
        "", "hash of the password that the page asks for, as 'bowstream password' prints it", secret=True
    )
    hosts: tuple[str, ...] = setting(
        (),
        "further host names that requests may use, beside addresses and this machine's own name",
        example=["bowstream.lan"],
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        is_hash = not self.password or HASH.fullmatch(self.password)
        require(bool(is_hash), "password", "must be what 'bowstream password' prints, not the password itself")
        safe = bool(self.password) or is_loopback(self.address)
        problem = (
            f"must come with a password where others reach it (got {self.address[:40]!r}): see 'bowstream password'"
        )
        require(safe, "address", problem)
