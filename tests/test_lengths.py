"""A header's length is never the truth: a file is heard to the end of what decodes, and damage is said."""

import struct
from pathlib import Path

import numpy as np
import pytest
import recordings
import soundfile
from recordings import JOINED, encoded, heard, sound, with_size

from bowstream.audio.containers.chunks import PIECE_BYTES, Chunks
from bowstream.audio.containers.description import W64_NAME
from bowstream.audio.reader import Reader
from bowstream.errors import AudioError

INPUTS = Path(__file__).parents[1] / "shared" / "inputs"
INPUTS = INPUTS if INPUTS.is_dir() else INPUTS.parents[2] / "shared" / "inputs"


GOOD = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "MS_ADPCM"),
    ("WAVEX", "PCM_32"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("kind", "subtype"), GOOD)
def test_a_file_that_is_right_gives_what_libsndfile_gives(kind, subtype, channels, hear, tmp_path):
    samples = np.stack([sound(), sound(seed=1)], axis=1)[:, :channels]
    content = encoded(samples, 48_000, kind, subtype)
    frames, notes, complaint = hear(content)
    wanted = soundfile.read(tmp_path / "recording", dtype="float32", always_2d=True)[0]
    assert np.array_equal(frames, wanted)
    assert (notes, complaint) == ([], "")


@pytest.mark.parametrize(
    ("size", "stated"),
    [(0, "no length"), (0xFFFF_FFDB, "no length"), (0xFFFF_FFFE, "no length"), (0x7FFF_FFFF, "no length"),
     (47_999, "47,999 bytes"), (20_000, "20,000 bytes")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_a_wav_that_states_another_size(size, stated, kind, hear):
    samples = sound()
    frames, notes, complaint = hear(with_size(encoded(samples, kind=kind), size))
    assert np.array_equal(frames, hear(encoded(samples))[0])
    (note,) = notes
    assert stated in note and complaint == ""


@pytest.mark.parametrize(
    "content",
    [
        with_size(encoded(sound(), kind="W64"), (1 << 63) - 1, b"data" + W64_NAME, "<Q"),
        with_size(encoded(sound(), kind="AIFF"), 0, b"SSND", ">I"),
        with_size(encoded(sound(), kind="CAF"), -1, b"data", ">q"),
        with_size(encoded(sound(), kind="CAF"), 0, b"data", ">q"),
    ],
    ids=["W64", "AIFF", "CAF -1", "CAF 0"],
)  # fmt: skip
def test_other_containers_without_a_size(content, hear):
    frames, notes, complaint = hear(content)
    assert np.array_equal(frames, hear(encoded(sound()))[0])
    assert "no length" in notes[0] and complaint == ""


def test_an_rf64_that_states_no_size(hear):
    content = encoded(sound(), kind="RF64")
    at = content.index(b"ds64") + 8
    frames, notes, complaint = hear(content[:at] + bytes(24) + content[at + 24 :])
    assert np.array_equal(frames, hear(encoded(sound()))[0])
    assert "no length" in notes[0] and complaint == ""


def test_what_follows_the_sound_is_no_sound(hear):
    """As tags that a recorder appends; and the zeros that fill its disk's blocks."""
    right = encoded(sound())
    for after in (
        b"LIST\x0a\0\0\0INFOxxxxxx",
        b"bext\x02\0\0\0zz" + b"id3 \x04\0\0\0abcd",
        b"TAG" + bytes(125),
        bytes(300),
    ):
        frames, notes, complaint = hear(right + after)
        assert np.array_equal(frames, hear(right)[0])
        assert (notes, complaint) == ([], "")


@pytest.mark.parametrize("size", [48_001, 47_999])
def test_a_size_that_is_off_by_one_byte(size, hear):
    frames, notes, complaint = hear(with_size(encoded(sound()), size))
    assert np.array_equal(frames, hear(encoded(sound()))[0])
    assert complaint == "" and len(notes) == (size == 47_999)


def test_tags_after_an_mp3_are_no_damage(hear):
    """Of all ages: APE's with its mark at the end alone, Lyrics3, ID3v1; and zeros that fill up a disk's block."""
    content = recordings.mp3(sound())
    frames = hear(content)[0]
    items = b"\x03\0\0\0\0\0\0\0Title\0dog"
    ape = items + b"APETAGEX" + struct.pack("<4I8x", 2000, len(items) + 32, 1, 0)
    for tags in (ape + b"TAG" + bytes(125), b"LYRICSBEGININD0000200000028LYRICS200TAG" + bytes(125), bytes(3000)):
        again, notes, complaint = hear(content + tags)
        assert np.array_equal(again, frames) and (notes, complaint) == ([], "")


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "CAF"])
def test_joined_uncompressed_files(kind, hear):
    content = encoded(sound(), kind=kind) + encoded(sound(0.7, seed=1), 8_000, kind)
    frames, notes, complaint = hear(content)
    assert len(frames) == 24_000 + 22_400 and (notes, complaint) == ([], "")
    assert np.array_equal(frames[:24_000], hear(encoded(sound()))[0])


def test_a_wav_without_sound_before_its_tags_is_empty(hear):
    with pytest.raises(AudioError, match="no audio in it"):
        hear(encoded(np.zeros(0, np.float32)) + b"LIST\x04\0\0\0INFO")


