"""The tags: names, thresholds, and what a configuration makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bowstream.config.settings import SourceSettings, TagSettings
from bowstream.config.toml import suggestion
from bowstream.errors import BundleError

AS_IT_IS = TagSettings()
# Takes the path of a setting, as keys of the file, and what is wrong with its value.
Complain = Callable[[tuple[str, ...], str], None]


@dataclass(frozen=True)
class Tag:
    """A name, with the scores at which its events begin (`on`) and end (`off`), and the group that it belongs to.

    `usual` is the logit of its score that other sound usually has; None where that is not known.
    """

    name: str
    on: float
    off: float
    group: str = ""
    usual: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.off <= self.on <= 1.0:
            raise BundleError(f"tag {self.name!r} must have 0 <= off <= on <= 1 (got on={self.on}, off={self.off})")

    def shifted(self, logits: float) -> Tag:
        """Return the tag as it is with the logits of all scores shifted."""
        return self if self.usual is None or not logits else replace(self, usual=self.usual + logits)


def groups_of(tags: Iterable[Tag]) -> dict[str, list[str]]:
    """Return the names of each group's tags, in the order of the tags; those of no group under an empty name."""
    groups: dict[str, list[str]] = {}
    for tag in tags:
        groups.setdefault(tag.group, []).append(tag.name)
    return groups


def named(names: Iterable[str], tags: Iterable[Tag]) -> tuple[str, ...]:
    """Return names of tags for names of tags or groups: a group stands for all its tags."""
    groups = groups_of(tags)
    groups.pop("", None)
    return tuple(dict.fromkeys(tag for name in names for tag in groups.get(name, [name])))


def names_of(tags: Iterable[Tag]) -> list[str]:
    """Return all names that `named` knows: the tags', then the groups'."""
    every = list(tags)
    return list(dict.fromkeys([*(tag.name for tag in every), *(tag.group for tag in every if tag.group)]))


def personalise(tags: Sequence[Tag], settings: SourceSettings, complain: Complain) -> dict[int, Tag]:
    """Return the tags that are listened for, as they are configured, by their place in `tags`.

    All that is shown, written or sent follows from the result, so this is the only place that changes tags.

    Parameters
    ----------
    tags : a bundle's
    settings : the configuration, of all or of a source
    complain : is called with a setting's path and a sentence if a tag that is named does not exist, two tags share a
        name, a threshold does not fit or no tag is left
    """
    names, known = [tag.name for tag in tags], names_of(tags)
    for name in settings.only:
        if name not in known:
            complain(("only",), f"the bundle has no tag or group {name!r}{suggestion(name, known)}")
    only = named(settings.only or names, tags)
    for name in settings.tags:
        if name not in names:
            complain(("tags", name), f"the bundle has no tag {name!r}{suggestion(name, names)}")
    kept = {
        index: _personal(tag, settings, complain)
        for index, tag in enumerate(tags)
        if tag.name in only and not settings.tags.get(tag.name, AS_IT_IS).muted
    }
    if not kept:
        complain(("tags",), "every tag is muted: nothing is left to listen for")
    _check_off({names[index]: tag.on for index, tag in kept.items()}, settings, complain)
    shown = [tag.name for tag in kept.values()]
    for index, tag in kept.items():
        if shown.count(tag.name) > 1 and tag.name != names[index]:
            complain(("tags", names[index], "alias"), f"alias {tag.name!r} is the name of another tag, too")
    return kept


def _personal(tag: Tag, settings: SourceSettings, complain: Complain) -> Tag:
    """Return a tag as configured. A lowered `on` takes the bundle's `off` with it; a stated one must fit."""
    own = settings.tags.get(tag.name, AS_IT_IS)
    if own is AS_IT_IS and settings.on is None and settings.off is None:
        return tag
    on = next(value for value in (own.on, settings.on, tag.on) if value is not None)
    off = next((value for value in (own.off, settings.off) if value is not None), None)
    if own.off is not None and own.off > on:
        complain(("tags", tag.name, "off"), f"off must be at most on, which is {on:g} for {tag.name} (got {own.off:g})")
    return replace(tag, name=own.alias or tag.name, on=on, off=min(on, tag.off if off is None else off))


def _check_off(on: dict[str, float], settings: SourceSettings, complain: Complain) -> None:
    """Complain of an `off` for all tags that is above the `on` of one that states no `off` itself."""
    bound = [
        (value, name) for name, value in on.items() if name not in settings.tags or settings.tags[name].off is None
    ]
    lowest, name = min(bound, default=(1.0, ""))
    if settings.off is not None and settings.off > lowest:
        remedy = "lower it, raise that tag's on, or state an off for that tag"
        complain(("off",), f"off must be at most {lowest:g}, at which {name!r} begins (got {settings.off:g}): {remedy}")
