"""A room with a microphone in it and nobody else: a virtual sound card that is filled in real time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
from chirps import CHIRP_EVERY_S, HUSH, RATE, chirp

BLOCK = 160

PULSE = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink sink_name=virt rate=16000 channels=1 format=s16le
load-module module-pipe-source source_name=vmic file={folder}/mic.fifo rate=16000 channels=1 format=s16le
set-default-source vmic
"""
ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.mic {{ type pulse  device "vmic" }}
pcm.!default {{ type pulse }}
ctl.!default {{ type pulse }}
"""


def unhurried(task: int) -> None:
    """Let nothing else delay a task, where we may: load does not slow a real sound card down."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, task, -20)


class Room:
    """A sound card with nothing behind it, and a player that fills its microphone in real time.

    `played` are the times at which chirps began that went into the microphone whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.played: list[float] = []
        self._pulse: subprocess.Popen | None = None
        self._stop = threading.Event()
        self._player = threading.Thread(target=self._play, daemon=True)
        (folder / "pulse.pa").write_text(PULSE.format(folder=folder))
        (folder / "asound.conf").write_text(ALSA.format())

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find the sound card."""
        places = {name: str(self.folder) for name in ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH")}
        native, alsa = f"unix:{self.folder}/native", str(self.folder / "asound.conf")
        return {**os.environ, **places, "PULSE_SERVER": native, "ALSA_CONFIG_PATH": alsa}

    def plug(self) -> None:
        """Start the sound card."""
        for name in ("native", "mic.fifo"):
            (self.folder / name).unlink(missing_ok=True)
        command = ["pulseaudio", "--daemonize=no", "-n", "-F", str(self.folder / "pulse.pa"), "--exit-idle-time=-1"]
        command += ["--use-pid-file=no", f"--log-target=file:{self.folder}/pulse.log"]
        self._pulse = subprocess.Popen(command, env=self.environment)
        unhurried(self._pulse.pid)
        while not (self.folder / "native").exists() or not (self.folder / "mic.fifo").exists():
            time.sleep(0.05)
        if not self._player.is_alive():
            self._player.start()

    def unplug(self) -> None:
        """End the sound card as a pulled plug does: at once."""
        if self._pulse:
            self._pulse.kill()
            self._pulse.wait()
            self._pulse = None

    def close(self) -> None:
        """Leave."""
        self._stop.set()
        self._player.join()
        self.unplug()

    def _play(self) -> None:
        """Write 10 ms of sound every 10 ms: a chirp every ten seconds, a hush in between; lost when nobody listens."""
        unhurried(threading.get_native_id())
        rng = np.random.default_rng(0)
        sound, every = chirp(), round(CHIRP_EVERY_S * RATE)
        started, written, whole, pipe = time.time(), 0, False, None
        while not self._stop.wait(max(0.0, started + (written + BLOCK) / RATE - time.time())):
            block = rng.standard_normal(BLOCK) * HUSH
            place = (written + every // 2) % every
            if place < len(sound):
                whole = whole if place else True
                block = block + np.pad(sound[place : place + BLOCK], (0, max(0, BLOCK - len(sound) + place)))
            pipe, went = self._write(pipe, (block * 32768.0).astype("<i2").tobytes())
            whole = whole and went
            if place < len(sound) <= place + BLOCK and whole:
                self.played.append(started + (written - place) / RATE)
            written += BLOCK

    def _write(self, pipe: int | None, block: bytes) -> tuple[int | None, bool]:
        try:
            if pipe is None:
                pipe = os.open(self.folder / "mic.fifo", os.O_WRONLY | os.O_NONBLOCK)
            return pipe, os.write(pipe, block) == len(block)
        except BlockingIOError:
            return pipe, False
        except OSError:
            if pipe is not None:
                os.close(pipe)
            return None, False
