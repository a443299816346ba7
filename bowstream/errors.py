"""What can go wrong, as a tree.

    BowstreamError
    ├── AudioError     a file or stream that cannot be heard
    ├── DeviceError    a microphone that cannot be opened, or went away
    │   └── DeviceAbsentError    it is not there
    ├── BundleError    a model bundle that is damaged, tampered with or foreign
    └── UsageError     an argument or setting that makes no sense

Every message says what must be, what was got and what to do, in one line, or in one line per thing that is wrong in
a configuration. The command line prints it and exits with status 1 (2 for `UsageError`).
"""


class BowstreamError(Exception):
    """Base of everything that bowstream raises on purpose; each argument is a line of its message."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The message, line by line."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.lines)


class AudioError(BowstreamError):
    """A file or stream is unreadable, empty, truncated or not finite."""


class DeviceError(BowstreamError):
    """No such microphone, or PortAudio is missing, refuses or lost it."""


class DeviceAbsentError(DeviceError):
    """The microphone is not there, as far as PortAudio and the system know."""


class BundleError(BowstreamError):
    """A bundle's files, hashes or probe are not what its description says."""


class UsageError(BowstreamError):
    """An argument or setting is out of range or contradicts another."""
