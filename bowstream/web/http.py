"""Requests and answers, as far as the page needs them: a thin layer over ASGI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A request says which tag, which event, or a password.
LONGEST_BODY = 4096

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Sent with every answer.
SAFETY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class RefusedError(Exception):
    """A request gets an error as its answer.

    status : of HTTP
    reason : a line for people
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers or {}


@dataclass(frozen=True)
class Request:
    """What was asked for; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    hosts: tuple[str, ...]
    client: str
    receive: Receive

    @classmethod
    def of(cls, scope: Mapping[str, Any], receive: Receive) -> Request:
        """Return the request of an ASGI scope."""
        pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        hosts = tuple(value for name, value in pairs if name == "host")
        client = scope["client"][0] if scope.get("client") else ""
        return cls(scope["method"], scope["path"], query, dict(pairs), hosts, client, receive)

    def cookie(self, name: str) -> str:
        """Return a cookie; empty if there is none."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return ""
        return found.value if found else ""

    async def fields(self) -> dict[str, Any]:
        """Return the object in the body; raise `RefusedError` if it is too long or no object."""
        body, more = b"", True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "the request ended early")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > LONGEST_BODY:
                raise RefusedError(413, f"a body must be at most {LONGEST_BODY} bytes")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RefusedError(400, "the body must be an object in JSON")
        return found


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        """Return an answer in JSON."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(body, "application/json", status, {"cache-control": "no-store", **named})

    async def send(self, send: Send, with_body: bool = True) -> None:
        """Send it, without its body for HEAD."""
        headers = {**self.headers, "content-type": self.content_type, "content-length": str(len(self.body))}
        await send(head(self.status, headers))
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


def head(status: int, headers: Mapping[str, str]) -> Message:
    """Return the beginning of an answer."""
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in {**SAFETY, **headers}.items()]
    return {"type": "http.response.start", "status": status, "headers": pairs}
