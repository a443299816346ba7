"""Settings of the learned codebook: what is trained together, what is done to its sound, and its last head."""

from __future__ import annotations

from dataclasses import dataclass

from bowstream.config.fields import Checked, require, setting

# Parts of a batch of the joint training, each mixed in itself and with chance of its own: so many devices at most share
# a batch, and draw what one would.
BATCH_PARTS = 8


@dataclass(frozen=True)
class LearnedSettings(Checked):
    """The learned codebook: encoders, centroids and head trained together."""

    learned_width: int = setting(128, "hidden neurons per layer of `pat`'s encoder, for 120 patches per window", low=1)
    wide_width: int = setting(256, "hidden neurons per layer of the other encoders, for 23 patches together", low=1)
    latent: int = setting(32, "values of a latent vector", low=1)
    parts_a_band: int = setting(
        4, "parts of a latent vector of `pat` and `fenv`, each with its own centroids (product quantisation)", low=1
    )
    codes_a_band: int = setting(64, "centroids of a part, of a band of `pat` and of `fenv`", low=2)
    parts_a_family: int = setting(4, "parts of a latent vector of `env` and `o`", low=1)
    codes_a_family: int = setting(128, "centroids of a part of `env` and of `o`", low=2)
    usage: float = setting(1.0, "weight of the entropy of a codebook's use: without it most codes die", low=0.0)
    steps: int = setting(12_000, "training steps", low=1)
    batch: int = setting(128, f"streams per step, a multiple of {BATCH_PARTS}", low=2)
    stream_windows: int = setting(0, "windows per stream; fewer are cheaper; 0 for as many as the context", low=0)
    rate: float = setting(2e-3, "AdamW's learning rate after a short rise; falls to 0 as a cosine", low=0.0, high=1.0)
    decay: float = setting(0.05, "AdamW's weight decay", low=0.0)
    memory: float = setting(
        0.999, "decay of the moving average of the weights, which is what is kept", low=0.0, high=0.99999
    )
    yes_or_no: float = setting(
        0.2, "weight of the loss per tag (yes or no), beside the softmax loss over all tags", low=0.0
    )
    taught: float = setting(0.4, "weight of the loss per tag of the teacher (yes or no), where it was asked", low=0.0)
    smoothing: float = setting(
        0.1, "label smoothing: share of the targets that is spread over all tags", low=0.0, high=0.9
    )
    learned_head: int = setting(320, "neurons in each of the head's two hidden layers", low=1)
    dropout: float = setting(0.2, "share of the head's hidden neurons dropped", low=0.0, high=0.95)
    drop_counts: float = setting(0.15, "probability that an input count is set to 0", low=0.0, high=0.95)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.batch % BATCH_PARTS == 0, "batch", f"must be a multiple of {BATCH_PARTS} (got {self.batch})")
        for name in ("parts_a_band", "parts_a_family"):
            parts = getattr(self, name)
            require(self.latent % parts == 0, name, f"must divide latent, {self.latent} (got {parts})")


@dataclass(frozen=True)
class AugmentSettings(Checked):
    """What is done to sound that the learned codebook and its head learn from."""

    negative_share: float = setting(0.2, "largest share of windows that is drawn from negatives", low=0.0, high=1.0)
    tag_power: float = setting(
        0.3,
        "tags are drawn in proportion to this power of their number of clips; 0: all equally often",
        low=0.0,
        high=1.0,
    )
    source_power: float = setting(
        0.5, "a tag's sources are drawn in proportion to this power of their number of clips", low=0.0, high=1.0
    )
    gated: float = setting(0.2, "probability that one brief sound alone is left of a stream", low=0.0, high=1.0)
    smeared: float = setting(0.3, "probability that a stream reverberates as in a room", low=0.0, high=1.0)
    mixed: float = setting(0.45, "probability that a window is mixed with another", low=0.0, high=1.0)
    equaliser_db: float = setting(6.0, "spread of the random equaliser, in dB", low=0.0)
    tilt_db: float = setting(6.0, "largest tilt of a spectrum, in dB per octave", low=0.0)
    shift_bands: int = setting(4, "largest shift of a window, in bands up or down", low=0)
    stretch: float = setting(0.3, "largest change of speed, as a natural logarithm", low=0.0)
    mask_bands: int = setting(8, "most bands to mask", low=0)
    mask_frames: int = setting(12, "most frames to mask", low=0)
    narrowed: float = setting(
        0.15, "probability that a window loses its low and high bands, as by a telephone", low=0.0, high=1.0
    )
    noisy: float = setting(0.2, "probability that a window gets noise while encoders learn", low=0.0, high=1.0)
    audible_db: float = setting(30.0, "leave out windows whose peak is more than so many dB below the clip's", low=0.0)


@dataclass(frozen=True)
class RefitSettings(Checked):
    """The last head, fitted on what the exported encoders of the learned codebook give."""

    refit_windows: int = setting(6, "augmented streams per clip to fit it on", low=1)
    refit_epochs: int = setting(4, "passes over them; 0 keeps the head as it was trained with the encoders", low=0)
    refit_noisy: float = setting(0.3, "probability that a window gets noise here", low=0.0, high=1.0)
    refit_batch: int = setting(256, "windows per step", low=1)
    refit_rate: float = setting(5e-4, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0, high=1.0)


@dataclass(frozen=True)
class HeadTrials(Checked):
    """Heads that are trained by themselves, on encoders that stay as they are."""

    windows: int | None = setting(None, "seconds that heads hear; if not set, as in the training", low=1)
    streams: int = setting(40_000, "augmented streams that heads learn from", low=1000)
    epochs: int = setting(10, "passes over them", low=1)
    seeds: int = setting(2, "heads each, of which the mean counts", low=1)
