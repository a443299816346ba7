"""A bundle that is damaged, tampered with or foreign is refused with the reason."""

import hashlib
import io
import json
import pickle
import shutil

import numpy as np
import pytest

from bowstream import BundleError, load_bundle
from bowstream import bundle as bundle_module
from bowstream.bundle import CODEBOOKS, DESCRIPTION, ENCODERS, FILES, HEAD, PROBE, digest
from bowstream.cli import main


class Copy:
    """A copy of the shipped bundle, to be spoiled. Files are links until they are written."""

    def __init__(self, source, path):
        self.path = path
        path.mkdir()
        for name in FILES:
            (path / name).symlink_to(source / name)
        shutil.copy(source / DESCRIPTION, path / DESCRIPTION)

    def write(self, name, content):
        (self.path / name).unlink()
        (self.path / name).write_bytes(content)

    def flip(self, name):
        """Change one bit in the middle."""
        content = bytearray((self.path / name).read_bytes())
        content[len(content) // 2] ^= 1
        self.write(name, bytes(content))

    @property
    def description(self):
        return json.loads((self.path / DESCRIPTION).read_text("utf-8"))

    def describe(self, description, sign=True):
        """Write a description; signed, its digest is right, as that of a bundle made by other means would be."""
        if sign:
            description["sha256"] = digest(description)
        (self.path / DESCRIPTION).write_text(json.dumps(description), "utf-8")

    def replace(self, name, content):
        """Put another file in, with its hash in the description."""
        self.write(name, content)
        description = self.description
        description["files"][name] = hashlib.sha256(content).hexdigest()
        self.describe(description)

    def arrays(self, name):
        with np.load(self.path / name, allow_pickle=False) as arrays:
            return dict(arrays)

    def replace_arrays(self, name, **arrays):
        content = io.BytesIO()
        np.savez(content, **arrays)
        self.replace(name, content.getvalue())


@pytest.fixture
def copy(bundle_path, tmp_path):
    return Copy(bundle_path, tmp_path / "copy")


def assert_refused(copy, match, capsys):
    """The library raises, `check` and `replay` say it in one line and exit with 1."""
    with pytest.raises(BundleError, match=match) as refusal:
        load_bundle(copy.path)
    assert "\n" not in str(refusal.value)
    for command in (["check", str(copy.path)], ["replay", "--bundle", str(copy.path), "none.wav"]):
        assert main(command) == 1
        out, err = capsys.readouterr()
        assert command[0] == "check" or out == ""
        assert err in (f"bowstream: {refusal.value}\n", "")
        assert err or "FAILED" in out  # check shows a probe that fails


def test_an_untouched_copy_is_taken(copy):
    assert load_bundle(copy.path).description == load_bundle().description


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file(name, copy, capsys):
    copy.flip(name)
    assert_refused(copy, f"{name} does not match its sha256", capsys)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(name, copy, capsys):
    (copy.path / name).unlink()
    assert_refused(copy, f"{name} cannot be read: No such file", capsys)


def test_a_cut_file(copy, capsys):
    copy.write(HEAD, (copy.path / HEAD).read_bytes()[:-1])
    assert_refused(copy, "does not match its sha256", capsys)


def test_no_bundle_at_all(copy, capsys):
    (copy.path / DESCRIPTION).unlink()
    assert_refused(copy, r"is no bundle: there is no bundle\.json", capsys)


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


@pytest.mark.parametrize("field", ["on", "off", "slope", "name"])
def test_a_tampered_tag(field, copy, capsys):
    description = copy.description
    tag = description["tags"][0]
    tag[field] = "cat burglar" if field == "name" else tag[field] * 0.5
    copy.describe(description, sign=False)
    assert_refused(copy, "does not match its own sha256", capsys)


def test_a_tampered_licence(copy, capsys):
    description = copy.description
    description["licences"] = {"weights": "anything goes"}
    copy.describe(description, sign=False)
    assert_refused(copy, "does not match its own sha256", capsys)


def test_a_swapped_file_hash(copy, capsys):
    description = copy.description
    description["files"][HEAD] = description["files"][PROBE]
    copy.describe(description)
    assert_refused(copy, f"{HEAD} does not match its sha256", capsys)


@pytest.mark.parametrize(
    "field",
    [
        *("front_end", "level", "tags", "files", "count_transform", "name"),
        *("created", "git_revision", "trained_on", "licences", "metrics"),
    ],
)
def test_a_description_that_lacks_a_field(field, copy, capsys):
    description = copy.description
    del description[field]
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|does not match", capsys)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("front_end", {"colour": "red"}),
        ("front_end", {"n_mels": "many"}),
        ("front_end", {"n_mels": 40}),
        ("front_end", {"hop_length": 0}),
        ("front_end", {"frames_per_column": 0}),
        ("front_end", {"power_floor": -1.0}),
        ("front_end", {"win_length": 481}),
        ("front_end", []),
        ("level", {"range_db": "loud"}),
        ("level", {"range_db": 0}),
        ("level", {"quietest": None}),
        ("level", 3),
        ("tags", []),
        ("tags", {}),
        ("tags", [{"name": "dog"}]),
        ("tags", 7),
        ("files", {}),
        ("files", []),
        ("files", 3),
        ("count_transform", "cube"),
        ("count_transform", ["sqrt"]),
        ("licences", None),
        ("metrics", 0.5),
    ],
    ids=str,
)
def test_a_description_that_misstates_a_field(field, value, copy, capsys):
    description = copy.description
    description[field] = value
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|wants|does not match|fails", capsys)


