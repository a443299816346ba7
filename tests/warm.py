"""Processes of Python that have bowstream imported already: hundreds are started here, and most of the cost is imports.

`warm.Popen` is `subprocess.Popen` for a command that begins with `sys.executable`. A process that has imported the
package, and nothing that asks for a sound card, forks for each. What comes is a process like any other, with arguments,
an environment, a folder, streams, signals and an end of its own; only what was there before is not freed at that end.
`subprocess` is for tests of how it starts and ends: what is imported, how much memory that takes, Ctrl+C in the midst
of it, what is said while Python frees everything.
"""

import atexit
import ctypes
import fcntl
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, TimeoutExpired  # noqa: F401, for modules whose `subprocess` this is

PR_SET_CHILD_SUBREAPER = 36
MOST_BYTES = 1 << 17
one_at_a_time = threading.Lock()
imported = []


class Popen(subprocess.Popen):
    """Without `preexec_fn` and the like. A session of its own gets its streams' terminal."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *more):
        _, _, _, their_in, our_in, our_out, their_out, our_err, their_err, *options = more
        assert args[0] == sys.executable and preexec_fn is None
        words = [os.fsdecode(each) for each in args[1:]]
        streams = [number if theirs == -1 else theirs for number, theirs in enumerate((their_in, their_out, their_err))]
        asked = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ), "session": options[5]}
        self.pid = forked({**asked, "descriptors": [0, 1, 2, *pass_fds]}, [*streams, *pass_fds])
        self._child_created = True
        pipes = {(their_in, our_in), (their_out, our_out), (their_err, our_err)}
        for descriptor in {theirs for theirs, ours in pipes if ours != -1} | {getattr(self, "_devnull", -1)} - {-1}:
            os.close(descriptor)
        self._closed_child_pipe_fds = True


def run(command, **options):
    """Do what `subprocess.run` does; standard output and standard error are always captured."""
    with Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def forked(asked, descriptors):
    """Return the number of a process that is what is asked for, a child of this one."""
    connection = forking()
    with one_at_a_time, adopting():
        socket.send_fds(connection, [json.dumps(asked).encode()], descriptors)
        return int(connection.recv(MOST_BYTES))


@contextmanager
def adopting():
    """Be the parent of what is orphaned meanwhile; the system's first process is otherwise."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@functools.cache
def forking():
    """Return the connection to the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, __file__, str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL)
    theirs.close()

    @atexit.register
    def end():
        ours.close()
        process.wait()

    return ours


def import_all():
    """Import the package, and what it imports only when it hears or draws; work out what does not change."""
    import bowstream
    from bowstream.tagger import Tagger

    for module in pkgutil.walk_packages(bowstream.__path__, "bowstream."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("soxr")
    Tagger.load()
    assert "sounddevice" not in sys.modules  # it looks for cards when it is imported
    imported.extend(sys.modules.keys() - {"sys", "builtins"})
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(gc.get_objects()))
    gc.freeze()


def leave_imported():
    """Let a child end without taking apart what it did not make, which costs more than most of what it does."""
    for name in imported:
        sys.modules.pop(name, None)


def wait_for_work(connection):
    """Fork whenever that is asked for; return in the child, with what it is to be and its descriptors."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 16)
        if not message:
            sys.exit()
        told, tell = os.pipe()
        if between := os.fork():
            os.close(tell)
            os.waitpid(between, 0)  # now the child has no parent, and who asked takes it
            connection.send(os.read(told, 32))
            for descriptor in (told, *descriptors):
                os.close(descriptor)
            continue
        between = os.getpid()
        if child := os.fork():
            os.write(tell, str(child).encode())
            os._exit(0)
        while os.getppid() == between:
            time.sleep(0.0002)
        os.close(told)
        os.close(tell)
        connection.close()
        return json.loads(message), descriptors


def become(asked, descriptors):
    """Be a process that Python starts with these words."""
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["cwd"])
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 256) for descriptor in descriptors]
    os.closerange(3, 256)
    for number, descriptor in zip(asked["descriptors"], aside):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        before = getattr(sys, name)
        lines = (mode == "w" and os.isatty(number)) or name == "stderr"
        stream = open(number, mode, 1 if lines else -1, before.encoding, before.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if asked["session"]:
        os.setsid()
        if terminals := [number for number in range(3) if os.isatty(number)]:
            fcntl.ioctl(terminals[0], termios.TIOCSCTTY, 0)
    option, *words = asked["words"]
    sys.path[0] = ""
    if option == "-m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif option == "-c":
        sys.argv = ["-c", *words[1:]]
        exec(words[0], {"__name__": "__main__"})
    else:
        sys.argv, sys.path[0] = [option, *words], str(Path(option).parent)
        runpy.run_path(option, run_name="__main__")


if __name__ == "__main__":
    atexit.register(leave_imported)  # first, so that all others end before
    import_all()
    become(*wait_for_work(socket.socket(fileno=int(sys.argv[1]))))
