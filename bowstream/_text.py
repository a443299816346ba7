"""Text from outside (names of files, tags and devices, addresses), made safe where it leaves."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, what turns the writing direction, and half characters.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MASK = "***"
SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
# A login with blanks in it, to the last @ before another address; one without a scheme before it.
LOGIN = re.compile(rf"({SCHEME})[^\s/@]+:(?:(?!://).)*@")
BARE_LOGIN = re.compile(r"[^\s'\"(/@:]+:(?!//)\S*@(?=\S)")
# An address, without what a sentence puts behind it.
ADDRESS = re.compile(rf"({SCHEME})(\S*?)(?=['\"),;.:]*(?:\s|$))")
PAIR = re.compile(r"([^/&;=]+)=([^/&;]*)")
QUERY_VALUE = re.compile(r"(?:([^&;=]*)=)?([^&;]+)")
# Named values in addresses that are no secret.
SHOWN = frozenset({"camera", "channel", "profile", "quality", "resolution", "stream", "subtype"})


def printable(text: str) -> str:
    r"""Return text on one line, with what a terminal would obey written out, as in `\n` and `\x1b`."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def redacted(text: str) -> str:
    """Return text without what may be secret in the addresses in it.

    That is what comes before the last @, all after a question mark, and what looks like `name=value`; but for the
    channel of a camera and the like.
    """
    text = LOGIN.sub(rf"\1{MASK}@", text)
    text = ADDRESS.sub(lambda found: found[1] + _shown(found[2]), text)
    return BARE_LOGIN.sub(f"{MASK}@", text)


def _shown(rest: str) -> str:
    """Return what may be shown of an address, after its scheme."""
    login, _, rest = rest.rpartition("@")
    place, mark, query = rest.partition("?")
    shown = PAIR.sub(_shown_value, place) + mark + QUERY_VALUE.sub(_shown_value, query)
    return f"{MASK}@{shown}" if login else shown


def _shown_value(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if name is None:
        return MASK
    return f"{name}={value if name.lower() in SHOWN else MASK}"
