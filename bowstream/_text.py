"""Text from outside (names of files, tags and devices), made safe where it leaves."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, what turns the writing direction, and half characters.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return text on one line, with what a terminal would obey written out, as in `\n` and `\x1b`."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
