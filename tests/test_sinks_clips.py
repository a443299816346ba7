"""Clips: exact sound, privacy, the folder's cap, full disks and crashes."""

import json
import os
import re
import stat
import sys
import tracemalloc
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import soundfile
import warm
from stage import RATE, Stage, at, quick, until

from bowstream.audio.clock import utc
from bowstream.config.sinks import ClipsSettings
from bowstream.errors import BowstreamError
from bowstream.sinks import clip_folder, clips
from bowstream.sinks.clips import Clips
from bowstream.sinks.cutter import file_name


@pytest.fixture
def stage():
    return Stage()


def ramp(start, end):
    """The samples that `Stage.sound` makes, as 16 bits."""
    return (np.arange(start, end) % 30_000).astype(np.int16)


def clip_settings(folder, **fields):
    return ClipsSettings(folder=str(folder), **{"before_s": 0.5, "after_s": 0.25, "longest_s": 5.0, **fields})


def heard(stage, sink):
    """Eight seconds with a dog from 3 to 4 s."""
    stage.play(sink, stage.sound(4), stage.begin("dog", 3.0), stage.sound(2), stage.end("dog", 3.0, 4.0))
    stage.play(sink, stage.sound(2))


def test_clip_holds_exactly_what_was_heard_around_the_event(stage, tmp_path):
    with Clips(clip_settings(tmp_path), *stage.stream) as sink:
        heard(stage, sink)
    (file,) = tmp_path.iterdir()
    assert file.name == "20270115T080002.500Z_dog.flac"
    samples, rate = soundfile.read(file, dtype="int16")
    assert rate == RATE
    assert samples.tolist() == ramp(round(2.5 * RATE), round(4.25 * RATE)).tolist()
    with soundfile.SoundFile(file) as opened:
        assert json.loads(opened.comment)["tag"] == "dog"


@pytest.mark.parametrize("shared", [False, True])
def test_clips_are_private_unless_they_are_to_be_shared(stage, tmp_path, shared):
    folder = tmp_path / "clips"
    before = os.umask(0o022)
    try:
        with Clips(clip_settings(folder, shared=shared), *stage.stream) as sink:
            heard(stage, sink)
            sink.join()
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, folder)] == (
        [0o644, 0o755] if shared else [0o600, 0o700]
    )


def test_clip_of_an_endless_event_is_cut_off(stage, tmp_path):
    with Clips(clip_settings(tmp_path), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("rain", 1.0), stage.sound(30))
        until(lambda: sink.report().delivered == 1)
    (file,) = tmp_path.iterdir()
    assert len(soundfile.read(file)[0]) == 5 * RATE


def test_clip_is_kept_when_the_session_ends_before_it(stage, tmp_path):
    with Clips(clip_settings(tmp_path), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.0), stage.end("dog", 1.0, 2.0))
    (file,) = tmp_path.iterdir()
    assert len(soundfile.read(file)[0]) == round(1.5 * RATE)


def test_clip_does_not_reach_across_a_gap(stage, tmp_path):
    with Clips(clip_settings(tmp_path), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("dog", 1.0), stage.end("dog", 1.0, 2.0), stage.gap(0.1))
        stage.play(sink, stage.sound(1), stage.begin("dog", 2.2), stage.end("dog", 2.2, 2.5), stage.sound(1))
    first, second = sorted(tmp_path.iterdir())
    assert soundfile.read(first, dtype="int16")[0].tolist() == ramp(round(0.5 * RATE), 2 * RATE).tolist()
    assert soundfile.read(second, dtype="int16")[0].tolist() == ramp(round(2.1 * RATE), round(2.75 * RATE)).tolist()
    assert second.name.startswith("20270115T080002.100Z")


def test_only_some_tags_are_recorded(stage, tmp_path):
    with Clips(clip_settings(tmp_path, only=("rain",)), *stage.stream) as sink:
        heard(stage, sink)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("laugh_s", [2.0, 3.0, 4.0, 5.0, 6.0])
