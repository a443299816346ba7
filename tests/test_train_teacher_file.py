"""A file of teacher scores: what is read from it, and what is refused."""

import numpy as np
import pytest

from train.dataset.errors import DataError
from train.dataset.teacher import read_teacher


def teacher_file(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_a_teacher_tells_of_the_parts_of_a_recording(tmp_path):
    file = teacher_file(
        tmp_path / "teacher.npz",
        labels=["Siren"],
        clips_ids=["c.wav"],
        clips=np.array([[0.3]]),
        windows_ids=["a.ogg", "b"],
        windows=np.array([[0.9], [0.1], [0.2], [0.5], [0.4], [0.0], [0.7]]),
        windows_first=[0, 1, 7],
    )
    teacher = read_teacher(file)
    assert teacher.along("b.ogg", 3)[:, 0] == pytest.approx([0.2, 0.5, 0.7])
    assert teacher.along("b.ogg", 1)[:, 0] == pytest.approx([0.7])
    assert teacher.along("b.ogg", 12)[:, 0] == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.5, 0.5, 0.4, 0.4, 0, 0, 0.7, 0.7])
    assert teacher.along("c.wav", 2)[:, 0] == pytest.approx([0.3, 0.3])
    assert teacher.along("d.ogg", 2) is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": ["a"]}, "must hold labels, NAME_ids and NAME"),
        ({"labels": ["a"], "x_ids": ["1"], "x": np.zeros((1, 2))}, "must have a column for each of 1 labels"),
        ({"labels": ["a"], "x_ids": ["1"], "x": np.full((1, 1), 1.5)}, "must hold scores of 0 … 1"),
        ({"labels": ["a"], "x_ids": ["1"], "x": np.full((1, 1), np.nan)}, "must hold scores of 0 … 1"),
        (
            {"labels": ["a"], "x_ids": ["1"], "x": np.zeros((2, 1))},
            "x must have a row for each of x_ids, or x_first",
        ),
        (
            {"labels": ["a"], "x_ids": ["1", "2"], "x": np.zeros((2, 1)), "x_first": [0, 2]},
            "x must have a row for each of x_ids, or x_first",
        ),
    ],
)
def test_a_broken_teacher_is_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        read_teacher(teacher_file(tmp_path / "t.npz", **arrays))


def test_what_is_no_npz_is_no_teacher(tmp_path):
    (tmp_path / "t.npz").write_text("scores")
    with pytest.raises(DataError, match="is no npz file of plain arrays"):
        read_teacher(tmp_path / "t.npz")
