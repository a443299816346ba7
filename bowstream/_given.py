"""What is given to public functions: what they cannot take is refused in a sentence, not by what fails inside."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable
from numbers import Integral
from typing import SupportsFloat, TypeAlias

from bowstream._text import redacted
from bowstream.errors import UsageError

Kind: TypeAlias = "tuple[str, Callable[[object], bool]]"

# Arrays of no dimension are numbers, too.
NUMBER: Kind = "a number", lambda value: isinstance(value, SupportsFloat) and not getattr(value, "shape", ())
WHOLE: Kind = "a whole number", lambda value: isinstance(value, Integral)
TEXT: Kind = "a string", lambda value: isinstance(value, str)
PATH: Kind = "a string or a Path", lambda value: isinstance(value, (str, os.PathLike))


def check(kind: Kind, **given: object) -> None:
    """Raise `UsageError` for an argument that is of another kind; they are given by their names."""
    what, holds = kind
    for name, value in given.items():
        if not holds(value):
            raise UsageError(f"{name} must be {what} (got {redacted(reprlib.repr(value))})")


def check_if_any(kind: Kind, **given: object) -> None:
    """Do the same for arguments that can be None."""
    check(kind, **{name: value for name, value in given.items() if value is not None})


def one_of(*types: type) -> Kind:
    """Return the kind of these types' objects."""
    return f"a {' or '.join(each.__name__ for each in types)}", lambda value: isinstance(value, types)
