"""Teaching a sound: from recordings to a tag that the next listener knows."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import warm
from signals import scored

from bowstream import AudioError, BowstreamError, BundleError, Tagger, UsageError
from bowstream.cli.main import main
from bowstream.events import EventTracker
from bowstream.learn import store
from bowstream.learn.fit import Background
from bowstream.learn.sound import cut, is_noise
from bowstream.learn.teach import Teacher, without
from bowstream.model.learned import Row, nothing_learned
from bowstream.model.learned_file import encoded, read_learned

RATE = 16_000


def beeps(pitch_hz, seed, length_s=3.0):
    """Three beeps of a machine in a quiet room: a sound that no tag of the bundle is for."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(length_s * RATE)) / RATE
    on = (time_s % 0.5 < 0.25) & (time_s > 0.5) & (time_s < 2.0)
    tone = sum(np.sin(2 * np.pi * pitch_hz * n * time_s) / n for n in (1, 2, 3))
    return (0.1 * on * tone + 0.001 * rng.standard_normal(len(time_s))).astype(np.float32)


@pytest.fixture(scope="module")
def teacher(bundle):
    return Teacher(bundle)


@pytest.fixture(scope="module")
def cuts():
    return [cut(f"beep {seed}", beeps(1000 + 20 * seed, seed), RATE) for seed in range(4)]


@pytest.fixture(scope="module")
def lesson(teacher, bundle, cuts):
    return teacher.teach(nothing_learned(bundle), "machine", cuts, keep=True)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def recordings(home):
    folder = home / "beeps"
    folder.mkdir()
    for seed in range(3):
        soundfile.write(folder / f"{seed}.wav", beeps(1000 + 20 * seed, seed), RATE)
    return folder


def test_a_taught_sound_is_a_tag_beside_the_bundles(bundle, lesson):
    taught = lesson.learned.applied(bundle)
    heard, plain = Tagger(taught).tag(beeps(1050, 9)), Tagger(bundle).tag(beeps(1050, 9))
    assert heard.tags == (*plain.tags, "machine")
    assert np.array_equal(heard.scores[:, :-1], plain.scores)
    assert any(event.tag == "machine" for event in heard.events)


def test_other_sounds_are_not_it(bundle, lesson):
    rng = np.random.default_rng(5)
    noise = (0.1 * rng.standard_normal(10 * RATE)).astype(np.float32)
    assert Tagger(lesson.learned.applied(bundle)).tag(noise).scores[:, -1].max() < 0.5


def test_sensitivity_moves_taught_tags_as_the_others(bundle, lesson):
    taught = lesson.learned.applied(bundle)
    low, high = (Tagger(taught, sensitivity=value).tag(beeps(1050, 9)).scores[:, -1] for value in (0.4, 0.6))
    assert (high > low).all()


def test_what_other_sound_scores_is_known_of_a_taught_tag(lesson, teacher):
    logits = lesson.tag.row(teacher.background.features)
    assert lesson.tag.tag.usual == pytest.approx(np.median(logits), abs=0.01)
    assert lesson.tag.tag.usual < -1.0


def test_where_a_room_scores_more_that_is_usual():
    rng = np.random.default_rng(0)
    everyday = rng.standard_normal((900, 4)).astype(np.float32)
    row = Row(np.array([1, 0, 0, 0], np.float32), -3.0)
    assert Background(everyday).usual(row) == pytest.approx(-3.0, abs=0.2)
    for shift, usual in ((2.0, -1.0), (-2.0, -3.0)):
        assert Background(everyday, everyday[:100] + np.float32(shift)).usual(row) == pytest.approx(usual, abs=0.3)


def test_a_place_that_scores_like_a_taught_sound_all_the_time_raises_no_event(bundle, lesson):
    (tag,) = (tag for tag in Tagger(lesson.learned.applied(bundle)).tracked if tag.name == "machine")
    tracker, changed = EventTracker([tag], 1.0), []
    for second in range(120):
        changed += tracker.push(scored(second + 1.0, 0.45))
    assert changed == [] and tracker.push(scored(121.0, 0.6)) == []
    assert len(tracker.push(scored(122.0, 0.999))) == 1


def test_it_says_what_it_got(lesson, teacher, bundle, cuts):
    assert "told apart from background sound in 4 of 4 tries" in str(lesson) and "1 more example would help" in str(
        lesson
    )
    one = teacher.teach(nothing_learned(bundle), "machine", cuts[:1])
    assert "so it was not tested" in str(one)


