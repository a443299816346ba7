"""`bowstream listen` hears streams for real: from servers here that are killed, stalled and started again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import soundfile
from broker import free_port
from conftest import IMPATIENT
from servers import SECRET, Camera, ffmpeg, needs_camera, needs_ffmpeg, quoted, web_server
from signals import RATE, scene
from test_listen import Listening
from test_reconnect import notice, scored

from bowstream import Scores, Session, Stream, Tagger, UsageError
from bowstream.audio import network
from bowstream.audio.network import PROTOCOLS
from bowstream.cli.main import main


@pytest.fixture
def listen():
    """Start listening to an address; whatever is left running is killed."""
    started = []

    def run(address, *arguments, **options):
        nowhere = SimpleNamespace(environment={})
        where = ("--device", address) if address else ()
        started.append(Listening(nowhere, *where, "--json", *arguments, program=IMPATIENT, **options))
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


@pytest.fixture
def serve():
    """Keep a server until the end of the test."""
    servers = []

    def keep(server):
        servers.append(server)
        return server

    yield keep
    for server in servers:
        server.go_on()
        server.kill()


def hops(listening, count):
    """Return the last of so many hops that follow."""
    return [json.loads(listening.until(scored)) for _ in range(count)][-1]


def lost_s(hop):
    return hop["health"]["lost_s"]


@needs_camera
def test_a_camera_that_is_stalled_killed_and_started_again(listen, serve, tmp_path, written):
    camera = serve(Camera())
    sinks = {"jsonl": "events.jsonl", "history": "history.db"}
    config = written("".join(f'[sinks.{name}]\npath = "{tmp_path}/{file}"\n' for name, file in sinks.items()))
    listening = listen(camera.address(), "--reconnect", "--hop", "0.1", "--config", config)
    assert hops(listening, 15)["health"]["level_dbfs"] > -30.0
    camera.stall()
    time.sleep(0.6)
    camera.go_on()
    assert lost_s(hops(listening, 15)) == 0.0
    camera.kill()
    listening.until(notice("away"))
    time.sleep(0.5)
    camera.start()
    listening.until(notice("back"))
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert 0.5 < gap["length_s"] < 30.0
    hop = hops(listening, 10)
    assert lost_s(hop) == pytest.approx(gap["length_s"], abs=0.002) and hop["health"]["reconnects"] == 1
    camera.stall()
    assert "does not answer" in listening.until(notice("away"))
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    assert "leaked" not in err  # of a thread that still waits for the camera
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path != config)
    assert b"127.0.0.1" in kept
    for text in (err, "".join(listening.lines), kept.decode("utf-8", "replace")):
        assert SECRET not in text and quoted(SECRET) not in text and "admin" not in text


@pytest.fixture
def refused(capfd):
    """Listen, in vain: `refused(*arguments)` returns the exit status and what is said, in a line."""

    def run(*arguments):
        status = main(["listen", *arguments])
        out, err = capfd.readouterr()
        assert out == "" and err.count("\n") == 1
        assert SECRET not in err and quoted(SECRET) not in err
        return status, err

    return run


@needs_camera
def test_a_camera_that_refuses_and_one_without_sound(serve, refused):
    camera = serve(Camera(has_sound=False))
    status, err = refused("--device", camera.address("wrong"))
    assert status == 1 and "401" in err and "wrong" not in err
    status, err = refused("--device", camera.address())
    assert status == 1 and "pictures only" in err
    assert err.startswith(f"bowstream: 'rtsp://***@127.0.0.1:{camera.port}/camera' ")


@needs_ffmpeg
def test_nobody_is_there(refused):
    status, err = refused("--device", f"http://me:{quoted(SECRET)}@127.0.0.1:{free_port()}/x?key=abcdef")
    assert status == 1 and "/x?key=***' cannot be heard: connection refused" in err


@needs_ffmpeg
@pytest.mark.parametrize("kind", ["mp3 libmp3lame", "adts aac", "ogg libopus", "wav pcm_s16le"])
def test_web_radio(kind, listen, serve):
    """Without --reconnect it ends when the server does."""
    container, codec = kind.split()
    port = free_port()
    server = serve(ffmpeg("-c:a", codec, "-f", container, "-listen", 1, f"http://127.0.0.1:{port}/live"))
    time.sleep(0.5)  # it serves one, who must not only look
    listening = listen(f"http://127.0.0.1:{port}/live", "--hop", "0.1")
    assert hops(listening, 15)["health"]["level_dbfs"] > -30.0
    server.kill()
    status, err = listening.end()
    assert status == 1 and "has ended" in err


@pytest.fixture
def certificate(tmp_path):
    """A file with a certificate and its key, signed by nobody."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem")
    subject = ("-days", "2", "-subj", "/CN=localhost", "-out", "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", *key, *subject], cwd=tmp_path, check=True, capture_output=True)
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "certificate.pem").read_text() + (tmp_path / "key.pem").read_text())
    return str(both)


