"""When a recording began: by what its recorder wrote into it or into its name, or as it is said."""

import csv
import io
import json
import struct
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import soundfile
from signals import noise, scene
from test_replay import of_kind, write

from bowstream.audio.started import in_name, site_in_name, started_at
from bowstream.cli.main import main

BRISBANE = ZoneInfo("Australia/Brisbane")  # +10:00, all year round
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("20260601_060000.WAV", "2026-06-01T06:00:00+10:00"),
        ("20260601_060000T.WAV", "2026-06-01T06:00:00+10:00"),  # AudioMoth, triggered
        ("20260601_060000Z.wav", "2026-06-01T16:00:00+10:00"),
        ("S4A00123_20190412_060000.wav", "2019-04-12T06:00:00+10:00"),  # Song Meter
        ("SMM01234_0+1_20190412_060000_500.wav", "2019-04-12T06:00:00.500000+10:00"),
        ("20190412T060000+1000_Rec1.flac", "2019-04-12T06:00:00+10:00"),
        ("20190412T060000-0330_Rec1.flac", "2019-04-12T06:00:00-03:30"),
        ("2026-06-01T06:00:00+02:00.m4a", "2026-06-01T06:00:00+02:00"),
        ("2026-06-01 06-00-00.ogg", "2026-06-01T06:00:00+10:00"),
        ("Recording 2026-06-01_06.00.00.m4a", "2026-06-01T06:00:00+10:00"),
        ("PXL_20260601060000.mp4", "2026-06-01T06:00:00+10:00"),
        ("5DDC2A1C.WAV", "2019-11-26T05:23:08+10:00"),  # AudioMoth's first names: seconds since 1970, UTC
        ("19700101_000000.WAV", None),  # its clock was never set
        ("20990101_000000.WAV", None),
        ("20261301_060000.wav", None),
        ("20260601_250000.wav", None),
        ("20260601.wav", None),
        ("dog.wav", None),
        ("DEADBEEF.wav", None),
        ("123456789012345678.wav", None),
    ],
)
def test_names(name, wanted):
    found = in_name(f"some/folder/{name}", BRISBANE)
    assert (found and found.isoformat()) == wanted


def test_what_stands_before_the_date_is_the_site():
    assert site_in_name("x/S4A00123_20190412_060000.wav") == "S4A00123"
    assert site_in_name("x/20190412_060000.wav") == site_in_name("x/dog.wav") == ""


def test_a_zone_has_the_offset_of_the_day():
    assert in_name("20260101_120000.wav", BERLIN).utcoffset() == timedelta(hours=1)
    assert in_name("20260701_120000Z.wav", BERLIN).isoformat() == "2026-07-01T14:00:00+02:00"


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav_with(path, *chunks, before=True):
    """A WAV with other chunks, before or behind its sound."""
    stream = io.BytesIO()
    soundfile.write(stream, noise(0.5), 16_000, "PCM_16", format="WAV")
    plain = stream.getvalue()
    more = b"".join(chunk(*each) for each in chunks)
    body = plain[:12] + more + plain[12:] if before else plain + more
    path.write_bytes(body[:4] + struct.pack("<I", len(body) - 8) + body[8:])
    return str(path)


GUANO = b"GUANO|Version: 1.0\nMake: Wildlife Acoustics\nTimestamp: %s\nLength: 5.0\n"
BEXT = bytes(256 + 32 + 32) + b"2019-04-1206:00:00" + bytes(264)
COMMENT = b"INFOICMT\0\1\0\0Recorded at 06:00:00 12/04/2019 (%s) by AudioMoth 24E144085F256198\0"


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        (b"guan", GUANO % b"2019-04-12T06:00:00.250+10:00", "2019-04-12T06:00:00.250000+10:00"),
        (b"guan", GUANO % b"2019-04-12 06:00:00", "2019-04-12T06:00:00+10:00"),
        (b"guan", GUANO % b"2019-04-12T06:00:00Z", "2019-04-12T16:00:00+10:00"),
        (b"guan", GUANO % b"yesterday", None),
        (b"bext", BEXT, "2019-04-12T06:00:00+10:00"),
        (b"bext", bytes(602), None),
        (b"bext", b"", None),
        (b"LIST", COMMENT % b"UTC", "2019-04-12T16:00:00+10:00"),
        (b"LIST", COMMENT % b"UTC-3:30", "2019-04-12T06:00:00-03:30"),
        (b"LIST", b"INFO" + chunk(b"ICMT", b"a fine day\0"), None),
    ],
)  # fmt: skip
def test_chunks_of_wav(name, content, wanted, before, tmp_path):
    found = started_at(wav_with(tmp_path / "REC.wav", (name, content), before=before), BRISBANE)
    assert (found and found.isoformat()) == wanted