def test_more_than_4_gib(tmp_path):
    """Wrapped at 32 bits; a file with a hole, so that no disk is filled. It is walked through, not decoded."""
    path, length = tmp_path / "long.wav", (1 << 32) + 100_000
    with path.open("wb") as file:
        file.write(with_size(encoded(np.full(1000, 0.5, np.float32)), length % (1 << 32)))
        file.seek(44 + length - 2)
        file.write(b"\x01\x02")
    with path.open("rb") as file:
        reader = Reader(file.fileno())
        chunks = Chunks(reader)
        assert not chunks.is_right and chunks.duration_s == length / 32_000
        assert "states 100,000 bytes" in chunks.findings.notes[0]
        sizes = []
        for piece in chunks.links():
            sizes.append(struct.unpack("<I", next(piece)[-4:])[0])
            chunk = next(piece)
            reader.skip(sizes[-1] - len(chunk))  # reading a hole of 4 GiB would take a while
        assert sum(sizes) == length and max(sizes) == PIECE_BYTES


@pytest.mark.parametrize("stated", [None, 0, 1000, (1 << 36) - 1], ids=["right", "none", "less", "more"])
def test_a_flac_that_states_another_length(stated, hear):
    frames, notes, complaint = hear(recordings.flac(sound(), stated=stated))
    assert np.array_equal(frames, hear(recordings.flac(sound()))[0]) and len(frames) == 24_000
    assert notes == []
    assert complaint == "" if stated in (None, 0, 1000) else "truncated" in complaint


def test_an_mp3_without_a_count(hear):
    """Of a variable rate, too: guessed from its first frame, it would be heard in part."""
    quiet_then_loud = np.concatenate([np.zeros(24_000, np.float32), sound(3.0)])
    counted = recordings.mp3(quiet_then_loud)
    frames, notes, complaint = hear(recordings.without_count(counted))
    assert 72_000 <= len(frames) <= 72_000 + 3 * 1152
    assert (notes, complaint) == ([], "")


@pytest.mark.parametrize("name", JOINED)
def test_joined_files_are_heard_one_after_the_other(name, hear):
    first, second = JOINED[name](sound(1.5)), JOINED[name](sound(2.1, seed=1))
    frames, notes, complaint = hear(first + second)
    assert np.array_equal(frames, np.concatenate([hear(first)[0], hear(second)[0]]))
    assert (notes, complaint) == ([], "")


def test_joined_mp3s_with_tags_between(hear):
    first, second = recordings.mp3(sound(1.5)), recordings.mp3(sound(2.1, seed=1))
    tag = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)
    frames, notes, complaint = hear(tag + first + b"TAG" + bytes(125) + tag + second)
    assert len(frames) == len(hear(first)[0]) + len(hear(second)[0])
    assert (notes, complaint) == ([], "")


def test_joined_files_of_other_rates_and_channels(hear):
    first = recordings.mp3(sound(1.5), 16_000)
    second = recordings.mp3(np.stack([sound(2.0, 48_000)] * 2, axis=1), 48_000)
    frames, notes, complaint = hear(first + second)
    assert frames.shape[1] == 1 and abs(len(frames) / 16_000 - 3.5) < 0.2
    assert (notes, complaint) == ([], "")


@pytest.mark.parametrize("make", [recordings.ogg, recordings.opus])
def test_ogg_without_an_end_mark(make, hear):
    content = make(sound(2.5))
    frames, notes, complaint = hear(recordings.without_end_mark(content))
    assert np.array_equal(frames[: 2 * 16_000], hear(content)[0][: 2 * 16_000])
    assert 2.4 < len(frames) / 16_000 < 2.6
    assert "no end mark" in notes[0] and complaint == ""


def test_of_a_film_the_sound_is_heard(hear):
    """An Ogg file with another stream in between: that of a picture."""
    content = recordings.ogg(sound())
    first, *others = recordings.pages(content)
    head = b"\x80theora" + bytes(30)
    picture = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 77, 0, 0, 1, len(head)) + head
    frames, notes, complaint = hear(recordings.with_check_sum(picture) + first + b"".join(others))
    assert np.array_equal(frames, hear(content)[0])
    assert (notes, complaint) == ([], "")


FIELD = {
    "unknown_length.flac": (3.0, "", ""),
    "vbr_no_xing.mp3": (3.15, "", ""),
    "joined.mp3": (6.0, "", ""),
    "joined.opus": (6.0, "", ""),
    "power_cut_size_0.wav": (3.0, "states no length", ""),
    "size_ffffffdb.wav": (3.0, "states no length", ""),
    "size_fffffffe.wav": (3.0, "states no length", ""),
    "size_minus_1.wav": (3.0, "states 47,999 bytes", ""),
    "last_frame_bad.flac": (2.6, "", "damaged"),
}


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the field's own files are not here")
@pytest.mark.parametrize("name", FIELD)
def test_files_from_the_field(name):
    seconds, note, wanted = FIELD[name]
    frames, notes, complaint = heard(INPUTS / name)
    assert len(frames) / 8_000 == pytest.approx(seconds, abs=0.26)
    assert note in "".join(notes) and bool(note) == bool(notes)
    assert wanted in complaint and bool(wanted) == bool(complaint)
