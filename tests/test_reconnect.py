"""A microphone that comes and goes: a virtual card that is unplugged, PortAudio's flags and clocks, sysfs's names."""

import json
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundcard
from signals import noise
from test_listen import Listening

from bowstream import devices, reconnect
from bowstream.devices import BUSY, FORBIDDEN, Device, explain, find_device
from bowstream.errors import DeviceError
from bowstream.frontend import FrontEnd
from bowstream.identity import card_of, identities
from bowstream.microphone import Microphone
from bowstream.reconnect import PatientMicrophone

needs_card = pytest.mark.skipif(bool(soundcard.missing()), reason="no virtual sound card")


@pytest.fixture
def card(tmp_path):
    with soundcard.SoundCard(tmp_path) as card:
        yield card


@pytest.fixture
def listen(card):
    """Start listening to the card with --wait; whatever is left running is killed."""
    started = []

    def run(*arguments):
        started.append(Listening(card, "--device", "mon", "--wait", *arguments))
        return started[-1]

    yield run
    for listening in started:
        listening.process.kill()
        listening.process.wait()


def notice(kind):
    return lambda line: f'"kind": "{kind}"' in line


def level(line):
    return json.loads(line).get("health", {}).get("level_dbfs", -120.0)


@needs_card
def test_unplugged_and_back_is_a_gap_of_the_real_length(card, listen):
    """Two bursts a known time apart, the card gone between them, are that far apart in the output, too."""
    listening = listen("--json", "--hop", "0.1")
    listening.until(lambda line: True)
    before = onset_of_burst(card, listening)
    card.unplug()
    away = json.loads(listening.until(notice("away")))
    assert "'mon' went away" in away["text"]
    time.sleep(2.0)
    card.plug()
    back = json.loads(listening.until(notice("back")))
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert gap["length_s"] > 2.0
    assert f"after {gap['length_s']:.1f} s" in back["text"]
    after = onset_of_burst(card, listening)
    hop = listening.objects[-1]
    assert hop["health"]["reconnects"] == 1
    assert hop["health"]["lost_s"] == pytest.approx(gap["length_s"], abs=0.001)
    # A burst is found to the column of 0.1 s.
    assert after[1] - before[1] == pytest.approx(after[0] - before[0], abs=0.2)
    status, err = listening.end(signal.SIGINT)
    assert status == 0
    assert sum("waiting for it" in line for line in err.splitlines()) >= 1


def onset_of_burst(card, listening):
    """Play noise; return when, by our clock and by the stream's."""
    while level(listening.until(lambda line: '"type": "hop"' in line)) > -60.0:
        pass
    card.play(noise(0.5))
    hop = json.loads(listening.until(lambda line: level(line) > -30.0))
    return time.monotonic(), hop["end_s"]


@needs_card
def test_absent_at_the_start_is_waited_for(card, listen):
    card.unplug()
    listening = listen("--json")
    away = json.loads(listening.until(notice("away")))
    assert away["at_s"] == 0.0
    assert "no microphone found" in away["text"]
    card.plug()
    gap = json.loads(listening.until(lambda line: '"type": "gap"' in line))
    assert gap["start_s"] == 0.0
    hop = json.loads(listening.until(lambda line: '"type": "hop"' in line))
    assert hop["start_s"] == pytest.approx(gap["length_s"], abs=0.002)
    assert listening.end(signal.SIGTERM)[0] == 0


@needs_card
def test_a_server_that_hangs_is_waited_for(card, listen):
    """It can neither be read nor closed; when it goes on, so do we."""
    listening = listen("--json")
    listening.until(lambda line: True)
    card._server.send_signal(signal.SIGSTOP)
    listening.until(notice("away"))
    time.sleep(3.0)
    card._server.send_signal(signal.SIGCONT)
    listening.until(notice("back"))
    listening.until(lambda line: '"type": "hop"' in line)
    assert listening.end(signal.SIGINT)[0] == 0


@needs_card
def test_it_can_be_ended_while_the_microphone_is_away(card, listen):
    listening = listen()
    listening.until(lambda line: True)
    card.unplug()
    threading.Event().wait(5.0)
    status, err = listening.end(signal.SIGTERM)
    assert status == 0
    assert "bowstream: 'mon' went away" in err


