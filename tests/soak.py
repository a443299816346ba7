"""Listens for as long as asked to a virtual microphone, with sounds at known times, while things break.

    python tests/soak.py --minutes 60
    python tests/soak.py --minutes 5 --calm

Chirps are played every ten seconds, and five pages are open. Meanwhile all processors are kept busy, the MQTT broker
goes away and comes back, and the sound card goes away and comes back; with --calm nothing breaks, and no sound may be
lost. Then a table tells what came of it; the exit status is 1 if memory grew, sound was lost uncounted, an event's time
was wrong by more than 20 ms, or a sink or a page lost something.

Needs pulseaudio, libasound2-plugins, libportaudio2 and mosquitto (all Debian packages), and
bowstream[mqtt,prometheus,web].
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from broker import Broker, free_port
from chirps import ear, find_chirps
from rich.console import Console
from rich.table import Table
from room import Room
from witnesses import Listener, Mail, Viewer

from bowstream import load_bundle
from bowstream.history import queries
from bowstream.history.spans import Span
from bowstream.history.store import open_history

SAMPLE_EVERY_S, TIME_ERROR_S, GROWTH_MB = 5.0, 0.020, 2.0

CONFIG = """\
device = "mic"
reconnect = true
hop_s = 0.1
on = 0.2

[tags."{tag}"]
on = {on}
off = {off}

[sinks.jsonl]
path = "{folder}/events.jsonl"
rotate_mb = 1.0

[sinks.clips]
folder = "{folder}/clips"
longest_s = 5.0

[sinks.history]
path = "{folder}/history.db"

[web]
port = {web}

[sinks.mqtt]
host = "127.0.0.1"
port = {mqtt}
topic = "bowstream/soak"

