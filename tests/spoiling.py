"""Copies of the shipped bundle that a test spoils, and how they are to be refused."""

import hashlib
import io
import json
import shutil

import numpy as np
import pytest

from bowstream import BundleError, load_bundle
from bowstream.cli.main import main
from bowstream.model.bundle import BACKGROUND, DESCRIPTION, FILES, digest


class Copy:
    """A copy of the shipped bundle, to be spoiled. Files are links until they are written."""

    def __init__(self, source, path):
        self.path = path
        path.mkdir()
        for name in (*FILES, BACKGROUND):
            (path / name).symlink_to(source / name)
        shutil.copy(source / DESCRIPTION, path / DESCRIPTION)

    def write(self, name, content):
        (self.path / name).unlink()
        (self.path / name).write_bytes(content)

    def flip(self, name):
        """Change one bit in the middle."""
        content = bytearray((self.path / name).read_bytes())
        content[len(content) // 2] ^= 1
        self.write(name, bytes(content))

    @property
    def description(self):
        return json.loads((self.path / DESCRIPTION).read_text("utf-8"))

    def describe(self, description, sign=True):
        """Write a description; signed, its digest is right, as that of a bundle made by other means would be."""
        if sign:
            description["sha256"] = digest(description)
        (self.path / DESCRIPTION).write_text(json.dumps(description), "utf-8")

    def replace(self, name, content):
        """Put another file in, with its hash in the description."""
        self.write(name, content)
        description = self.description
        description["files"][name] = hashlib.sha256(content).hexdigest()
        self.describe(description)

    def arrays(self, name):
        with np.load(self.path / name, allow_pickle=False) as arrays:
            return dict(arrays)

    def replace_arrays(self, name, **arrays):
        content = io.BytesIO()
        np.savez(content, **arrays)
        self.replace(name, content.getvalue())


def assert_refused(copy, match, capsys):
    """The library raises, `check` and `replay` say it in one line and exit with 1."""
    with pytest.raises(BundleError, match=match) as refusal:
        load_bundle(copy.path)
    assert "\n" not in str(refusal.value)
    for command in (["check", str(copy.path)], ["replay", "--bundle", str(copy.path), "none.wav"]):
        assert main(command) == 1
        out, err = capsys.readouterr()
        assert command[0] == "check" or out == ""
        assert err in (f"bowstream: {refusal.value}\n", "")
        assert err or "FAILED" in out  # check shows a probe that fails