@needs_camera
@needs_ffmpeg
@pytest.mark.skipif(not shutil.which("openssl"), reason="apt install openssl")
def test_other_addresses_and_the_track_that_is_named(certificate, serve, written, listen):
    camera = serve(Camera(certificate=certificate))
    rtmp, tcp = (f"{scheme}://127.0.0.1:{free_port()}" for scheme in ("rtmp", "tcp"))
    serve(ffmpeg("-c:a", "aac", "-f", "flv", "-listen", 1, f"{rtmp}/live/garden"))
    quiet = ("-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.003", "-map", "0:a", "-map", "1:a")
    language = ("-metadata:s:a:1", "language=deu")
    serve(ffmpeg(*quiet, *language, "-c:a", "mp2", "-f", "mpegts", f"{tcp}?listen=1"))
    time.sleep(1.0)  # each serves one, who must not only look
    sources = {"camera": (camera.address(), 1), "garden": (f"{rtmp}/live/garden", 1), "quiet": (tcp, "deu")}
    tables = (f'[sources.{name}]\ndevice = "{where}"\ntrack = "{track}"\n' for name, (where, track) in sources.items())
    config = written("".join(tables))
    config.chmod(0o600)
    listening = listen(None, "--config", config)
    levels = {}
    for name in sources:
        for _ in range(2):
            found = listening.until(lambda line, name=name: f'"type": "hop", "source": "{name}"' in line)
        levels[name] = json.loads(found)["health"]["level_dbfs"]
    status, err = listening.end(signal.SIGINT)
    assert status == 0 and levels["camera"] > -30.0 and levels["garden"] > -30.0 and -70.0 < levels["quiet"] < -50.0
    assert SECRET not in err and quoted(SECRET) not in err and "admin" not in err


@needs_ffmpeg
def test_an_address_that_pyavs_ffmpeg_does_not_know(monkeypatch, refused):
    monkeypatch.setitem(PROTOCOLS, "srt", "udp")  # as in PyAV's wheels, wherever this runs
    status, err = refused("--device", f"srt://me:{quoted(SECRET)}@127.0.0.1:9?passphrase=abcdefghijk")
    assert status == 1 and "has no srt here" in err and "| bowstream listen --device -" in err


