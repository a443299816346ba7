"""Of several sound tracks, and of several channels, the ones that are named are heard."""

import re

import numpy as np
import pytest
import soundfile
from archives import rows
from signals import RATE, noise
from test_ffmpeg import av, needs_ffmpeg
from test_replay import of_kind, without_name, write

from bowstream._types import Format
from bowstream.audio import links
from bowstream.audio.file import AudioFile
from bowstream.cli.main import main
from bowstream.errors import AudioError

# Of each track its language, its title, and how loud it is.
TRACKS = [("eng", "Main", 0.05), ("deu", "Ton", 0.2), ("deu", "Director's comments", 0.4)]


def film(path, container, codec, tracks=TRACKS, rate=48_000, seconds=2.0):
    with av.open(str(path), "w", format=container) as file:
        streams = [file.add_stream(codec, rate=rate, layout="mono") for _ in tracks]
        for stream, (language, title, _) in zip(streams, tracks):
            stream.metadata.update(language=language, title=title)
        for stream, (_, _, level) in zip(streams, tracks):
            pcm = np.rint(noise(seconds, level, rate=rate) * 32767).astype(np.int16)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(pcm, "s16", "mono")
            frame.sample_rate, frame.pts = rate, 0
            resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or None)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                file.mux(stream.encode(part))
            file.mux(stream.encode())
    return path


@pytest.fixture
def two_halves(tmp_path):
    """A stereo recording whose left is loud, and whose right is another sound."""
    left, right = noise(3.0, 0.3, seed=1), noise(3.0, 0.1, seed=2)
    write(tmp_path / "left.wav", left)
    write(tmp_path / "right.wav", right)
    return write(tmp_path / "both.wav", np.stack([left, right], axis=1))


def level_of(path, track):
    with AudioFile(path, Format(track=track)) as recording:
        return float(np.sqrt(np.mean(np.square(np.concatenate(list(recording.blocks()))))))


@needs_ffmpeg
@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mp4", "aac"), ("mpegts", "mp2")])
def test_the_track_that_is_named_is_heard(container, codec, tmp_path):
    path = film(tmp_path / "film", container, codec)
    first = level_of(path, None)
    for track, factor in {"1": 1.0, "eng": 1.0, "2": 4.0, "DEU": 4.0, "3": 8.0}.items():
        assert level_of(path, track) == pytest.approx(factor * first, rel=0.1)
    if container != "mpegts":  # it has no titles
        assert level_of(path, "main") == pytest.approx(first)
        assert level_of(path, "comments") == pytest.approx(8.0 * first, rel=0.1)


@needs_ffmpeg
def test_a_name_that_fits_none_is_answered_with_what_there_is(tmp_path, replayed):
    path = film(tmp_path / "film.mkv", "matroska", "flac")
    listed = "1 (eng, Main) or 2 (deu, Ton) or 3 (deu, Director's comments)"
    for track in ("4", "0", "fra"):
        status, objects, err = replayed("--track", track, path)
        assert (status, [each["type"] for each in objects]) == (1, ["file"])
        assert err == f"bowstream: {path}: track must be {listed} (got {track!r})\n"
    status, _, err = replayed(path)
    note = f"the first of its sound tracks is heard: {listed}; --track names another"
    assert (status, err) == (0, f"bowstream: {path}: {note}\n")
    assert replayed("--track", "Ton", path)[::2] == (0, "")


@needs_ffmpeg
def test_what_has_one_track_says_so(tmp_path, two_halves):
    (tmp_path / "mp3").write_bytes(b"")
    soundfile.write(tmp_path / "mp3", noise(1.0), RATE, format="MP3")
    for path in (two_halves, tmp_path / "mp3"):
        assert level_of(path, "1") == level_of(path, None)
        with pytest.raises(AudioError, match=r": track must be 1 \(got 'deu'\)"):
            level_of(path, "deu")


