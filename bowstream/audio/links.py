"""What decodes which file, and the recordings in it one after another.

libsndfile decodes what it knows, whether or not FFmpeg is there, so that a file sounds the same with both.
"""

from __future__ import annotations

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
from bowstream.audio.decode import Decoder, Fed, Pumped, SoundFileDecoder, reason_of
from bowstream.audio.kinds import foreign_kind, kind_of
from bowstream.audio.raw import RawFormat
from bowstream.audio.reader import CHUNK_BYTES, Reader
from bowstream.errors import AudioError

# libsndfile's log on a file that is shorter than its header says: the bytes promised and found.
SHORTER = re.compile(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", re.M)
# Decoders may round a compressed file's length; less than this is not called truncated.
LENGTH_TOLERANCE_S = 0.1
# Formats without a header, or with one so weak that anything might be it.
GUESSED = ("RAW", "SD2", "MPC2K", "HTK", "SDS", "WVE")


@dataclass
class Links:
    """Decoders for the recordings in a file, in order; findings grow as they are used.

    duration_s : what the file states, in seconds; None if it states nothing
    """

    decoders: Iterator[Decoder]
    findings: Findings = field(default_factory=Findings)
    duration_s: float | None = None


def links_in(descriptor: int, raw: RawFormat | None) -> Links:
    """Return the recordings in an open file or pipe; raise `AudioError`, without a name in it, if it is none."""
    if raw:
        return alone(SoundFileDecoder(descriptor, closefd=False, **raw.arguments()))
    reader = Reader(descriptor)
    kind = kind_of(reader)
    if kind == "other":
        return other(reader)
    container: Container
    opener: Callable[[Iterator[bytes]], Decoder] = Pumped
    if kind == "chunks":
        container = chunks = Chunks(reader)
        if chunks.is_right:
            return whole_file(reader)
    elif kind == "flac":
        container, opener = Flac(reader), Fed
    else:
        container = Mpeg(reader) if kind == "mpeg" else Ogg(reader)
    return Links(one_by_one(container, opener), container.findings, container.duration_s)


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


def whole_file(reader: Reader) -> Links:
    """Return a regular file as libsndfile reads it."""
    os.lseek(reader.descriptor, 0, os.SEEK_SET)
    decoder = SoundFileDecoder(reader.descriptor, closefd=False)
    if decoder.format in GUESSED:
        decoder.close()
        raise AudioError("wanted a recording that soundfile can read, found none: Format not recognised")
    links = alone(decoder)
    for said, found in SHORTER.findall(decoder.log):
        if int(found) < int(said):
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


def other(reader: Reader) -> Links:
    """Return what is not followed from piece to piece here."""
    head = reader.peek(4096)
    if reader.size is None:
        if head.startswith((b".snd", b"dns.")):
            pieces = iter(lambda: reader.read(len(reader.peek_some(CHUNK_BYTES))), b"")
            return alone(Pumped(pieces))
        what = foreign_kind(head) or "something that is no WAV, FLAC, MP3, Ogg or AU"
        raise AudioError(f"{what} cannot be heard through a pipe: save it to a file first")
    try:
        return whole_file(reader)
    except soundfile.LibsndfileError:
        if not (kind := foreign_kind(head)):
            raise
        raise AudioError(f"wanted a recording that soundfile can read, found {kind}") from None
