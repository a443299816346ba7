"""A small HTTP server with few and short connections, which answers only requests for this machine's names."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

from bowstream._hosts import is_ours, own_names

# Connections at a time, and how long each may last in all.
CONNECTIONS = 16
CONNECTION_S = 10.0
# How soon it ends when it is asked to.
POLL_S = 0.1
# The wait when no connection can be accepted, because there are no free file descriptors.
BREATH_S = 0.1


@dataclass(frozen=True)
class Answer:
    """What is sent for a path."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Answers GET requests, each in a thread, from `start` until `stop`.

    Parameters
    ----------
    address, port : to listen on
    hosts : further names that requests may be for, beside addresses and the names of this machine; a web page
        whose name resolves to this machine (DNS rebinding) gets no answer
    answer : returns what to send for a path and an `Accept` header; None for 404
    """

    daemon_threads = True
    request_queue_size = 128  # including those that will be refused

    def __init__(
        self, address: str, port: int, hosts: Collection[str], answer: Callable[[str, str], Answer | None]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.answer = answer
        self.hosts = {"localhost", *own_names(), *(host.lower() for host in hosts)}
        self._slots = BoundedSemaphore(CONNECTIONS)
        self._timers: dict[Any, Timer] = {}
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        """Bind the port, without asking a name server what this machine is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def start(self) -> None:
        """Answer from now on."""
        Thread(target=self.serve_forever, args=(POLL_S,), name="bowstream-server", daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(BREATH_S)  # else it would be tried again at once, for ever
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread, unless there are too many already."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        timer = self._timers[request] = Timer(CONNECTION_S, cut, [request])
        timer.daemon = True
        try:
            timer.start()
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self._leave(request)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(request)

    def _leave(self, request: Any) -> None:
        self._timers.pop(request).cancel()
        self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: the client has gone, or was cut off."""


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; the connection ends with it."""

    server: Server
    server_version, sys_version = "bowstream", ""
    timeout = CONNECTION_S

    def do_GET(self) -> None:
        """Send the answer for the path, if the request is for one of our names."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) > 1 or (not hosts and self.request_version != "HTTP/1.0"):
            return self.send_error(HTTPStatus.BAD_REQUEST)
        if hosts and not is_ours(hosts[0], self.server.hosts):
            return self.send_error(HTTPStatus.FORBIDDEN, "unknown Host")
        found = self.server.answer(self.path.partition("?")[0], self.headers.get("Accept", ""))
        if found is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", found.content_type)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)
        return None

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing."""


def cut(connection: socket.socket) -> None:
    """End a connection, also while its thread waits for it."""
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)
