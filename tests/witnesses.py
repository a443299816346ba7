"""Who tells what a soaked listener does: its own output, pages that are open, and a mailbox at the broker."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho


@dataclass
class Listener:
    """`bowstream listen`, and what it says."""

    process: subprocess.Popen
    hops: int = 0
    events: list[dict] = field(default_factory=list)
    gaps: list[dict] = field(default_factory=list)
    health: dict = field(default_factory=dict)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    worst_p95_ms: float = 0.0

    def read(self) -> None:
        """Read what it writes, until it ends."""
        for line in self.process.stdout:
            fields = json.loads(line)
            if fields["type"] == "hop":
                self.hops += 1
                self.health = fields["health"]
                self.worst_p95_ms = max(self.worst_p95_ms, self.health["latency_p95_ms"])
            elif fields["type"] in ("event", "gap"):
                (self.events if fields["type"] == "event" else self.gaps).append(fields)

    def read_complaints(self) -> None:
        """Read what it says on standard error, until it ends."""
        for line in self.process.stderr:
            print(f"  {time.strftime('%H:%M:%S')}  {line.rstrip()}", flush=True)

    def sample(self) -> None:
        """Note its memory and its open files."""
        process = Path(f"/proc/{self.process.pid}")
        resident = int(process.joinpath("statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.memory_mb.append((time.time(), resident))
        self.files.append(len(list(process.joinpath("fd").iterdir())))


@dataclass
class Viewer:
    """A page that is open, as far as the listener can tell: reads all that it is sent."""

    port: int
    hops: int = 0
    missed: int = 0

    def watch(self) -> None:
        """Read until the listener closes the page."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60.0)
        link.request("GET", "/api/live")
        answer = link.getresponse()
        kind = b""
        while line := answer.readline():
            if line.startswith(b"event: "):
                kind = line[7:-1]
                self.hops += kind == b"hop"
            elif line.startswith(b"data: ") and kind == b"missed":
                self.missed = json.loads(line[6:])["messages"]
        link.close()


class Mail:
    """Everything published about events; the broker keeps it for us while we are away."""

    def __init__(self, port: int) -> None:
        self.events: set[str] = set()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="soak", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe("bowstream/soak/event/on", 1)
        self.client.on_message = lambda _, __, message: self.events.add(message.payload.decode())
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
