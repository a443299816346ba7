"""What a configuration makes: a bundle with its tags as configured, and a session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bowstream.audio.source import Source
from bowstream.cli.parser import ConfigOptions
from bowstream.cli.say import say
from bowstream.config import file
from bowstream.config.fields import meaning, settings_of
from bowstream.config.file import Config
from bowstream.config.settings import Settings
from bowstream.config.toml import suggestion
from bowstream.learn import store
from bowstream.model import tags as model_tags
from bowstream.model.bundle import Bundle
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


def open_session(settings: Settings, source: Source, bundle: Bundle, started_at: datetime | None = None) -> Session:
    """Return a session as configured, with a bundle that `personalise` returned, of sound that began then."""
    tagger = Tagger(bundle, settings.hop_s, settings.sensitivity)
    return Session(source, tagger, settings.hold_s, settings.confirm_hops, settings.silence_s, started_at=started_at)


def personalise(config: Config, bundle: Bundle) -> Bundle:
    """Return the bundle with what was taught, the configured thresholds and names, and without the muted tags.

    Raises
    ------
    UsageError
        As `with_tags`.
    """
    return with_tags(config, with_learned(config, bundle))


def with_tags(config: Config, bundle: Bundle) -> Bundle:
    """Return the bundle with the configured thresholds and names, and without the muted tags.

    All that is shown, written or sent follows from the bundle's tags, so this is the only place to change them.

    Raises
    ------
    UsageError
        If a tag that is named does not exist, two tags share a name, or none is left; or the file is wrong.
    """
    tags = model_tags.personalise(bundle.tags, config.settings, config.complain)
    check_sinks(config, model_tags.names_of(tags.values()))
    config.check()
    return bundle.with_tags(tags)


def with_learned(config: Config, bundle: Bundle) -> Bundle:
    """Return a bundle with what was taught on this device; say so if that belongs to another bundle."""
    path = store.place(config)
    try:
        learned = store.read(path, bundle)
    except store.ForeignError as error:
        say(f"{error}: left out: name that one in the configuration, or move the file away and teach it again")
        return bundle
    return learned.applied(bundle)


def check_sinks(config: Config, shown: Sequence[str]) -> None:
    """Complain of tags and groups that a sink's settings name and that are not shown."""
    for sink, settings in config.settings.sinks.items():
        for name, field in settings_of(settings).items():
            for tag in getattr(settings, name) if meaning(field).of_tags else ():
                if tag not in shown:
                    message = f"{name} names {tag!r}, which is no tag or group, or muted or renamed"
                    config.complain(("sinks", sink, name), message + suggestion(tag, shown))
