# PYTHON_ARGCOMPLETE_OK
"""`bowstream`, and `python -m bowstream`: a process that runs the command line."""

import _signal  # type: ignore[import-not-found]

# Until a verb answers Ctrl+C, it ends the process without a word: most of that time goes into imports. The module
# signal would take milliseconds of it, in which Python answers with a traceback.
_signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    from bowstream.cli.process import leave, run

    leave(run())


if __name__ == "__main__":
    main()
