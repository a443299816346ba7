"""Ask a teacher: what another tagger says of recordings, into a file that trainings learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream.errors import AudioError

from ..common.parallel import parallel
from ..common.progress import say, track
from ..dataset.data import Float32
from ..dataset.errors import DataError
from ..dataset.layouts import LAYOUTS, layout_of
from ..dataset.own import is_recording, visible_files
from ..dataset.teacher import as_stored
from .waveform import WaveformTagger, waveform_tagger

# Windows overlap by half, as YAMNet's do.
HOPS_A_WINDOW = 2


@dataclass(frozen=True)
class Asking:
    """Asks about one recording, for another process."""

    tagger: WaveformTagger

    def __call__(self, path: Path) -> Float32 | AudioError:
        """Return the mean of the scores of a recording's windows, (L,), or what is wrong with it."""
        try:
            scores: Float32 = self.tagger.hear(path, self.tagger.window_length // HOPS_A_WINDOW).mean(axis=0)
            return scores
        except AudioError as error:
            return error


def recordings(source: str) -> dict[str, Path]:
    """Return the recordings of a data set, or all in a folder, by the names that a data set of them gives them."""
    layout, place = layout_of(source, None)
    if layout != "folder":
        return {clip.name: clip.path for clip in LAYOUTS[layout](place).clips}
    return {path.relative_to(place).as_posix(): path for path in visible_files(place) if is_recording(path)}


def ask(model: Path, labels: Path, sources: Sequence[str], out: Path) -> None:
    """Write what a TFLite waveform tagger says of recordings; see `dataset.teacher` for the form of the file.

    Raises
    ------
    DataError
        If there are none, or one cannot be heard; with a line for each problem.
    """
    tagger = waveform_tagger(model, labels)
    found: dict[str, Path] = {}
    for source in sources:
        of_source = recordings(source)
        if twice := sorted(found.keys() & of_source.keys()):
            raise DataError([f"{source}: another set has a recording {name!r}, too" for name in twice])
        found |= of_source
    if not found:
        raise DataError([f"{', '.join(sources)}: there are no recordings in it"])
    heard = list(track(parallel(Asking(tagger), list(found.values())), len(found), "asking"))
    if problems := [str(said) for said in heard if isinstance(said, AudioError)]:
        raise DataError(problems)
    scores = np.stack([said for said in heard if not isinstance(said, AudioError)])
    # Through a file of its own, since numpy adds .npz to names without it.
    with out.open("wb") as file:
        np.savez_compressed(
            file, labels=np.array(tagger.labels), clips_ids=np.array(list(found)), clips=as_stored(scores)
        )
    say(f"{out}: what {model.name} says of {len(found)} recordings")
