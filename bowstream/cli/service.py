"""`bowstream install-service`: a systemd unit that listens from boot on, and starts anew when something breaks."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

from bowstream.cli.main import build_parser
from bowstream.errors import BowstreamError, UsageError

NAME = "bowstream.service"
# There where systemd is in charge: sd_booted(3).
BOOTED = Path("/run/systemd/system")
# Options of `listen` whose value is a path; the service runs in another folder than we do now.
PATHS = ("--config", "--bundle")

UNIT = """\
# Written by 'bowstream install-service'; 'bowstream install-service --uninstall' takes it away again.
[Unit]
Description=bowstream names the sounds it hears
After=network.target sound.target
# Months: never give up.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
Restart=always
RestartSec=5
# A wrong argument or configuration does not mend itself.
RestartPreventExitStatus=2
# We say that we are alive every 30 s; after 60 s without it we are killed and started anew.
WatchdogSec=60
TimeoutStopSec=15
MemoryMax=512M
{place}

[Install]
WantedBy={target}
"""

# What any service may give up, and a user's manager can take from it.
HARDENED = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""

# Sound cards are all the devices it sees. Files of its sinks belong in its own folder, where it runs, or on a
# mounted disk; everything else is read-only.
SYSTEM = """\
{user}
SupplementaryGroups=audio
StateDirectory=bowstream
WorkingDirectory=/var/lib/bowstream
ProtectSystem=strict
ReadWritePaths=-/mnt -/media -/srv
ProtectHome=read-only
PrivateTmp=yes
DevicePolicy=closed
DeviceAllow=char-alsa rw
CapabilityBoundingSet=
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
UMask=0027
"""

USER = """\
# %S is ~/.local/state, or ~/.config where systemd is older than 254.
StateDirectory=bowstream
WorkingDirectory=%S/bowstream
"""


def run(arguments: Namespace) -> int:
    """Write, print or take away the unit; return the exit status."""
    as_system = arguments.system or (os.geteuid() == 0 and not arguments.user)
    if arguments.uninstall:
        uninstall(as_system)
        return 0
    unit = unit_text(as_system, arguments.options)
    if arguments.print:
        print(unit, end="")
    else:
        install(as_system, unit)
    return 0


def unit_path(as_system: bool) -> Path:
    """Return where systemd looks for the unit."""
    if as_system:
        return Path("/etc/systemd/system") / NAME
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "systemd/user" / NAME


def unit_text(as_system: bool, options: Sequence[str]) -> str:
    """Return the unit's text; it runs this Python, with these options of `listen`."""
    command = [sys.executable, "-m", "bowstream", "listen", "--events", "--reconnect", *absolute(options)]
    place = SYSTEM.format(user=user_lines()) if as_system else USER
    return UNIT.format(
        command=" ".join(map(quoted, command)),
        place=place + HARDENED.rstrip(),
        target="multi-user.target" if as_system else "default.target",
    )


def user_lines() -> str:
    """Return who a system service runs as: whoever called sudo, or else an account made for the purpose."""
    caller = os.environ.get("SUDO_USER", "")
    return f"User={caller}" if caller and caller != "root" else "DynamicUser=yes"


def absolute(options: Sequence[str]) -> list[str]:
    """Return options of `listen`, their paths absolute; ends the program if they are none.

    Raises
    ------
    UsageError
        If a path leads nowhere.
    """
    build_parser().parse_args(["listen", *options])  # complains, and exits with status 2
    made: list[str] = []
    for option in options:
        name, equals, value = option.partition("=")
        if equals and name in PATHS:
            made.append(f"{name}={existing(value)}")
        else:
            made.append(existing(option) if made and made[-1] in PATHS else option)
    return made


def existing(path: str) -> str:
    """Return a path, absolute; raise `UsageError` if it leads nowhere."""
    found = Path(path).expanduser().resolve()
    if not found.exists():
        raise UsageError(f"there is no {found}: make it first, then install the service")
    return str(found)


def quoted(argument: str) -> str:
    """Return an argument as it is written in a unit, where `%`, `$`, quotes and blanks mean something."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not argument or set(argument) & set(" \t\"'\\;") else escaped


def install(as_system: bool, unit: str) -> None:
    """Write the unit if it is new or changed, start it, and say what to do next."""
    path = unit_path(as_system)
    if path.is_file() and path.read_text("utf-8") == unit:
        print(f"{path} is as it should be")
    else:
        write(path, unit)
        print(f"{path} written")
    control(as_system, [["daemon-reload"], ["enable", NAME], ["restart", NAME]])
    scope = "" if as_system else "--user "
    print("Next:")
    print(f"  systemctl {scope}status {NAME}           is it running?")
    print(f"  journalctl {scope}-u {NAME} -f           what does it hear?")
    if not as_system:
        print(f"  sudo loginctl enable-linger {getpass.getuser()}   from boot on, not from log-in on")


def uninstall(as_system: bool) -> None:
    """Stop the service and delete its unit; say so if there is none."""
    path = unit_path(as_system)
    if not path.exists():
        print(f"there is no {path}: nothing to take away")
        return
    control(as_system, [["disable", "--now", NAME]])
    try:
        path.unlink()
    except OSError as error:
        raise refused(path, error) from error
    control(as_system, [["daemon-reload"]])
    print(f"{path} deleted; what the sinks wrote is still there")


def write(path: Path, unit: str) -> None:
    """Write a unit, whole or not at all."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(unit, "utf-8")
        part.replace(path)
    except OSError as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError) -> BowstreamError:
    """Return the error that a unit cannot be changed."""
    return BowstreamError(f"{path}: {error.strerror}; use sudo, or --user for a service of your own")


def control(as_system: bool, commands: Iterable[Sequence[str]]) -> None:
    """Run `systemctl`; where systemd is not in charge, as in a container, say what to run where it is.

    Raises
    ------
    BowstreamError
        If one of them fails.
    """
    scope = [] if as_system else ["--user"]
    for command in commands:
        full = ["systemctl", *scope, *command]
        if not BOOTED.is_dir():
            print(f"systemd does not run here; where it does, run: {' '.join(full)}")
            continue
        done = subprocess.run(full, capture_output=True, text=True)
        if done.returncode:
            raise BowstreamError(f"'{' '.join(full)}' failed: {done.stderr.strip() or done.returncode}")
