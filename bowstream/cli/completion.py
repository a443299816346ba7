"""Tab completion by argcomplete: it knows the verbs and options, and learns here what values there are."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bowstream.errors import BowstreamError, UsageError

HOW = """\
Tab completion: pip install 'bowstream[completion]', then put this into ~/.bashrc or ~/.zshrc:
  eval "$(register-python-argcomplete bowstream)"
"""
RAW_FORMATS = ("16000:1:PCM_16", "44100:2:PCM_16", "48000:1:PCM_16", "48000:2:PCM_16", "48000:2:PCM_32")


def complete(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Answer the shell, which asks through the environment, and end the process; `options` are for argcomplete.

    Raises
    ------
    UsageError
        If argcomplete is missing.
    """
    try:
        import argcomplete
    except ModuleNotFoundError as error:
        raise UsageError("Tab completion needs argcomplete: pip install 'bowstream[completion]'") from error
    from argcomplete.completers import FilesCompleter

    completers: Mapping[str, Callable[..., Iterable[str]]] = {
        "device": devices,
        "bundle": bundles,
        "tag": tags,
        "corrections": tags,
        "group": groups,
        "config": FilesCompleter(("toml",)),
        "file": FilesCompleter(("db",)),
        "out": FilesCompleter(),
        "against": FilesCompleter(("tflite",)),
        "paths": FilesCompleter(),
        "raw": lambda **context: RAW_FORMATS,
    }
    for action in actions(parser):
        if action.dest in completers:
            action.completer = completers[action.dest]  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, **options)


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its verbs."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from actions(verb)


def devices(**context: Any) -> list[str]:
    """Return what a microphone can be called: its identities, and its name."""
    from bowstream.audio.devices import list_devices

    try:
        return [name for device in list_devices() for name in (*device.ids, device.name)]
    except BowstreamError as error:
        return said(error)


def tags(**context: Any) -> list[str]:
    """Return the names of the tags of the bundle that is shipped."""
    return [tag["name"] for tag in described()]


def groups(**context: Any) -> list[str]:
    """Return the groups of these tags."""
    return list(dict.fromkeys(tag["group"] for tag in described() if tag.get("group")))


def described() -> list[dict[str, Any]]:
    """Return what the shipped bundle says of its tags that work; no weights are read, for Tab must be quick."""
    from bowstream.model.bundle import DESCRIPTION, default_path, ships

    try:
        found: list[dict[str, Any]] = json.loads((default_path() / DESCRIPTION).read_text("utf-8"))["tags"]
    except (BowstreamError, OSError, ValueError, KeyError) as error:
        said(error)
        return []
    return [tag for tag in found if ships(tag)]


def bundles(prefix: str = "", **context: Any) -> list[str]:
    """Return folders on the way to a bundle, and the bundles that are shipped."""
    from argcomplete.completers import DirectoriesCompleter

    from bowstream.model.bundle import default_path

    try:
        shipped = [str(path) for path in default_path().parent.iterdir() if (path / "bundle.json").is_file()]
    except (BowstreamError, OSError) as error:
        shipped = said(error)
    return [*DirectoriesCompleter()(prefix), *shipped]


def said(error: Exception) -> list[str]:
    """Show an error below the line that is typed; return that there is nothing to choose from."""
    from argcomplete.io import warn

    warn(str(error))
    return []