[sinks.prometheus]
address = "127.0.0.1"
port = {prometheus}
"""


def burn(seconds: float) -> None:
    """Keep a processor busy."""
    until = time.time() + seconds
    while time.time() < until:
        pass


def disturb(room: Room, broker: Broker, listener: Listener, until: float, seed: int, is_calm: bool) -> dict[str, int]:
    """Break things, one after the other, until it is time, or nothing if it is to be calm; return how often."""
    rng, counts = np.random.default_rng(seed), {"load": 0, "broker": 0, "device": 0}
    due = time.time() + 30.0
    while time.time() < until and listener.process.poll() is None:
        time.sleep(min(SAMPLE_EVERY_S, max(0.1, until - time.time())))
        if listener.process.poll() is not None:
            break
        listener.sample()
        if is_calm or time.time() < due or until - time.time() < 60.0:
            continue
        kind = ("load", "broker", "device")[sum(counts.values()) % 3]
        counts[kind] += 1
        seconds = float(rng.uniform(4.0, 15.0))
        print(f"  {time.strftime('%H:%M:%S')}  {kind}: {seconds:.1f} s", flush=True)
        if kind == "load":
            burners = [multiprocessing.Process(target=burn, args=(seconds,)) for _ in range(2 * (os.cpu_count() or 1))]
            for burner in burners:
                burner.start()
            for burner in burners:
                burner.join()
        elif kind == "broker":
            broker.stop()
            time.sleep(seconds)
            broker.start()
        else:
            room.unplug()
            time.sleep(seconds)
            room.plug()
        due = time.time() + float(rng.uniform(20.0, 60.0))
    return counts


def verdicts(
    folder: Path,
    listener: Listener,
    viewers: list[Viewer],
    played: list[float],
    mail: Mail,
    counts: dict,
    minutes: float,
    is_calm: bool,
):
    """Yield the lines of the report: what, figure, whether it is up to date (None: only told)."""
    health, found = listener.health, find_chirps(folder / "clips", played)
    yield "listened", f"{minutes:.1f} min, {listener.hops} hops, {len(listener.events)} events", None
    yield "disturbed by", ", ".join(f"{count} × {kind}" for kind, count in counts.items()), None
    gaps = ", ".join(f"{gap['length_s']:.3f} s at {gap['start_s']:.0f} s" for gap in listener.gaps)
    yield "sound lost, counted", f"{health['lost_s']:.3f} s: {gaps}", health["lost_s"] == 0.0 if is_calm else None
    latency = f"{health['latency_p50_ms']:.1f} ms, 95 %: {health['latency_p95_ms']:.1f}"
    yield "hop latency", f"{latency} in the last minute, {listener.worst_p95_ms:.1f} in the worst", None
    yield "chirps found", f"{len(found)} of {len(played)}", len(found) >= 0.8 * len(played)
    if len(found) >= 2:
        when, heard, stream = np.array(found).T
        delay = np.median(heard - when)
        error = np.abs(heard - when - delay).max()
        yield "event time, by the clock", f"wrong by {error * 1000:.1f} ms at most", error <= TIME_ERROR_S
        yield "constant delay of the sound card", f"{delay * 1000:.1f} ms", None
        drift = (stream - stream[0]) - (when - when[0])
        uncounted = np.abs(drift).max()
        steps = [
            f"{step * 1000:+.1f} ms at {at:.0f} s" for step, at in zip(np.diff(drift), stream[1:]) if abs(step) > 0.005
        ]
        yield "steps in the stream's time", ", ".join(steps) or "none", None
        yield "sound lost, uncounted", f"{uncounted * 1000:.1f} ms at most", uncounted <= TIME_ERROR_S
    times, memory = np.array(listener.memory_mb).T  # judged once everything has been used
    settled = times >= times[0] + min(120.0, 0.3 * (times[-1] - times[0]))
    growth = np.polyfit(times[settled], memory[settled], 1)[0] * 3600.0
    grown = memory[settled].max() - memory[settled][: max(1, settled.sum() // 10)].max()
    memory_told = f"{memory[settled][0]:.1f} … {memory.max():.1f} MB, grown by {grown:.1f} MB, {growth:+.2f} MB/h"
    yield "memory", memory_told, grown < GROWTH_MB
    yield "open files", f"{listener.files[0]} … {max(listener.files)}, {listener.files[-1]} at the end", None
    on = sum(event["state"] == "on" for event in listener.events)
    yield "events that arrived by MQTT", f"{len(mail.events)} of {on}", len(mail.events) == on
    kept = [json.loads(line) for file in folder.glob("events.jsonl*") for line in file.read_text().splitlines()]
    lines = sum(one["type"] == "event" for one in kept)
    yield "events and ends in the file", f"{lines} of {len(listener.events)}", lines == len(listener.events)
    with open_history(folder / "history.db") as history:
        remembered = len(queries.events(history, Span(0, 1 << 45)))
    yield "events in the history", f"{remembered} of {on}", remembered == on
    yield "given up by sinks", str(health["undelivered"]), health["undelivered"] == 0
    hops, missed = sum(viewer.hops for viewer in viewers), sum(viewer.missed for viewer in viewers)
    told = f"{hops} hops in {len(viewers)} pages, {missed} messages missed"
    yield "told to open pages", told, missed == 0 and hops >= 0.95 * len(viewers) * listener.hops
    yield "exit status", str(listener.process.returncode), listener.process.returncode == 0


def is_open(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    """Soak; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0, help="of how long each disturbance takes")
    parser.add_argument("--pages", type=int, default=5, help="that are open")
    parser.add_argument("--calm", action="store_true", help="break nothing")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        broker = Broker(folder)
        stack.callback(broker.stop)
        broker.start()
        mail = Mail(broker.port)
        stack.callback(mail.client.loop_stop)
        room = Room(folder)
        stack.callback(room.close)
        room.plug()
        config = folder / "bowstream.toml"
        tag, on, off = ear(load_bundle())
        ports = {"mqtt": broker.port, "prometheus": free_port(), "web": free_port()}
        settings = {"tag": tag, "on": on, "off": off, **ports}
        config.write_text(CONFIG.format(folder=folder, **settings))
        command = [sys.executable, "-m", "bowstream", "listen", "--json", "--config", str(config)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        listener = Listener(subprocess.Popen(command, env=room.environment, **pipes))
        stack.callback(listener.process.kill)
        readers = [threading.Thread(target=read) for read in (listener.read, listener.read_complaints)]
        viewers = [Viewer(ports["web"]) for _ in range(arguments.pages)]
        readers += [threading.Thread(target=viewer.watch) for viewer in viewers]
        while listener.process.poll() is None and not is_open(ports["web"]):
            time.sleep(0.1)
        for reader in readers:
            reader.start()
        started = time.time()
        until = started + arguments.minutes * 60.0
        counts = disturb(room, broker, listener, until, arguments.seed, arguments.calm)
        minutes = (time.time() - started) / 60.0
        if listener.process.poll() is None:
            listener.process.send_signal(signal.SIGTERM)
        listener.process.wait(30)
        for reader in readers:
            reader.join()
        time.sleep(2.0)
        played = [moment for moment in room.played if started + 5.0 < moment < started + minutes * 60.0 - 15.0]
        if not listener.health:
            sys.exit(f"listen ended with status {listener.process.returncode} and said nothing")
        lines = list(verdicts(folder, listener, viewers, played, mail, counts, minutes, arguments.calm))
    table = Table(box=None, pad_edge=False, show_header=False)
    for what, figure, holds in lines:
        table.add_row(what, figure, "" if holds is None else "[green]holds[/]" if holds else "[red]FAILS[/]")
    Console(width=120).print(table)
    return int(any(holds is not None and not holds for _, _, holds in lines))


if __name__ == "__main__":
    sys.exit(main())
