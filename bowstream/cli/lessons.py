"""What teaching does: hears the examples, changes the file of what was learned, and says what came of it."""

from __future__ import annotations

import json
from pathlib import Path

from bowstream._text import printable
from bowstream.cli.examples import examples
from bowstream.cli.options import ForgetOptions, LearnOptions
from bowstream.cli.parser import ConfigOptions
from bowstream.cli.say import say
from bowstream.cli.setup import load, room_of
from bowstream.errors import BowstreamError
from bowstream.learn import store
from bowstream.learn.correct import without_correction
from bowstream.learn.teach import Teacher, without
from bowstream.model.learned import LearnedTag
from bowstream.model.learned_file import read_learned
from bowstream.tagger import load_bundle


def learn(options: LearnOptions) -> int:
    """Teach a sound; a bad example is named and the rest still learned from. Return the exit status."""
    config = load(options.config)
    config.check()
    bundle, path = load_bundle(config.settings.bundle), store.place(config)
    teacher = Teacher(bundle, room_of(config, bundle), config.settings.false_per_day)
    if options.again:
        return learn_again(teacher, path)
    teacher.check_name(options.name, store.read(path, bundle), options.more)
    cuts, all_there = examples(options, config, bundle.front_end.format)
    if not cuts:
        raise BowstreamError("nothing was learned: there is no example")
    with store.alone(path):
        learned = store.read(path, bundle)
        teacher.check_name(options.name, learned, options.more)
        lesson = teacher.teach(learned, options.name, cuts, config.settings.keep_examples)
        store.write(path, lesson.learned)
    for each in cuts:
        print(f"{printable(each.name)}: {each.last_s - each.first_s:.1f} s from {each.start_s:.1f} s")
    print(f"{options.name}: {lesson}")
    return 0 if all_there else 1


def learn_again(teacher: Teacher, path: Path) -> int:
    """Learn all tags again from the sound that was kept of them; return the exit status.

    Raises
    ------
    BowstreamError
        If nothing was taught, or with this very bundle, or no sound was kept.
    """
    if not path.exists():
        raise BowstreamError(f"nothing was taught yet ({path})")
    with store.alone(path):
        old = read_learned(path)
        if old.bundle == teacher.bundle.description["sha256"]:
            raise BowstreamError(f"{path} was learned with this bundle: there is nothing to learn again")
        learned, lost = teacher.again(old)
        if not learned.tags:
            raise BowstreamError(f"{path}: nothing can be learned again, since no sound was kept: see --keep-examples")
        store.write(path, learned)
    print(f"learned again: {', '.join(learned.names)}")
    for name in lost:
        say(f"{name!r} is forgotten: its sound was not kept; teach it again")
    for each in old.corrections:
        say(f"the corrections of {each.name!r} are lost: mark its wrong events again")
    return 1 if lost else 0


def show(options: ConfigOptions, as_json: bool) -> int:
    """List what was taught and corrected; return the exit status."""
    config = load(options)
    config.check()
    path = store.place(config)
    learned = store.read(path, load_bundle(config.settings.bundle))
    for each in learned.tags:
        print(json.dumps(fields_of(each)) if as_json else line_of(each))
    for correction in learned.corrections:
        right, wrong = correction.counts
        fields = {"corrected": correction.name, "wrong": wrong, "right": right}
        print(json.dumps(fields) if as_json else f"{correction.name}: corrected by {wrong} wrong, {right} right events")
    if not learned.tags and not learned.corrections and not as_json:
        print(f"nothing was taught yet ({path}): 'bowstream learn NAME RECORDING …' teaches a sound")
    return 0


def fields_of(tag: LearnedTag) -> dict[str, object]:
    """Return what was taught as JSON has it."""
    examples = [{"name": each.name, "start_s": each.start_s, "length_s": each.length_s} for each in tag.examples]
    return {
        "tag": tag.tag.name,
        "since": tag.since,
        "told": tag.told,
        "tries": tag.tries,
        "mistaken_for": list(tag.mistaken_for),
        "examples": examples,
    }


def line_of(tag: LearnedTag) -> str:
    """Return what was taught in a line."""
    told = (
        f"told apart from background sound in {tag.told} of {tag.tries} tries"
        if tag.tries
        else "not tested: there is only one example"
    )
    mistaken = f"; may be mistaken for {' or '.join(tag.mistaken_for)}" if tag.mistaken_for else ""
    n = len(tag.examples)
    return f"{tag.tag.name}: {n} example{'s' * (n > 1)}, {told}{mistaken}; since {tag.since[:10]}"


def forget(options: ForgetOptions) -> int:
    """Forget a tag, a correction or the last change; return the exit status."""
    config = load(options.config)
    config.check()
    path = store.place(config)
    if not path.exists():
        raise BowstreamError(f"nothing was taught yet ({path})")
    bundle = load_bundle(config.settings.bundle)
    with store.alone(path):
        if options.undo:
            store.undo(path)
            done = "undone"
        elif options.corrections is not None:
            store.write(path, without_correction(store.read(path, bundle), options.corrections))
            done = f"the corrections of {options.corrections} are removed"
        else:
            store.write(path, without(store.read(path, bundle), str(options.name)))
            done = f"forgot {options.name}"
        left = read_learned(path)  # of another bundle, perhaps, if what is undone is 'learn --again'
    corrected = [each.name for each in left.corrections]
    print(
        f"{done}; what was taught: {', '.join(left.names) or 'nothing'}"
        f"{'; corrected: ' if corrected else ''}{', '.join(corrected)}"
    )
    return 0
