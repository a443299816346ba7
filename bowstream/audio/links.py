"""What decodes which file, and the recordings in it one after another.

libsndfile decodes what it knows, whether or not FFmpeg is there, so that a file sounds the same with both.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import soundfile

from bowstream.audio.containers.chunks import Chunks
from bowstream.audio.containers.findings import Container, Findings
from bowstream.audio.containers.flac import Flac
from bowstream.audio.containers.mpeg import Mpeg
from bowstream.audio.containers.ogg import Ogg
from bowstream.audio.decode import Decoder, Pumped, SoundFileDecoder, reason_of
from bowstream.audio.ffmpeg import INSTALL, FFmpegDecoder, is_there
from bowstream.audio.flac import FlacDecoder
from bowstream.audio.kinds import foreign_kind, kind_of
from bowstream.audio.raw import RawFormat, header_in
from bowstream.audio.reader import CHUNK_BYTES, Reader
from bowstream.audio.tracks import FIRST, TrackError, is_first
from bowstream.errors import AudioError

# What has to be seen of a file to say what it is.
HEAD_BYTES = 4096
FORMAT_NOT_RECOGNISED, UNSUPPORTED_ENCODING = 1, 4  # libsndfile's numbers
FFMPEG_TOLERANCE_S = 0.2
# libsndfile's log on a file that is shorter than its header says: the bytes promised and found.
SHORTER = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.M)
# Decoders may round a compressed file's length; less than this is not called truncated.
LENGTH_TOLERANCE_S = 0.1
# libsndfile finds no beginning, or no end, of these in a pipe.
NOT_THROUGH_PIPES = ("GSM610", "VOX_ADPCM", "NMS_ADPCM")
# Formats without a header, or with one so weak that anything might be it.
GUESSED = ("RAW", "SD2", "MPC2K", "SDS")


@dataclass
class Links:
    """Decoders for the recordings in a file, in order; findings grow as they are used.

    duration_s : what the file states, in seconds; None if it states nothing
    """

    decoders: Iterator[Decoder]
    findings: Findings = field(default_factory=Findings)
    duration_s: float | None = None


def links_in(descriptor: int, raw: RawFormat | None = None, is_raw: bool = False, track: str | None = None) -> Links:
    """Return the recordings in an open file or pipe.

    Parameters
    ----------
    descriptor : stays the caller's to close
    raw : the format of a headerless stream
    is_raw : whether its name is that of one
    track : which of several streams of sound; see `Format`

    Raises
    ------
    AudioError
        If there is none, without the file's name.
    """
    if raw:
        if not is_first(track):
            raise AudioError(f"track must be {FIRST}: headerless sound has no other (got {track!r})")
        return headerless(descriptor, raw)
    reader = Reader(descriptor)
    head = reader.peek(HEAD_BYTES)
    if not head:
        raise AudioError("there is nothing in it (0 bytes)")
    if not is_first(track):
        if not is_there():
            raise AudioError(f"FFmpeg alone tells tracks apart: {INSTALL}")
        return by_ffmpeg(reader, head, track=track)
    try:
        links = by_libsndfile(reader, head)
        first = next(links.decoders, None)
    except soundfile.LibsndfileError as error:
        if is_raw and not foreign_kind(head):
            raise AudioError("its format is not known: give it with --raw") from error
        if error.code == UNSUPPORTED_ENCODING and not is_there():
            raise AudioError(f"soundfile does not decode its encoding: {INSTALL} to hear it") from error
        return by_ffmpeg(reader, head, reason_of(error))
    if not first:
        raise AudioError("there is no audio in it (0 samples)")
    links.decoders = itertools.chain([first], links.decoders)
    return links


def headerless(descriptor: int, raw: RawFormat) -> Links:
    """Return a stream whose format was said."""
    reader = Reader(descriptor)
    if kind := header_in(reader.peek(4)):
        raise AudioError(f"it is not headerless, it begins like {kind}: leave --raw out")
    if reader.size is None and raw.subtype.startswith(NOT_THROUGH_PIPES):
        raise AudioError(f"{raw.subtype} cannot be read from a pipe: save it to a file first")
    try:
        if reader.size is None:
            return alone(Pumped(as_it_comes(reader), at_once=1, **raw.arguments()))
        reader.seek(0)
        return alone(SoundFileDecoder(descriptor, closefd=False, **raw.arguments()))
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        raise AudioError(f"it cannot be read as {raw}: {error}") from error


def as_it_comes(reader: Reader) -> Iterator[bytes]:
    """Yield all bytes, without waiting for more than have come."""
    while piece := reader.read(len(reader.peek_some(CHUNK_BYTES))):
        yield piece


def by_libsndfile(reader: Reader, head: bytes) -> Links:
    """Return what libsndfile makes of a file; raise its error, now or at the first of them, if that is nothing."""
    kind = kind_of(reader)
    if kind == "other":
        if foreign_kind(head):
            raise soundfile.LibsndfileError(FORMAT_NOT_RECOGNISED)
        return other(reader, head)
    container: Container
    opener: Callable[[Iterator[bytes]], Decoder] = Pumped
    if kind == "chunks":
        container = chunks = Chunks(reader)
        if chunks.is_right:
            return whole_file(reader, is_right=True)
    elif kind == "flac":
        container, opener = Flac(reader), FlacDecoder
    else:
        container = Mpeg(reader) if kind == "mpeg" else Ogg(reader)
    return Links(one_by_one(container, opener), container.findings, container.duration_s)


def by_ffmpeg(reader: Reader, head: bytes, reason: str | None = None, track: str | None = None) -> Links:
    """Return what FFmpeg makes of a file.

    Parameters
    ----------
    reason : why libsndfile has no decoder for it; None if it was not asked
    track : which of several streams of sound; see `Format`
    """
    kind = foreign_kind(head)
    if kind and not is_there():
        raise AudioError(f"it is {kind}: {INSTALL} to hear it")
    if not is_there() or (reader.size is None and reader.position):
        raise AudioError(f"it is no recording that soundfile can read: {reason}")
    if reader.size is not None:
        reader.seek(0)
    try:
        decoder = FFmpegDecoder(reader, is_bare=kind is not None or reason is None, track=track)
    except TrackError:
        raise
    except AudioError as error:
        reason = str(error) if kind or reason is None else reason
        raise AudioError(f"it is no recording that soundfile or FFmpeg can read: {reason}") from error
    findings = Findings()
    if decoder.tracks:
        findings.notes.append(f"the first of its sound tracks is heard: {decoder.tracks}; --track names another")

    def only() -> Iterator[Decoder]:
        yield decoder
        if (missing_s := decoder.missing_s) > FFMPEG_TOLERANCE_S:
            findings.problems.append((None, f"truncated: {missing_s:.1f} s are missing"))
        decoder.finish()

    return Links(only(), findings, decoder.stated_s)


def one_by_one(container: Container, opener: Callable[[Iterator[bytes]], Decoder]) -> Iterator[Decoder]:
    """Yield a decoder for each recording; only the first has to be one."""
    is_first = True
    for pieces in container.links():
        try:
            decoder = opener(pieces)
        except soundfile.LibsndfileError as error:
            if is_first:
                raise
            container.findings.problems.append((None, f"a part of it cannot be decoded: {reason_of(error)}"))
            for _ in pieces:
                pass
            continue
        is_first, stated = False, container.stated_frames
        yield decoder
        if (decoded := decoder.finish()) < stated:
            missing_s = (stated - decoded) / decoder.sample_rate
            container.findings.problems.append((None, f"truncated or damaged: {missing_s:.3f} s are missing"))


def whole_file(reader: Reader, is_right: bool = False) -> Links:
    """Return a regular file as libsndfile reads it; one that `is_right` has been looked at already."""
    os.lseek(reader.descriptor, 0, os.SEEK_SET)
    decoder = SoundFileDecoder(reader.descriptor, closefd=False)
    if decoder.format in GUESSED:
        decoder.close()
        raise soundfile.LibsndfileError(FORMAT_NOT_RECOGNISED)
    links = alone(decoder)
    for said, found in SHORTER.findall(decoder.log):
        if int(found) < int(said) and not is_right:
            links.findings.problems.append((None, f"truncated: {found} of {said} bytes are there"))
    return links


def alone(decoder: SoundFileDecoder) -> Links:
    """Return one recording."""
    findings, stated = Findings(), decoder.stated_frames
    if stated == 0:
        decoder.close()
        raise AudioError("there is no audio in it (0 samples)")

    def only() -> Iterator[Decoder]:
        yield decoder
        missing_s = ((stated or 0) - decoder.finish()) / decoder.sample_rate
        if missing_s > LENGTH_TOLERANCE_S:
            findings.problems.append((None, f"truncated: {missing_s:.1f} s are missing"))

    return Links(only(), findings, stated / decoder.sample_rate if stated else None)


def other(reader: Reader, head: bytes) -> Links:
    """Return what is not followed from piece to piece here."""
    if reader.size is not None:
        return whole_file(reader)
    if head.startswith((b".snd", b"dns.")):
        return alone(Pumped(as_it_comes(reader)))
    raise AudioError("only WAV, FLAC, MP3, Ogg and AU can be read from a pipe: save it to a file first")
