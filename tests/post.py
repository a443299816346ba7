"""A mail server and a web server for real, that take what they get and keep it in `got`."""

import contextlib
import socketserver
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(message_from_bytes(b"".join(lines), policy=policy.default))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")


class Web(BaseHTTPRequestHandler):
    """Fails where `fail` is in the path, once where that is `fail-once`."""

    def do_POST(self):
        failed = "fail" in self.path and not ("once" in self.path and self.server.got)
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(500 if failed else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving():
    """Yield a mail server and a web server, on ports of their own."""
    servers = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail), ThreadingHTTPServer(("127.0.0.1", 0), Web)
    for each in servers:
        each.got = []
        threading.Thread(target=each.serve_forever, daemon=True).start()
    try:
        yield servers
    finally:
        for each in servers:
            each.shutdown()
            each.server_close()
