"""What a configuration makes: a bundle with its tags as configured, and a session."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from bowstream.audio.source import Source
from bowstream.config.file import Config
from bowstream.config.settings import Settings, TagSettings
from bowstream.config.toml import suggestion
from bowstream.model.bundle import Bundle, Tag
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
    return Personal(config, bundle).tags()


@dataclass(frozen=True)
class Personal:
    """A bundle's tags, and what a configuration makes of them."""

    config: Config
    bundle: Bundle

    def tags(self) -> Bundle:
        """Return the bundle with them; raise `UsageError` for what is wrong with them, or anywhere in the file."""
        names = [tag.name for tag in self.bundle.tags]
        for name in self.config.settings.tags:
            if name not in names:
                self.config.complain(
                    ("tags", name), f"bundle {self.bundle.name!r} has no tag {name!r}{suggestion(name, names)}"
                )
        kept = [i for i, name in enumerate(names) if not self.config.settings.tags.get(name, TagSettings()).muted]
        if not kept:
            self.config.complain(("tags",), "every tag is muted: nothing is left to listen for")
        tags = tuple(self._personal(self.bundle.tags[index]) for index in kept)
        self._check_off([(tag.on, names[index]) for index, tag in zip(kept, tags)])
        shown = [tag.name for tag in tags]
        for index, name in zip(kept, shown):
            if shown.count(name) > 1 and name != names[index]:
                self.config.complain(("tags", names[index], "alias"), f"alias {name!r} is the name of another tag, too")
        self._check_sinks(shown)
        self.config.check()
        return replace(self.bundle, tags=tags, outputs=tuple(kept))

    def _personal(self, tag: Tag) -> Tag:
        """Return a tag as configured. A lowered `on` takes the bundle's `off` with it; a stated one must fit."""
        own = self.config.settings.tags.get(tag.name, TagSettings())
        on = next(value for value in (own.on, self.config.settings.on, tag.on) if value is not None)
        off = next((value for value in (own.off, self.config.settings.off) if value is not None), None)
        if own.off is not None and own.off > on:
            self.config.complain(
                ("tags", tag.name, "off"), f"off wants at most on, which is {on:g} for {tag.name}, found {own.off:g}"
            )
        return Tag(own.alias or tag.name, on, min(on, tag.off if off is None else off))

    def _check_off(self, begins: list[tuple[float, str]]) -> None:
        """Complain of an `off` for all tags that is above the `on` of one that states no `off` of its own."""
        own, off = self.config.settings.tags, self.config.settings.off
        bound = [(on, name) for on, name in begins if name not in own or own[name].off is None]
        on, name = min(bound, default=(1.0, ""))
        if off is not None and off > on:
            remedy = "lower it, raise that tag's on, or give it an off of its own"
            self.config.complain(
                ("off",), f"off wants at most {on:g}, at which {name!r} begins, found {off:g}: {remedy}"
            )

    def _check_sinks(self, shown: list[str]) -> None:
        """Complain of tags that a sink's settings name and that are not shown."""
        for sink, settings in self.config.settings.sinks.items():
            for knob_field in fields(settings):
                if not knob_field.metadata["knob"].of_tags:
                    continue
                for name in getattr(settings, knob_field.name):
                    if name not in shown:
                        message = f"{knob_field.name} names {name!r}, which is no tag, or muted or renamed"
                        self.config.complain(("sinks", sink, knob_field.name), message + suggestion(name, shown))
