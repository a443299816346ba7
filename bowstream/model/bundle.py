"""A model bundle: everything that turns samples into scores, and the proof that it still does.

A folder with `bundle.json` (parameters, tags, thresholds, licences, hashes), `encoder_*.tflite`,
`head.tflite`, `codebooks.npz` and `probe.npz`. Nothing in it is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bowstream._types import Float32
from bowstream.errors import BundleError
from bowstream.model.codebook import Codebook
from bowstream.model.context import times_shown
from bowstream.model.encoder import Encoder
from bowstream.model.level import LevelSettings
from bowstream.model.log_mel import FrontEnd
from bowstream.model.patches import FAMILIES, bands_of, input_sizes, patches_per_window
from bowstream.model.tflite import Model

FORMAT = "bowstream-bundle-2"
DESCRIPTION = "bundle.json"
HEAD = "head.tflite"
CODEBOOKS = "codebooks.npz"
PROBE = "probe.npz"
ENCODERS = {family: f"encoder_{family}.tflite" for family in FAMILIES}
FILES = (*ENCODERS.values(), HEAD, CODEBOOKS, PROBE)

COUNT_TRANSFORMS: Mapping[str, Callable[[Float32], Float32]] = {"none": np.positive, "sqrt": np.sqrt, "log": np.log1p}


@dataclass(frozen=True)
class Tag:
    """One name, with the scores at which its events begin (`on`) and end (`off`)."""

    name: str
    on: float
    off: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.off <= self.on <= 1.0:
            raise BundleError(f"tag {self.name!r} wants 0 <= off <= on <= 1, got on={self.on} and off={self.off}")


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle.

    description : `bundle.json` as it was read
    context : windows that are heard together, the newest and those before it
    competition : how much of a window's evidence the tags share, 0 … 1; see `compete`
    outputs : which of the head's outputs the tags are; None for all, in their order
    """

    name: str
    path: Path
    front_end: FrontEnd
    level: LevelSettings | None
    encoders: Mapping[str, Encoder]
    head: Model
    tags: tuple[Tag, ...]
    count_transform: str
    context: int
    slopes: Float32
    biases: Float32
    competition: float
    description: Mapping[str, Any]
    outputs: tuple[int, ...] | None = None

    def scores(self, counts: np.ndarray[Any, Any]) -> Float32:
        """Return the calibrated scores of counts, int [shape=(windows, K)] -> float32 [shape=(windows, C)], 0 … 1."""
        if not len(counts):
            return np.empty((0, len(self.tags)), np.float32)
        logits = np.concatenate([self.head(row[np.newaxis]) for row in self._head_inputs[counts]])
        logits = compete(logits, self.competition)
        scores: Float32 = 1.0 / (1.0 + np.exp(-(self.slopes * logits + self.biases)))
        return scores if self.outputs is None else scores[:, self.outputs]

    @cached_property
    def _head_inputs(self) -> np.ndarray[Any, Any]:
        """What the head takes for a count of 0, 1 … as many as a context has codes: worked out once."""
        codes = self.context * sum(patches_per_window(self.front_end).values())
        counts = np.arange(codes + 1, dtype=np.float32)
        return self.head.quantisation.quantise(COUNT_TRANSFORMS[self.count_transform](counts))


def compete(logits: Float32, competition: float) -> Float32:
    """Lower the logits (windows, C) of each window by a share of the log of their summed odds, and of none's, 1.

    At 0 each tag is judged alone; at 1 a tag's logit is the log of its share among all, as in a softmax.
    """
    log_odds: Float32 = np.logaddexp.reduce(logits, axis=1, keepdims=True, initial=0.0)
    return logits - np.float32(competition) * log_odds


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
        contents = {name: verified(path, name, dict(description["files"])) for name in FILES}
        bundle = Bundle(
            name=description["name"],
            path=path,
            front_end=FrontEnd(**description["front_end"]),
            level=LevelSettings(**description["level"]) if description["level"] else None,
            encoders=read_encoders(contents),
            head=Model(contents[HEAD], HEAD),
            tags=tuple(Tag(tag["name"], float(tag["on"]), float(tag["off"])) for tag in description["tags"]),
            count_transform=description["count_transform"],
            context=int(description["context"]),
            slopes=np.array([tag["slope"] for tag in description["tags"]], np.float32),
            biases=np.array([tag["bias"] for tag in description["tags"]], np.float32),
            competition=float(description["competition"]),
            description=description,
        )
        check_shapes(bundle)
        check_origin(description)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise BundleError(f"{path / DESCRIPTION} lacks or misstates {error}: it is not a whole bundle") from error
    return bundle, read_arrays(contents[PROBE], PROBE)


