"""Which microphone: names that last, from a made-up sysfs, and why one cannot be had."""

import sys

import pytest

from bowstream.audio import devices
from bowstream.audio.devices import BUSY, FORBIDDEN, NONE_FOUND, Device, explain, find_device, load_sounddevice
from bowstream.audio.identity import card_of, identities
from bowstream.audio.microphone import Microphone
from bowstream.cli.main import main
from bowstream.errors import DeviceError


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
    assert str(error.value) == f"'usb:0d8c:0014' cannot be used: {reason}"
    with pytest.raises(DeviceError) as error:
        find_device(None, [], sysfs, nodes)
    assert str(error.value) == f"no microphone can be used: {reason}"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_device_is_a_complaint(options, monkeypatch, capsys):
    monkeypatch.setattr("bowstream.audio.devices.list_devices", list)
    monkeypatch.setattr(devices, "why_absent", lambda *_: None)
    assert main(["devices", *options]) == 1
    assert capsys.readouterr() == ("", f"bowstream: {NONE_FOUND}\n")


def test_sounddevice_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"sounddevice is missing .*pip install sounddevice"):
        load_sounddevice()


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


def test_a_name_with_markup_is_a_name(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    device = Device(0, "Monitor of [hdmi] [/sink]", "ALSA", 2, 48_000, True)
    monkeypatch.setattr("bowstream.audio.devices.list_devices", lambda: [device])
    assert main(["devices"]) == 0
    assert "Monitor of [hdmi] [/sink]" in capsys.readouterr().out


@pytest.fixture
def refusing(monkeypatch):
    def prepare(busy=False):
        monkeypatch.setattr("bowstream.audio.microphone.load_sounddevice", lambda: Refusing(busy))
        monkeypatch.setattr(
            "bowstream.audio.microphone.list_devices", lambda: [Device(0, "Mic (hw:1,0)", "ALSA", 2, 48_000, True)]
        )

    return prepare


def test_the_devices_own_rate_and_channels_are_taken(refusing):
    refusing()
    microphone = Microphone()
    assert (microphone.native_rate, microphone.channels) == (48_000, 2)


def test_a_rate_that_is_refused_is_one_line_with_the_one_that_is_not(refusing):
    refusing()
    with pytest.raises(DeviceError, match=r"refuses to record at 44100 Hz.*its own, 48000 Hz"):
        Microphone(sample_rate=44_100)


def test_a_busy_device_is_not_asked_for_every_rate(refusing):
    refusing(busy=True)
    with pytest.raises(DeviceError, match=r"'Mic \(hw:1,0\)' cannot be opened: another program holds it"):
        Microphone()
