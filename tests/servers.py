"""Servers of streams on this machine, for real: FFmpeg's own, a web server, and a camera (RTSP)."""

import functools
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from broker import free_port

PYTHON_WITH_GSTREAMER = "/usr/bin/python3"
NOISE = "anoisesrc=r=48000:a=0.3:c=white"
SECRET = "kE7;+x/9q"


@functools.cache
def camera_missing():
    """Why there can be no camera here; empty if there can."""
    try:
        code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None)"
        code += "; raise SystemExit(not Gst.ElementFactory.find('rtppcmupay'))"
        done = subprocess.run([PYTHON_WITH_GSTREAMER, "-c", code], capture_output=True)
    except OSError:
        return "no system Python"
    packages = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
    return f"no RTSP server: apt install {packages}" if done.returncode else ""


def has_av():
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


needs_ffmpeg = pytest.mark.skipif(
    not shutil.which("ffmpeg") or not has_av(), reason="apt install ffmpeg, pip install 'bowstream[streams]'"
)
needs_camera = pytest.mark.skipif(not has_av() or bool(camera_missing()), reason=camera_missing() or "no PyAV")


def quoted(secret):
    return secret.replace("/", "%2F")


class Server:
    """A process that serves, and can be stalled, killed and started again."""

    def __init__(self, *command, ready=False, **options):
        self._command, self._ready, self._options = command, ready, options
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **self._options
        )
        if self._ready:
            assert self.process.stdout.readline()

    def stall(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Camera(Server):
    """Noise in 8-bit µ-law, as cheap cameras send it, and a picture, behind a password."""

    SOUND = "audiotestsrc is-live=true wave=white-noise volume=0.3 ! audio/x-raw,rate=8000,channels=1 ! mulawenc"
    PICTURE = "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=48,framerate=5/1 ! vp8enc deadline=1"

    def __init__(self, has_sound=True, certificate=None):
        self.scheme = "rtsps" if certificate else "rtsp"
        self.port = free_port()
        sound = f"{self.SOUND} ! rtppcmupay name=pay1 pt=97" if has_sound else ""
        pipeline = f"( {self.PICTURE} ! rtpvp8pay name=pay0 pt=96 {sound} )"
        program = str(Path(__file__).with_name("rtsp_server.py"))
        arguments = (str(self.port), pipeline, f"admin:{SECRET}", *filter(None, [certificate]))
        super().__init__(PYTHON_WITH_GSTREAMER, program, *arguments, ready=True, env={"PATH": "/usr/bin"})

    def address(self, secret=SECRET):
        return f"{self.scheme}://admin:{quoted(secret)}@127.0.0.1:{self.port}/camera"


def ffmpeg(*arguments, source=NOISE, seconds=None):
    """FFmpeg that makes sound at its own pace."""
    length = ("-t", str(seconds)) if seconds else ()
    return Server("ffmpeg", "-loglevel", "quiet", "-re", "-f", "lavfi", "-i", source, *length, *map(str, arguments))


def web_server(folder):
    """A web server for the files in a folder, and its port."""
    port = free_port()
    command = (sys.executable, "-u", "-m", "http.server", str(port), "--bind", "127.0.0.1")
    return Server(*command, ready=True, cwd=folder), port