def test_the_same_reason_is_said_once(monkeypatch):
    """And another reason is said anew; each look is another process's."""
    reasons = iter(["it is not there", "it is not there", "it is busy", "it is busy", ""])

    def look(self):
        yield None
        return next(reasons)

    def absent(*_):
        raise DeviceError("it is not there")

    class Opened(Exception):
        pass

    def opened():
        raise Opened

    monkeypatch.setattr(PatientMicrophone, "_look", look)
    monkeypatch.setattr(reconnect, "Microphone", absent)
    monkeypatch.setattr(reconnect, "refresh", opened)
    monkeypatch.setattr(reconnect, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(reconnect, "load_sounddevice", lambda: None)
    said = []
    with pytest.raises(Opened):
        for heard in PatientMicrophone("usb:1:2", FrontEnd()):
            said += [heard.text] if heard else []
    assert said == ["it is not there; waiting for it", "it is busy; waiting for it"]


# What PortAudio drops


class Stream(Microphone):
    """A microphone whose callback a test calls: blocks of 160 frames, 10 ms, at a pretended time."""

    def __init__(self, monkeypatch):
        super(Microphone, self).__init__("stream", 16_000, 1, FrontEnd())
        self._began_s, self._next_captured_s = None, 0.0
        self.now_s = 100.0
        self._heard_from = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def deliver(self, blocks, late_s=0.0, age_s=0.03, overflow=False):
        """Deliver blocks that come late by so much, and were captured so long before."""
        for _ in range(blocks):
            self.now_s += 0.01
            when = SimpleNamespace(currentTime=self.now_s + late_s + 7.0, inputBufferAdcTime=self.now_s - age_s + 7.0)
            true_s, self.now_s = self.now_s, self.now_s + late_s
            status = SimpleNamespace(input_overflow=overflow)
            self._callback(np.zeros((160, 1), np.float32), 160, when, status)
            self.now_s, overflow = true_s, False

    def lost(self):
        """Read everything; return the lost frames."""
        lost, position = 0, -1
        while position != self._ring.read_until:
            position = self._ring.read_until
            lost += self._ring.read()[0]
        return lost


def test_an_overflow_is_as_long_as_its_time_of_capture_tells(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 0.123
    stream.deliver(100, overflow=True)
    assert stream.lost() == pytest.approx(0.123 * 16_000, abs=16)
    assert stream.overflows == 1


def test_several_overflows_add_up(monkeypatch):
    stream = Stream(monkeypatch)
    for _ in range(20):
        stream.deliver(10)
        stream.now_s += 0.05
        stream.deliver(1, overflow=True)
    assert stream.lost() == pytest.approx(1.0 * 16_000, abs=160)
    assert stream.overflows == 20


def test_a_pause_that_nobody_flags_is_lost_too(monkeypatch):
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.now_s += 2.0
    stream.deliver(100)
    assert stream.lost() == pytest.approx(2.0 * 16_000, abs=16)
    assert stream.overflows == 0


def test_blocks_that_are_late_are_not_lost(monkeypatch):
    """A stopped process finds all of them, captured one after the other."""
    stream = Stream(monkeypatch)
    stream.deliver(100)
    stream.deliver(50, late_s=3.0)
    stream.deliver(100)
    assert stream.lost() == 0


def test_a_clock_that_is_set_right_is_no_loss(monkeypatch):
    """PulseAudio's time of capture jumps in its first second, without anything missing."""
    stream = Stream(monkeypatch)
    stream.deliver(60, age_s=0.5)
    stream.deliver(100, age_s=0.03)
    assert stream.lost() == 0


def test_a_drifting_clock_is_no_loss(monkeypatch):
    """200 parts in a million for an hour, then an overflow of nothing."""
    stream = Stream(monkeypatch)
    for _ in range(360):
        stream.deliver(1000)
        stream.now_s += 0.002
        stream.lost()
    stream.deliver(1, overflow=True)
    assert stream.lost() < 0.005 * 16_000


# Names that last


@pytest.fixture
def sysfs(tmp_path):
    """Two USB microphones, one with a serial number, and a sound card on the board."""
    usb = tmp_path / "devices/platform/soc/usb1/1-1"
    for card, port, files in (
        (1, "1-1.2", {"idVendor": "0d8c", "idProduct": "0014"}),
        (2, "1-1.3", {"idVendor": "1235", "idProduct": "8211", "serial": "Y7AB"}),
    ):
        interface = usb / port / f"{port}:1.0"
        interface.mkdir(parents=True)
        for name, content in files.items():
            (usb / port / name).write_text(content + "\n")
        link(tmp_path, card, interface, f"Device_{card}")
    board = tmp_path / "devices/platform/soc/sound"
    board.mkdir()
    link(tmp_path, 0, board, "sndrpihifiberry")
    return tmp_path


def link(sysfs, card, device, short):
    folder = sysfs / f"class/sound/card{card}"
    folder.mkdir(parents=True)
    (folder / "device").symlink_to(device)
    (folder / "id").write_text(short + "\n")


def test_identities(sysfs):
    assert identities(1, sysfs) == ("usb-port:1-1.2", "usb:0d8c:0014", "card:Device_1")
    assert identities(2, sysfs) == ("usb:1235:8211:Y7AB", "usb-port:1-1.3", "usb:1235:8211", "card:Device_2")
    assert identities(0, sysfs) == ("card:sndrpihifiberry",)
    assert identities(9, sysfs) == ()


@pytest.mark.parametrize(
    ("name", "card"),
    [("USB PnP: Audio (hw:1,0)", 1), ("x (hw:12,3)", 12), ("pulse", None), ("default", None), ("(hw:1)", None)],
)
def test_card_of(name, card):
    assert card_of(name) == card


def offered(sysfs, *cards):
    names = [f"Mic {card}: USB Audio (hw:{card},{sub})" for card in cards for sub in (0, 1)] + ["default"]
    return [
        Device(
            index, name, "ALSA", 1, 48_000, name == "default", identities(card_of(name), sysfs) if "hw" in name else ()
        )
        for index, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("wanted", "card"),
    [
        ("usb:0d8c:0014", 1),
        ("usb:0D8C:0014", 1),
        ("usb:1235:8211", 2),
        ("usb:1235:8211:Y7AB", 2),
        ("usb-port:1-1.3", 2),
        ("card:Device_1", 1),
        ("Mic 2: USB Audio (hw:2,0)", 2),
        ("0", 1),
    ],
)
def test_a_device_is_found_by_its_identity_whatever_its_number(wanted, card, sysfs, tmp_path):
    for cards in ((1, 2), (2, 1)) if wanted != "0" else ((1, 2),):
        found = find_device(wanted, offered(sysfs, *cards), sysfs, tmp_path)
        assert card_of(found.name) == card
        assert found.name.endswith(",0)")


def test_a_port_is_not_part_of_another(sysfs, tmp_path):
    with pytest.raises(DeviceError, match="no input fits 'usb-port:1-1'"):
        find_device("usb-port:1-1", offered(sysfs, 1, 2), sysfs, tmp_path)


def test_two_of_a_kind_are_told_apart_by_their_port(sysfs, tmp_path):
    (sysfs / "devices/platform/soc/usb1/1-1/1-1.3/idVendor").write_text("0d8c\n")
    (sysfs / "devices/platform/soc/usb1/1-1/1-1.3/idProduct").write_text("0014\n")
    both = offered(sysfs, 1, 2)
    with pytest.raises(DeviceError, match=r"fits 0 .* 2 "):
        find_device("usb:0d8c:0014", both, sysfs, tmp_path)
    assert card_of(find_device("usb-port:1-1.3", both, sysfs, tmp_path).name) == 2


@pytest.mark.parametrize(("allowed", "reason"), [(True, BUSY), (False, FORBIDDEN)])
def test_a_card_that_portaudio_passes_over_is_busy_or_forbidden(allowed, reason, sysfs, tmp_path, monkeypatch):
    nodes = tmp_path / "dev"
    nodes.mkdir()
    (nodes / "pcmC1D0c").touch()
    monkeypatch.setattr(devices.os, "access", lambda *_: allowed)
    with pytest.raises(DeviceError) as error:
        find_device("usb:0d8c:0014", offered(sysfs, 2), sysfs, nodes)
    assert str(error.value) == f"no input fits 'usb:0d8c:0014': {reason}"
    with pytest.raises(DeviceError) as error:
        find_device(None, [], sysfs, nodes)
    assert str(error.value) == f"no microphone found: {reason}"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (("Error opening InputStream: Device unavailable", -9985), BUSY),
        (("Unanticipated host error", -9999, (0, -16, "Device or resource busy")), BUSY),
        (("Unanticipated host error", -9999, (0, -13, "Permission denied")), FORBIDDEN),
        (("Unanticipated host error", -9999, (0, -19, "No such device")), "it has gone: plug it in again"),
        (("Unanticipated host error", -9999, (0, -5, "I/O error")), "Unanticipated host error (I/O error)"),
        (("Invalid sample rate", -9997), "Invalid sample rate"),
        (("odd",), "odd"),
    ],
)
def test_what_portaudio_says_is_explained(error, meaning):
    assert explain(Exception(*error)) == meaning


