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

    learned_width: int = setting(128, "hidden neurons a layer of `pat`'s encoder, for 120 patches a window", low=1)
    wide_width: int = setting(256, "hidden neurons a layer of the other encoders, for 23 patches together", low=1)
    latent: int = setting(32, "values of a latent vector", low=1)
    parts_a_band: int = setting(
        4, "parts of a latent vector of `pat` and `fenv`, each with its own centroids (product quantisation)", low=1
    )
    codes_a_band: int = setting(64, "centroids of a part, of a band of `pat` and of `fenv`", low=2)
    parts_a_family: int = setting(4, "parts of a latent vector of `env` and `o`", low=1)
    codes_a_family: int = setting(128, "centroids of a part of `env` and of `o`", low=2)
    usage: float = setting(1.0, "weight of the entropy of a codebook's use: without it most codes die", low=0.0)
    steps: int = setting(12_000, "training steps", low=1)
    batch: int = setting(128, f"streams a step, a multiple of {BATCH_PARTS}", low=2)
    stream_windows: int = setting(0, "windows of a stream; fewer are cheaper; 0: as many as the context", low=0)
    rate: float = setting(2e-3, "AdamW's learning rate after a short rise; falls to 0 as a cosine", low=0.0, high=1.0)
    decay: float = setting(0.05, "AdamW's weight decay", low=0.0)
    memory: float = setting(
        0.999, "how slowly the mean of the last weights, which is kept, forgets", low=0.0, high=0.99999
    )
    yes_or_no: float = setting(0.2, "weight of a yes or no for each tag, beside the tags' shares of a softmax", low=0.0)
    taught: float = setting(0.4, "weight of a yes or no for each of the teacher's tags, where it was asked", low=0.0)
    smoothing: float = setting(0.1, "share of the targets that is spread over all tags", low=0.0, high=0.9)
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

    negative_share: float = setting(0.2, "share of windows drawn from negatives at most", low=0.0, high=1.0)
    tag_power: float = setting(
        0.3, "a tag is drawn as often as this power of its clips; 0 draws all tags as often", low=0.0, high=1.0
    )
    source_power: float = setting(
        0.5, "a source is drawn for a tag as often as this power of its clips", low=0.0, high=1.0
    )
    gated: float = setting(0.2, "probability that one brief sound alone is left of a stream", low=0.0, high=1.0)
    smeared: float = setting(0.3, "probability that a stream reverberates as in a room", low=0.0, high=1.0)
    mixed: float = setting(0.45, "probability that a window is mixed with another", low=0.0, high=1.0)
    equaliser_db: float = setting(6.0, "spread of the random equaliser", low=0.0)
    tilt_db: float = setting(6.0, "decibels an octave that a spectrum is tilted at most", low=0.0)
    shift_bands: int = setting(4, "bands that a window is shifted up or down at most", low=0)
    stretch: float = setting(0.3, "natural log of the speed at most", low=0.0)
    mask_bands: int = setting(8, "bands masked at most", low=0)
    mask_frames: int = setting(12, "frames masked at most", low=0)
    narrowed: float = setting(
        0.15, "probability that a window loses its low and high bands, as by a telephone", low=0.0, high=1.0
    )
    noisy: float = setting(0.2, "probability that a window gets noise while encoders learn", low=0.0, high=1.0)
    audible_db: float = setting(30.0, "windows whose peak is further below the clip's are not learned from", low=0.0)


@dataclass(frozen=True)
class RefitSettings(Checked):
    """The last head, fitted on what the exported encoders of the learned codebook give."""

    refit_windows: int = setting(6, "augmented streams a clip that it is fitted on", low=1)
    refit_epochs: int = setting(4, "passes over them; 0 keeps the head as it was trained with the encoders", low=0)
    refit_noisy: float = setting(0.3, "probability that a window gets noise here", low=0.0, high=1.0)
    refit_batch: int = setting(256, "windows a step", low=1)
    refit_rate: float = setting(5e-4, "Adam's learning rate at the start; falls to 0 as a cosine", low=0.0, high=1.0)