def test_more_examples_are_added(lesson, teacher, bundle, cuts):
    first = teacher.teach(nothing_learned(bundle), "machine", cuts[:2], keep=True).learned
    both = teacher.teach(first, "machine", cuts[2:], keep=True).learned
    assert len(both.tags[0].examples) == 4
    weights = lesson.learned.tags[0].row.weights
    np.testing.assert_allclose(both.tags[0].row.weights, weights, rtol=1e-4, atol=1e-4)
    assert np.array_equal(encoded(both)["samples"], encoded(lesson.learned)["samples"])


def test_forgetting_one_leaves_the_others_as_they_were(lesson, teacher, bundle, cuts):
    two = teacher.teach(lesson.learned, "other", cuts[:2]).learned
    left = without(two, "other")
    assert left.names == ("machine",) and encoded(left).keys() == encoded(lesson.learned).keys()
    assert all(
        np.array_equal(left_array, array)
        for left_array, array in zip(encoded(left).values(), encoded(lesson.learned).values())
    )
    assert without(two, "machine").names == ("other",)


def test_names_that_cannot_be(teacher, lesson):
    for name, more in (
        *(("dog", False), ("machine", False), ("", False), ("x" * 61, False), ("new", True)),
        *(("a\nb", False), ("a\x07", False)),
    ):
        with pytest.raises(UsageError):
            teacher.check_name(name, lesson.learned, more)
    teacher.check_name("machine", lesson.learned, more=True)


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_is_refused(level):
    rng = np.random.default_rng(0)
    with pytest.raises(AudioError, match="silence"):
        cut("quiet", (level * rng.standard_normal(RATE)).astype(np.float32), RATE)


