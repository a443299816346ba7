"""Ask a teacher: what another tagger says of recordings, into a file that trainings learn from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bowstream.errors import AudioError

from ..common.crew import Crew
from ..common.progress import say
from ..common.shards import Shards, deal, joined
from ..common.store import artefact, digest
from ..dataset.data import Index
from ..dataset.errors import DataError
from ..dataset.layouts import LAYOUTS, layout_of
from ..dataset.own import is_recording, visible_files
from ..dataset.problems import content_hash
from ..dataset.teacher import as_stored
from .waveform import WaveformTagger, waveform_tagger

# Windows overlap by half, as YAMNet's do.
HOPS_A_WINDOW = 2
# What a row of a shard is: what is said of a recording.
ITEM, SCORES = "item", "scores"


@dataclass(frozen=True)
class Asking:
    """Asks about the recordings of a shard and writes what is said, perhaps on another machine."""

    tagger: WaveformTagger
    shards: Shards

    def __call__(self, job: tuple[int, Index, Sequence[Path]]) -> list[str]:
        """Write the shard of a number, recordings and their paths; return what is wrong with some, and write none then.

        Its rows are the number of a recording and the mean of the scores of its windows, uint8 (L,).
        """
        number, items, paths = job
        scores, problems = [], []
        for path in paths:
            try:
                scores.append(self.tagger.hear(path, self.tagger.window_length // HOPS_A_WINDOW).mean(axis=0))
            except AudioError as error:
                problems.append(str(error))
        if not problems:
            self.shards.write(number, [{ITEM: items.astype(np.int32), SCORES: as_stored(np.stack(scores))}])
        return problems


def recordings(source: str) -> dict[str, Path]:
    """Return the recordings of a data set, or all in a folder, by the names that a data set of them gives them."""
    layout, place = layout_of(source, None)
    if layout != "folder":
        return {clip.name: clip.path for clip in LAYOUTS[layout](place).clips}
    return {path.relative_to(place).as_posix(): path for path in visible_files(place) if is_recording(path)}


def ask(root: Path, model: Path, labels: Path, sources: Sequence[str], out: Path, crew: Crew) -> None:
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
    paths, sizes = [path.absolute() for path in found.values()], [path.stat().st_size for path in found.values()]
    dealt = deal(sizes)

    def make(path: Path) -> None:
        work = Asking(tagger, Shards(path))
        jobs = {number: (number, items, [paths[item] for item in items]) for number, items in enumerate(dealt)}
        if problems := sorted(itertools.chain(*crew.make(work.shards, work, jobs, "asking"))):
            raise DataError(problems)

    inputs = {
        "model": content_hash(model),
        "labels": digest(tagger.labels),
        "recordings": digest([*zip(map(str, paths), sizes)]),
        "shards": digest([items.tolist() for items in dealt]),
    }
    shards = Shards(artefact(root, "teacher", inputs, make))
    said = joined([shards.whole(number, [ITEM, SCORES]) for number in range(len(shards))])
    scores = said[SCORES][np.argsort(said[ITEM])]
    # Through a file of its own, since numpy adds .npz to names without it.
    with out.open("wb") as file:
        np.savez_compressed(file, labels=np.array(tagger.labels), clips_ids=np.array(list(found)), clips=scores)
    say(f"{out}: what {model.name} says of {len(found)} recordings")
