"""One model three times over: in Keras, as TFLite on cached features, and on the device's path from the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import bowstream
from bowstream.audio.file import AudioFile
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codebook
from bowstream.model.context import Context
from bowstream.model.encoder import Encoder, WindowEncoder
from bowstream.model.head import normalise, shown
from bowstream.model.patches import FAMILIES, families_of_codes
from bowstream.model.tflite import UNQUANTISED
from bowstream.tagger import Tagger

from ..common.progress import track
from ..dataset.data import DataSet, Float32, Index
from ..dataset.features import Features
from ..model.bundle import Parts
from ..model.calibrate import sigmoid
from ..model.codebook import CENTROIDS
from ..model.counts import transformed
from ..model.encoder import ENCODER
from ..model.head import HEAD
from .evaluate import CLIPS, Held, measure, spread
from .trial import Study, Trial

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Outcome:
    """Codes, int [shape=(windows, context, P)], and scores, float32 [shape=(windows, C)], of some clips."""

    codes: Index
    scores: Float32


class KerasNetwork:
    """A Keras model in the place of a TFLite one."""

    quantisation = UNQUANTISED

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf

        self.n_inputs, self.n_outputs = model.input_shape[-1], model.output_shape[-1]
        rows = tf.TensorSpec((None, self.n_inputs), tf.float32)
        self._graph = tf.function(lambda rows: model(rows, training=False), input_signature=[rows])

    def __call__(self, rows: Float32) -> Float32:
        """Return (rows, n_outputs) for (rows, n_inputs)."""
        return np.asarray(self._graph(rows))


def compare(study: Study, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return what `compare_one` says of each trial: the mean, the largest of what is largest, all clips."""
    parts = [compare_one(study, trial) for trial in trials]

    def merged(name: str, values: Sequence[Any]) -> Any:
        if isinstance(values[0], dict):
            return {key: merged(key, [value[key] for value in values]) for key in values[0]}
        if name == "clips":
            return sum(values)
        return max(values) if name.startswith("largest") else round(float(np.mean(values)), 5)

    of_all: dict[str, Any] = merged("", parts)
    return of_all


def compare_one(study: Study, trial: Trial) -> dict[str, Any]:
    """Return how far Keras, TFLite and the device's path part on held-out clips: codes changed, scores, the cost."""
    sound, data, loaded = study.sound, study.data, bowstream.load_bundle(trial.shipped)
    clips = spread(trial.split.held, CLIPS)
    of_float = in_keras(sound, clips, trial.parts, loaded)
    of_int8 = on_features(sound, clips, loaded)
    of_device = on_device(data, clips, loaded)
    clip = sound.clip_of_window()[sound.windows(clips)]
    per_patch = {family: encoder.codebook.n_parts for family, encoder in loaded.encoders.items()}
    families = np.array(families_of_codes(sound.front_end, per_patch))
    changed, off_device = of_float.codes != of_int8.codes, of_int8.codes != of_device.codes

    def share(differs: Index, family: str) -> float:
        return round(float(differs[..., families == family].mean()), 5)

    return {
        "clips": len(clips),
        "codes_changed_keras_to_tflite": {family: share(changed, family) for family in FAMILIES},
        "codes_changed_tflite_to_device": {family: share(off_device, family) for family in FAMILIES},
        "largest_score_difference_keras_to_tflite": float(np.abs(of_float.scores - of_int8.scores).max()),
        "mean_score_difference_keras_to_tflite": float(np.abs(of_float.scores - of_int8.scores).mean()),
        "largest_score_difference_tflite_to_device": float(np.abs(of_int8.scores - of_device.scores).max()),
        "keras": measure(Held(of_float.scores, clip), data.presence(), data.single_label),
        "tflite": measure(Held(of_int8.scores, clip), data.presence(), data.single_label),
        "device": measure(Held(of_device.scores, clip), data.presence(), data.single_label),
    }


def in_keras(sound: Features, clips: Index, parts: Parts, bundle: Bundle) -> Outcome:
    """Codes and scores of the networks before export, with the codebooks that ship."""
    import keras

    encoders = {}
    for family, network in parts.networks.items():
        codebook = Codebook(np.load(parts.codebooks[family] / CENTROIDS))
        encoders[family] = Encoder(KerasNetwork(keras.models.load_model(network / ENCODER)), codebook)
    encoder = WindowEncoder(encoders, sound.front_end, sound.front_end.columns_per_window)
    codes = all_codes(encoder, bundle.head.context, sound, clips, "Keras")
    head = keras.models.load_model(parts.head / HEAD)
    logits = head.predict(transformed(shown(encoder.counts(codes)), bundle.head.count_transform), verbose=0)
    return Outcome(codes, sigmoid(normalise(logits, bundle.head.softmax_weight)))


def on_features(sound: Features, clips: Index, bundle: Bundle) -> Outcome:
    """Codes and scores of the exported networks on cached features."""
    encoder = WindowEncoder(bundle.encoders, sound.front_end, sound.front_end.columns_per_window)
    codes = all_codes(encoder, bundle.head.context, sound, clips, "TFLite")
    return Outcome(codes, bundle.head(codes))


def on_device(data: DataSet, clips: Index, bundle: Bundle) -> Outcome:
    """Codes and scores of a tagger that hears the files."""
    tagger, heard = Tagger(bundle), []
    for clip in track(clips, len(clips), "device"):
        tagger.reset()
        with AudioFile(data.clips[clip].path, tagger.front_end.format) as source:
            for sound in source:
                heard += tagger.push(sound.samples)
        heard += tagger.flush()
    return Outcome(np.stack([scores.codes for scores in heard]), np.stack([scores.array for scores in heard]))


def all_codes(encoder: WindowEncoder, context: int, sound: Features, clips: Index, title: str) -> Index:
    """Return the codes of the contexts of all windows of some clips, a window a hop and a clip a stream."""
    streams = (encoder.push(sound.of_clip(clip)) for clip in track(clips, len(clips), title))
    return np.concatenate([Context(context, 1).push(stream) for stream in streams])
