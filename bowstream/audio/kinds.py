"""What a file is, by its first bytes; names are only what folders are searched by."""

from __future__ import annotations

import soundfile

from bowstream.audio.containers import description, flac, mpeg, ogg
from bowstream.audio.containers.tags import skip_tags
from bowstream.audio.reader import Reader

# A recording cut out of a stream may begin within an MP3 frame.
LATEST_FRAME = 3 * mpeg.LONGEST_FRAME
OGG_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC")

# What libsndfile has no decoder for: where in a file what lies, and what that is.
FOREIGN = (
    (4, b"ftyp", "MP4 or M4A"),
    (4, b"moov", "QuickTime"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA or another ASF"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"ADIF", "AAC"),
    (0, b"FLV\x01", "Flash video"),
    (8, b"AVI ", "AVI"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    (0, b".RMF", "RealMedia"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"\x00\x00\x01\xba", "MPEG video"),
    (0, b"\x00\x00\x01\xb3", "MPEG video"),
    (0, b"OggS", "Ogg, without Vorbis, Opus or FLAC"),
)
TRANSPORT_PACKET = 188
PICTURES = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"crx ")

# Endings of names that soundfile's formats have, beside the formats' own names; those without a header are left out.
HEARD_SUFFIXES = frozenset(
    f".{name.lower()}" for name in soundfile.available_formats() if name not in ("RAW", "SD2", "MPC2K")
) | {".aif", ".aifc", ".oga", ".opus", ".snd", ".mp2", ".mpga", ".wave", ".sph", ".fla", ".bwf"}
# Endings of other recordings and of films.
# fmt: off
FOREIGN_SUFFIXES = frozenset((
    ".3g2", ".3ga", ".3gp", ".aac", ".ac3", ".adts", ".amr", ".ape", ".asf", ".avi", ".awb", ".dff",
    ".dsf", ".dts", ".eac3", ".f4a", ".f4v", ".flv", ".gsm", ".m2ts", ".m4a", ".m4b", ".m4r", ".m4v",
    ".mka", ".mkv", ".mov", ".mp4", ".mpc", ".mpeg", ".mpg", ".mts", ".ogm", ".ogv", ".ogx", ".qt",
    ".ra", ".rm", ".rmvb", ".shn", ".spx", ".tak", ".ts", ".tta", ".vob", ".vox", ".weba", ".webm",
    ".wma", ".wmv", ".wv",
))
# fmt: on
RAW_SUFFIXES = frozenset((".raw", ".pcm", ".vox", ".gsm", ".ul", ".al", ".sw", ".s16", ".f32"))


def kind_of(reader: Reader) -> str:
    """Return what follows: "chunks", "ogg", "flac", "mpeg", or "other"; tags before FLAC and MPEG are taken."""
    head = reader.peek(12)
    if description.begins(head):
        return "chunks"
    if head.startswith(ogg.MAGIC):
        return "ogg" if is_known_ogg(reader.peek(4096)) else "other"
    skip_tags(reader)
    if reader.peek(flac.BEGINNING_BYTES) in flac.BEGINNINGS:
        return "flac"
    block = reader.peek(LATEST_FRAME)
    first = mpeg.start(block)
    return "mpeg" if first is not None and first <= mpeg.LONGEST_FRAME and not foreign_kind(block) else "other"


def is_known_ogg(head: bytes) -> bool:
    """Whether it is an Ogg file with a stream that libsndfile decodes."""
    return head.startswith(ogg.MAGIC) and any(codec in head for codec in OGG_CODECS)


def foreign_kind(head: bytes) -> str | None:
    """Say what a file is that libsndfile has no decoder for; None if that is not known."""
    if (head[4:8] == b"ftyp" and head[8:12] in PICTURES) or is_known_ogg(head):
        return None
    for at, magic, kind in FOREIGN:
        if head[at : at + len(magic)] == magic:
            return kind
    if head[0:2] in (b"\xff\xf1", b"\xff\xf9"):
        return "AAC"
    if len(head) > 3 * TRANSPORT_PACKET and all(head[n * TRANSPORT_PACKET] == 0x47 for n in range(4)):
        return "an MPEG transport stream"
    return None
