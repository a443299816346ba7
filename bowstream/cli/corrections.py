"""What verdicts do: the tag of an event that was wrong has to be surer from now on."""

from __future__ import annotations

from collections.abc import Sequence

from bowstream._text import printable
from bowstream.cli.past import HistoryFile
from bowstream.cli.say import say
from bowstream.cli.setup import room_of
from bowstream.errors import BowstreamError
from bowstream.learn import store
from bowstream.learn.correct import Corrector, correct
from bowstream.learn.evidence import FILE_NAME, find
from bowstream.tagger import load_bundle


def learn_from(history: HistoryFile, events: Sequence[str], verdict: str | None) -> None:
    """Correct the tags of events, and say what came of it; a verdict that teaches nothing is noted all the same."""
    config = history.configuration()
    place = history.path().with_name(FILE_NAME)
    known = {event: find(place, event) for event in events}
    for event, evidence in known.items():
        if evidence is None:
            say(f"{event}: noted; nothing is learned from it, since the codes that raised it are not known any more")
    if not any(known.values()):
        return
    bundle = load_bundle(config.settings.bundle)
    corrector = Corrector.of(bundle, room_of(config, bundle), config.settings.false_per_day)
    right = None if verdict is None else verdict == "right"
    for event, evidence in known.items():
        if evidence is None:
            continue
        try:
            name = config.settings.own_name(evidence.tag)
            print(f"{event}  {printable(str(correct(store.place(config), corrector, evidence, name, right)))}")
        except BowstreamError as error:
            say(f"{event}: noted; nothing is learned from it: {error}")
