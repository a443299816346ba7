"""The method's stages, as calls to be timed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from bowstream._types import Float32
from bowstream.audio.convert import Converter
from bowstream.bench.timing import Timed
from bowstream.events import EventTracker
from bowstream.model.bundle import Bundle
from bowstream.model.level import Level
from bowstream.model.log_mel import LogMel
from bowstream.model.patches import cut_env, cut_pat, join_fenv, narrow_o, shorten_o
from bowstream.tagger import Tagger

NATIVE_RATE_HZ = 48_000


def stages(bundle: Bundle, samples: Float32, hop_columns: int) -> dict[str, Timed]:
    """Return each stage of the method as a call that does what a hop takes."""
    front_end = bundle.front_end
    block = samples[: hop_columns * front_end.column_length]
    native = np.repeat(block, NATIVE_RATE_HZ // front_end.sample_rate)[:, np.newaxis]
    converter = Converter("bench", NATIVE_RATE_HZ, front_end.format, hop_columns)
    tagger = Tagger(bundle, hop_columns * bundle.front_end.column_s)
    tags = tagger.push(samples[: front_end.window_length])[-1]
    second = tagger.newest.log_mel().reshape(-1, front_end.frames_per_column, front_end.n_mels)
    columns, scaled = second[:hop_columns], second[:hop_columns].reshape(-1, front_end.n_mels)
    pat, narrow = cut_pat(tagger.encoder.quantise(second)), narrow_o(second)

    def cut() -> dict[str, NDArray[np.generic]]:
        quantised = tagger.encoder.quantise(columns)
        narrow_o(columns)
        of_window = {"fenv": join_fenv(pat)[np.newaxis], "o": shorten_o(narrow.reshape(1, -1, narrow.shape[-1]))}
        return {"pat": cut_pat(quantised), "env": cut_env(quantised), **of_window}

    log_mel, level = LogMel(front_end), Level(bundle.level, front_end) if bundle.level else None
    tracker = EventTracker(tagger.tracked, hop_columns * front_end.column_s)
    patches = cut()
    # Window after window, since a head may cost less the less they differ.
    contexts = cycle([scores.codes[np.newaxis] for scores in tagger.push(samples)])
    calls: dict[str, Callable[[], object]] = {
        "resample 48 kHz": lambda: converter.push(native),
        "log-mel": lambda: log_mel.push(block),
        **({"level": lambda: level.push(scaled)} if level else {}),
        "patches": cut,
    }
    for family, encoder in bundle.encoders.items():
        rows = patches[family].reshape(-1, patches[family].shape[-1])
        latents = encoder.network(rows).reshape(*patches[family].shape[:2], -1)
        calls[f"encoder {family}"] = lambda encoder=encoder, rows=rows: encoder.network(rows)  # type: ignore[misc]
        calls[f"assign {family}"] = lambda encoder=encoder, latents=latents: encoder.codebook.predict(latents)  # type: ignore[misc]
    calls["counts and head"] = lambda: bundle.head(next(contexts))
    calls["events"] = lambda: tracker.push(tags)
    return {name: Timed(call) for name, call in calls.items()}
