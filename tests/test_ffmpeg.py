"""What libsndfile does not decode is heard through FFmpeg, where PyAV is installed."""

from fractions import Fraction

import numpy as np
import pytest
import recordings
from recordings import encoded, sound
from signals import noise
from test_folders import files_of
from test_replay import of_kind, write

from bowstream.audio import ffmpeg, links
from bowstream.audio.file import AudioFile
from bowstream.errors import AudioError

av = pytest.importorskip("av") if ffmpeg.is_there() else None
needs_ffmpeg = pytest.mark.skipif(not ffmpeg.is_there(), reason="bowstream[streams] is not installed")

CODECS = [
    ("m4a", "ipod", "aac"),
    ("mp4", "mp4", "aac"),
    ("mov", "mov", "pcm_s16le"),
    ("mkv", "matroska", "flac"),
    ("webm", "webm", "libopus"),
    ("wma", "asf", "wmav2"),
    ("ac3", "ac3", "ac3"),
    ("aac", "adts", "aac"),
    ("flv", "flv", "aac"),
    ("avi", "avi", "ac3"),
    ("ts", "mpegts", "aac"),
    ("wv", "wv", "wavpack"),
    ("tta", "tta", "tta"),
    ("caf", "caf", "alac"),
]


def by_ffmpeg(path, container, codec, samples, rate=48_000, picture=False, **metadata):
    """Write a file as FFmpeg writes it."""
    with av.open(str(path), "w", format=container) as file:
        file.metadata.update(metadata)
        video = file.add_stream("mpeg4", rate=10) if picture else None
        stream = file.add_stream(codec, rate=rate, layout="mono") if len(samples) else None
        if video:
            video.width = video.height = 32
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 10)
                file.mux(video.encode(frame))
            file.mux(video.encode())
        if stream:
            stream.bit_rate = 96_000
            pcm = np.rint(samples * 32767).astype(np.int16)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(pcm, "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or None)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                file.mux(stream.encode(part))
            file.mux(stream.encode())
    return path


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "container", "codec"), CODECS)
def test_what_ffmpeg_decodes_is_heard(suffix, container, codec, tmp_path):
    path = by_ffmpeg(tmp_path / f"sound.{suffix}", container, codec, sound(2.5, 48_000))
    with AudioFile(path) as recording:
        frames = np.concatenate(list(recording.blocks()))
    assert len(frames) / recording.native_rate == pytest.approx(2.5, abs=0.1)
    assert np.square(frames[-20_000:-5_000]).mean() > 4 * np.square(frames[5_000:20_000]).mean() > 0


@needs_ffmpeg
@pytest.mark.parametrize(("suffix", "container", "codec"), CODECS)
def test_without_it_what_to_install_is_said(suffix, container, codec, tmp_path, monkeypatch):
    path = by_ffmpeg(tmp_path / f"sound.{suffix}", container, codec, sound(1.0, 48_000))
    monkeypatch.setattr(links, "is_there", lambda: False)
    with pytest.raises(AudioError, match=r"pip install 'bowstream\[streams\]' to hear it"):
        AudioFile(path)


@needs_ffmpeg
def test_of_a_film_the_first_sound_is_heard_and_a_silent_one_is_no_recording(tmp_path, replayed):
    by_ffmpeg(tmp_path / "film.mp4", "mp4", "aac", sound(1.5, 48_000), picture=True)
    by_ffmpeg(tmp_path / "silent.mp4", "mp4", "aac", [], picture=True)
    status, objects, err = replayed(tmp_path)
    assert (status, files_of(objects)) == (0, ["film.mp4"])
    assert err == "bowstream: recordings heard: 1, files passed over: 0\n"
    status, _, err = replayed(tmp_path / "silent.mp4")
    assert status == 1 and "pictures only, no sound" in err


@needs_ffmpeg
def test_with_ffmpeg_what_libsndfile_reads_sounds_as_without(tmp_path, monkeypatch):
    """It is not asked."""
    monkeypatch.setattr(links, "FFmpegDecoder", None)
    for make in (recordings.mp3, recordings.flac, recordings.ogg, recordings.opus, encoded):
        (tmp_path / "file").write_bytes(make(sound()))
        with AudioFile(tmp_path / "file") as recording:
            assert sum(map(len, recording.blocks())) >= 20_000


@needs_ffmpeg
def test_playlists_open_no_other_file(tmp_path, monkeypatch):
    write(tmp_path / "other.wav", noise(1.0))
    for name, content in (
        ("list.m4a", "#EXTM3U\n#EXTINF:1,\nother.wav\n"),
        ("list.mp4", "ffconcat version 1.0\nfile other.wav\n"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(AudioError, match="no recording"):
            AudioFile(tmp_path / name)


@needs_ffmpeg
def test_a_cut_film_is_heard_as_far_as_it_goes(tmp_path, replayed):
    path = by_ffmpeg(tmp_path / "sound.mkv", "matroska", "flac", sound(4.0, 48_000))
    path.write_bytes(path.read_bytes()[:200_000])
    status, objects, err = replayed(path)
    assert of_kind(objects, "hop") and status in (0, 1) and len(err.splitlines()) == status
