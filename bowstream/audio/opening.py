"""What is heard live, by what `device` says: a microphone, an address, standard input or a file that grows."""

from __future__ import annotations

from collections.abc import Generator

from bowstream._types import FORMAT, Format
from bowstream.audio.live import Input, LiveStream
from bowstream.audio.microphone import Microphone
from bowstream.audio.network import NetworkInput
from bowstream.audio.pipe import GrowingFile, StandardInput
from bowstream.audio.raw import CHANNELS, RATES_HZ, RawFormat
from bowstream.audio.reconnect import Reconnecting
from bowstream.audio.replug import Replugged
from bowstream.audio.stream import StreamSource
from bowstream.config.address import STDIN, is_microphone, is_path
from bowstream.config.fields import SettingError, require
from bowstream.config.paths import expanded
from bowstream.config.settings import SourceSettings

# A server that was started again is soon there.
LOOK_EVERY_S = 1.0


def open_live(settings: SourceSettings, format: Format = FORMAT) -> StreamSource | Reconnecting:
    """Return what the settings `device`, `sample_rate`, `raw` and `reconnect` say, as a source to be entered.

    Raises
    ------
    DeviceError
        If there is no such microphone, or it cannot be opened, and is not to be waited for.
    SettingError
        If a setting does not fit what is heard.
    """
    device = settings.device
    if is_microphone(device):
        require(settings.raw is None, "raw", "must be left out for a microphone")
        if settings.reconnect:
            return Reconnecting(Replugged(device, format, settings.sample_rate), format)
        return Microphone(device, format, settings.sample_rate)
    assert device is not None
    require(settings.sample_rate is None, "sample_rate", "must be left out for what is no microphone")
    if settings.reconnect and device != STDIN:
        return Reconnecting(Reopened(settings, format), format)
    return LiveStream(input_of(device, settings.raw), format)


def input_of(device: str, raw: str | None) -> Input:
    """Return where the sound of an address, a path or standard input comes from."""
    if device == STDIN:
        return StandardInput(raw_format(raw))
    if is_path(device):
        return GrowingFile(expanded(device), raw_format(raw))
    require(raw is None, "raw", "must be left out for a stream from the network")
    return NetworkInput(device)


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


class Reopened:
    """Opens a stream or a growing file each time that it is asked to; for `Reconnecting`."""

    look_every_s = LOOK_EVERY_S

    def __init__(self, settings: SourceSettings, format: Format) -> None:
        assert settings.device is not None
        self._device, self._raw = settings.device, settings.raw
        self._format = format
        self.name = self._new().name

    def _new(self) -> Input:
        return input_of(self._device, self._raw)

    def open(self) -> LiveStream:
        """Return the stream, to be entered; it is opened in its own thread, and says there what is wrong."""
        return LiveStream(self._new(), self._format)

    def look(self) -> Generator[None, None, str | None]:
        """Return at once: to open it is to look."""
        yield None
        return None
