"""The room: what is drawn of it, and that what is taught is told from it; learning again with another bundle."""

from dataclasses import replace

import numpy as np
import pytest
from stage import RATE, Stage
from taught import a_correction, a_tag, taught
from test_learn import beeps, home, recordings  # noqa: F401

from bowstream import BundleError
from bowstream.cli.main import main
from bowstream.learn import room as room_module
from bowstream.learn import store
from bowstream.learn.fit import Background
from bowstream.learn.room import Room, read_room, write_room
from bowstream.learn.sound import cut
from bowstream.learn.teach import Teacher, kept_of
from bowstream.model.learned import nothing_learned
from bowstream.model.learned_file import read_learned
from bowstream.sinks.learning import Learning, Places


def windows(stage, n, every_s=room_module.APART_S, shape=(3, 143)):
    for number in range(n):
        stage.position_s = every_s * (number + 1)
        yield replace(stage.scores(), codes=np.full(shape, number % 500))


def test_every_window_is_as_likely(monkeypatch, bundle):
    monkeypatch.setattr(room_module, "MOST", 50)
    kept = []
    for seed in range(40):
        room = Room("00")
        room._rng = np.random.default_rng(seed)
        for scores in windows(Stage(), 200):
            room.score(scores)
        assert len(room.codes) == 50 and room.seen == 200
        kept += [int(codes[0, 0]) for codes in room.codes]
    quarters = np.bincount(np.array(kept) // 50, minlength=4) / len(kept)
    assert np.abs(quarters - 0.25).max() < 0.04


def test_windows_are_apart():
    room = Room("00")
    for scores in windows(Stage(), 100, every_s=1.0):
        room.score(scores)
    assert len(room.codes) == 10


def test_a_room_is_read_as_it_was_written_and_is_this_users(bundle, tmp_path):
    path, shape = tmp_path / "room.npz", (bundle.head.context, bundle.codes_per_window)
    room = Room(bundle.description["sha256"])
    for scores in windows(Stage(), 30, shape=shape):
        room.score(scores)
    write_room(path, room)
    again = read_room(path, bundle)
    assert np.array_equal(again.codes, room.codes) and again.seen == 30
    assert path.stat().st_mode & 0o777 == 0o600 and [each.name for each in tmp_path.iterdir()] == ["room.npz"]
    other = replace(bundle, description={**bundle.description, "sha256": "0" * 64})
    assert read_room(path, other).codes == [] and read_room(tmp_path / "absent.npz", bundle).codes == []
    write_room(path, Room(room.bundle, [np.full(shape, 65_000)], 1))
    with pytest.raises(BundleError, match=r"room\.npz"):
        read_room(path, bundle)
    path.write_bytes(b"PK")
    with pytest.raises(BundleError):
        read_room(path, bundle)


def test_a_listener_draws_and_goes_on_where_it_ended(bundle, tmp_path):
    places = Places(None, tmp_path / "learned.npz", tmp_path / "evidence.db", tmp_path / "state" / "room.npz")
    shape = (bundle.head.context, bundle.codes_per_window)
    for _ in range(2):
        with Learning(places, [Stage().info], bundle, lambda tag: tag) as sink:
            Stage().play(sink, windows(Stage(), 20, shape=shape))
        assert sink.report().lost == 0
    assert read_room(places.room, bundle).seen == 40
    places.room.write_bytes(b"PK")
    with Learning(places, [Stage().info], bundle, lambda tag: tag) as sink:
        assert "a new one is begun" in sink.warnings()[0]
    without = replace(places, room=None)
    with Learning(without, [Stage().info], bundle, lambda tag: tag) as sink:
        Stage().play(sink, windows(Stage(), 20, shape=shape))
    assert places.room.read_bytes() == b"PK"


def test_what_sounds_in_the_room_is_told_apart_and_the_sound_itself_in_it_does_no_harm():
    rng = np.random.default_rng(0)
    everyday = rng.standard_normal((2000, 8)).astype(np.float32)
    examples = [rng.standard_normal((4, 8)).astype(np.float32) + 6.0 * np.eye(8, dtype=np.float32)[0] for _ in range(3)]
    near = rng.standard_normal((100, 8)).astype(np.float32) + 3.5 * np.eye(8, dtype=np.float32)[0]
    alone, told = Background(everyday).fit(examples), Background(everyday, near).fit(examples)
    assert (told(near) > 0.0).mean() < 0.5 * (alone(near) > 0.0).mean()
    with_itself = Background(everyday, np.concatenate(examples)).fit(examples)
    assert with_itself(np.concatenate(examples)).mean() > 0.5 * alone(np.concatenate(examples)).mean()


# Learning again


@pytest.fixture(scope="module")
def teacher(bundle):
    return Teacher(bundle)


def test_what_was_kept_is_what_was_heard(teacher, bundle):
    part = cut("beep", beeps(1000, 0), RATE)
    kept = kept_of(teacher.teach(nothing_learned(bundle), "machine", [part], keep=True).tag.examples[0])
    assert np.abs(kept.samples - part.samples).max() < 1e-4
    assert (kept.first_s, kept.last_s, kept.name) == (part.first_s, pytest.approx(part.last_s), "beep")


def test_with_another_bundle_what_was_kept_is_learned_again(recordings, home, bundle, capsys):  # noqa: F811
    path = home / "config" / "bowstream" / "learned.npz"
    assert main(["learn", "machine", str(recordings), "--keep-examples"]) == 0
    ours = read_learned(path)
    foreign = replace(
        ours, bundle="0" * 64, tags=(*ours.tags, a_tag(bundle, "lathe")), corrections=(a_correction(bundle, "dog"),)
    )
    store.write(path, foreign)
    assert main(["replay", str(recordings)]) == 0
    assert capsys.readouterr().err.count("'bowstream learn --again'") == 1  # of three recordings
    assert main(["learn", "--again"]) == 1
    out, err = capsys.readouterr()
    assert (
        out == "learned again: machine\n"
        and "'lathe' is forgotten" in err
        and "the corrections of 'dog' are lost" in err
    )
    again = read_learned(path)
    assert again.names == ("machine",) and again.bundle == ours.bundle
    np.testing.assert_allclose(again.rows[0].weights, ours.rows[0].weights, atol=0.05)
    assert main(["learn", "--again"]) == 1
    assert "nothing to learn again" in capsys.readouterr().err
    for names in ("machine, lathe; corrected: dog", "machine"):
        assert main(["forget", "--undo"]) == 0
        assert capsys.readouterr().out == f"undone; what was taught: {names}\n"
    store.write(path, replace(taught(bundle, a_tag(bundle, "lathe")), bundle="0" * 64))
    before = path.read_bytes()
    assert main(["learn", "--again"]) == 1
    assert "nothing can be learned again" in capsys.readouterr().err and path.read_bytes() == before
    assert main(["learn", "--again", "--more"]) == 2
