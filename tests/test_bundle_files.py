"""A bundle whose networks, codebooks or probe do not fit, or hold more than numbers, is refused with the reason."""

import io
import pickle

import numpy as np
import pytest
from spoiling import assert_refused

from bowstream.model.bundle import CODEBOOKS, ENCODERS, HEAD, PROBE


def test_encoders_that_changed_places(copy, capsys):
    pat, env = ((copy.path / ENCODERS[family]).read_bytes() for family in ("pat", "env"))
    copy.replace(ENCODERS["pat"], env)
    copy.replace(ENCODERS["env"], pat)
    assert_refused(copy, "must map .* values", capsys)


def test_a_network_that_is_none(copy, capsys):
    copy.replace(ENCODERS["o"], b"not a flatbuffer at all")
    assert_refused(copy, "o is not a model that this TFLite runtime can run", capsys)


def test_codebooks_of_another_shape(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    copy.replace_arrays(CODEBOOKS, **{**arrays, "pat": arrays["pat"][:, 1:]})
    assert_refused(copy, "must map .* values", capsys)


def test_codebooks_with_a_code_too_few(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    copy.replace_arrays(CODEBOOKS, **{**arrays, "pat": arrays["pat"][1:]})
    assert_refused(copy, f"{HEAD} must map", capsys)


def test_codebooks_of_other_families(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    arrays["tap"] = arrays.pop("pat")
    copy.replace_arrays(CODEBOOKS, **arrays)
    assert_refused(copy, "must hold pat, fenv, env, o", capsys)


@pytest.mark.parametrize(
    "spoil", [lambda c: c.astype(np.float64), lambda c: c * np.nan, np.ravel], ids=["float64", "nan", "flat"]
)
def test_codebooks_that_are_no_numbers(spoil, copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    with np.errstate(all="ignore"):
        copy.replace_arrays(CODEBOOKS, **{**arrays, "o": spoil(arrays["o"])})
    assert_refused(copy, "a codebook must be finite float32", capsys)


class Bomb:
    """Unpickling this would leave a mark."""

    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, "exploded", True)


@pytest.mark.parametrize("name", [CODEBOOKS, PROBE])
@pytest.mark.parametrize("wrapped", [True, False], ids=["in an npz", "bare"])
def test_nothing_is_unpickled(name, wrapped, copy, capsys):
    if wrapped:
        content = io.BytesIO()
        np.savez(content, pat=np.array([Bomb()], object))
        copy.replace(name, content.getvalue())
    else:
        copy.replace(name, pickle.dumps(Bomb()))
    assert_refused(copy, f"{name} must be an npz file of plain arrays", capsys)
    assert not Bomb.exploded


def test_the_bomb_works():
    """Else the test above could not fail."""
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.exploded
    Bomb.exploded = False


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"junk"], ids=["empty", "cut", "junk"])
def test_an_npz_that_is_none(content, copy, capsys):
    copy.replace(PROBE, content)
    assert_refused(copy, f"{PROBE} must be an npz file of plain arrays", capsys)


@pytest.mark.parametrize(("key", "by"), [("log_mel", 0.02), ("codes", 1), ("scores", 0.1)])
def test_a_probe_that_fails(key, by, copy, capsys):
    arrays = copy.arrays(PROBE)
    arrays[key] = arrays[key] + np.asarray(by, arrays[key].dtype)
    copy.replace_arrays(PROBE, **arrays)
    assert_refused(copy, "fails the bundle's probe", capsys)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays.pop("codes"),
        lambda arrays: arrays.update(samples=arrays["samples"][:-1]),
        lambda arrays: arrays.update(samples=arrays["samples"][:1600]),
        lambda arrays: arrays.update(samples=arrays["samples"].astype(np.float64)),
        lambda arrays: arrays.update(codes=arrays["codes"][:-1]),
        lambda arrays: arrays.update(scores=arrays["scores"] * np.nan),
        lambda arrays: arrays.update(scores=np.array("text")),
    ],
    ids=["no codes", "a sample too few", "a column", "float64", "a code too few", "nan", "text"],
)
def test_a_probe_that_is_none(spoil, copy, capsys):
    arrays = copy.arrays(PROBE)
    with np.errstate(all="ignore"):
        spoil(arrays)
    copy.replace_arrays(PROBE, **arrays)
    assert_refused(copy, "lacks or misstates|fails the bundle's probe|plain arrays", capsys)
