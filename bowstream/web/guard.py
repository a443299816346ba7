"""Who may ask: the names of this machine, pages of our own, and everyone who has the password."""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
from urllib.parse import urlsplit

from bowstream._hosts import is_ours, own_names
from bowstream.config.web import WebSettings
from bowstream.web.http import RefusedError, Request
from bowstream.web.password import Attempts, matches

COOKIE = "bowstream"
SIGNED_IN_S = 30 * 86_400
SESSIONS = 100


class Guard:
    """Refuses what must not be answered. Who is signed in is forgotten when the process ends."""

    def __init__(self, settings: WebSettings) -> None:
        self._kept = settings.password
        self._hosts = {"localhost", *own_names(), *(host.lower() for host in settings.hosts)}
        self._sessions: dict[bytes, float] = {}  # hashes of cookies, and until when they hold (monotonic)
        self._attempts = Attempts()
        self._checking = asyncio.Lock()  # one at a time: scrypt takes memory, and the ears need the processor

    @property
    def asks(self) -> bool:
        """Whether there is a password."""
        return bool(self._kept)

    def check_origin(self, request: Request) -> None:
        """Refuse requests for another name (DNS rebinding), and those that another site's page makes (CSRF)."""
        if len(request.hosts) != 1:
            raise RefusedError(400, "there must be one Host header")
        if not is_ours(request.hosts[0], self._hosts):
            raise RefusedError(403, "unknown Host: add it to [web] hosts if it is this machine's")
        site = request.headers.get("sec-fetch-site", "none")
        is_visit = request.headers.get("sec-fetch-mode") == "navigate" and request.method in ("GET", "HEAD")
        if site not in ("none", "same-origin") and not is_visit:
            raise RefusedError(403, "this request came from another site's page")
        if request.method != "POST":
            return
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.hosts[0]:
            raise RefusedError(403, "this request came from another site's page")
        # A form of another site cannot send this type; a script of it would have to ask first, and gets no answer.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise RefusedError(415, "the body must be application/json")

    def is_signed_in(self, request: Request) -> bool:
        """Whether a request may see what is private."""
        if not self._kept:
            return True
        until_s = self._sessions.get(digest(request.cookie(COOKIE)))
        return until_s is not None and time.monotonic() < until_s

    async def sign_in(self, request: Request, password: str) -> str:
        """Return the cookie to set for the right password; refuse a wrong one, and one too many."""
        async with self._checking:
            wait_s = self._attempts.wait_s(request.client)
            if wait_s:
                seconds = math.ceil(wait_s)
                reason = f"too many wrong passwords: try again in {seconds} s"
                raise RefusedError(429, reason, {"retry-after": str(seconds)})
            if not await asyncio.to_thread(matches, password, self._kept):
                raise RefusedError(401, "wrong password")
        self._attempts.succeeded(request.client)
        token = secrets.token_urlsafe(32)
        now_s = time.monotonic()
        held = {name: until_s for name, until_s in self._sessions.items() if until_s > now_s}
        newest = list(held.items())[-(SESSIONS - 1) :]
        self._sessions = {**dict(newest), digest(token): now_s + SIGNED_IN_S}
        return cookie(token, SIGNED_IN_S)

    def sign_out(self, request: Request) -> str:
        """Forget a session; return the cookie that takes the browser's away."""
        self._sessions.pop(digest(request.cookie(COOKIE)), None)
        return cookie("", 0)


def digest(token: str) -> bytes:
    """Return what is kept of a cookie; looking it up tells nothing of the cookie by its time."""
    return hashlib.sha256(token.encode()).digest()


def cookie(value: str, age_s: int) -> str:
    """Return a Set-Cookie header: no script reads it, and no other site's request carries it."""
    return f"{COOKIE}={value}; Max-Age={age_s}; Path=/; HttpOnly; SameSite=Strict"