class Refusing:
    """A `sounddevice` whose only input takes 48 kHz stereo, or says that it is busy."""

    class PortAudioError(Exception):
        pass

    def __init__(self, busy):
        self._busy = busy

    def check_input_settings(self, device, channels, dtype, samplerate):
        if self._busy:
            raise self.PortAudioError("Device unavailable", -9985)
        if (samplerate, channels) != (48_000, 2):
            raise self.PortAudioError("Invalid sample rate", -9997)


@pytest.fixture
def refusing(monkeypatch):
    def prepare(busy=False):
        monkeypatch.setattr("bowstream.microphone.load_sounddevice", lambda: Refusing(busy))
        monkeypatch.setattr(
            "bowstream.microphone.list_devices", lambda: [Device(0, "Mic (hw:1,0)", "ALSA", 2, 48_000, True)]
        )

    return prepare


def test_the_devices_own_rate_and_channels_are_taken(refusing):
    refusing()
    microphone = Microphone(None, FrontEnd())
    assert (microphone.native_rate, microphone.channels) == (48_000, 2)


def test_a_rate_that_is_refused_is_one_line_with_the_one_that_is_not(refusing):
    refusing()
    with pytest.raises(DeviceError, match=r"refuses to record at 44100 Hz.*its own, 48000 Hz"):
        Microphone(None, FrontEnd(), 44_100)


def test_a_busy_device_is_not_asked_for_every_rate(refusing):
    refusing(busy=True)
    with pytest.raises(DeviceError, match=r"'Mic \(hw:1,0\)' cannot be opened: another program holds it"):
        Microphone(None, FrontEnd())
