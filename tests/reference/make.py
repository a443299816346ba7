"""Make front_end.npz, what librosa and Pillow say about a few sounds: `python tests/reference/make.py`.

Needs `pip install librosa pillow`; the tests read the file and need neither.
"""

import sys
from pathlib import Path

import librosa
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from signals import scene

WIN, HOP, N_FFT, N_MELS = 480, 160, 2048, 96


def librosa_log_mel(samples):
    """Return librosa's log-mel, float64, with frame t ending at sample 160 * (t + 1).

    librosa centres the short window in the long transform; padding by the difference puts it where
    ours is. `center=False` because centred frames would look ahead.
    """
    beside = (N_FFT - WIN) // 2
    padded = np.concatenate([np.zeros(beside + WIN - HOP), samples.astype(np.float64), np.zeros(beside)])
    power = librosa.feature.melspectrogram(
        y=padded,
        sr=16_000,
        n_fft=N_FFT,
        hop_length=HOP,
        win_length=WIN,
        window="hann",
        center=False,
        power=2.0,
        n_mels=N_MELS,
        fmin=0.0,
        fmax=8000.0,
        htk=False,
        norm="slaney",
        dtype=np.float64,
    )
    return np.log(np.maximum(power, 1e-10)).T


def librosa_filterbank():
    """Return librosa's mel filters, float64 [shape=(1025, 96)]."""
    return librosa.filters.mel(
        sr=16_000, n_fft=N_FFT, n_mels=N_MELS, fmin=0.0, fmax=8000.0, htk=False, norm="slaney", dtype=np.float64
    ).T


def pillow_resize(window):
    """Return a window (100, 96) resized bicubically by Pillow to (10, 8)."""
    return np.asarray(Image.fromarray(window, "F").resize((8, 10), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    samples = scene(1.0)
    log_mel = librosa_log_mel(samples).astype(np.float32)
    window = np.random.default_rng(0).random((100, 96), np.float32)
    np.savez_compressed(
        Path(__file__).with_name("front_end.npz"),
        samples=np.rint(samples * 32768.0).astype(np.int16),
        log_mel=log_mel,
        filterbank=librosa_filterbank(),
        window=window,
        resized=pillow_resize(window),
        versions=np.array([f"librosa {librosa.__version__}", f"Pillow {Image.__version__}"]),
    )
