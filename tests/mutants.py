"""Files of every kind that bowstream reads, with something wrong: the fuzzer's."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import struct

import numpy as np
import recordings
from recordings import encoded, sound
from spoiling import Copy
from test_ffmpeg import by_ffmpeg

from bowstream.audio import ffmpeg
from bowstream.model.bundle import DESCRIPTION, default_path, digest

SECONDS = 0.7
BY_FFMPEG = {
    "m4a": ("ipod", "aac"),
    "mov": ("mov", "pcm_s16le"),
    "webm": ("webm", "libopus"),
    "mkv": ("matroska", "flac"),
    "wma": ("asf", "wmav2"),
    "ac3": ("ac3", "ac3"),
    "aac": ("adts", "aac"),
    "avi": ("avi", "ac3"),
    "wv": ("wv", "wavpack"),
    "flv": ("flv", "aac"),
}
BY_SOUNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAVEX", "PCM_24"),
    "float": ("WAV", "FLOAT"),
    "ima": ("WAV", "IMA_ADPCM"),
    "msadpcm": ("WAV", "MS_ADPCM"),
    "gsm": ("WAV", "GSM610"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "alac": ("CAF", "ALAC_16"),
    "au": ("AU", "PCM_16"),
    "voc": ("VOC", "PCM_16"),
    "nist": ("NIST", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
KINDS = (*BY_SOUNDFILE, "stereo", "joined", *(BY_FFMPEG if ffmpeg.is_there() else ()), "pipe", "raw", "toml", "bundle")
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 64) - 1)
RATES = (8_000, 16_000, 44_100)
ENCODINGS = ("PCM_16", "PCM_24", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "VOX_ADPCM", "GSM610")
WRONG_TYPES = (np.float64, np.int8, np.complex128, "U3", np.uint16)
VALUES = ('""', "-1", "1e400", "nan", "[]", "{}", "true", '"\\u0000"', "0x7fffffffffffffff", "[[[[]]]]", "1979-05-27")
TOML = """
device = "default"
hop_s = 0.5
hold_s = 1.0
on = 0.6
off = 0.4
[tags.dog]
on = 0.3
off = 0.2
alias = "Rex"
[tags."cat"]
muted = true
[sinks.clips]
folder = "clips"
never = ["rain"]
[sinks.mqtt]
host = "localhost"
topic = "x/y"
[sinks.webhook]
url = "http://localhost/x"
"""


@functools.cache
def seed_file(kind):
    """Return a file of a kind, with nothing wrong."""
    if kind in BY_FFMPEG:
        import tempfile

        with tempfile.NamedTemporaryFile() as file:
            by_ffmpeg(file.name, *BY_FFMPEG[kind], sound(SECONDS, 48_000))
            return file.read()
    if kind == "stereo":
        return encoded(np.stack([sound(SECONDS)] * 2, axis=1), 44_100, "FLAC")
    if kind == "joined":
        return recordings.mp3(sound(SECONDS)) + recordings.mp3(sound(SECONDS, seed=1))
    container, subtype = BY_SOUNDFILE[kind]
    return encoded(sound(SECONDS), 8_000 if kind == "opus" else 16_000, container, subtype)


def changed(content, rng, other=b""):
    """Return bytes with something wrong: at the beginning more often than not, since headers lie there."""
    content = bytearray(content)
    for _ in range(rng.geometric(0.5)):
        reach = min(len(content), 100) if rng.random() < 0.6 else len(content)
        at = int(rng.integers(0, max(reach, 1)))
        length = int(rng.geometric(0.1))
        what = rng.integers(0, 9)
        if what == 0:
            content[at : at + 1] = bytes([content[at] ^ 1 << int(rng.integers(8))]) if at < len(content) else b""
        elif what == 1:
            content[at : at + length] = rng.bytes(length)
        elif what == 2:
            form = ("<", ">")[rng.integers(2)] + "BHIQ"[rng.integers(4)]
            value = INTERESTING[rng.integers(len(INTERESTING))] & ((1 << 8 * struct.calcsize(form)) - 1)
            content[at : at + struct.calcsize(form)] = struct.pack(form, value)
        elif what == 3:
            del content[at : at + length]
        elif what == 4:
            content[at:at] = rng.bytes(length)
        elif what == 5:
            content[at:at] = content[at : at + length] * int(rng.integers(1, 4))
        elif what == 6:
            del content[at + int(rng.integers(0, max(len(content) - at, 1))) :]
        elif what == 7:
            from_at = int(rng.integers(0, max(len(other), 1)))
            content[at : at + length] = other[from_at : from_at + length]
        else:
            content[at : at + length] = bytes(length)
    return bytes(content)


def mutant(kind, rng, folder):
    """Return a command line, its standard input and the files that it reads."""
    if kind == "toml":
        return toml(rng, folder)
    if kind == "bundle":
        return bundle(rng, folder)
    if kind in ("pipe", "raw"):
        return stream(kind, rng, folder)
    kinds = list(BY_SOUNDFILE)
    other = seed_file(kinds[rng.integers(len(kinds))])
    path = folder / f"mutant.{kind}"
    path.write_bytes(changed(seed_file(kind), rng, other))
    return ["replay", "--config", "/dev/null", "--json", str(path)], None, [path]


def stream(kind, rng, folder):
    """Return a stream on standard input: of any kind that has a header, or of one that is said."""
    kinds = ("wav", "flac", "ogg", "opus", "mp3", "au", "aiff", "w64")
    path = folder / "stream"
    path.write_bytes(changed(seed_file(kinds[rng.integers(len(kinds))]), rng))
    arguments = ["replay", "--config", "/dev/null", "--json"]
    if kind == "raw":
        raw = f"{RATES[rng.integers(3)]}:{rng.integers(1, 4)}:{ENCODINGS[rng.integers(len(ENCODINGS))]}"
        path.write_bytes(rng.bytes(int(rng.integers(0, 50_000))))
        arguments += ["--raw", raw]
    return [*arguments, "-"], str(path), [path]


def toml(rng, folder):
    """Return a configuration with something wrong in its letters, words or lines."""
    lines = TOML.splitlines()
    for _ in range(1 + rng.geometric(0.5)):
        at, what = int(rng.integers(len(lines))), rng.integers(5)
        if what == 0:
            lines[at] = lines[at].split("=")[0] + f"= {VALUES[rng.integers(len(VALUES))]}"
        elif what == 1:
            lines.insert(at, lines[int(rng.integers(len(lines)))])
        elif what == 2:
            del lines[at]
        elif what == 3:
            lines[at] = "x." * int(rng.integers(1, 2000)) + "y = 1"
        else:
            lines[at] = changed(lines[at].encode(), rng).decode("utf-8", "replace")
        lines = lines or [""]
    path, wav = folder / "mutant.toml", folder / "good.wav"
    text = "\n".join(lines).encode()
    path.write_bytes(changed(text, rng) if rng.random() < 0.2 else text)
    wav.write_bytes(seed_file("wav"))
    return ["replay", "--json", "--config", str(path), str(wav)], None, [path]


def bundle(rng, folder):
    """Return a bundle with something wrong, and hashes that are right."""
    import shutil

    shutil.rmtree(folder / "bundle", ignore_errors=True)
    copy = Copy(default_path(), folder / "bundle")
    description = copy.description
    names, touched = sorted(description["files"]), set()
    for _ in range(int(rng.integers(1, 3))):
        what = rng.integers(3)
        if what == 0:
            spoil(description, rng)
        name = names[rng.integers(len(names))]
        if what == 1 and name.endswith(".npz") and name not in touched:
            copy.write(name, arrays(copy.arrays(name), rng))
        elif what:
            copy.write(name, changed((copy.path / name).read_bytes(), rng))
        touched.add(name)  # what was damaged is no archive any more
    if isinstance(description.get("files"), dict):
        for name in names:
            if name in description["files"]:
                description["files"][name] = hashlib.sha256((copy.path / name).read_bytes()).hexdigest()
    description["sha256"] = digest(description)
    (copy.path / DESCRIPTION).write_text(json.dumps(description))
    wav = folder / "good.wav"
    wav.write_bytes(seed_file("wav"))
    return ["check", str(copy.path)], None, [copy.path / DESCRIPTION, *(copy.path / name for name in names)]


def spoil(value, rng):
    """Change, remove or add something somewhere in a description."""
    wrong = (None, -1, 0, 1e300, float("nan"), 10**9, 10**30, "", "x", [], {}, True, [1] * 5, {"a": 1}, 0.5, "\0")
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[rng.integers(len(keys))]
        if isinstance(value[key], (dict, list)) and value[key] and rng.random() < 0.8:
            value = value[key]
            continue
        if isinstance(value, dict) and rng.random() < 0.2:
            del value[key]
        else:
            value[key] = wrong[rng.integers(len(wrong))]
        return


def arrays(contents, rng):
    """Return an archive of arrays, one of which is of another shape, type or content."""
    name = sorted(contents)[rng.integers(len(contents))]
    array = contents[name]
    what = rng.integers(6)
    if what == 0:
        array = array[:-1] if array.ndim else array
    elif what == 1:
        array = array.astype(WRONG_TYPES[rng.integers(5)])
    elif what == 2:
        array = np.full(array.shape, np.nan if array.dtype.kind == "f" else -1).astype(array.dtype)
    elif what == 3:
        array = array[np.newaxis]
    elif what == 4:
        array = np.zeros((0, *array.shape[1:]), array.dtype)
    else:
        array = np.array(7)
    contents = {key: value for key, value in contents.items() if key != name}
    if rng.random() < 0.8:
        contents[name] = array
    file = io.BytesIO()
    np.savez(file, **contents)
    return file.getvalue()