@pytest.mark.parametrize(
    "tag",
    [
        {"on": 0.3, "off": 0.6},
        {"on": 1.5},
        {"off": -0.1},
        {"on": "high"},
        {"on": float("nan")},
        {"slope": float("inf")},
    ],
    ids=str,
)
def test_senseless_thresholds(tag, copy, capsys):
    description = copy.description
    description["tags"][1].update(tag)
    copy.describe(description)
    assert_refused(copy, "lacks or misstates|wants|fails", capsys)


def test_a_tag_named_twice(copy, capsys):
    description = copy.description
    description["tags"][1]["name"] = description["tags"][0]["name"]
    copy.describe(description)
    assert_refused(copy, "names a tag twice", capsys)


def test_a_tag_too_few(copy, capsys):
    description = copy.description
    description["tags"].pop()
    copy.describe(description)
    assert_refused(copy, f"{HEAD} maps .* values, the bundle wants", capsys)


def test_encoders_that_changed_places(copy, capsys):
    pat, env = ((copy.path / ENCODERS[family]).read_bytes() for family in ("pat", "env"))
    copy.replace(ENCODERS["pat"], env)
    copy.replace(ENCODERS["env"], pat)
    assert_refused(copy, "maps .* values, the bundle wants", capsys)


def test_a_network_that_is_none(copy, capsys):
    copy.replace(ENCODERS["o"], b"not a flatbuffer at all")
    assert_refused(copy, "o is no model that this TFLite runtime can run", capsys)


def test_codebooks_of_another_shape(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    copy.replace_arrays(CODEBOOKS, **{**arrays, "pat": arrays["pat"][:, 1:]})
    assert_refused(copy, "maps .* values, the bundle wants", capsys)


def test_codebooks_with_a_code_too_few(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    copy.replace_arrays(CODEBOOKS, **{**arrays, "pat": arrays["pat"][1:]})
    assert_refused(copy, f"{HEAD} maps", capsys)


def test_codebooks_of_other_families(copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    arrays["tap"] = arrays.pop("pat")
    copy.replace_arrays(CODEBOOKS, **arrays)
    assert_refused(copy, "wanted pat, fenv, env, o", capsys)


@pytest.mark.parametrize(
    "spoil", [lambda c: c.astype(np.float64), lambda c: c * np.nan, np.ravel], ids=["float64", "nan", "flat"]
)
def test_codebooks_that_are_no_numbers(spoil, copy, capsys):
    arrays = copy.arrays(CODEBOOKS)
    with np.errstate(all="ignore"):
        copy.replace_arrays(CODEBOOKS, **{**arrays, "o": spoil(arrays["o"])})
    assert_refused(copy, "a codebook wants finite float32", capsys)


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
    assert_refused(copy, f"{name} is no npz file of plain arrays", capsys)
    assert not Bomb.exploded


def test_the_bomb_works():
    """Else the test above could not fail."""
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.exploded
    Bomb.exploded = False


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"junk"], ids=["empty", "cut", "junk"])
def test_an_npz_that_is_none(content, copy, capsys):
    copy.replace(PROBE, content)
    assert_refused(copy, f"{PROBE} is no npz file of plain arrays", capsys)


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
    assert_refused(copy, "lacks or misstates|fails the bundle's probe", capsys)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(BundleError, match="is no bundle"):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match=r"is no bundle|cannot be read"):
        load_bundle(tmp_path / "file")


def test_the_shipped_bundle_says_what_it_is(bundle, bundle_path):
    """What it was trained on, under which licence, how well, from which revision; under 25 MB."""
    description = bundle.description
    assert "ESC-50" in description["trained_on"]
    assert "BY-NC" in json.dumps(description["licences"])
    assert description["git_revision"]
    assert description["created"]
    assert description["metrics"]
    assert len(bundle.tags) == 50
    assert set(description["files"]) == set(FILES)
    assert sum((bundle_path / name).stat().st_size for name in FILES) < 25e6


def test_check_prints_the_shipped_bundle(capsys, bundle):
    assert main(["check"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for text in ("passed", "ESC-50", "BY-NC", "of 143 codes differ", bundle.tags[0].name):
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
    monkeypatch.setattr(bundle_module, "__file__", str(package / "bundle.py"))
    assert bundle_module.default_path() == package / "models" / "default"
    (package / "models" / "default").rmdir()
    assert bundle_module.default_path() == tmp_path / "models" / "default"
