"""Read this first: the whole method.

    samples ─► log-mel ─► level ─► patches ─► encoders ─► nearest centroids ─► context ─► counts ─► head ─► scores

Source: P. Verma, "Attention is All You Need? Good Embeddings with Statistics are Enough: Large Scale Audio
Understanding without Transformers / Convolutions / BERTs / Mixers / Attention / RNNs or …", 2022.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from bowstream._given import PATH, check_if_any
from bowstream._types import Float32
from bowstream.audio.feed import Feed
from bowstream.errors import AudioError, UsageError
from bowstream.model.bundle import Bundle, default_path, read
from bowstream.model.codebook import Codes
from bowstream.model.columns import Columns
from bowstream.model.context import Context
from bowstream.model.encoder import WindowEncoder
from bowstream.model.onset import BANDS
from bowstream.model.probe import verify
from bowstream.model.sensitivity import USUAL
from bowstream.model.sliding import joined
from bowstream.result import Result
from bowstream.scores import Scores

AT_ONCE = 40  # columns that a long block is pushed in


class Tagger:
    """Names the sounds of a recording (`tag`) or of a stream (`feed`, `finish`); a file is a stream that never waits.

    The scores depend on the samples alone, not on how many come at a time. Nothing is computed before it is due, or
    `newest.log_mel()` is called. Taggers of one bundle share its networks: use them in one thread.

    Parameters
    ----------
    bundle : a loaded model bundle
    hop_s : seconds between two scores: 0.1, 0.2, … 1.0
    sensitivity : 0 … 1, moves the scores of all tags; 0.5 leaves them as they were calibrated

    Raises
    ------
    UsageError
        If the bundle is not loaded, or the hop or the sensitivity out of range.
    """

    def __init__(self, bundle: Bundle, hop_s: float = 1.0, sensitivity: float = USUAL) -> None:
        if not isinstance(bundle, Bundle):
            raise UsageError(f"bundle must be a loaded Bundle (got {type(bundle).__name__}): see Tagger.load")
        hop_columns = bundle.front_end.columns_in(hop_s)
        self.hop_s, self.sensitivity = hop_s, sensitivity
        self.retag(bundle)
        self.front_end, self._feed = bundle.front_end, Feed(bundle.front_end.format)
        self.columns = Columns(bundle.front_end, bundle.level)
        self.encoder = WindowEncoder(bundle.encoders, bundle.front_end, hop_columns)
        self.context = Context(bundle.head.context, -(-bundle.front_end.columns_per_window // hop_columns))
        self.reset()

    @classmethod
    def load(
        cls,
        path: Path | str | None = None,
        hop_s: float = 1.0,
        sensitivity: float = USUAL,
        learned: Path | str | None = None,
    ) -> Tagger:
        """Load a bundle, verify its hashes, run its probe and return a tagger of it.

        Parameters
        ----------
        path : the bundle's folder; None for the one that is shipped
        hop_s, sensitivity : as of the tagger
        learned : file of what was taught, as `bowstream learn` writes it; its tags come after the bundle's

        Raises
        ------
        BundleError
            If a file is missing, damaged, changed or of another format, or the probe fails, or what was learned
            belongs to another bundle.
        UsageError
            If an argument is not of its type, or out of range as for the tagger.
        """
        check_if_any(PATH, path=path, learned=learned)
        bundle, probe = read(Path(path) if path is not None else default_path())
        verify(cls(bundle), probe)
        if learned is not None:
            from bowstream.model.learned_file import read_learned

            bundle = read_learned(Path(learned)).applied(bundle)
        return cls(bundle, hop_s, sensitivity)

    def tag(self, sound: str | os.PathLike[str] | ArrayLike, sample_rate: int | None = None) -> Result:
        """Score a whole recording; the stream that is being fed is left alone.

        Parameters
        ----------
        sound : a file that soundfile reads, or an array as in `feed`
        sample_rate : of an array, in Hz; None for 16 kHz

        Raises
        ------
        AudioError
            If the file cannot be read, or the sound is empty or not finite.
        UsageError
            If the array or its rate is no sound, or a rate is given for a file.
        """
        one = Tagger(self.bundle, self.hop_s, self.sensitivity)
        if isinstance(sound, (str, os.PathLike)):
            if sample_rate is not None:
                raise UsageError("sample_rate must be left out for a file: the file has one")
            scores = one._read(sound)
        else:
            scores = [*one._push_long(one._feed.push(sound, sample_rate)), *one._push_long(one._feed.finish())]
        if not one.position:
            raise AudioError("there is no audio in it (0 samples)")
        end_s = one.position / one.front_end.sample_rate
        return Result.of([*scores, *one.flush()], one.tracked, self.hop_s, end_s)

    def feed(self, block: ArrayLike, sample_rate: int | None = None) -> list[Scores]:
        """Take the next block of a stream and return the scores of the windows that it completes, if any.

        Parameters
        ----------
        block : int16, int32 or float in -1 … 1 [shape=(n,) or (n, channels)], of any length
        sample_rate : in Hz, the same for the whole stream; None for that of the block before, at first 16 kHz

        Raises
        ------
        AudioError
            If a sample is not finite.
        UsageError
            If the block or its rate is no sound, or another rate than before.
        """
        return self._push_long(self._feed.push(block, sample_rate))

    def finish(self) -> list[Scores]:
        """Return the scores that are still due, the last window filled with silence; the next block begins a stream."""
        scores = [*self._push_long(self._feed.finish()), *self.flush()]
        self.reset()
        return scores

    def retag(self, bundle: Bundle) -> None:
        """Score other tags, or corrected ones, from the next window on; all else of the bundle must be the same."""
        logits = bundle.sensitivity.shift(self.hop_s, self.sensitivity)
        self.bundle, self.head = bundle, bundle.head.shifted(logits)
        self.tags = tuple(tag.name for tag in bundle.tags)
        self.tracked = tuple(tag.shifted(logits) for tag in bundle.tags)

    def reset(self) -> None:
        """Begin a new stream at sample 0."""
        self.position = 0
        self.newest = self.columns.push(np.empty(0, np.float32))
        self._feed.reset()
        self._forget()

    def _read(self, path: str | os.PathLike[str]) -> list[Scores]:
        from bowstream.audio.file import AudioFile  # with its decoders, which a microphone does without

        with AudioFile(os.fspath(path), self.front_end.format) as recording:
            return [scores for block in recording for scores in self.push(block.samples)]

    def _push_long(self, samples: Float32) -> list[Scores]:
        """Push any number of columns, some at a time: what is computed of them takes little memory."""
        length = AT_ONCE * self.front_end.column_length
        parts = (samples[first : first + length] for first in range(0, len(samples), length))
        return [scores for part in parts for scores in self.push(part)]

    def gap(self, samples: int) -> None:
        """Step over lost samples: no window reaches across them."""
        self.position += samples
        self._forget()

    def _forget(self) -> None:
        self.columns.reset()
        self._levels = np.empty((0, BANDS), np.float32)
        self.encoder.reset()
        self.context.reset()

    def push(self, samples: Float32) -> list[Scores]:
        """Take the next whole columns and return the scores of each window that they complete.

        Parameters
        ----------
        samples : float32 [shape=(columns * 1600,)], in -1 … 1, 16 kHz mono

        Raises
        ------
        ValueError
            If the samples are not float32 or not whole columns.
        """
        self.newest = self.columns.push(samples)
        self.position += len(samples)
        missing = self.samples_missing
        if missing > 0:
            return []
        codes = self.context.push(self.encoder.push(self.columns.take()))
        length, hop = self.front_end.column_length, self.encoder.hop_columns
        ends = range(self.position + missing, self.position + 1, hop * length)
        windows = zip(ends, self.head(codes), codes, self._since_last(self.columns.levels, ends))
        return [self._named(*window) for window in windows]

    def explain(self, scores: Scores) -> dict[str, Float32]:
        """Return how much the codes of each family raise each tag: its score, less its score without them.

        Returns
        -------
        gains : float32 [shape=(C,)] of each family, -1 … 1
        """
        offsets = self.encoder.offsets
        parts = [slice(*edges) for edges in pairwise([*offsets.values(), self.encoder.n_counts])]
        return dict(zip(offsets, scores.array - self.head.without(scores.codes, parts)))

    def flush(self) -> list[Scores]:
        """Complete the window that has begun, if any, with silence, and return its scores."""
        if not self.columns.waiting + self.encoder.columns_since_window:
            return []
        return self.push(np.zeros(self.samples_missing, np.float32))

    @property
    def samples_missing(self) -> int:
        """How many samples complete the next window; negative by those that came after it."""
        return (self.encoder.columns_until_window - self.columns.waiting) * self.front_end.column_length

    def __repr__(self) -> str:
        return f"Tagger({self.bundle.name!r}, {len(self.tags)} tags, hop_s={self.hop_s:g})"

    def _named(self, end: int, scores: Float32, codes: Codes, levels: Float32) -> Scores:
        rate, length = self.front_end.sample_rate, self.front_end.window_length
        return Scores(self.tags, scores, (end - length) / rate, end / rate, codes, levels=levels)

    def _since_last(self, levels: Float32, ends: range) -> list[Float32]:
        """Return the levels of the columns up to the ends of windows, each from the one before; the rest waits."""
        if len(self._levels):
            levels = joined([self._levels, levels])
        stops = [len(levels) - (self.position - end) // self.front_end.column_length for end in ends]
        self._levels = levels[stops[-1] :]
        return [levels[start:stop] for start, stop in zip([0, *stops], stops)]


def load_bundle(path: Path | str | None = None) -> Bundle:
    """Load a bundle as `Tagger.load` does, for its description or for several taggers."""
    return Tagger.load(path).bundle