def test_noise_is_refused_and_a_hum_is_not():
    rng = np.random.default_rng(0)
    with pytest.raises(AudioError, match="noise"):
        cut("hiss", (0.1 * rng.standard_normal(3 * RATE)).astype(np.float32), RATE)
    hum = (0.1 * np.sin(2 * np.pi * 100 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    assert cut("hum", hum, RATE).last_s == pytest.approx(3.0)


def test_an_example_is_cut_to_where_it_sounds():
    samples = np.zeros(20 * RATE, np.float32)
    samples[12 * RATE : 13 * RATE] = beeps(1000, 0)[RATE // 2 : 3 * RATE // 2]
    part = cut("long", samples, RATE)
    assert part.start_s == pytest.approx(12.0, abs=0.2) and len(part.samples) < 5 * RATE
    assert part.last_s - part.first_s < 1.3


def test_the_file_says_what_was_taught(home, lesson):
    path = home / "learned.npz"
    store.write(path, lesson.learned)
    assert path.stat().st_mode & 0o777 == 0o600
    again = read_learned(path)
    assert again.tags == lesson.learned.tags and again.bundle == lesson.learned.bundle
    assert all(np.array_equal(encoded(again)[name], array) for name, array in encoded(lesson.learned).items())


def test_a_changed_file_is_refused(home, lesson):
    path = home / "learned.npz"
    for name in encoded(lesson.learned):
        arrays = {key: array.copy() for key, array in encoded(lesson.learned).items()}
        arrays[name].reshape(-1)[-2:] = 3
        np.savez(path, **arrays)
        with pytest.raises(BundleError, match=r"learned\.npz"):
            read_learned(path)


def test_a_truncated_file_is_refused(home, lesson):
    path = home / "learned.npz"
    whole = store.content_of(lesson.learned)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleError):
            read_learned(path)


def test_another_bundles_file_is_not_applied(bundle, lesson):
    other = replace(bundle, description={**bundle.description, "sha256": "0" * 64})
    with pytest.raises(BundleError, match="another bundle"):
        lesson.learned.applied(other)


def test_what_goes_wrong_while_writing_leaves_the_old_file(home, lesson, bundle, monkeypatch):
    path = home / "learned.npz"
    store.write(path, lesson.learned)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        store.write(path, nothing_learned(bundle))
    assert path.read_bytes() == before and sorted(each.name for each in home.iterdir()) == [
        "learned.before.npz",
        "learned.npz",
    ]


def test_undo_takes_back_and_gives_back(home, lesson, bundle):
    path = home / "learned.npz"
    with pytest.raises(BowstreamError, match="nothing to undo"):
        store.undo(path)
    store.write(path, lesson.learned)
    store.undo(path)
    assert read_learned(path).names == ()
    store.undo(path)
    assert read_learned(path).names == ("machine",)


def test_two_processes_lose_nothing(recordings, home):
    def start(name):
        command = [sys.executable, "-m", "bowstream", "learn", name, str(recordings)]
        return warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    both = [start("one"), start("two")]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(read_learned(home / "config" / "bowstream" / "learned.npz").names) == ["one", "two"]


def test_the_command_line_teaches_lists_and_forgets(recordings, home, capsys):
    assert main(["learn", "machine", str(recordings)]) == 0
    assert "told apart from background sound in" in capsys.readouterr().out
    assert main(["learned", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["tag"] == "machine" and len(json.loads(line)["examples"]) == 3
    heard = home / "heard.wav"
    soundfile.write(heard, beeps(1050, 9), RATE)
    assert main(["replay", str(heard), "--csv"]) == 0
    assert ",machine," in capsys.readouterr().out
    assert main(["learn", "machine", "--more", str(heard)]) == 0  # a recording may come after an option
    assert "of 4 tries" in capsys.readouterr().out
    assert main(["forget", "machine"]) == 0
    assert main(["replay", str(heard), "--csv"]) == 0
    assert ",machine," not in capsys.readouterr().out.partition("onset_s")[2]
    assert main(["forget", "--undo"]) == 0
    assert "machine" in capsys.readouterr().out


def test_the_command_line_refuses_in_a_line(recordings, home, capsys):
    silent = home / "silent.wav"
    soundfile.write(silent, np.zeros(RATE, np.float32), RATE)
    for arguments, status in (
        (["learn", "dog", str(recordings)], 2),
        (["learn", "quiet", str(silent)], 1),
        (["learn", "absent", str(home / "absent.wav")], 1),
        (["forget", "absent"], 1),
        (["forget"], 2),
        (["forget", "machine", "--undo"], 2),
    ):
        assert main(arguments) == status, arguments
        out, err = capsys.readouterr()
        assert out == "" and 1 <= len(err.splitlines()) <= 2
    assert not (home / "config" / "bowstream" / "learned.npz").exists()


def test_a_tagger_knows_what_was_taught(recordings, home, bundle_path):
    assert main(["learn", "machine", str(recordings)]) == 0
    tagger = Tagger.load(learned=home / "config" / "bowstream" / "learned.npz")
    assert "machine" in tagger.tags
    assert tagger.tag(beeps(1050, 9)).top(1)[0][0] == "machine"


def test_noise_is_flat_and_steady():
    rng = np.random.default_rng(1)
    columns = rng.standard_normal((20, 1600)).astype(np.float32)
    assert is_noise(columns, np.zeros(20)) and not is_noise(columns, np.linspace(-20.0, 0.0, 20))


def test_a_writer_that_is_killed_leaves_a_whole_file(home, lesson, bundle):
    path, rng = home / "learned.npz", np.random.default_rng(0)
    store.write(path, lesson.learned)
    for _ in range(15):
        writer = os.fork()
        if not writer:
            while True:
                with store.alone(path):
                    store.write(
                        path, lesson.learned if store.read(path, bundle).names == () else nothing_learned(bundle)
                    )
        time.sleep(float(rng.uniform(0.01, 0.1)))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        assert read_learned(path).names in ((), ("machine",))
        assert read_learned(store.before(path)).names in ((), ("machine",))
    with store.alone(path):  # what the killed one held is free
        store.write(path, lesson.learned)
    assert not [each for each in home.iterdir() if each.name.endswith(".new")]


def test_a_full_disk_is_said_and_the_old_file_stays(tiny_disk, lesson, bundle, recordings, capsys):
    path = tiny_disk / "learned.npz"
    store.write(path, nothing_learned(bundle))
    before = path.read_bytes()
    (tiny_disk / "rest").write_bytes(bytes(48_000))
    assert main(["learn", "machine", str(recordings), "--learned", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and "No space left" in err
    assert path.read_bytes() == before
    assert sorted(each.name for each in tiny_disk.iterdir() if each.suffix == ".npz") == [
        "learned.before.npz",
        "learned.npz",
    ]


def test_a_file_that_another_holds_for_long_is_said(recordings, home, capsys, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE_S", 0.1)
    path = home / "config" / "bowstream" / "learned.npz"
    with store.alone(path):
        assert main(["learn", "machine", str(recordings)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "another bowstream is changing it" in line and not path.exists()


def test_what_would_be_too_large_to_read_is_not_written(home, lesson):
    path = home / "learned.npz"
    store.write(path, lesson.learned)
    before, (tag,) = path.read_bytes(), lesson.learned.tags
    long = replace(tag.examples[0], samples=np.ones(18_000_000, np.int16))
    with pytest.raises(BowstreamError, match="at most 33 MB"):
        store.write(path, lesson.learned.with_tag(replace(tag, examples=(long,))))
    assert path.read_bytes() == before