@needs_ffmpeg
def test_a_playlist_of_segments_with_pictures(listen, serve, tmp_path):
    server, port = web_server(tmp_path)
    serve(server)
    picture = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=5", "-c:v", "mpeg2video", "-g", "5", "-c:a", "aac")
    playlist = tmp_path / "live.m3u8"
    # Whole whenever it is read: otherwise it is emptied each second, and first written after the second segment began.
    serve(ffmpeg(*picture, "-f", "hls", "-hls_time", 1, "-hls_flags", "temp_file", playlist))
    deadline = time.monotonic() + 30.0
    while not (playlist.exists() and "live1.ts" in playlist.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    listening = listen(f"http://127.0.0.1:{port}/live.m3u8")
    hop = hops(listening, 4)
    assert hop["health"]["level_dbfs"] > -30.0 and lost_s(hop) == 0.0
    assert listening.end(signal.SIGTERM)[0] == 0


@needs_ffmpeg
def test_damaged_packets(listen, serve):
    """They are counted, and what is missing for them is a gap; the rest is heard."""
    port = free_port()
    damage = ("-c:a", "aac", "-bsf:a", "noise=amount=1500", "-f", "mpegts")
    serve(ffmpeg(*damage, f"udp://127.0.0.1:{port}?pkt_size=1316"))
    listening = listen(f"udp://127.0.0.1:{port}", "--hop", "0.1")
    while hops(listening, 1)["health"]["overflows"] < 3:
        pass
    assert listening.end(signal.SIGINT)[0] == 0


LEFT_WHILE_FFMPEG_WAITS = """
import atexit, os, signal, sys, threading, time

def interrupt():
    while "bowstream-stream" not in names():
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)

def names():
    return [thread.name for thread in threading.enumerate()]

atexit.register(lambda: print("Python is taken apart beside", *names()))
threading.Thread(target=interrupt, daemon=True).start()
from bowstream.cli.process import leave, run
leave(run())
"""


@needs_ffmpeg
def test_python_is_not_taken_apart_while_ffmpeg_waits():
    """FFmpeg asks Python for the time every tenth of a second, and would die with it; it is not waited for, either."""
    command = [sys.executable, "-c", LEFT_WHILE_FFMPEG_WAITS, "listen", "--device", f"udp://127.0.0.1:{free_port()}"]
    began_s = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("bowstream: 0.0 s heard") and done.stderr.count("\n") == 1
    assert time.monotonic() - began_s < network.OPENED_AFTER_S


def of_type(kind, lines):
    return [line for line in lines if line["type"] == kind]


def scores_of(lines):
    return [(line["start_s"], line["scores"]) for line in lines if line["type"] == "hop"]


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "scene.wav"
    soundfile.write(path, scene(6.0), RATE, "PCM_16")
    return path


@pytest.mark.parametrize("raw", [False, True])
def test_standard_input_is_heard_as_replay_hears_it(raw, recording, bowstream, replayed):
    _, expected, _ = replayed(recording)
    content = recording.read_bytes()[44:] if raw else recording.read_bytes()
    options = ("--raw", "16000") if raw else ()
    status, out, err = bowstream("listen", "--json", "--device", "-", *options, input=content)
    assert status == 0, err
    assert scores_of(map(json.loads, out.splitlines())) == scores_of(expected)


@needs_ffmpeg
def test_a_transport_stream_on_standard_input(recording, bowstream):
    command = ["ffmpeg", "-loglevel", "quiet", "-i", str(recording), "-c:a", "mp2", "-f", "mpegts", "-"]
    content = subprocess.run(command, capture_output=True, check=True).stdout
    status, out, err = bowstream("listen", "--json", "--device", "-", input=content)
    assert status == 0, err
    assert len(out.splitlines()) >= 6


def test_from_python(recording, replayed, bundle):
    _, expected, _ = replayed(recording)
    found = []
    with Stream(str(recording)) as stream:
        session = Session(stream, Tagger(bundle))
        for record in session:
            if isinstance(record, Scores):
                found.append(record.top(1))
            if len(found) == 5:
                session.stop()
    assert len(found) == 5
    assert [tag for ((tag, _),) in found] == [max(hop["scores"], key=hop["scores"].get) for hop in expected[:5]]
    with pytest.raises(UsageError, match="address must be that of a stream"):
        Stream("USB")


def test_without_pyav_it_says_what_to_install(monkeypatch, refused):
    monkeypatch.setattr("bowstream.audio.network.is_there", lambda: False)
    status, err = refused("--device", f"rtsp://a:{quoted(SECRET)}@cam/x")
    assert status == 1
    assert err == "bowstream: 'rtsp://***@cam/x' is a stream: pip install 'bowstream[streams]' to hear it\n"


def test_no_sound_on_standard_input(bowstream):
    status, out, err = bowstream("listen", "--json", "--device", "-", input=b"this is no sound at all " * 400)
    assert (status, out) == (1, "")
    assert err.startswith("bowstream: standard input: ") and err.count("\n") == 1


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_that_grows(suffix, recording, listen, replayed, tmp_path):
    """It is heard from its beginning on, as replay hears the whole; then it is deleted."""
    whole, growing = tmp_path / f"whole{suffix}", tmp_path / f"growing{suffix}"
    soundfile.write(whole, soundfile.read(recording)[0], RATE, "PCM_16")
    content = whole.read_bytes()
    growing.write_bytes(content[: len(content) // 2])
    listening = listen(str(growing))
    hops(listening, 1)
    time.sleep(0.5)
    with growing.open("ab") as file:
        file.write(content[len(content) // 2 :])
    hops(listening, 3)
    growing.unlink()
    status, err = listening.end()
    assert status == 1 and "was cut short, deleted or replaced" in err
    _, expected, _ = replayed(whole)
    heard = scores_of(listening.objects)
    assert 4 <= len(heard) <= 6 and heard == scores_of(expected)[: len(heard)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--device", "gopher://x:y@z/"], "--device must be a microphone, or begin with one of rtsp://"),
        (["--device", f"rtsp://a:{SECRET} @z/"], "--device must be an address without blanks"),
        (["--device", f"rtsp://a:{SECRET}@z/"], "/ ? # and @ in a password are written as %2F"),
        (["--device", "rtsp://[::1/x"], "--device must be an address, as in rtsp://"),
        (["--device", "wyoming://"], "'wyoming://' must be wyoming://HOST[:PORT]"),
        (["--device", "udp://:99999"], "--device must be an address, as in rtsp://"),
        (["--device", "rtsp://z/", "--raw", "16000"], "--raw must be left out for a stream"),
        (["--device", "rtsp://z/", "--sample-rate", "16000"], "--sample-rate must be left out"),
        (["--device", "-", "--raw", "16"], "--raw must be RATE[:CHANNELS[:ENCODING]]"),
        (["--raw", "16000"], "--raw must be left out for a microphone"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_line(arguments, told, refused):
    status, err = refused(*arguments)
    assert status == 2 and told in err


def test_an_unknown_flag_is_told_without_the_address(capfd):
    with pytest.raises(SystemExit):
        main(["listen", f"--devise=rtsp://a:{SECRET}@z/x"])
    assert "unrecognized arguments: --devise=rtsp://***@z/x;" in capfd.readouterr().err
