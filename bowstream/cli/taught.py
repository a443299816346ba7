"""What was taught, while a session runs: a file that changes is in force before the next hop, without a restart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bowstream.cli.say import say
from bowstream.cli.setup import personalised, with_tags
from bowstream.config.file import Config
from bowstream.errors import BowstreamError
from bowstream.learn import evidence, store
from bowstream.learn import room as room_file
from bowstream.model.bundle import Bundle
from bowstream.model.learned_file import read_learned
from bowstream.records import StreamInfo
from bowstream.session import Session
from bowstream.sinks.learning import Learning, Places

LOOK_EVERY_S = 1.0


class Taught:
    """Follows the file of what was taught.

    Parameters
    ----------
    config : in force
    bundle : as it was loaded
    """

    def __init__(self, config: Config, bundle: Bundle) -> None:
        self.config, self.bundle = config, bundle
        self.path = store.place(config)
        self._stamp = self._stamped()  # before it is read: a change meanwhile is seen later
        self._due_s = 0.0

    def now(self) -> dict[str, Bundle]:
        """Return the bundle with what was taught, as configured for each source; see `personalised`."""
        return personalised(self.config, self.bundle)

    def look(self, sessions: Sequence[Session]) -> None:
        """Put a changed file in force, looked for once a second; a bad one is said once, and changes nothing."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOOK_EVERY_S
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            taught = read_learned(self.path).applied(self.bundle) if stamp else self.bundle
            bundles = with_tags(self.config, taught)
            for session in sessions:
                session.retag(bundles[session.info.key])
        except BowstreamError as error:
            say(f"{error}; what was taught before stays in force")

    def learning(self, streams: Sequence[StreamInfo], history: Path, is_kept: bool) -> Learning:
        """Return what learns while sessions run; `history` is where one is kept, or would be."""
        settings = self.config.settings
        known = history.with_name(evidence.FILE_NAME) if is_kept else None
        room = history.with_name(room_file.FILE_NAME) if settings.room else None
        places = Places(settings.bundle, self.path, known, room, settings.keep_examples, settings.false_per_day)
        return Learning(places, streams, self.bundle, settings.own_name)

    def _stamped(self) -> tuple[int, int, int] | None:
        """Return what changes with the file; None if there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
