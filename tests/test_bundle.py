"""A bundle that is damaged is refused with the reason; the shipped one is whole, and says what it is."""

import json

import numpy as np
import pytest
from spoiling import assert_refused

from bowstream import BundleError, load_bundle
from bowstream.cli.main import main
from bowstream.model import bundle as bundle_module
from bowstream.model.bundle import BACKGROUND, DESCRIPTION, FILES, HEAD, PROBE
from bowstream.model.head import normalise


def test_an_untouched_copy_is_taken(copy):
    assert load_bundle(copy.path).description == load_bundle().description


@pytest.mark.parametrize("name", (*FILES, BACKGROUND))
def test_a_damaged_file(name, copy, capsys):
    copy.flip(name)
    assert_refused(copy, f"{name} does not match its sha256", capsys)


@pytest.mark.parametrize("name", (*FILES, BACKGROUND))
def test_a_missing_file(name, copy, capsys):
    (copy.path / name).unlink()
    assert_refused(copy, f"{name} cannot be read: No such file", capsys)


def test_a_cut_file(copy, capsys):
    copy.write(HEAD, (copy.path / HEAD).read_bytes()[:-1])
    assert_refused(copy, "does not match its sha256", capsys)


def test_no_bundle_at_all(copy, capsys):
    (copy.path / DESCRIPTION).unlink()
    assert_refused(copy, r"is not a bundle: it has no bundle\.json", capsys)


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1', "\xff", "[" * 100_000], ids=["empty", "open", "cut", "latin", "deep"]
)
def test_a_damaged_description(text, copy, capsys):
    (copy.path / DESCRIPTION).write_bytes(text.encode("latin-1"))
    assert_refused(copy, "cannot be read", capsys)


@pytest.mark.parametrize("content", ["[]", "null", "1", '"text"', "{}", '{"format": "other-1"}'])
def test_a_foreign_description(content, copy, capsys):
    (copy.path / DESCRIPTION).write_text(content)
    assert_refused(copy, "belongs to another version or program", capsys)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(BundleError, match="is not a bundle"):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match=r"is not a bundle|cannot be read"):
        load_bundle(tmp_path / "file")


def test_the_shipped_bundle_says_what_it_is(bundle, bundle_path):
    """What it was trained on, under which licence, how well, from which revision; under 25 MB."""
    description = bundle.description
    assert "ESC-50" in description["trained_on"]
    assert "BY-NC" in json.dumps(description["licences"])
    assert description["git_revision"]
    assert description["created"]
    assert description["metrics"]
    assert len(bundle.tags) >= 50
    assert set(description["files"]) == {*FILES, BACKGROUND}
    assert sum((bundle_path / name).stat().st_size for name in (*FILES, BACKGROUND)) < 25e6


def test_check_prints_the_shipped_bundle(capsys, bundle):
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in ("passed", "ESC-50", "BY-NC", "codes differ", bundle.tags[0].name):
        assert text in out
    assert main(["check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    assert found["tags"] == json.loads(json.dumps(bundle.description["tags"]))


def test_check_says_that_a_probe_fails(copy, capsys):
    arrays = copy.arrays(PROBE)
    copy.replace_arrays(PROBE, **{**arrays, "scores": arrays["scores"] + np.float32(0.2)})
    assert main(["check", str(copy.path)]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert main(["check", "--json", str(copy.path)]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_the_default_is_the_shipped_one(monkeypatch, tmp_path):
    """Inside the installed package if it is there, else beside it in a checkout."""
    package = tmp_path / "bowstream"
    (package / "models" / "default").mkdir(parents=True)
    monkeypatch.setattr(bundle_module, "__file__", str(package / "model" / "bundle.py"))
    assert bundle_module.default_path() == package / "models" / "default"
    (package / "models" / "default").rmdir()
    assert bundle_module.default_path() == tmp_path / "models" / "default"


def test_tags_compete_from_not_at_all_to_a_softmax():
    logits = np.random.default_rng(0).normal(0.0, 4.0, (5, 7)).astype(np.float32)
    assert np.array_equal(normalise(logits, 0.0), logits)
    shares = np.exp(normalise(logits, 1.0))
    none = 1.0 / (1.0 + np.exp(logits).sum(axis=1))
    np.testing.assert_allclose(shares.sum(axis=1) + none, 1.0, rtol=1e-5)
    np.testing.assert_allclose(normalise(logits, 0.5), 0.5 * (logits + normalise(logits, 1.0)), rtol=1e-5, atol=1e-5)
    assert normalise(logits, 0.5).dtype == np.float32
