"""A sound card without a sound card: PulseAudio with a null sink, heard through its monitor.

What `play` plays arrives at PortAudio's input "mon" bit for bit, 16 bits at 16 kHz. It needs the Debian packages
pulseaudio, pulseaudio-utils, libasound2-plugins and libportaudio2; nothing of the system's own sound is touched.
"""

import ctypes.util
import os
import shutil
import subprocess
import time
from pathlib import Path

import soundfile
from signals import RATE

SINK = "bowstream_test"
ASOUND = f"""
</usr/share/alsa/alsa.conf>
pcm.mon {{ type pulse device "{SINK}.monitor" }}
pcm.monster {{ type pulse device "{SINK}.monitor" }}
pcm.!default {{ type pulse }}
ctl.!default {{ type pulse }}
"""
# Without rewinds a null sink gives sound each 50 ms. With them the first comes after up to 2 s, and PortAudio, which
# waits for it, asks again and again all the time.
PULSE = """
load-module module-native-protocol-unix auth-anonymous=1 socket={folder}/native
load-module module-null-sink sink_name={sink} rate={rate} channels=1 format=s16le norewinds=1
set-default-sink {sink}
set-default-source {sink}.monitor
"""


def missing():
    """Say which packages are missing; empty where all are there."""
    found = {
        "pulseaudio": shutil.which("pulseaudio"),
        "pulseaudio-utils": shutil.which("pactl") and shutil.which("paplay"),
        "libasound2-plugins": next(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"), None),
        "libportaudio2": ctypes.util.find_library("portaudio"),
    }
    return [package for package, there in found.items() if not there]


class SoundCard:
    """Runs while it is entered. `environment` is what a process needs to see it, and nothing but it."""

    asound, pulse = ASOUND, PULSE

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        }
        self._players = []

    def __enter__(self):
        self.folder.chmod(0o700)
        (self.folder / "asound.conf").write_text(self.asound)
        script = self.folder / "test.pa"
        script.write_text(self.pulse.format(folder=self.folder, sink=SINK, rate=RATE))
        self._log = (self.folder / "pulse.log").open("wb")
        return self.plug()

    def plug(self):
        """Make the card be there, also after `unplug`."""
        script = self.folder / "test.pa"
        command = ["pulseaudio", "--daemonize=no", "-n", "-F", script, "--exit-idle-time=-1", "--use-pid-file=no"]
        self._server = self._start(*command, stdout=self._log, stderr=self._log)
        for _ in range(200):
            if self._start("pactl", "info", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0:
                return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"PulseAudio does not start: {(self.folder / 'pulse.log').read_text()}")

    def __exit__(self, *_):
        for process in (*self._players, self._server):
            process.kill()
            process.wait()
        self._log.close()

    def _start(self, *command, **options):
        return subprocess.Popen(command, env={**os.environ, **self.environment}, **options)

    def play(self, samples, sink=SINK):
        """Play samples, float32 on a 16 bit grid; return at once."""
        path = self.folder / f"{len(self._players)}.wav"
        soundfile.write(path, samples, RATE, "PCM_16")
        self.play_file(path, sink)

    def play_file(self, path, sink=SINK):
        """Play a file; return at once."""
        self._players.append(self._start("paplay", f"--device={sink}", path))

    def ask(self, *command):
        """Tell the server something."""
        subprocess.run(["pactl", *command], env={**os.environ, **self.environment}, check=True, capture_output=True)

    def unplug(self):
        """Take the card away, as if its plug were pulled."""
        self._server.kill()
        self._server.wait()


ATTIC = "bowstream_attic"
ATTIC_MODULE = (
    "module-null-sink",
    f"sink_name={ATTIC}",
    f"rate={RATE}",
    "channels=1",
    "format=s16le",
    "norewinds=1",
)


class TwoCards(SoundCard):
    """Two cards: what `play` plays to the sink `ATTIC` arrives at the input "attic"."""

    asound = ASOUND + f'pcm.attic {{ type pulse device "{ATTIC}.monitor" }}\n'
    pulse = PULSE + f"load-module {' '.join(ATTIC_MODULE)}\n"

    def unplug_attic(self):
        """Take the second away; the first stays, and is not given what was still playing to the second."""
        for player in self._players:
            player.kill()
            player.wait()
        self.ask("unload-module", self._attic())

    def plug_attic(self):
        """Bring it back."""
        self.ask("load-module", *ATTIC_MODULE)

    def _attic(self):
        """Return the number of the module that the second card is."""
        listed = subprocess.run(
            ["pactl", "list", "short", "modules"],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        )
        return next(line.split("\t")[0] for line in listed.stdout.splitlines() if ATTIC in line)
