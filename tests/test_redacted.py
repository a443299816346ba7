"""What is secret in an address is shown nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowstream._text import redacted
from bowstream.audio.opening import open_live
from bowstream.cli.main import main
from bowstream.cli.setup import open_session
from bowstream.config.settings import Settings
from bowstream.errors import DeviceError
from bowstream.records import Idle


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam/stream1", "rtsp://cam/stream1"),
        ("rtsp://admin:pw@10.0.0.7:554/h264", "rtsp://***@10.0.0.7:554/h264"),
        ("rtsp://admin:p@ss/w#r?d@cam/x", "rtsp://***@cam/x"),
        ("rtsp://admin:two words@cam/x", "rtsp://***@cam/x"),
        ("rtsp://token@cam/x", "rtsp://***@cam/x"),
        ("rtsp://cam/cam/realmonitor?channel=2&subtype=1", "rtsp://cam/cam/realmonitor?channel=2&subtype=1"),
        ("rtsp://cam/user=admin&password=pw&channel=1.sdp", "rtsp://cam/user=***&password=***&channel=1.sdp"),
        ("http://cam/flv?port=1935&user=a&password=pw", "http://cam/flv?port=***&user=***&password=***"),
        ("https://radio/live.m3u8?9f86d081", "https://radio/live.m3u8?***"),
        ("udp://@:1234", "udp://:1234"),
        ("admin:pw@cam/x", "***@cam/x"),
        ("usb-port:1-1.2", "usb-port:1-1.2"),
        ("hw:1,0", "hw:1,0"),
    ],
)
def test_addresses(address, shown):
    assert redacted(address) == shown
    for sentence in ("{}", "{!r} has ended", "no input fits {!r}: choose one of 1 'USB'", "({})", "got {}, then {}."):
        assert redacted(sentence.format(address, address)) == sentence.format(shown, shown)
    assert redacted(shown) == shown


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Zs", "Cc"]), min_size=6)


@given(SECRET, st.sampled_from(["rtsp://{}@cam/x", "rtsp://a:{}@cam:554/x?y=1", "http://cam/x?pw={}&channel=1"]))
def test_whatever_the_password_is(secret, template):
    """A & or ; in a query ends a value, so whoever has one in a password has to write it as %26."""
    if "?pw=" in template:
        secret = secret.replace("&", "%26").replace(";", "%3B").replace("@", "%40").rstrip("'\"),;.:") + "x"
    if secret not in template.replace("{}", ""):
        assert secret not in redacted(template.format(secret))
        assert secret not in redacted(f"bowstream: {template.format(secret)!r}: connection refused")


ADDRESS = "rtsp://admin:hu%2Fsh@127.0.0.1:1/x?pw=hu%2Fsh"


@pytest.mark.parametrize("reconnect", [False, True])
def test_all_outputs_get_the_name_without_it(reconnect, bundle):
    """Of a session that lives through an outage: its information, records and errors."""
    pytest.importorskip("av")
    said = []
    with open_live(Settings(device=ADDRESS, reconnect=reconnect)) as source:
        session = open_session(Settings(), source, bundle)
        said.append(session.info)
        try:
            said.append(next(record for record in session if not isinstance(record, Idle)))
        except DeviceError as error:
            said.append(error)
    for one in said:
        assert "rtsp://***@127.0.0.1:1/x?pw=***" in str(one) and "hu%2Fsh" not in str(one)


def test_the_printed_configuration_does_not_show_it(written, capsys):
    path = written(f'device = "{ADDRESS}"\n[sources.door]\ndevice = "{ADDRESS}"\n')
    assert main(["config", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.count('device = "rtsp://***@127.0.0.1:1/x?pw=***"') == 2
    assert "hu%2Fsh" not in out + err


def test_nor_does_an_error_in_it(written, capsys):
    for text in (
        f"device = {ADDRESS}\n",
        f'bundel = "{ADDRESS}"\n',
        f'bundle = ["{ADDRESS}"]\n',
        f'on = "{ADDRESS}"\n',
    ):
        assert main(["config", str(written(text))]) == 2
        assert "hu%2Fsh" not in "".join(capsys.readouterr())
