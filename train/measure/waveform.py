"""Another tagger, such as YAMNet: a TFLite network from a window of samples to a score for each of its labels."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bowstream.errors import UsageError
from bowstream.model.tflite import load_runtime

from ..dataset.data import Float32
from ..dataset.scenes import decoded
from ..dataset.tables import read_cells, read_rows

NAMES = "display_name"


@dataclass(frozen=True)
class WaveformTagger:
    """A network that hears samples at bowstream's own rate.

    window_length : samples that it hears at a time
    embeds : whether it returns, after the scores, what its last layer is given
    """

    path: Path
    labels: tuple[str, ...]
    window_length: int
    embeds: bool = False

    def scores(self, samples: Float32, hop_length: int) -> Float32:
        """Return the scores of windows that begin a hop apart, float32 [shape=(windows, L)].

        The last windows are completed with silence, so that each sample has a part in some window, as with bowstream.
        """
        count = max(1, -(-max(0, len(samples) - self.window_length) // hop_length) + 1)
        padded = np.zeros((count - 1) * hop_length + self.window_length, np.float32)
        padded[: len(samples)] = samples
        network = loaded(self.path, self.embeds)
        return np.stack(
            [
                network(padded[first : first + self.window_length])
                for first in range(0, len(padded) - self.window_length + 1, hop_length)
            ]
        )

    def hear(self, path: Path, hop_length: int) -> Float32:
        """Return the scores of a recording, decoded as bowstream does."""
        return self.scores(decoded(path), hop_length)

    @property
    def embedding(self) -> WaveformTagger:
        """The same, but for what its last layer is given, after the scores."""
        return replace(self, embeds=True)


class Network:
    """The interpreter of a waveform tagger; with `embeds` it returns what its last layer is given, after the scores."""

    def __init__(self, path: Path, embeds: bool = False) -> None:
        _, interpreter = load_runtime()
        kept = {"experimental_preserve_all_tensors": True} if embeds else {}
        try:
            self._interpreter = interpreter(model_content=path.read_bytes(), num_threads=1, **kept)
            self._interpreter.allocate_tensors()
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(f"{path} is no TFLite network that can be run: {error}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        sizes = [int(np.prod(detail["shape"])) for detail in (inputs[0], outputs[0])]
        if len(inputs) != 1 or max(inputs[0]["shape"]) != sizes[0] or max(outputs[0]["shape"]) != sizes[1]:
            raise UsageError(f"{path} must map one window of samples to a row of scores")
        if inputs[0]["dtype"] != np.float32 or outputs[0]["dtype"] != np.float32:
            raise UsageError(f"{path} must take and give float32")
        self._input, self._shape = inputs[0]["index"], inputs[0]["shape"]
        self.window_length, self.n_labels = sizes
        scores = outputs[0]["index"]
        self._outputs = [scores, self._last_inside(scores)] if embeds else [scores]

    def _last_inside(self, scores: int) -> int:
        """Return the index of the last tensor before that of the scores that is one row, but none of scores."""
        details = self._interpreter.get_tensor_details()[:scores]
        shapes = {int(each["index"]): tuple(each["shape"]) for each in details}
        rows = [index for index, shape in shapes.items() if len(shape) > 1 and max(shape) == np.prod(shape)]
        return max(index for index in rows if shapes[index][-1] != self.n_labels)

    def __call__(self, window: Float32) -> Float32:
        """Return the scores of a window, and what they are made of if it embeds, float32 (samples,) -> (L,)."""
        self._interpreter.set_tensor(self._input, window.reshape(self._shape))
        self._interpreter.invoke()
        values = [self._interpreter.get_tensor(place).reshape(-1) for place in self._outputs]
        return np.concatenate(values).astype(np.float32)


@functools.lru_cache(1)
def loaded(path: Path, embeds: bool = False) -> Network:
    """Return a network; a process loads it once."""
    return Network(path, embeds)


def waveform_tagger(path: Path, labels: Path) -> WaveformTagger:
    """Return a tagger and its labels.

    Parameters
    ----------
    labels : a CSV with a column display_name, as YAMNet's class map, or a text file with a label a line

    Raises
    ------
    UsageError
        If it is none, or there are too few or too many labels.
    """
    network = Network(path)
    header = read_cells(labels)[0][1] if labels.suffix.lower() == ".csv" else []
    if NAMES in header:
        names = [row[NAMES] for row in read_rows(labels, NAMES)]
    else:
        names = labels.read_text("utf-8").splitlines()
    if len(names) != network.n_labels:
        raise UsageError(f"{path} gives {network.n_labels} scores, {labels} names {len(names)} labels")
    return WaveformTagger(path, tuple(names), network.window_length)
