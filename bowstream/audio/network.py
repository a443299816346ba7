"""A stream from the network, through PyAV: cameras (RTSP), web radio and HLS, UDP."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from bowstream._text import redacted
from bowstream.audio.ffmpeg import CONTAINERS, FRAMES, INSTALL, MOST_FAILURES, is_there, opened, reason_of, to_floats
from bowstream.audio.live import Piece
from bowstream.audio.tracks import TrackError, chosen
from bowstream.config.address import ESCAPES, scheme_of
from bowstream.errors import DeviceAbsentError, DeviceError

# Without a packet for so long, a stream is gone; a playlist's segments come seconds apart.
GONE_AFTER_S, PLAYLIST_GONE_AFTER_S = 8.0, 30.0
OPENED_AFTER_S = 10.0
# What a server's answer may make FFmpeg open, by the scheme of the address; never a file.
WEB = "http,https,httpproxy,tcp,tls,crypto,data"
CAMERA = "rtsp,rtsps,rtp,srtp,udp,tcp,tls"
PROTOCOLS = {
    "rtsp": CAMERA,
    "rtsps": CAMERA,
    "http": WEB,
    "https": WEB,
    "udp": "udp",
    "tcp": "tcp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "srt": "srt",
}
# A second of the stream shows what is in it; its sound is in the first megabyte.
PROBED = {"analyzeduration": "1000000", "probesize": "1000000"}
# The pictures of a camera are not asked for; a packet that is lost on the way is sent again where TCP is spoken.
OPTIONS = {"rtsp_flags": "prefer_tcp", "allowed_media_types": "audio", "overrun_nonfatal": "1"}


class NetworkInput:
    """A stream of sound at an address.

    Parameters
    ----------
    address : as in `rtsp://user:password@camera/stream`
    track : which of several; see `Format`
    """

    quiet_after_s = float("inf")  # it is gone before
    calls_python = True  # FFmpeg asks PyAV while it waits, which asks Python for the time

    def __init__(self, address: str, track: str | None = None) -> None:
        if not is_there():
            raise DeviceError(f"{redacted(address)!r} is a stream: {INSTALL} to hear it")
        self.name = redacted(address)
        self.damaged = 0
        self._address, self._track = address, track
        parts = urlsplit(address)
        self._is_playlist = parts.path.lower().endswith(".m3u8")
        self._protocols = PROTOCOLS[parts.scheme.lower()]

    def pieces(self) -> Generator[Piece | None, None, None]:
        """Open it and yield what comes; None once it is open, and for what cannot be decoded.

        Raises
        ------
        DeviceError
            If it cannot be opened, has no sound, delivers nothing or ends.
        """
        with closing(self._open()) as container:
            for frame in self._frames(container):
                if frame is None:
                    yield None
                    continue
                start_s = None if frame.time is None else float(frame.time)
                frames = to_floats(frame)
                if len(frames):
                    yield Piece(frames, frame.sample_rate, start_s, self._delay_s(container, start_s, frame))
        raise DeviceAbsentError(f"{self.name!r} has ended")

    def _open(self) -> Any:
        gone_after_s = PLAYLIST_GONE_AFTER_S if self._is_playlist else GONE_AFTER_S
        options = {
            **PROBED,
            **OPTIONS,
            "protocol_whitelist": self._protocols,
            "format_whitelist": f"{CONTAINERS}{FRAMES},rtsp,rtp,sdp,hls",
        }
        with self._told():
            timeout = (OPENED_AFTER_S, gone_after_s)
            return opened(self._address, options, timeout=timeout)

    def _frames(self, container: Any) -> Iterator[Any]:
        """Yield decoded frames; None at the beginning, and for a packet that cannot be decoded."""
        import av
        from av.stream import Discard

        if not container.streams.audio:
            raise DeviceError(f"{self.name!r} has pictures only, no sound")
        try:
            stream = chosen(container.streams.audio, self._track)
        except TrackError as error:
            raise DeviceError(f"{self.name!r}: {error}") from error
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all
        failures = 0
        yield None
        packets = container.demux(stream)
        while failures < MOST_FAILURES:
            with self._told():
                try:
                    packet = next(packets, None)
                except av.InvalidDataError:
                    self.damaged, failures = self.damaged + 1, failures + 1
                    packets = container.demux(stream)
                    yield None
                    continue
            if packet is None:
                return
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                self.damaged, failures = self.damaged + 1, failures + 1
                yield None
                continue
            failures = 0 if frames else failures
            yield from frames
        raise DeviceError(f"{self.name!r} sends nothing that can be decoded")

    def _delay_s(self, container: Any, start_s: float | None, frame: Any) -> float | None:
        """Return how long ago the end of a frame was, by the sender's clock; None if it does not tell the time."""
        epoch_us = getattr(container, "start_time_realtime", None)  # since PyAV 18
        if epoch_us is None or start_s is None:
            return None
        return time.time() - float(epoch_us / 1e6 + start_s + frame.samples / frame.sample_rate)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise what PyAV raises as a `DeviceError`, without the address."""
        import av

        try:
            yield
        except av.ExitError:
            raise DeviceAbsentError(f"{self.name!r} does not answer") from None
        except av.HTTPOtherClientError as error:
            # What a camera answers to one who asks for its sound alone, where it has none.
            reason = f"{reason_of(error)}; it may have pictures only"
            raise DeviceError(f"{self.name!r} cannot be heard: {reason}") from None
        except av.ProtocolNotFoundError:
            scheme = scheme_of(self._address)
            way = "the ffmpeg program may have it: ffmpeg -i ADDRESS -f wav - | bowstream listen --device -"
            raise DeviceError(f"{self.name!r} cannot be heard: PyAV's FFmpeg has no {scheme} here; {way}") from None
        except av.ArgumentError as error:
            raise DeviceError(f"{self.name!r} cannot be heard: {reason_of(error)}; {ESCAPES}") from None
        except (av.FFmpegError, ValueError, OSError) as error:
            raise DeviceError(f"{self.name!r} cannot be heard: {reason_of(error)}") from None