def test_without_ffmpeg_tracks_are_not_told_apart(two_halves, monkeypatch):
    monkeypatch.setattr(links, "is_there", lambda: False)
    with pytest.raises(AudioError, match=r"FFmpeg alone tells tracks apart: pip install 'bowstream\[streams\]'"):
        level_of(two_halves, "2")


@needs_ffmpeg
def test_tables_of_an_archive_are_of_the_track_and_channel_that_are_named(tmp_path, capsys):
    film(tmp_path / "film.mkv", "matroska", "flac")
    asked = ["replay", str(tmp_path / "film.mkv"), "--track", "3", "--channels", "1", "--loudness", "--out"]
    assert main([*asked, str(tmp_path / "out")]) == main([*asked, str(tmp_path / "out")]) == 0
    (row,) = rows(tmp_path / "out", "loudness")
    assert row["level_dbfs"] == pytest.approx(20 * np.log10(0.4 / 3**0.5), abs=1.0)
    capsys.readouterr()
    asked[asked.index("3")] = "2"
    assert main([*asked, str(tmp_path / "out")]) == 2
    assert "begun with other settings" in capsys.readouterr().err


def test_the_channels_that_are_named_are_heard(tmp_path, two_halves, replayed):
    _, right, _ = replayed(tmp_path / "right.wav")
    status, objects, err = replayed("--channels", "2", two_halves)
    assert (status, err, without_name(objects)) == (0, "", without_name(right))
    config = tmp_path / "set.toml"
    config.write_text("channels = [2]\n")
    assert without_name(replayed("--config", config, two_halves)[1]) == without_name(right)
    _, mean, _ = replayed("--config", config, "--channels", "", two_halves)
    assert without_name(mean) == without_name(replayed(two_halves)[1]) != without_name(right)


def test_a_channel_that_is_not_there(tmp_path, two_halves, replayed):
    status, _, err = replayed("--channels", "1,3", two_halves)
    assert (status, err) == (1, f"bowstream: {two_halves}: channels must be 1 … 2, as it has (got 3)\n")
    path = tmp_path / "left.wav"
    status, objects, err = replayed("--channels", "2", path)
    assert (status, err) == (0, f"bowstream: {path}: it has one channel, which is used in place of channel 2\n")
    assert of_kind(objects, "hop") == of_kind(replayed(path)[1], "hop")


def test_the_best_channel_of_a_recording_is_heard(tmp_path, replayed):
    burst = noise(3.0, 0.3) * (np.arange(3 * RATE) // (RATE // 2) % 2)
    path = write(tmp_path / "both.wav", np.stack([noise(3.0, 0.3, seed=5), burst], axis=1))
    _, best, _ = replayed("--mix", "best", path)
    _, mean, _ = replayed(path)
    assert of_kind(best, "hop") != of_kind(mean, "hop")


def test_an_offset_is_filtered_out_of_a_recording(tmp_path, replayed):
    """As it is for a microphone."""
    path = write(tmp_path / "offset.wav", noise(3.0, 0.01) + 0.2)
    _, plain, _ = replayed(path)
    status, filtered, _ = replayed("--highpass", "20", path)
    assert status == 0 and of_kind(filtered, "hop") != of_kind(plain, "hop")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("--channels", "0"), "channels must be 1 … 64 (got 0)"),
        (("--channels", "1,x"), "must be a list of whole numbers (got '1,x')"),
        (("--channels", "1,1"), "channels must name each channel once (got [1, 1])"),
        (("--track", " "), "track must be a number or a name (got none)"),
        (("--highpass", "5"), "highpass must be 20 … 1000 (got 5)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(given, complaint, two_halves, capsys):
    try:
        status = main(["replay", *given, str(two_halves)])
    except SystemExit as ended:
        status = ended.code
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and complaint in line


def test_a_microphone_has_no_tracks(bowstream):
    status, _, err = bowstream("listen", "--device", "mon", "--track", "2")
    assert status == 2 and re.search(r"track must be left out for a microphone", err)
