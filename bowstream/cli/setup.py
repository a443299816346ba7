"""What a configuration makes: a bundle with its tags as configured, and a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from bowstream.audio.capture import Capture, Heard
from bowstream.audio.source import Source
from bowstream.cli.parser import ConfigOptions
from bowstream.cli.say import say, say_once
from bowstream.config import file
from bowstream.config.fields import meaning, settings_of
from bowstream.config.file import Config
from bowstream.config.settings import SourceSettings
from bowstream.config.toml import suggestion
from bowstream.ears import Ear, Ears
from bowstream.history.place import default_files, kept_at
from bowstream.learn import store
from bowstream.learn.room import FILE_NAME, read_room
from bowstream.model import tags as model_tags
from bowstream.model.bundle import Bundle
from bowstream.model.codebook import Codes
from bowstream.model.front_end import FrontEnd
from bowstream.session import Session
from bowstream.tagger import Tagger


def load(options: ConfigOptions) -> Config:
    """Return the configuration in force, and say on standard error which file it comes from."""
    config = file.load(options.file, options.overrides)
    if config.file:
        say(f"configured by {config.file}")
    if exposed := config.exposed():
        say(": ".join(exposed))
    return config


# Makes a source of its settings.
OpenSource: TypeAlias = "Callable[[SourceSettings, FrontEnd], AbstractContextManager[Source]]"


def open_session(
    settings: SourceSettings, source: Source, bundle: Bundle, started_at: datetime | None = None, name: str = ""
) -> Session:
    """Return a session as configured, with a bundle that `personalise` returned, of sound that began then."""
    tagger = Tagger(bundle, settings.hop_s, settings.sensitivity)
    return Session(
        source,
        tagger,
        settings.hold_s,
        settings.confirm_hops,
        settings.silence_s,
        started_at=started_at,
        name=name,
        highpass_hz=settings.highpass_hz,
    )


def open_ears(
    sources: Mapping[str, SourceSettings],
    bundles: Mapping[str, Bundle],
    open_source: OpenSource,
    merge_s: float = 0.0,
) -> Ears:
    """Return the sessions of sources, with bundles that `personalised` returned, which share their networks."""
    inbox: SimpleQueue[tuple[str, Heard]] = SimpleQueue()
    ears = {}
    for name, settings in sources.items():
        capture = Capture(name, partial(open_source, settings, bundles[name].front_end), inbox)
        ears[name] = Ear(capture, open_session(settings, capture, bundles[name], name=name))
    return Ears(ears, inbox, merge_s)


def personalise(config: Config, bundle: Bundle) -> Bundle:
    """Return the bundle as it is configured outside of all tables; see `personalised`."""
    return personalised(config, bundle)[""]


def personalised(config: Config, bundle: Bundle) -> dict[str, Bundle]:
    """Return the bundle with what was taught, the configured thresholds and names, and without the muted tags.

    Returns
    -------
    bundles : of each source by its name, and as it is configured outside of all tables as ""

    Raises
    ------
    UsageError
        As `with_tags`.
    """
    return with_tags(config, with_learned(config, bundle))


def with_tags(config: Config, bundle: Bundle) -> dict[str, Bundle]:
    """Return the bundles with the configured thresholds and names, and without the muted tags; as `personalised`.

    All that is shown, written or sent follows from the bundles' tags, so this is the only place to change them.

    Raises
    ------
    UsageError
        If a tag that is named does not exist, two tags share a name, or none is left; or the file is wrong.
    """
    tags = {"": model_tags.personalise(bundle.tags, config.settings, config.complain)}
    if config.settings.sources:
        config.check()  # so that they are not blamed for what they take from outside
    for name, settings in config.settings.sources.items():
        tags[name] = model_tags.personalise(bundle.tags, settings, partial(complain_of, config, ("sources", name)))
    shown = [tag for source, kept in tags.items() if source or len(tags) == 1 for tag in kept.values()]
    check_sinks(config, model_tags.names_of(shown))
    config.check()
    return {name: bundle.with_tags(kept) for name, kept in tags.items()}


def complain_of(config: Config, table: tuple[str, ...], path: tuple[str, ...], message: str) -> None:
    """Complain of the value at a path of a table."""
    config.complain((*table, *path), message)


def with_learned(config: Config, bundle: Bundle) -> Bundle:
    """Return a bundle with what was taught on this device; say so if that belongs to another bundle."""
    path = store.place(config)
    try:
        learned = store.read(path, bundle)
    except store.ForeignError as error:
        say_once(f"left out: {error}")
        return bundle
    return learned.applied(bundle)


def room_of(config: Config, bundle: Bundle) -> list[Codes]:
    """Return windows of the user's room, if they are gathered."""
    if not config.settings.room:
        return []
    history = config.history_path
    places = [kept_at(history)] if history else list(default_files())
    rooms = (read_room(place.with_name(FILE_NAME), bundle) for place in places)
    return max(rooms, key=lambda room: room.seen).codes


def check_sinks(config: Config, shown: Sequence[str]) -> None:
    """Complain of tags and groups that a sink's settings name and that are not shown."""
    for sink, settings in config.settings.sinks.items():
        for name, field in settings_of(settings).items():
            for tag in getattr(settings, name) if meaning(field).of_tags else ():
                if tag not in shown:
                    message = f"{name} names {tag!r}, which is not a tag or group, or is muted or renamed"
                    config.complain(("sinks", sink, name), message + suggestion(tag, shown))
