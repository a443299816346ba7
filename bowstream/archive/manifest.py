"""What a folder of results was asked for: it goes on only with the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bowstream.archive.files import replaced
from bowstream.errors import BowstreamError, UsageError

FORMAT = "bowstream-archive-1"
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What was asked for.

    Attributes
    ----------
    paths : of recordings and folders, or addresses
    bundle, bundle_sha256 : name and hash of the model
    fingerprint : of the bundle with its thresholds, names and what it was taught
    settings : all that results follow from: hop, hold, …
    timezone : of clocks that do not say it; None for this machine's
    raw : the format of recordings without a header
    tables : which there are, beside events and recordings
    created : when, in UTC
    version : of bowstream
    recordings, bytes : what was found
    passed_over : what was not, with the reason
    """

    paths: tuple[str, ...]
    bundle: str
    bundle_sha256: str
    fingerprint: str
    settings: dict[str, Any]
    timezone: str | None
    raw: str | None
    tables: tuple[str, ...]
    created: str = ""
    version: str = ""
    recordings: int = 0
    bytes: int = 0
    passed_over: tuple[tuple[str, str], ...] = ()

    def check(self, asked: Manifest) -> None:
        """Raise `UsageError` if something else is asked for now."""
        for name in ("paths", "bundle_sha256", "fingerprint", "settings", "timezone", "raw", "tables"):
            before, now = getattr(self, name), getattr(asked, name)
            if before != now:
                raise UsageError(
                    f"these results were begun with other {name.replace('_', ' ')}: {before} (got {now}): name another "
                    "folder, or use the same settings"
                )


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Write it, whole or not at all."""
    with replaced(out / NAME) as part:
        part.write_text(json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1) + "\n", "utf-8")


def read_manifest(out: Path) -> Manifest | None:
    """Return what a folder was begun with; None if nothing was.

    Raises
    ------
    BowstreamError
        If it is damaged, or of another version.
    """
    file = out / NAME
    if not file.exists():
        return None
    try:
        values = json.loads(file.read_text("utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError("format")
        lists = {each.name for each in fields(Manifest) if str(each.type).startswith("tuple")}
        values = {name: tuple(value) if name in lists else value for name, value in values.items()}
        return Manifest(**values | {"passed_over": tuple(map(tuple, values["passed_over"]))})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BowstreamError(f"{file} is damaged, or of another version of bowstream: {error}") from error