def test_what_names_a_zone_comes_first(tmp_path):
    named = tmp_path / "20200101_000000.wav"
    both = wav_with(named, (b"bext", BEXT), (b"guan", GUANO % b"2019-04-12T06:00:00+10:00"))
    assert started_at(both).year == 2019
    assert started_at(wav_with(named, (b"bext", BEXT))).year == 2020


def test_the_creation_time_of_an_mp4(tmp_path):
    pytest.importorskip("av")
    from test_ffmpeg import by_ffmpeg

    when = {"creation_time": "2026-06-01T06:00:00.000000Z"}
    path = by_ffmpeg(tmp_path / "phone.m4a", "ipod", "aac", noise(0.5, rate=48_000), **when)
    assert started_at(str(path), BRISBANE).isoformat() == "2026-06-01T16:00:00+10:00"


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEguan\xff\xff\xff\xff", bytes(100)])
def test_what_is_no_recording_has_no_date(content, tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert started_at(str(path)) is None
    assert started_at(str(tmp_path)) is started_at(str(tmp_path / "none.wav")) is None


def test_events_of_a_dated_recording_have_times(tmp_path, replayed, capfd):
    path = write(tmp_path / "20260601_060000Z.wav", scene(4.0))
    config = tmp_path / "all.toml"
    config.write_text("on = 0.0\noff = 0.0\n")
    _, objects, _ = replayed("--config", config, path)
    event, hop = of_kind(objects, "event")[0], of_kind(objects, "hop")[0]
    began = datetime(2026, 6, 1, 6, tzinfo=timezone.utc)
    assert datetime.fromisoformat(event["time"].replace("Z", "+00:00")) == began + timedelta(seconds=event["onset_s"])
    assert hop["time"] == "2026-06-01T06:00:01.000Z"
    assert objects[-1]["started_at"] == "2026-06-01T06:00:00.000Z"
    capfd.readouterr()
    assert main(["replay", "--csv", "--config", str(config), str(path)]) == 0
    assert next(csv.DictReader(io.StringIO(capfd.readouterr().out)))["time"] == event["time"]


@pytest.mark.parametrize(
    ("start", "zone", "wanted"),
    [
        ("2026-06-01T06:00", "UTC", "2026-06-01T06:00:00.000Z"),
        ("2026-06-01T06:00", "+10:00", "2026-05-31T20:00:00.000Z"),
        ("2026-06-01T06:00", "Europe/Berlin", "2026-06-01T04:00:00.000Z"),
        ("2026-06-01T06:00:30Z", "Europe/Berlin", "2026-06-01T06:00:30.000Z"),
    ],
)
def test_a_start_that_is_said(start, zone, wanted, tmp_path, replayed):
    path = write(tmp_path / "20200101_000000.wav", scene(1.0))
    _, objects, _ = replayed("--start", start, "--timezone", zone, path)
    assert objects[-1]["started_at"] == wanted


@pytest.mark.parametrize(
    ("options", "files"),
    [(["--start", "soon"], 1), (["--start", "2026-06-01T06:00"], 2), (["--timezone", "Mars"], 1),
     (["--timezone", "../etc"], 1), (["--start", "9999-12-31T23:59"], 1)],
)  # fmt: skip
def test_what_is_no_start(options, files, tmp_path, capsys):
    for number in range(files):
        write(tmp_path / f"{number}.wav", scene(0.2))
    assert main(["replay", *options, str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bowstream: {options[0]} ")


def test_two_processes_know_the_date(tmp_path, capfd):
    for name in ("20260601_060000Z.wav", "20260601_070000Z.wav"):
        write(tmp_path / name, scene(0.5))
    assert main(["replay", "--json", "--jobs", "2", str(tmp_path)]) == 0
    ends = of_kind(map(json.loads, capfd.readouterr().out.splitlines()), "file")
    assert [end["started_at"][11:13] for end in ends] == ["06", "07"]


def test_reasons_are_counted_where_there_are_many(tmp_path, replayed):
    write(tmp_path / "a.wav", scene(0.3))
    for name in ("b.raw", "c.raw"):
        (tmp_path / name).write_bytes(bytes(100))
    _, _, err = replayed(tmp_path)
    wanted = "recordings heard: 1, files passed over: 2 (2 × it has no header: give its format with --raw)"
    assert err.splitlines()[-1] == f"bowstream: {wanted}"
