"""What is heard live, by what `device` says: a microphone, an address, standard input or a file that grows."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from bowstream._given import TEXT, check, check_if_any, one_of
from bowstream._types import FORMAT, Format
from bowstream.audio.live import Input, LiveStream
from bowstream.audio.microphone import Microphone
from bowstream.audio.network import NetworkInput
from bowstream.audio.raw import CHANNELS, RATES_HZ, RawFormat
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.replug import Replugged
from bowstream.audio.stream import StreamSource
from bowstream.audio.wyoming import WyomingInput
from bowstream.config.address import STDIN, WYOMING, is_microphone, is_path, scheme_of
from bowstream.config.fields import SettingError, require
from bowstream.config.paths import expanded
from bowstream.config.settings import SourceSettings

# A server that was started again is soon there.
LOOK_EVERY_S = 1.0


def open_live(settings: SourceSettings, format: Format = FORMAT) -> StreamSource | Reconnecting:
    """Return what the settings `device`, `sample_rate`, `raw`, `reconnect`, `channels`, `mix` and `track` say.

    Raises
    ------
    DeviceError
        If there is no such microphone, or it cannot be opened, and is not to be waited for.
    SettingError
        If a setting does not fit what is heard.
    """
    check_fit(settings)
    if not settings.reconnect or settings.device == STDIN:
        return open_once(settings, format)
    format = mixed(format, settings)
    if is_microphone(settings.device):
        return Reconnecting(Replugged(settings.device, format, settings.sample_rate), format)
    return Reconnecting(Reopened(settings, format), format)


def open_once(settings: SourceSettings, format: Format = FORMAT) -> StreamSource:
    """Return the same, without waiting for what is absent or goes away."""
    check_fit(settings)
    format = mixed(format, settings)
    if is_microphone(settings.device):
        return Microphone(settings.device, format, settings.sample_rate)
    return Stream(settings.device or STDIN, settings.raw, format)


def mixed(format: Format, settings: SourceSettings) -> Format:
    """Return a format, of the channels and the track that are set."""
    return replace(format, channels=settings.channels, mix=settings.mix, track=settings.track)


def check_fit(settings: SourceSettings) -> None:
    """Raise `SettingError` if a setting does not fit what is heard."""
    device = settings.device
    if is_microphone(device):
        require(settings.raw is None, "raw", "must be left out for a microphone")
    else:
        require(settings.sample_rate is None, "sample_rate", "must be left out: only a microphone is asked for a rate")
        is_bytes = device == STDIN or is_path(device or "")
        require(settings.raw is None or is_bytes, "raw", "must be left out for a stream from the network")
    has_tracks = not is_microphone(device) and scheme_of(device or "") != WYOMING
    require(settings.track is None or has_tracks, "track", "must be left out for a microphone or a satellite")


def input_of(settings: SourceSettings) -> Input:
    """Return where the sound of an address, a path or standard input comes from."""
    device, track = settings.device or STDIN, settings.track
    if device == STDIN or is_path(device):
        from bowstream.audio.pipe import GrowingFile, StandardInput  # it decodes, which a microphone does not need

        raw = raw_format(settings.raw)
        return StandardInput(raw, track) if device == STDIN else GrowingFile(expanded(device), raw, track)
    return WyomingInput(device) if scheme_of(device) == WYOMING else NetworkInput(device, track)


def raw_format(text: str | None) -> RawFormat | None:
    """Return the format that the setting `raw` says, if it says one; raise `SettingError` if it makes no sense."""
    try:
        return None if text is None else RawFormat.parse(text)
    except ValueError:
        raise SettingError(
            "raw",
            f"must be RATE[:CHANNELS[:ENCODING]] as in 16000:1:PCM_16, of {RATES_HZ[0]} … {RATES_HZ[-1]} Hz and "
            f"{CHANNELS[0]} … {CHANNELS[-1]} channels (got {text!r})",
        ) from None


class Stream(LiveStream):
    """A stream from the network, standard input, or a file that grows, as a source for a `Session`.

    It is opened, read and decoded in its own thread, from entering it to leaving it. What is missing on its way is
    told as lost, by its own timestamps. Where one from the network hangs when it is left, Python waits at its end until
    FFmpeg gives it up: half a minute at the most.

    Parameters
    ----------
    address : `rtsp://…`, `http://…`, `udp://…` and so on, `-` for standard input, or a path that begins with / or ./
    raw : format of headerless sound in a file or on standard input, as in `16000:1:PCM_16`

    Raises
    ------
    UsageError
        If the address can be none, or the format does not fit, or an argument is not of its type.
    DeviceError
        If PyAV is needed and not installed; while iterating, if it cannot be opened, delivers nothing or ends.
    AudioError
        While iterating, if standard input is no sound, or damaged.
    """

    def __init__(self, address: str, raw: str | None = None, format: Format = FORMAT) -> None:
        check(TEXT, address=address)
        check_if_any(TEXT, raw=raw)
        check(one_of(Format), format=format)
        settings = SourceSettings(device=address, raw=raw, track=format.track)
        require(not is_microphone(address), "address", "must be that of a stream: a Microphone takes names of devices")
        check_fit(settings)
        super().__init__(input_of(settings), format)


class Reopened:
    """Opens a stream or a growing file each time that it is asked to; for `Reconnecting`."""

    look_every_s = LOOK_EVERY_S

    def __init__(self, settings: SourceSettings, format: Format) -> None:
        self.name = input_of(settings).name
        self._settings = settings
        self._format = format

    def open(self) -> Stream:
        """Return the stream, to be entered; it is opened in its own thread, and says there what is wrong."""
        return Stream(self._settings.device or STDIN, self._settings.raw, self._format)

    def look(self) -> Generator[None, None, str | None]:
        """Return at once: to open it is to look."""
        yield None
        return None
