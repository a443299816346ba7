"""Tags that taggers put before, after and between recordings: no sound, and of a length that they state."""

from __future__ import annotations

from bowstream.audio.reader import Reader

# What has to be seen of a tag to know its length: all of Lyrics3's, a little of others.
TAG_BYTES = 5200
HEAD_BYTES = 24
LYRICS = b"LYRICSBEGIN"
ID3V1_BYTES, APE_BYTES = 128, 32


def tag_length(head: bytes) -> int:
    """Return the length of the tag that begins here; 0 if none does."""
    if head.startswith((b"ID3", b"3DI")) and len(head) >= 10 and max(head[6:10]) < 0x80:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head.startswith(b"TAG+"):
        return 227
    if head.startswith(b"TAG"):
        return ID3V1_BYTES
    if head.startswith(b"APETAGEX") and len(head) >= 24:
        is_header = head[23] & 0x20
        return APE_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head.startswith(LYRICS):
        end = max(head.find(b"LYRICS200"), head.find(b"LYRICSEND"))
        return end + 9 if end > 0 else 0
    return 0


def skip_tags(reader: Reader) -> None:
    """Go past the tags that begin here."""
    while length := tag_length(reader.peek(TAG_BYTES if reader.peek(len(LYRICS)) == LYRICS else HEAD_BYTES)):
        reader.skip(length)


def sound_end(reader: Reader) -> int:
    """Return where the tags at the end of a regular file begin."""
    end = reader.size or 0
    tail = reader.tail(ID3V1_BYTES + APE_BYTES)
    if tail[-ID3V1_BYTES:].startswith(b"TAG"):
        end -= ID3V1_BYTES
        tail = tail[:-ID3V1_BYTES]
    if tail[-APE_BYTES:].startswith(b"APETAGEX"):
        has_header = tail[-APE_BYTES:][23] & 0x80
        end -= int.from_bytes(tail[-20:-16], "little") + (APE_BYTES if has_header else 0)
    return max(end, 0)