def test_clip_with_a_private_sound_in_it_is_not_kept(stage, tmp_path, laugh_s):
    """The dog's clip is 2.5 to 4.25 s; a laugh scores its off threshold in the second that ends at `laugh_s`."""
    with Clips(clip_settings(tmp_path, never=("laughing",)), *stage.stream) as sink:
        for second in range(1, 9):
            stage.play(sink, islice(stage.sound(1), 10))
            stage.play(sink, stage.scores(laughing=0.4 if second == laugh_s else 0.39))
            if second == 4:
                stage.play(sink, stage.begin("dog", 3.0))
            if second == 6:
                stage.play(sink, stage.end("dog", 3.0, 4.0))
    kept = [file.name for file in tmp_path.iterdir()]
    assert bool(kept) == (laugh_s in (2.0, 6.0))


def test_an_event_that_is_confirmed_late_has_its_sound(tmp_path):
    """Ten scores in a row raise it, longer after its onset than the longest clip is."""
    stage = Stage(confirm_hops=10)
    with Clips(clip_settings(tmp_path, before_s=2.0, longest_s=4.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(22), stage.begin("dog", 12.0), stage.sound(2))
    (file,) = tmp_path.iterdir()
    assert soundfile.read(file, dtype="int16")[0].tolist() == ramp(10 * RATE, 14 * RATE).tolist()


def columns(stage, count, **scores):
    """So many columns of sound, each with its scores: a hop of 0.1 s."""
    for _ in range(count):
        yield stage.piece()
        yield stage.scores(**scores)


def test_a_clip_waits_for_every_second_that_may_be_private(tmp_path):
    """At a hop of 0.1 s a laugh at a clip's end is in nine more windows, and only the last may be sure of it."""
    stage = Stage("dog", "laughing", hop_s=0.1)
    with Clips(clip_settings(tmp_path, never=("laughing",)), *stage.stream) as sink:
        stage.play(sink, columns(stage, 40), stage.begin("dog", 3.0), stage.end("dog", 3.0, 4.0), columns(stage, 11))
        stage.play(sink, columns(stage, 1, laughing=0.4), columns(stage, 20))
        assert sink.report().waiting + sink.report().delivered == 0
        stage.play(sink, stage.begin("dog", 6.0), stage.end("dog", 6.0, 6.5), columns(stage, 20))
    assert [file.name for file in tmp_path.iterdir()] == ["20270115T080005.500Z_dog.flac"]


def test_a_private_second_is_known_as_long_as_its_sound(tmp_path):
    """Also if sound comes in large pieces, of which the oldest is only partly needed."""
    stage = Stage("dog", "laughing")
    with Clips(clip_settings(tmp_path, never=("laughing",), longest_s=1.0), *stage.stream) as sink:
        stage.play(sink, stage.piece(20), replace(stage.scores(laughing=0.4), end_s=1.5))
        stage.play(sink, stage.piece(20), stage.piece(11), stage.begin("dog", 1.9), stage.scores())
    assert list(tmp_path.iterdir()) == []


def test_a_private_event_is_never_recorded(stage, tmp_path):
    with Clips(clip_settings(tmp_path, never=("laughing",)), *stage.stream) as sink:
        stage.play(sink, stage.sound(2), stage.begin("laughing", 1.0), stage.end("laughing", 1.0, 2.0))
        stage.play(sink, stage.sound(3))
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_clips_make_room_and_nothing_else_is_touched(stage, tmp_path):
    """The folder is held to its cap by deleting clips only, oldest first."""
    other = tmp_path / "20200101_holiday.flac"
    other.write_bytes(bytes(200_000))
    rng = np.random.default_rng(0)
    with Clips(clip_settings(tmp_path, cap_mb=0.1), *stage.stream) as sink:
        for number in range(10):  # noise does not compress: 32 kB each
            noise = rng.standard_normal(RATE).astype(np.float32) * 0.1
            sink.enqueue(clips.Clip(file_name(utc(1e9 + number), "dog"), noise, "{}"))
        sink.join(flush_s=10.0)
    assert sink.report().delivered == 10
    kept = sorted(file.name for file in tmp_path.iterdir() if file != other)
    assert kept == [file_name(utc(1e9 + number), "dog") for number in range(10 - len(kept), 10)]
    assert len(kept) >= 2 and sum((tmp_path / name).stat().st_size for name in kept) <= 100_000
    assert other.exists()


@pytest.mark.parametrize("wrong_s", [0.0, 4e9], ids=["1970", "2096"])
def test_the_oldest_is_the_one_written_first_whatever_the_clock_said(stage, tmp_path, monkeypatch, wrong_s):
    """A machine without a clock dates clips wrong after it has booted: before those that it has kept, or after."""
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
    clock_s = [1.8e9, 1.8e9 + 1, wrong_s, wrong_s + 1, 1.8e9 + 2, 1.8e9 + 3]
    names = [file_name(utc(now_s), "dog") for now_s in clock_s]
    for boot in (slice(0, 2), slice(2, 4), slice(4, 6)):
        for now_s, name in zip(clock_s[boot], names[boot]):
            monkeypatch.setattr("time.time_ns", lambda now_s=now_s: int(now_s * 1e9))
            sink = Clips(clip_settings(tmp_path, cap_mb=0.1), *stage.stream)  # holds three
            sink.deliver(clips.Clip(name, noise, "{}"))
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(names[3:])


def test_a_clip_that_is_larger_than_the_cap_costs_no_other(stage, tmp_path):
    noise = np.random.default_rng(0).standard_normal(10 * RATE).astype(np.float32) * 0.1
    with Clips(clip_settings(tmp_path, cap_mb=0.1), *stage.stream) as sink:
        for number, seconds in enumerate((1, 10, 1)):
            sink.enqueue(clips.Clip(file_name(utc(1e9 + number), "dog"), noise[: seconds * RATE], "{}"))
        until(lambda: sink.report().lost == 1)
        until(lambda: sink.report().delivered == 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        file_name(utc(1e9), "dog"),
        file_name(utc(1e9 + 2), "dog"),
    ]


def test_many_clips_take_no_more_memory_than_few(tmp_path):
    """A folder fills for months."""

    def peak_bytes(clips):
        for number in range(clips):
            (tmp_path / file_name(utc(1e9 + number), "dog")).touch()
        tracemalloc.start()
        clip_folder.make_room(tmp_path, 0.0)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # The least of eight: threads that earlier tests left may take some meanwhile.
    few, many = (min(peak_bytes(clips) for _ in range(8)) for clips in (200, 1800))
    assert many < 1.5 * few


def test_memory_is_bounded(stage, tmp_path):
    sink = Clips(clip_settings(tmp_path), *stage.stream)
    stage.play(sink, stage.sound(120))
    kept = sum(len(samples) for _, samples in sink._cutters[""]._sounds)
    assert kept <= 12.2 * RATE  # its longest clip, two seconds to be scored and five to be raised


def test_clips_on_a_full_disk_wait_and_leave_nothing_behind(stage, tiny_disk):
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(60_000))
    folder = tiny_disk / "clips"
    with quick(Clips(clip_settings(folder, cap_mb=10.0), *stage.stream)) as sink:
        noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.1
        sink.enqueue(clips.Clip("20270115T080002.500Z_dog.flac", noise, "{}"))
        until(lambda: "No space left" in sink.report().trouble)
        ballast.unlink()
        until(lambda: sink.report().delivered == 1)
    assert [file.name for file in folder.iterdir()] == ["20270115T080002.500Z_dog.flac"]


