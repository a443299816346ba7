"""A terminal for a command: what a person would type goes in, what they would see comes out."""

import errno
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from functools import partial

import warm

# What a user's own terminal may have said of itself.
HABITS = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class PseudoTerminal:
    """Runs a command with a pseudo-terminal as its controlling one.

    `raw` is all that it wrote so far; `shown` the same without escape sequences.
    """

    def __init__(self, command, columns=80, lines=24, **options):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.settings = termios.tcgetattr(self.slave)
        environment = {key: value for key, value in os.environ.items() if key not in HABITS}
        streams = {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave, **options}
        popen = warm.Popen
        if command[0] != sys.executable:
            popen = partial(subprocess.Popen, preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0))
        self.process = popen(
            command,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
            **streams,
        )
        self.raw = ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    @property
    def shown(self):
        return ESCAPES.sub("", self.raw)

    @property
    def rows(self):
        """What stands on the screen, by the number of the row: only rows that change are drawn again."""
        pieces = re.split(r"\x1b\[(\d+);1H", self.raw)
        return {int(row): ESCAPES.sub("", text) for row, text in zip(pieces[1::2], pieces[2::2])}

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, wait_s=0.05):
        """Take what was written, if anything comes within a while."""
        try:
            while select.select([self.master], [], [], wait_s)[0]:
                self.raw += os.read(self.master, 65536).decode(errors="replace")
        except OSError as error:
            if error.errno != errno.EIO:
                raise

    def wait_for(self, text, times=1, timeout_s=20.0):
        """Wait until a text has been shown so often."""
        deadline = time.monotonic() + timeout_s
        while self.shown.count(text) < times:
            ended = self.process.poll() is not None
            self.read()
            assert not ended or self.shown.count(text) >= times, f"ended without {text!r}: {self.shown[-3000:]!r}"
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown[-3000:]!r}"

    def wait_until(self, holds, timeout_s=20.0):
        """Wait until something holds of what was written."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            self.read()
            assert time.monotonic() < deadline, f"not so in {self.shown[-3000:]!r}"

    def forget(self):
        """Begin anew with what is shown."""
        self.read()
        self.raw = ""

    def end(self, timeout_s=20.0):
        """Wait for the command to end; return its exit status."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running: {self.shown[-3000:]!r}"
            self.read()
        self.read()
        return self.process.returncode

    @property
    def is_as_before(self):
        """Whether the terminal's settings are what they were at first."""
        return termios.tcgetattr(self.slave) == self.settings
