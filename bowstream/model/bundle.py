"""A model bundle: everything that turns samples into scores, and the proof that it still does.

A folder with `bundle.json` (parameters, tags, thresholds, licences, hashes), `encoder_*.tflite`,
`head_rows.npz` (the head's first layer) and `head.tflite` (the rest), `codebooks.npz` and `probe.npz`. Nothing in it
is unpickled. `background.npz`, if there is one, is read when something is learned. Bundles of the format before have
the whole head in `head.tflite`, and cost more to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bowstream.errors import BundleError
from bowstream.model.archive import read_arrays, read_file
from bowstream.model.codebook import Codebook
from bowstream.model.encoder import Encoder
from bowstream.model.front_end import FrontEnd
from bowstream.model.head import Head, times_shown
from bowstream.model.level import LevelSettings
from bowstream.model.patches import FAMILIES, families_of_codes, input_sizes, patches_per_window
from bowstream.model.sensitivity import Sensitivity, read_sensitivity
from bowstream.model.sparse import SparseNetwork
from bowstream.model.tags import Tag
from bowstream.model.tflite import Model

FORMAT, WHOLE_HEAD_FORMAT = "bowstream-bundle-3", "bowstream-bundle-2"
DESCRIPTION = "bundle.json"
HEAD, HEAD_ROWS = "head.tflite", "head_rows.npz"
CODEBOOKS = "codebooks.npz"
PROBE = "probe.npz"
ENCODERS = {family: f"encoder_{family}.tflite" for family in FAMILIES}
BACKGROUND = "background.npz"  # everyday sound, for what is learned on the device; a bundle may do without
FILES = (*ENCODERS.values(), HEAD_ROWS, HEAD, CODEBOOKS, PROBE)


@dataclass(frozen=True)
class Bundle:
    """A bundle as it was read.

    Attributes
    ----------
    name : as `bundle.json` has it
    path : the folder
    front_end, level, encoders, head : the method's parts, in its order; no `level` for an absolute one
    tags : names and thresholds, in the order of the head's scores
    sensitivity : how scores move with the setting of that name and with the hop
    description : `bundle.json`
    """

    name: str
    path: Path
    front_end: FrontEnd
    level: LevelSettings | None
    encoders: Mapping[str, Encoder]
    head: Head
    tags: tuple[Tag, ...]
    sensitivity: Sensitivity
    description: Mapping[str, Any]

    def with_tags(self, tags: Mapping[int, Tag]) -> Bundle:
        """Return the bundle with some of its tags, renamed perhaps; they are given by their place among all."""
        outputs = self.head.outputs or range(len(self.tags))
        head = replace(self.head, outputs=tuple(outputs[place] for place in tags))
        return replace(self, tags=tuple(tags.values()), head=head)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of all that the network of the head gives, in its order; tags that do not ship are among them."""
        return tuple(tag["name"] for tag in self.description["tags"])

    @property
    def codes_per_window(self) -> int:
        """How many codes a window has: a patch has one, or one per part of its vector."""
        parts = {family: encoder.codebook.n_parts for family, encoder in self.encoders.items()}
        return len(families_of_codes(self.front_end, parts))

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, {len(self.tags)} tags, {str(self.path)!r})"


def digest(description: Mapping[str, Any]) -> str:
    """SHA-256 of a description without its own `sha256`, as sorted compact JSON."""
    content = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def default_path() -> Path:
    """Return the folder of the bundle that is shipped: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parents[1]
    shipped, checkout = here / "models" / "default", here.parent / "models" / "default"
    return shipped if shipped.is_dir() else checkout


def read(path: Path) -> tuple[Bundle, dict[str, np.ndarray[Any, Any]]]:
    """Read and verify a bundle without running its probe; return it and the probe's arrays."""
    description = read_description(path)
    try:
        names = [name for name in FILES if name != HEAD_ROWS or description["format"] != WHOLE_HEAD_FORMAT]
        hashes = dict(description["files"])
        contents = {name: verified(path, name, hashes) for name in names}
        if BACKGROUND in hashes:
            verified(path, BACKGROUND, hashes)
        bundle = Bundle(
            name=description["name"],
            path=path,
            front_end=FrontEnd(**description["front_end"]),
            level=LevelSettings.read(description["level"]) if description["level"] else None,
            encoders=read_encoders(contents),
            head=read_head(description, contents),
            tags=tuple(
                Tag(tag["name"], float(tag["on"]), float(tag["off"]), str(tag.get("group", "")), usual_of(tag))
                for tag in description["tags"]
            ),
            sensitivity=read_sensitivity(description),
            description=description,
        )
        check_shapes(bundle)
        check_origin(description)
        works = [ships(tag) for tag in description["tags"]]
        if not all(works):
            bundle = bundle.with_tags({place: tag for place, tag in enumerate(bundle.tags) if works[place]})
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError) as error:
        raise BundleError(f"{path / DESCRIPTION} lacks or misstates {error}: the bundle is damaged") from error
    return bundle, read_arrays(contents[PROBE], PROBE)


