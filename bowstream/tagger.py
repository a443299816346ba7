"""Read this first: the whole method.

    samples ─► log-mel ─► level ─► patches ─► encoders ─► nearest centroids ─► context ─► counts ─► head ─► scores

Source: P. Verma, "Attention is All You Need? Good Embeddings with Statistics are Enough: Large Scale Audio
Understanding without Transformers / Convolutions / BERTs / Mixers / Attention / RNNs or …", 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream._types import Float32
from bowstream.model.bundle import Bundle, default_path, read
from bowstream.model.codebook import Codes
from bowstream.model.context import Context, shown, times_shown
from bowstream.model.encoder import Coder, Counts
from bowstream.model.level import Level
from bowstream.model.log_mel import LogMel
from bowstream.model.probe import verify


@dataclass(frozen=True)
class Tags:
    """What was heard in one window, and what the head was shown for it.

    end : sample at which the window ends, at the front end's rate
    scores : float32 [shape=(C,)], 0 … 1, in the order of the bundle's tags
    codes : int [shape=(context, 143)], of the windows before it and, last, its own; each offset by its family's place
        in the counts
    """

    end: int
    scores: Float32
    codes: Codes


class Tagger:
    """Names the sounds of a stream; a file is a stream that never waits.

    State is the log-mel's tail, the level's peaks, the coder's window and the context's codes; `newest_log_mel`
    is what the encoders saw of the last push, for whoever draws it. The scores depend on the samples alone, not
    on how many are pushed at a time.

    Parameters
    ----------
    bundle : a loaded model bundle
    hop_columns : columns (of 100 ms) between two scores, 1 … 10
    """

    def __init__(self, bundle: Bundle, hop_columns: int = 10) -> None:
        self.bundle = bundle
        self.front_end = bundle.front_end
        self.log_mel = LogMel(bundle.front_end)
        self.level = Level(bundle.level, bundle.front_end) if bundle.level else None
        self.coder = Coder(bundle.encoders, bundle.front_end, hop_columns)
        self.context = Context(bundle.context, -(-bundle.front_end.columns_per_window // hop_columns))
        self.position = 0
        self.newest_log_mel = np.empty((0, bundle.front_end.n_mels), np.float32)

    @classmethod
    def load(cls, path: Path | str | None = None, hop_columns: int = 10) -> Tagger:
        """Load a bundle, verify its hashes, run its probe and return a tagger of it.

        Parameters
        ----------
        path : the bundle's folder; None for the one that is shipped
        hop_columns : as above

        Raises
        ------
        BundleError
            If a file is missing, damaged, changed or of another format, or the probe fails.
        """
        bundle, probe = read(Path(path) if path is not None else default_path())
        verify(cls(bundle), probe)
        return cls(bundle, hop_columns)

    def reset(self) -> None:
        """Begin a new stream at sample 0."""
        self.position = 0
        self._forget()

    def gap(self, samples: int) -> None:
        """Step over lost samples: no window reaches across them."""
        self.position += samples
        self._forget()

    def _forget(self) -> None:
        self.log_mel.reset()
        if self.level:
            self.level.reset()
        self.coder.reset()
        self.context.reset()

    def push(self, samples: Float32) -> list[Tags]:
        """Hear the next whole columns and return a `Tags` for each window that they complete.

        Parameters
        ----------
        samples : float32 [shape=(columns * 1600,)], in -1 … 1, 16 kHz mono

        Raises
        ------
        ValueError
            If the samples are not float32 or not whole columns.
        """
        log_mel = self.log_mel.push(samples)
        if self.level:
            log_mel = self.level.push(log_mel)
        self.newest_log_mel = log_mel
        ends = self._ends(len(samples) // self.front_end.column_length)
        codes = self.context.push(self.coder.push(log_mel))
        self.position += len(samples)
        scores = self.bundle.scores(self.counts(codes))
        return [Tags(end, *heard) for end, heard in zip(ends, zip(scores, codes))]

    def counts(self, codes: Codes) -> Counts:
        """Return what the head is shown of the codes of contexts, int (n, context, 143)."""
        return shown(self.coder.counts(codes))

    def explain(self, tags: Tags) -> dict[str, Float32]:
        """Say how much each family's codes speak for each tag: the score, less the score without their counts.

        Returns
        -------
        gains : float32 [shape=(C,)] a family, -1 … 1
        """
        counts = self.counts(tags.codes[np.newaxis])
        first = list(self.coder.offsets.values())
        family = np.searchsorted(first, np.arange(self.coder.n_counts), side="right") - 1
        family = np.tile(family, times_shown(self.bundle.context))
        without = np.where(family == np.arange(len(first))[:, np.newaxis], 0, counts)
        return dict(zip(self.coder.offsets, tags.scores - self.bundle.scores(without)))

    def flush(self) -> list[Tags]:
        """Hear as much silence as completes the window that has been begun, if any, and return its `Tags`."""
        if not self.coder.columns_since_window:
            return []
        silence = self.coder.columns_until_window * self.front_end.column_length
        return self.push(np.zeros(silence, np.float32))

    def _ends(self, columns: int) -> range:
        """Positions at which the next columns complete windows."""
        length = self.front_end.column_length
        first = self.position + self.coder.columns_until_window * length
        return range(first, self.position + columns * length + 1, self.coder.hop_columns * length)


def load_bundle(path: Path | str | None = None) -> Bundle:
    """Load a bundle as `Tagger.load` does, for its description or for several taggers."""
    return Tagger.load(path).bundle
