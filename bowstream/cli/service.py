"""`bowstream install-service`: a systemd unit that listens from boot on, and starts again when something breaks."""

from __future__ import annotations

import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bowstream._text import UNPRINTABLE, redacted
from bowstream.cli import listen
from bowstream.cli.parser import Parser, Verbs, add_verb
from bowstream.config.address import is_path
from bowstream.config.paths import expanded
from bowstream.errors import BowstreamError, UsageError

NAME = "bowstream.service"
TEMPLATE = Path(__file__).parent / NAME
# There where systemd is in charge: sd_booted(3).
BOOTED = Path("/run/systemd/system")
# Options of `listen` whose value is, or may be, a path; the service runs in another folder than we do now.
PATHS = ("--config", "--bundle", "--device")
USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")


@dataclass(frozen=True)
class ServiceOptions:
    """What to do with which unit.

    as_system : whether it is the machine's, else the user's
    print : only print it
    uninstall : take it away
    options : of `listen`
    """

    as_system: bool
    print: bool
    uninstall: bool
    options: tuple[str, ...]


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "install-service", "listen from every boot on: write a systemd unit and start it")
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--user", action="store_true", help="install a service of this user (default, except for root)")
    scope.add_argument("--system", action="store_true", help="install a service of the machine (default for root)")
    parser.add_argument("--print", action="store_true", help="print the unit and change nothing")
    parser.add_argument("--uninstall", action="store_true", help="stop the service and delete its unit")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="options of 'listen', such as --device")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Write, print or take away the unit; return the exit status."""
    as_system = arguments.system or (os.geteuid() == 0 and not arguments.user)
    asked = ServiceOptions(as_system, arguments.print, arguments.uninstall, tuple(arguments.options))
    if asked.uninstall:
        uninstall(asked.as_system)
    elif asked.print:
        print(unit_text(asked.as_system, asked.options), end="")
    else:
        install(asked.as_system, asked.options)
    return 0


def unit_path(as_system: bool) -> Path:
    """Return where systemd looks for the unit."""
    if as_system:
        return Path("/etc/systemd/system") / NAME
    return expanded(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "systemd/user" / NAME


def unit_text(as_system: bool, options: Sequence[str]) -> str:
    """Return the unit's text; it runs this Python, with these options of `listen`."""
    mine, other = ("system: ", "user: ") if as_system else ("user: ", "system: ")
    lines = TEMPLATE.read_text("utf-8").splitlines(keepends=True)
    text = "".join(line.removeprefix(mine) for line in lines if not line.startswith(other))
    return text.replace("@COMMAND@", " ".join(map(quoted, command(options)))).replace("@USER@", user_line())


def command(options: Sequence[str]) -> list[str]:
    """Return what the service runs, with these options of `listen`."""
    return [sys.executable, "-m", "bowstream", "listen", "--events", "--reconnect", "--history", *absolute(options)]


def user_line() -> str:
    """Return who a system service runs as: the user who called sudo, or else an account made for the purpose.

    Raises
    ------
    UsageError
        If what sudo left in the environment is not a user's name.
    """
    caller = os.environ.get("SUDO_USER", "")
    if caller and not USER_NAME.fullmatch(caller):
        raise UsageError(f"SUDO_USER must be a user's name (got {caller!r})")
    return f"User={caller}" if caller and caller != "root" else "DynamicUser=yes"


def absolute(options: Sequence[str]) -> list[str]:
    """Return options of `listen`, their paths absolute; ends the program if they are none.

    Raises
    ------
    UsageError
        If a path leads nowhere, or a setting makes no sense.
    """
    parser = Parser(prog="bowstream")
    listen.add_parser(parser.add_subparsers(parser_class=Parser))
    listen.options(parser.parse_args(["listen", *options]))  # complains, and exits with status 2
    made: list[str] = []
    for option in options:
        if redacted(option) != option:
            advice = "set device in the configuration file, and 'chmod 600' that"
            raise UsageError(f"{redacted(option)}: every user can read a unit, and the passwords in it: {advice}")
        name, equals, value = option.partition("=")
        if equals and name in PATHS:
            option = f"{name}={placed(name, value)}"
        made.append(placed(made[-1], option) if made and made[-1] in PATHS else option)
    return made


