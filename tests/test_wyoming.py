"""Microphones of voice satellites: a server made of the real `wyoming` package, and others that make no sense."""

import asyncio
import json
import socket
import threading
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest
from broker import free_port
from signals import RATE, scene

from bowstream.audio import wyoming as ours
from bowstream.audio.live import LiveStream
from bowstream.audio.wyoming import WyomingInput
from bowstream.errors import DeviceAbsentError, DeviceError, UsageError


def heard(address):
    """Return all samples that come, and the error that it ends with."""
    samples = []
    with LiveStream(WyomingInput(address)) as stream, pytest.raises(DeviceError) as ended:
        for block in stream:
            samples += [block.samples] if block else []
    return np.concatenate([np.empty(0, np.float32), *samples]), ended.value


@contextmanager
def microphone(sound, channels=1, width=2):
    """Serve a sound to who connects, as wyoming-mic-external does, with a ping in between; yield the address."""
    pytest.importorskip("wyoming")
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.ping import Ping
    from wyoming.server import AsyncEventHandler, AsyncServer

    port, loop, pongs = free_port(), asyncio.new_event_loop(), []
    layout = {"rate": RATE, "width": width, "channels": channels}

    class Handler(AsyncEventHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.task = asyncio.ensure_future(self.send())

        async def handle_event(self, event):
            pongs.append(event)
            return True

        async def send(self):
            await self.write_event(AudioStart(**layout).event())
            await self.write_event(Ping(text="there?").event())
            for start in range(0, len(sound), 1024):
                await self.write_event(AudioChunk(**layout, audio=sound[start : start + 1024].tobytes()).event())
            while not pongs:
                await asyncio.sleep(0.01)
            self.writer.close()

    server = AsyncServer.from_uri(f"tcp://127.0.0.1:{port}")

    async def serve():
        await server.start(Handler)

    asyncio.run_coroutine_threadsafe(serve(), loop)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    while True:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port))):
            break
    yield f"wyoming://127.0.0.1:{port}", pongs
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_what_it_sends_is_heard_and_a_ping_answered():
    sound = (scene(4.0) * 2.0**15).clip(-(2.0**15), 2.0**15 - 1.0).astype("<i2")
    with microphone(sound) as (address, pongs):
        samples, error = heard(address)
    assert np.array_equal(samples, (sound / 2.0**15).astype(np.float32)[: len(samples)])
    assert len(samples) >= 39 * 1600
    assert isinstance(error, DeviceAbsentError) and str(error) == f"{address!r} has ended"
    assert pongs[0].type == "pong" and pongs[0].data["text"] == "there?"


@pytest.mark.parametrize(("width", "channels"), [(4, 1), (2, 2)])
def test_other_widths_and_channels(width, channels):
    sound = np.full((RATE, channels), 2 ** (8 * width - 3), f"<i{width}")
    with microphone(sound, channels, width) as (address, _):
        samples, _ = heard(address)
    assert len(samples) >= 9 * 1600 and np.allclose(samples, 0.25)


@contextmanager
def saying(content):
    """A server that says this to who connects, and hangs up; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with suppress(OSError):
                client, _ = server.accept()
                with client:
                    client.sendall(content)

        threading.Thread(target=serve, daemon=True).start()
        yield f"wyoming://127.0.0.1:{server.getsockname()[1]}"


def event(kind, payload=b"", **data):
    more = json.dumps(data).encode()
    head = {"type": kind, "data_length": len(more), "payload_length": len(payload)}
    return json.dumps(head).encode() + b"\n" + more + payload


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak Wyoming: an event must be JSON"),
        (b"[]\n", "an event must be an object"),
        (b'{"type": 3}\n', "an event must have a type"),
        (b'{"type": "x", "data_length": 2}\n[]', "an event must be an object"),
        (b'{"type": "x", "payload_length": -1}\n', "a length must be 0"),
        (b'{"type": "x", "payload_length": 99999999999}\n', "a length must be 0"),
        (b'{"type": "x", "data_length": 100}\n{}', "cut short"),
        (b"[" * 100_000, "does not speak Wyoming"),
        (event("audio-chunk", b"abc", rate=16_000, width=2, channels=1), "a chunk must have"),
        (event("audio-chunk", b"ab", rate=16_000, width=7, channels=1), "a chunk must have"),
        (event("audio-chunk", b"ab", rate=0, width=2, channels=1), "a chunk must have"),
        (event("audio-chunk", b"ab", rate="16000", width=[2], channels={}), "a chunk must have"),
        (event("info"), "has ended"),
        (b"", "has ended"),
    ],
)
def test_what_makes_no_sense_is_told(content, reason):
    with saying(content) as address:
        samples, error = heard(address)
    assert not len(samples) and reason in str(error) and str(error).startswith(f"{address!r} ")


def test_nobody_is_there():
    address = f"wyoming://127.0.0.1:{free_port()}"
    assert str(heard(address)[1]) == f"{address!r} cannot be heard: connection refused"
    with pytest.raises(UsageError, match="must be wyoming://HOST"):
        WyomingInput("wyoming://:1/")


def test_one_that_goes_silent_is_gone(monkeypatch):
    monkeypatch.setattr(ours, "GONE_AFTER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"wyoming://127.0.0.1:{server.getsockname()[1]}"
        assert str(heard(address)[1]) == f"{address!r} does not answer"
