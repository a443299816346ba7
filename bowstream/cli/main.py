"""The command line: parses, calls, and maps errors to exit codes. Imports nothing heavy until a verb runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

from bowstream.config.fields import SettingError, flag
from bowstream.config.flags import add_flags
from bowstream.config.settings import Settings
from bowstream.errors import BowstreamError, UsageError

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose complaint is one line, and that wants options by their whole names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Exit with status 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see '{self.prog} --help'\n")

    def parse_known_args(self, *arguments: Any) -> Any:  # type: ignore[override]
        """Complain about what a verb does not know here, where its name and its help are known."""
        found, unknown = super().parse_known_args(*arguments)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[Parser]


def jobs(text: str) -> int:
    """Read a number of processes."""
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"wanted 1 … 256 processes, got {text}")
    return int(text)


def rounds(text: str) -> int:
    """Read a number of rounds."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"must be 1 … 1000 rounds (got {text})")
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; each names the function that carries it out."""
    parser = Parser(prog="bowstream", description="Listens to a microphone and names the sounds, live.")
    parser.add_argument("--version", action="store_true", help="print the version and the runtime, and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    for add in (add_listen, add_replay, add_install_service, add_doctor, add_config, add_devices, add_check, add_bench):
        add(verbs)
    return parser


def add_listen(verbs: Verbs) -> None:
    """Add the verb `listen`."""
    listen = verbs.add_parser("listen", help="name the sounds that a microphone hears, live")
    add_configuration(listen, "bundle", "hop_s", "hold_s", "device", "sample_rate", "reconnect")
    listen.add_argument(
        "--demo", action="store_true", help="hear a made-up scene instead of a microphone; sinks get nothing of it"
    )
    listen.add_argument("--json", action="store_true", help="write an object a hop or event, nothing else")
    listen.add_argument("--events", action="store_true", help="write events and gaps only, nothing a hop")
    listen.set_defaults(verb_module="listen")


def add_replay(verbs: Verbs) -> None:
    """Add the verb `replay`."""
    replay = verbs.add_parser("replay", help="name the sounds in recordings")
    add_configuration(replay, "bundle", "hop_s", "hold_s")
    replay.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, or - for standard input")
    replay.add_argument(
        "--raw", metavar="RATE[:CHANNELS[:ENCODING]]", help="the input is headerless, as in 16000:1:PCM_16"
    )
    replay.add_argument("--realtime", action="store_true", help="play at its own pace, with the dashboard")
    replay.add_argument(
        "--jobs", type=jobs, default=1, metavar="N", help="processes to share the recordings (default: 1)"
    )
    results = replay.add_mutually_exclusive_group()
    results.add_argument("--json", action="store_true", help="write an object a hop, event and file")
    results.add_argument("--csv", action="store_true", help="write a row an event")
    replay.set_defaults(verb_module="replay", events=False)


def add_install_service(verbs: Verbs) -> None:
    """Add the verb `install-service`."""
    install = verbs.add_parser("install-service", help="listen from boot on: write a systemd unit and start it")
    scope = install.add_mutually_exclusive_group()
    scope.add_argument("--user", action="store_true", help="a service of your own (default, unless you are root)")
    scope.add_argument("--system", action="store_true", help="a service of the machine (default for root)")
    install.add_argument("--print", action="store_true", help="print the unit and change nothing")
    install.add_argument("--uninstall", action="store_true", help="stop the service and delete its unit")
    install.add_argument("options", nargs="*", metavar="-- OPTION", help="options of 'listen', such as --device")
    install.set_defaults(verb_module="service")


def add_doctor(verbs: Verbs) -> None:
    """Add the verb `doctor`."""
    doctor = verbs.add_parser("doctor", help="find out what keeps this machine from listening, and what to do")
    add_configuration(doctor, "bundle", "device", "sample_rate")
    doctor.add_argument("--json", action="store_true", help="write an object a check")
    doctor.set_defaults(verb_module="doctor")


def add_config(verbs: Verbs) -> None:
    """Add the verb `config`."""
    config = verbs.add_parser("config", help="print the configuration in force, or a complete sample")
    config.add_argument("config", nargs="?", metavar="FILE", help="configuration (default: where listen looks for it)")
    config.set_defaults(verb_module="config")


def add_devices(verbs: Verbs) -> None:
    """Add the verb `devices`."""
    devices = verbs.add_parser("devices", help="list the microphones")
    devices.add_argument("--json", action="store_true", help="write an object a device")
    devices.set_defaults(verb_module="inspect", verb_function="run_devices")


def add_check(verbs: Verbs) -> None:
    """Add the verb `check`."""
    check = verbs.add_parser("check", help="verify a bundle on this machine, and describe it")
    check.add_argument("bundle", nargs="?", metavar="FOLDER", help="model bundle (default: the one that is shipped)")
    check.add_argument("--json", action="store_true", help="write one object")
    check.set_defaults(verb_module="inspect", verb_function="run_check")


def add_bench(verbs: Verbs) -> None:
    """Add the verb `bench`."""
    bench = verbs.add_parser("bench", help="measure what the method costs on this machine")
    bench.add_argument("--bundle", metavar="FOLDER", help="model bundle (default: the one that is shipped)")
    bench.add_argument("--against", metavar="FILE", help="a waveform tagger in TFLite, such as YAMNet, to compare with")
    bench.add_argument("--rounds", type=rounds, default=40, metavar="N", help="fewer for a slow machine (default: 40)")
    bench.add_argument("--json", action="store_true", help="write one object")
    bench.set_defaults(verb_module="bench")


def add_configuration(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add `--config`, and flags that override these settings of it."""
    parser.add_argument("--config", metavar="FILE", help="configuration; see 'bowstream config'")
    add_flags(parser, Settings, names)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 done; 1 something could not be heard, opened or trusted; 2 a wrong argument; 130 interrupted twice.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None and not arguments.version:
        parser.print_help()
        return EXIT_USAGE
    # One thread: a second gains nothing on products this small. Read when NumPy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from importlib import import_module

    # A file's name need not be text, and a terminal need not know a tag's letters: show what cannot be said.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if arguments.version:
            return print_version()
        module = import_module(f".{arguments.verb_module}", __package__)
        run = getattr(module, getattr(arguments, "verb_function", "run"))
        status: int = run(arguments)
        return status
    except SettingError as error:  # of a flag: what is wrong in a file is told with its line
        print(f"bowstream: {flag(error.field)} {error.problem}", file=sys.stderr)
        return EXIT_USAGE
    except BowstreamError as error:
        for line in str(error).splitlines():
            print(f"bowstream: {line}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain again when it flushes on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE


def print_version() -> int:
    """Print the versions of bowstream, Python and the TFLite runtime."""
    import platform
    from importlib.metadata import version

    from bowstream import __version__
    from bowstream.model.tflite import load_runtime

    runtime, _ = load_runtime()
    runtime = runtime.replace("_", "-")
    print(f"bowstream {__version__}, {runtime} {version(runtime)}, Python {platform.python_version()}")
    return 0