def placed(name: str, value: str) -> str:
    """Return the value of an option as it has to be in another folder."""
    if name == "--device":
        return str(expanded(value).absolute()) if is_path(value) else value
    return existing(value)


def existing(path: str) -> str:
    """Return a path, absolute; raise `UsageError` if it leads nowhere."""
    found = expanded(path).resolve()
    if not found.exists():
        raise UsageError(f"there is no {str(found)!r}: make it first, then install the service")
    return str(found)


def quoted(argument: str) -> str:
    """Return an argument as it is written in a unit, where `%`, `$`, quotes and blanks mean something.

    Raises
    ------
    UsageError
        If it has a line break or another control character, after which the unit would say something else.
    """
    if UNPRINTABLE.search(argument):
        raise UsageError(f"{argument!r} must be one line of printable text, to be written into a unit")
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not argument or set(argument) & set(" \t\"'\\;") else escaped


def install(as_system: bool, options: Sequence[str]) -> None:
    """Write the unit if it is new or changed, start it, and say what to do next.

    Raises
    ------
    BowstreamError
        If systemd is not in charge here, or the unit cannot be written or started.
    """
    unit, path = unit_text(as_system, options), unit_path(as_system)
    if not BOOTED.is_dir():
        raise BowstreamError(
            "systemd does not run here, so nothing was installed: let what starts programs here (a container's entry "
            f"point, cron's @reboot, OpenRC …) run {' '.join(map(quoted, command(options)))}; "
            "--print shows the unit for a machine that has systemd"
        )
    if current(path) == unit.encode():
        print(f"{path} is up to date")
    else:
        write(path, unit)
        print(f"{path} written")
    control(as_system, [["daemon-reload"], ["enable", NAME], ["restart", NAME]])
    scope = "" if as_system else "--user "
    if "--no-history" not in options:
        print("It keeps a history of what it hears, without the sound; 'install-service -- --no-history' has none")
    print("Next:")
    print(f"  systemctl {scope}status {NAME}           is it running?")
    print(f"  journalctl {scope}-u {NAME} -f           what does it hear?")
    print(f"  {'sudo ' if as_system else ''}bowstream history   what did it hear today?")
    if not as_system:
        print(f"  sudo loginctl enable-linger {os.getuid()}   start at boot, not at log-in")


def uninstall(as_system: bool) -> None:
    """Stop the service and delete its unit; say so if there is none."""
    path = unit_path(as_system)
    if not path.exists():
        print(f"there is no {path}: nothing to remove")
        return
    if BOOTED.is_dir():
        control(as_system, [["disable", "--now", NAME]])
    try:
        path.unlink()
    except OSError as error:
        raise refused(path, error) from error
    if BOOTED.is_dir():
        control(as_system, [["daemon-reload"]])
    print(f"{path} deleted; what the sinks wrote is still there")


def current(path: Path) -> bytes | None:
    """Return a unit as it is now; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(path, error) from error


def write(path: Path, unit: str) -> None:
    """Write a unit, whole or not at all."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(unit, "utf-8")
        part.chmod(0o644)  # whatever the umask: the user's manager, or root's, has to read it
        part.replace(path)
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> BowstreamError:
    """Return the error that a unit cannot be read or changed."""
    return BowstreamError(f"{path}: {error.strerror}; use sudo, or --user for a service of the user")


def control(as_system: bool, commands: Iterable[Sequence[str]]) -> None:
    """Run `systemctl`.

    Raises
    ------
    BowstreamError
        If one of them fails.
    """
    import subprocess

    scope = [] if as_system else ["--user"]
    for command in commands:
        full = ["systemctl", *scope, *command]
        try:
            done = subprocess.run(full, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise BowstreamError(f"'{' '.join(full)}' cannot be run: {error.strerror}") from error
        if done.returncode:
            raise BowstreamError(f"'{' '.join(full)}' failed: {done.stderr.strip() or done.returncode}")
