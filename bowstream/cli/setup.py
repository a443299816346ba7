"""What a configuration makes: a bundle with its tags as configured, and a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from bowstream.audio.source import Source
from bowstream.config.file import Config
from bowstream.config.settings import Settings
from bowstream.config.toml import suggestion
from bowstream.model import tags as model_tags
from bowstream.model.bundle import Bundle
from bowstream.session import Session


def open_session(settings: Settings, source: Source, bundle: Bundle) -> Session:
    """Return a session as configured, with a bundle that `personalise` returned."""
    return Session(source, bundle, settings.hop_columns, settings.hold_s, settings.confirm_hops, settings.silence_s)


def personalise(config: Config, bundle: Bundle) -> Bundle:
    """Return the bundle with the configured thresholds and names, and without the muted tags.

    All that is shown, written or sent follows from the bundle's tags, so this is the only place to change them.

    Raises
    ------
    UsageError
        If a tag that is named does not exist, two tags share a name, or none is left; or the file is wrong.
    """
    tags = model_tags.personalise(bundle.tags, config.settings, config.complain)
    check_sinks(config, [tag.name for tag in tags.values()])
    config.check()
    return bundle.with_tags(tags)


def check_sinks(config: Config, shown: Sequence[str]) -> None:
    """Complain of tags that a sink's settings name and that are not shown."""
    for sink, settings in config.settings.sinks.items():
        for knob_field in fields(settings):
            if not knob_field.metadata["knob"].of_tags:
                continue
            for name in getattr(settings, knob_field.name):
                if name not in shown:
                    message = f"{knob_field.name} names {name!r}, which is no tag, or muted or renamed"
                    config.complain(("sinks", sink, knob_field.name), message + suggestion(name, shown))
