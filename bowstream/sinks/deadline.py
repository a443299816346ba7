"""A time limit for the whole of an HTTP request: `urllib`'s is for each byte that arrives."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from typing import Any
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)


class Deadline:
    """Cuts a connection when its time is over, whatever it is waiting for.

    Used as a context. `passed` is whether the time was over, or `cut` was called.
    """

    def __init__(self, limit_s: float) -> None:
        self.passed = False
        self._end_s = time.monotonic() + limit_s
        self._timer = Timer(limit_s, self.cut)
        self._timer.daemon = True
        self._links: list[socket.socket] = []

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()
        for link in self._links:
            link.close()

    def connect(self, address: tuple[str, int], *_: object) -> socket.socket:
        """Return a connection to the first of a host's addresses that answers, as `socket.create_connection` does."""
        failure = OSError(f"{address[0]} has no address")
        for family, kind, protocol, _name, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            if self.passed:
                break
            link = socket.socket(family, kind, protocol)
            try:
                link.settimeout(max(self._end_s - time.monotonic(), 0.001))
                link.connect(place)
            except OSError as error:
                link.close()
                failure = error
            else:
                self._links.append(link.dup())  # TLS takes the first one over
                return link
        raise failure

    def cut(self) -> None:
        """End the connection now; its reader sees the end of the stream."""
        self.passed = True
        for link in self._links:
            with suppress(OSError):  # it has ended by itself
                link.shutdown(socket.SHUT_RDWR)


class LimitedRequest(Request):
    """A request that a `Deadline` cuts off."""

    deadline: Deadline


class _Http(HTTPHandler):
    def http_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(limited(http.client.HTTPConnection, request), request)


class _Https(HTTPSHandler):
    def https_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(limited(http.client.HTTPSConnection, request), request)


def limited(kind: Callable[..., Any], request: Request) -> Callable[..., Any]:
    """Return what makes a connection of a kind that its request's deadline can cut."""

    def make(host: str, **options: Any) -> Any:
        connection = kind(host, **options)
        connection._create_connection = request.deadline.connect  # type: ignore[attr-defined]
        return connection

    return make


def opener() -> OpenerDirector:
    """Return what `urlopen` opens with, with deadlines and without the handler that follows redirects.

    A redirect would become a GET without a body, whose answer counts for nothing, and would give `Authorization` away.
    """
    director = OpenerDirector()
    for handler in (ProxyHandler, _Http, _Https, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        director.add_handler(handler())
    return director
