"""What libsndfile does not read, through FFmpeg, where PyAV is installed: a stream of sound in a file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from bowstream._stderr import silenced
from bowstream._types import Float32
from bowstream.audio.reader import Reader
from bowstream.audio.tracks import chosen, listed
from bowstream.errors import AudioError

INSTALL = "pip install 'bowstream[streams]'"
# Containers that FFmpeg may take a file for. Playlists are not among them, since they name other files; nor is
# anything that has no header and that any file may be taken for.
CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,asf_o,amr,flv,avi,caf,wav,w64,aiff,au,ogg,mpegts,mpeg,ape,wv,tta,mpc,"
    "mpc8,dsf,iff,rm,ivr,tak,aa,aax,aea,oma,xwma,mxf,nut,gxf,dxa,wtv,avr,voc,ircam,nistsphere,paf,pvf,sox,smjpeg,qcp,"
    "rso,sln,shn,bit,act,g729,truehd,mlp,codec2,lvf,vivo,bink,film_cpk,rpl,xa,xwma,flac"
)
# Streams of bare frames: only where their beginning says so.
FRAMES = ",aac,ac3,eac3,dts,dtshd,adts,loas,mp3"
OPTIONS = {"format_whitelist": CONTAINERS + FRAMES, "protocol_whitelist": ""}
# Formats whose sound has a length that was counted, not reckoned from a bit rate.
COUNTED = ("mov,mp4,m4a,3gp,3g2,mj2",)
MOST_FAILURES = 1000
# Since this version PyAV itself minds no bytes that are no text.
LENIENT = 19


def is_there() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


class Source:
    """A `Reader` as PyAV wants a file: a pipe can only be read on."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        if reader.size is not None:
            self.seek = self._seek
            self.tell = lambda: reader.position

    def read(self, count: int) -> bytes:
        """Return the next bytes; fewer at the end."""
        return self._reader.read(min(count, len(self._reader.peek_some(count))))

    def _seek(self, offset: int, whence: int = 0) -> int:
        position = offset + (0, self._reader.position, self._reader.size or 0)[whence]
        if position < 0:
            return -1  # as C has it: an exception would be printed, and not come through
        self._reader.seek(position)
        return position


class FFmpegDecoder:
    """A stream of sound in a file.

    Parameters
    ----------
    is_bare : whether it may be frames without a container
    track : which of several; see `Format`

    Attributes
    ----------
    tracks : those that there are, in words; empty if this is the only one, or was named

    Raises
    ------
    AudioError
        On opening, without the file's name in it, if there is none that can be decoded.
    """

    def __init__(self, reader: Reader, is_bare: bool, track: str | None = None) -> None:
        import av

        self._av: Any = av
        options = OPTIONS | {"format_whitelist": CONTAINERS + FRAMES * is_bare}
        self._file = Source(reader)
        try:
            with silenced():
                self._container = opened(self._file, options)
        except (av.FFmpegError, ValueError, OSError) as error:
            raise AudioError(reason_of(error)) from error
        self._damage: str | None = None
        try:
            if not self._container.streams.audio:
                raise AudioError("pictures only, no sound")
            streams = self._container.streams.audio
            self._stream = chosen(streams, track)
            self.tracks = listed(streams) if len(streams) > 1 and track is None else ""
            self._blocks = self._decoded()
            with silenced():
                first = next(self._blocks, None)
        except BaseException:
            self._container.close()
            raise
        if first is None:
            self._container.close()
            codec = getattr(self._stream.codec_context, "name", "a codec that FFmpeg does not know")
            raise AudioError(f"{codec} that cannot be decoded{f': {self._damage}' if self._damage else ''}")
        self.channels = first.shape[1]
        self._pending = [first]
        self._decoded_frames = 0

    @property
    def stated_s(self) -> float | None:
        """The length that the container states, in seconds; None if it does not."""
        duration = self._container.duration
        return duration / 1e6 if duration and duration > 0 else None

    @property
    def missing_s(self) -> float:
        """How much less was decoded than was counted when the file was made."""
        stream = self._stream
        if self._container.format.name not in COUNTED or not stream.duration or not stream.time_base:
            return 0.0
        return float(stream.duration * stream.time_base) - self._decoded_frames / self.sample_rate

    def read(self, frames: int) -> tuple[Float32, str | None]:
        """Return the next frames, no more than a packet's, and what was damaged after them."""
        with silenced():
            block = self._pending.pop() if self._pending else next(self._blocks, None)
        if block is None:
            block = np.empty((0, self.channels), np.float32)
        elif len(block) > frames:
            self._pending.append(block[frames:])
            block = block[:frames]
        self._decoded_frames += len(block)
        damage, self._damage = self._damage, None
        return block, damage

    def finish(self) -> int:
        """Close the file and return how many frames were decoded."""
        self.close()
        return self._decoded_frames

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decoded(self) -> Iterator[Float32]:
        """Yield blocks (n, channels), all like the first; keep what was damaged."""
        packets, resampler, like, failures = self._container.demux(self._stream), None, None, 0
        while failures < MOST_FAILURES:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except (self._av.FFmpegError, ValueError) as error:
                self._damage, failures = reason_of(error), failures + 1
                continue
            if packet is None:
                return
            for frame in frames:
                shape = (frame.sample_rate, frame.layout.name)
                if like is None:
                    like, self.sample_rate = shape, int(frame.sample_rate)
                if shape == like:
                    yield to_floats(frame)
                    continue
                resampler = self._av.AudioResampler("flt", like[1], like[0])
                for changed in resampler.resample(frame):
                    yield to_floats(changed)


def opened(file: Any, options: Mapping[str, str], **arguments: Any) -> Any:
    """Return a file or an address as PyAV opens it, whatever bytes its metadata has."""
    import av

    if int(av.__version__.partition(".")[0]) < LENIENT:
        arguments["metadata_errors"] = "ignore"
    opener: Any = av.open  # whose arguments differ
    return opener(file, options=options, **arguments)


def has_sound(path: str) -> bool:
    """Whether there is a stream of sound in a file, or FFmpeg cannot tell."""
    found = glanced(path, lambda container: bool(container.streams.audio))
    return found is None or found  # why it cannot tell is said when it is to be heard


def creation_time(path: str) -> str:
    """Return when a file says that it was made, as ISO 8601; empty if it does not say."""
    return str(glanced(path, lambda container: container.metadata.get("creation_time")) or "")


def glanced(path: str, look: Callable[[Any], Any]) -> Any:
    """Return what is seen in a container; None if FFmpeg cannot open it."""
    import av

    try:
        with open(path, "rb") as file, silenced(), opened(file, OPTIONS) as found:  # noqa: PTH123
            return look(found)
    except (av.FFmpegError, ValueError, OSError):
        return None


def to_floats(frame: Any) -> Float32:
    """Return a frame's samples as float32 in -1 … 1 [shape=(n, channels)]."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(frame.samples, -1)
    kind = samples.dtype
    if kind == np.uint8:
        samples = (samples.astype(np.float32) - 128.0) / 128.0
    elif kind.kind == "i":
        samples = samples / 2.0 ** (8 * kind.itemsize - 1)
    return np.ascontiguousarray(samples, np.float32)


def reason_of(error: Exception) -> str:
    """Return FFmpeg's reason in a few words."""
    return str(getattr(error, "strerror", None) or error).rstrip(".").lower()
