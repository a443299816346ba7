"""`bowstream password`: make what the configuration keeps of the page's password."""

from __future__ import annotations

import sys
from argparse import Namespace

from bowstream.cli.parser import Verbs, add_verb
from bowstream.errors import UsageError

SHORTEST, LONGEST = 8, 256


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "password", "ask for a password for the page, and print the line for the table [web]")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Ask for a password, or read it from standard input, and print its hash; return the exit status."""
    from bowstream.web.password import hashed

    password = asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"a password must be {SHORTEST} … {LONGEST} characters (got {len(password)})")
    print(f'password = "{hashed(password)}"')
    return 0


def asked() -> str:
    """Return a password that was typed twice, without showing it."""
    from getpass import getpass

    password = getpass("password: ")
    if getpass("again: ") != password:
        raise UsageError("the two passwords differ")
    return password