def read_description(path: Path) -> Mapping[str, Any]:
    """Return `bundle.json`, verified against its own digest."""
    file = path / DESCRIPTION
    try:
        if not file.exists():
            raise BundleError(f"{path} is not a bundle: it has no {DESCRIPTION}")
        description: dict[str, Any] = json.loads(read_file(file), parse_constant=no_number)
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{file} cannot be read: {error}") from error
    format = description.get("format") if isinstance(description, dict) else None
    if format not in (FORMAT, WHOLE_HEAD_FORMAT):
        raise BundleError(
            f"{file} must have format {FORMAT!r} (got {format!r}): it belongs to another version or program"
        )
    if description.get("sha256") != digest(description):
        raise BundleError(f"{file} does not match its own sha256: it was changed or damaged after it was made")
    return description


def ships(tag: Mapping[str, Any]) -> bool:
    """Whether a tag of a description works; the head also has outputs for others: they take part in the softmax."""
    return bool(tag.get("works", True))


def usual_of(tag: Mapping[str, Any]) -> float | None:
    """Return what a tag usually scores, as a logit, by `bundle.json`; older bundles do not say."""
    return None if tag.get("usual") is None else float(tag["usual"])


def no_number(name: str) -> float:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"numbers must be finite (got {name})")


def verified(path: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """Return a file's content, if its SHA-256 is the one in the description."""
    content = read_file(path / name)
    if hashlib.sha256(content).hexdigest() != hashes.get(name):
        raise BundleError(f"{path / name} does not match its sha256 in {DESCRIPTION}: copy the bundle again")
    return content


def read_encoders(contents: Mapping[str, bytes]) -> dict[str, Encoder]:
    """Return each family's network with its codebook."""
    centroids = read_arrays(contents[CODEBOOKS], CODEBOOKS)
    if set(centroids) != set(FAMILIES):
        raise BundleError(f"{CODEBOOKS} must hold {', '.join(FAMILIES)} (got {', '.join(centroids)})")
    return {
        family: Encoder(Model(contents[ENCODERS[family]], family), Codebook(centroids[family])) for family in FAMILIES
    }


def read_head(description: Mapping[str, Any], contents: Mapping[str, bytes]) -> Head:
    """Return the head of a description."""
    network = Model(contents[HEAD], HEAD)
    rows = read_arrays(contents[HEAD_ROWS], HEAD_ROWS) if HEAD_ROWS in contents else None
    return Head(
        network=network if rows is None else SparseNetwork(rows, network, HEAD_ROWS),
        count_transform=description["count_transform"],
        context=int(description["context"]),
        patches=sum(patches_per_window(FrontEnd(**description["front_end"])).values()),
        slopes=np.array([tag["slope"] for tag in description["tags"]], np.float32),
        biases=np.array([tag["bias"] for tag in description["tags"]], np.float32),
        softmax_weight=float(description["competition"]),
    )


def check_shapes(bundle: Bundle) -> None:
    """Raise `BundleError` unless networks, codebooks, head and tags fit together."""
    expected, actual = {}, {}  # values in and out
    for family, size in input_sizes(bundle.front_end).items():
        network, codebook = bundle.encoders[family].network, bundle.encoders[family].codebook
        expected[ENCODERS[family]] = (size, codebook.n_values)
        actual[ENCODERS[family]] = (network.n_inputs, network.n_outputs)
    n_counts = sum(len(encoder.codebook) for encoder in bundle.encoders.values())
    expected[HEAD] = (times_shown(bundle.head.context) * n_counts, len(bundle.tags))
    actual[HEAD] = (bundle.head.network.n_inputs, bundle.head.network.n_outputs)
    for name in expected:
        if expected[name] != actual[name]:
            raise BundleError(f"{bundle.path / name} must map {expected[name]} values (got {actual[name]})")
    for family, encoder in bundle.encoders.items():
        bands = FAMILIES[family].bands(bundle.front_end)
        if encoder.codebook.n_bands not in (1, bands):
            raise BundleError(
                f"{CODEBOOKS} must hold 1 or {bands} codebooks for {family} (got {encoder.codebook.n_bands})"
            )
    names = [tag.name for tag in bundle.tags]
    if len(set(names)) != len(names):
        raise BundleError(f"{bundle.path / DESCRIPTION} names a tag twice")


def check_origin(description: Mapping[str, Any]) -> None:
    """Raise `KeyError` or `TypeError` unless a bundle states its name, origin, licences and metrics."""
    texts = [description[field] for field in ("name", "created", "git_revision", "trained_on")]
    texts += [tag["name"] for tag in description["tags"]]
    for field in ("licences", "metrics"):
        if not isinstance(description[field], dict):
            raise TypeError(f"{field}, which must be an object")
    for text in (*texts, *description["licences"].values()):
        if not isinstance(text, str):
            raise TypeError(f"{text!r}, which must be a string")
