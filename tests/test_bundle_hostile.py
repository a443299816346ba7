"""Bundles that were made to do harm, with hashes that are right: refused in a line, soon, and in little memory."""

import io
import os
import struct
import zipfile

import fuzz
import numpy as np
import pytest

from bowstream import BundleError
from bowstream.model.archive import LARGEST_ARRAYS_BYTES, read_arrays, read_file
from bowstream.model.tflite import Model


@pytest.fixture(scope="module")
def worker():
    worker = fuzz.Worker()
    yield worker
    worker.close()


@pytest.fixture
def refused(copy, worker):
    """Check that the bundle is refused by every verb in one line, within 2 s and 200 MB; return the line."""

    def check():
        lines = []
        for arguments in (["check", str(copy.path)], ["replay", "--bundle", str(copy.path), "none.wav"]):
            result = worker.run(arguments)
            assert "killed" not in result and result["status"] == 1, result
            lines.append(result["err"].splitlines())
            assert result["seconds"] < 2.0 and result["mb"] < 200.0, result
        assert lines[0] == lines[1] and len(lines[0]) == 1 and lines[0][0].startswith("bowstream: ")
        return lines[0][0]

    return check


def archive(files, compression=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return content.getvalue()


def npy(shape, data=b"", dtype="<f4"):
    """Return an array's file with any header."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(-(-(len(header) + 11) // 64) * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def of_version(content, version):
    """Return an archive that says it takes a later program to read."""
    at = content.index(b"PK\x01\x02") + 6
    return content[:at] + struct.pack("<H", version) + content[at + 2 :]


def with_flag(content, flag):
    """Return an archive whose first entry says that it is encrypted, say."""
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + struct.pack("<H", flag) + content[at + 2 :]


RIGHT = {"pat.npy": npy((4,), bytes(16))}
ARCHIVES = {
    "a bomb": lambda: archive({f"{i}.npy": bytes(8 << 20) for i in range(8)}),
    "a shape of 40 TB": lambda: archive({"pat.npy": npy((10**13,))}),
    "a shape below 0": lambda: archive({"pat.npy": npy((-1, 4), bytes(16))}),
    "a shape beyond all": lambda: archive({"pat.npy": npy((2**62, 2**62))}),
    "a shape of text": lambda: archive({"pat.npy": npy("('x',)", bytes(16))}),
    "objects": lambda: archive({"pat.npy": npy((1,), bytes(8), "|O")}),
    "text": lambda: archive({"pat.npy": npy((1,), bytes(16), "<U4")}),
    "no array": lambda: archive({"pat.npy": b"hello"}),
    "many": lambda: archive({f"{i}.npy": b"" for i in range(5_000)}),
    "LZMA": lambda: archive(RIGHT, zipfile.ZIP_LZMA),
    "a later version": lambda: of_version(archive(RIGHT), 99),
    "encrypted": lambda: with_flag(archive(RIGHT), 1),
    "a wrong sum": lambda: archive(RIGHT, zipfile.ZIP_STORED).replace(bytes(16), bytes(15) + b"x"),
    "cut": lambda: archive(RIGHT)[:-30],
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive(name, copy, refused):
    copy.replace("codebooks.npz", ARCHIVES[name]())
    assert "codebooks.npz must " in refused()


def test_a_plain_archive_is_read():
    arrays = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.int8(7), "c": np.asfortranarray(np.eye(3))}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    read = read_arrays(content.getvalue(), "arrays")
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(read[name], array) and read[name].dtype == np.asarray(array).dtype
    assert LARGEST_ARRAYS_BYTES > 5 * 2_102_248


@pytest.mark.parametrize("name", ["bundle.json", "head.tflite", "codebooks.npz"])
@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder", "a huge file"])
def test_what_is_no_file(kind, name, copy, refused):
    path = copy.path / name
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    line = refused()
    assert name in line and ("must " in line or "cannot be read" in line)


VALUES = [
    ("context", 10**5),
    ("context", 10**30),
    ("context", 1e300),
    ("front_end.n_fft", 10**9),
    ("front_end.n_fft", 2048.0),
    ("front_end.n_fft", True),
    ("front_end.n_mels", 10**6),
    ("front_end.sample_rate", 10**9),
    ("front_end.hop_length", 0),
    ("front_end.frames_per_column", 10**7),
    ("front_end.columns_per_window", -1),
    ("front_end.power_floor", "small"),
    ("front_end", []),
    ("tags", {}),
    ("tags", [[]]),
    ("tags", "dog"),
    ("front_end.power_floor", 1e300),
    ("licences", {"weights": 7}),
    ("licences", ""),
    ("created", None),
    ("name", ["x"]),
    ("files", []),
    ("level", "loud"),
    ("metrics", 3),
    ("count_transform", []),
    ("competition", {}),
    ("sensitivity", {"hops": [[]], "costs": []}),
]


@pytest.mark.parametrize(("key", "value"), VALUES, ids=[f"{key} {value!r:.20}" for key, value in VALUES])
def test_a_value(key, value, copy, refused):
    description = copy.description
    *path, last = key.split(".")
    place = description
    for step in path:
        place = place[step]
    place[last] = value
    copy.describe(description)
    assert refused()


def test_a_network_that_fails(copy):
    def fail():
        raise RuntimeError("tensor 7 is missing")

    model = Model((copy.path / "encoder_o.tflite").read_bytes(), "encoder_o.tflite")
    model._invoke = fail
    with pytest.raises(BundleError, match=r"encoder_o\.tflite cannot be run: tensor 7 is missing"):
        model(np.zeros((1, model.n_inputs), np.float32))


def test_what_is_not_there(tmp_path):
    with pytest.raises(BundleError, match="No such file"):
        read_file(tmp_path / "none")


def test_a_reason_is_short(copy):
    """Python's reader quotes what it found, at any length."""
    content = bytearray((copy.path / "codebooks.npz").read_bytes())
    content[26:28] = b"\xff\x7f"  # the length of the first member's name
    with pytest.raises(BundleError, match="must be an npz file of plain arrays") as caught:
        read_arrays(bytes(content), "codebooks.npz")
    assert len(str(caught.value)) < 250