def test_what_a_crash_left_is_deleted_at_the_start(stage, tmp_path):
    """A process that is killed while it writes leaves no clip that is not whole."""
    script = f"""
import os, pathlib, signal
from bowstream.errors import BowstreamError
from bowstream.sinks import clip_folder, clips
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
import numpy as np
from stage import Stage
sink = clips.Clips(clips.ClipsSettings(folder={str(tmp_path)!r}), *Stage().stream)
sink.deliver(clips.Clip("20270115T080002.500Z_dog.flac", np.zeros(16000, np.float32), "{{}}"))
"""
    killed = warm.run([sys.executable, "-c", script])
    assert killed.returncode == -9, killed.stderr
    (left,) = tmp_path.iterdir()
    assert left.name.endswith("-20270115T080002.500Z_dog.flac.part")
    with Clips(clip_settings(tmp_path), *stage.stream) as sink:
        assert list(tmp_path.iterdir()) == []
        heard(stage, sink)
    assert [file.name for file in tmp_path.iterdir()] == ["20270115T080002.500Z_dog.flac"]


def test_a_folder_that_cannot_be_tidied_is_told_in_a_line(stage, tmp_path):
    left = tmp_path / ".123-20270115T080002.500Z_dog.flac.part"
    left.mkdir()
    with pytest.raises(BowstreamError, match=f"cannot clean up its folder: {left}: Is a directory; mend that"):
        Clips(clip_settings(tmp_path), *stage.stream).__enter__()