def read_description(path: Path) -> Mapping[str, Any]:
    """Return `bundle.json`, verified against its own digest."""
    file = path / DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(f"{path} is no bundle: there is no {DESCRIPTION} in it") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"{file} cannot be read: {error}") from error
    found = description.get("format") if isinstance(description, dict) else None
    if found != FORMAT:
        raise BundleError(f"{file} has format {found!r}, wanted {FORMAT!r}: it belongs to another version or program")
    if description.get("sha256") != digest(description):
        raise BundleError(f"{file} does not match its own sha256: it was changed or damaged after it was made")
    return description


def verified(path: Path, name: str, hashes: Mapping[str, str]) -> bytes:
    """Return a file's content, if its SHA-256 is the one in the description."""
    try:
        content = (path / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{path / name} cannot be read: {error.strerror}; copy the bundle anew") from error
    if hashlib.sha256(content).hexdigest() != hashes.get(name):
        raise BundleError(f"{path / name} does not match its sha256 in {DESCRIPTION}: copy the bundle anew")
    return content


def read_arrays(content: bytes, name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an npz file; objects are refused."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{name} is no npz file of plain arrays: {error}") from error


def read_encoders(contents: Mapping[str, bytes]) -> dict[str, Encoder]:
    """Return each family's network with its codebook."""
    centroids = read_arrays(contents[CODEBOOKS], CODEBOOKS)
    if set(centroids) != set(FAMILIES):
        raise BundleError(f"{CODEBOOKS} holds {', '.join(centroids)}, wanted {', '.join(FAMILIES)}")
    return {
        family: Encoder(Model(contents[ENCODERS[family]], family), Codebook(centroids[family])) for family in FAMILIES
    }


def check_shapes(bundle: Bundle) -> None:
    """Raise `BundleError` unless networks, codebooks, head and tags fit together."""
    if bundle.context < 1:
        raise BundleError(f"{bundle.path / DESCRIPTION} wants a context of at least 1 window, got {bundle.context}")
    wanted, found = {}, {}
    for family, size in input_sizes(bundle.front_end).items():
        network, codebook = bundle.encoders[family].network, bundle.encoders[family].codebook
        wanted[ENCODERS[family]] = (size, codebook.n_values)
        found[ENCODERS[family]] = (network.n_inputs, network.n_outputs)
    n_counts = sum(len(encoder.codebook) for encoder in bundle.encoders.values())
    wanted[HEAD] = (times_shown(bundle.context) * n_counts, len(bundle.tags))
    found[HEAD] = (bundle.head.n_inputs, bundle.head.n_outputs)
    for name in wanted:
        if wanted[name] != found[name]:
            raise BundleError(f"{bundle.path / name} maps {found[name]} values, the bundle wants {wanted[name]}")
    for family, encoder in bundle.encoders.items():
        bands = bands_of(family, bundle.front_end)
        if encoder.codebook.n_bands not in (1, bands):
            raise BundleError(f"{CODEBOOKS} has {encoder.codebook.n_bands} codebooks for {family}, wanted 1 or {bands}")
    names = [tag.name for tag in bundle.tags]
    if len(set(names)) != len(names):
        raise BundleError(f"{bundle.path / DESCRIPTION} names a tag twice")
    if bundle.count_transform not in COUNT_TRANSFORMS:
        raise BundleError(f"{bundle.path / DESCRIPTION} wants the unknown count transform {bundle.count_transform!r}")
    if not 0.0 <= bundle.competition <= 1.0:
        raise BundleError(f"{bundle.path / DESCRIPTION} wants a competition of 0 … 1, got {bundle.competition}")
    if not (np.isfinite(bundle.slopes).all() and np.isfinite(bundle.biases).all()):
        raise BundleError(f"{bundle.path / DESCRIPTION} wants finite slopes and biases")


def check_origin(description: Mapping[str, Any]) -> None:
    """Raise `KeyError` or `TypeError` unless a bundle says where it comes from, its licence and how good it is."""
    for field in ("created", "git_revision", "trained_on"):
        str(description[field])
    dict(description["licences"]), dict(description["metrics"])