def test_file_names_are_safe():
    assert file_name(at(0.5), "clock tick/../o") == "20270115T080000.500Z_clock-tick-o.flac"
    names = [file_name(at(0.5), tag) for tag in ("../ö", "…", "Собака", "狗")]
    assert all(re.fullmatch(r"20270115T080000\.500Z_[0-9a-f]{8}\.flac", name) for name in names)
    assert len(set(names)) == 4


def test_no_clip_overwrites_another(tmp_path):
    """Tags whose names look the same in a file's, and a sound that is heard twice before its clip may begin."""
    stage = Stage("dog bark", "dog_bark")
    with Clips(clip_settings(tmp_path, before_s=2.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(2))
        for tag, onset_s in (("dog bark", 0.5), ("dog_bark", 0.5), ("dog bark", 1.5)):
            stage.play(sink, stage.begin(tag, onset_s), stage.end(tag, onset_s, onset_s + 0.2))
        stage.play(sink, stage.sound(2))
    heard = {}
    for file in tmp_path.iterdir():
        with soundfile.SoundFile(file) as opened:
            heard[file.name] = (json.loads(opened.comment)["tag"], json.loads(opened.comment)["onset_s"])
    assert heard == {
        "20270115T080000.000Z_dog-bark.flac": ("dog bark", 0.5),
        "20270115T080000.000Z_dog-bark-2.flac": ("dog_bark", 0.5),
        "20270115T080000.000Z_dog-bark-3.flac": ("dog bark", 1.5),
    }


def test_many_clips_at_once_are_all_kept(tmp_path):
    """What may wait is measured in seconds of sound: thirty short clips are less than one long one."""
    names = [f"tag {number}" for number in range(30)]
    stage = Stage(*names)
    with Clips(clip_settings(tmp_path, longest_s=30.0), *stage.stream) as sink:
        stage.play(sink, stage.sound(3), *[stage.begin(name, 2.0) for name in names], stage.sound(1), stage.gap(1.0))
    assert (sink.report().delivered, sink.report().lost) == (30, 0)


def test_a_disk_that_is_away_costs_bounded_memory(tmp_path):
    """Of ten minutes in clips of half a minute, the newest four minutes wait."""
    folder = tmp_path / "folder"
    folder.touch()
    stage = Stage()
    sink = Clips(clip_settings(folder, longest_s=30.0), *stage.stream)
    for start in range(0, 600, 30):
        stage.play(sink, stage.begin("dog", start + 0.5), stage.sound(30))
    stage.play(sink, stage.sound(1))
    assert (sink.report().waiting, sink.report().lost) == (8, 12)
