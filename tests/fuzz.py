"""Mutants of files of every kind, fed to the command line: each gives a result, or says in a line why not.

A few of each kind run with the tests (test_fuzz.py). Many, by hand, with those that are bad kept:

    python tests/fuzz.py --count 1000 --keep mutants wav flac toml
    python tests/fuzz.py --count 1000 --keep mutants all
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import warm
from mutants import KINDS, mutant

PATIENCE_S, MOST_MB = 10.0, 300.0


class Worker:
    """A process that runs command lines one after another, and tells what came of each."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        asked, answered = os.pipe(), os.pipe()
        self._process = warm.Popen(
            [sys.executable, __file__, "--worker", str(asked[0]), str(answered[1])],
            pass_fds=(asked[0], answered[1]),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        os.close(asked[0])
        os.close(answered[1])
        self._asking, self._answers = os.fdopen(asked[1], "w"), os.fdopen(answered[0])
        self._answers.readline()  # it is ready

    def run(self, arguments, stdin=None):
        """Return what came of a command line: status, out, err, seconds, mb; or what killed the process."""
        self._asking.write(json.dumps({"arguments": arguments, "stdin": stdin}) + "\n")
        self._asking.flush()
        if select.select([self._answers], [], [], PATIENCE_S * 1.5)[0] and (answer := self._answers.readline()):
            return json.loads(answer)
        status = self._process.poll() if self._process.poll() is not None else "hangs"
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            status = "hangs"
        self.close()
        self._start()
        return {"killed": status}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._asking.close()
        self._answers.close()


def work(asked, answered):
    """Run command lines in this process until there are no more."""
    from bowstream.cli import main as command_line
    from bowstream.tagger import Tagger

    Tagger.load()  # so that a mutant pays for itself alone
    command_line.build_parser = functools.cache(command_line.build_parser)
    with os.fdopen(asked) as questions, os.fdopen(answered, "w") as answers, tempfile.TemporaryDirectory() as folder:
        answers.write("\n")
        answers.flush()
        nowhere = os.open(os.devnull, os.O_RDONLY)
        files = [Path(folder, name) for name in ("out", "err")]
        for line in questions:
            question = json.loads(line)
            with files[0].open("w") as out, files[1].open("w") as err, ExitStack() as stack:
                if question["stdin"]:
                    piped = subprocess.Popen(["cat", question["stdin"]], stdout=subprocess.PIPE)
                    os.dup2(stack.enter_context(piped).stdout.fileno(), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                sys.stdout = os.fdopen(os.dup(1), "w")
                sys.stderr = os.fdopen(os.dup(2), "w")
                started = time.monotonic()
                peak_before = reset_peak()
                try:
                    status = command_line.main(question["arguments"])
                except SystemExit as end:
                    status = end.code
                except BaseException:
                    import traceback

                    traceback.print_exc()
                    status = "traceback"
                seconds = time.monotonic() - started
                sys.stdout.close()
                sys.stderr.close()
                os.dup2(nowhere, 0)
            answer = {
                "status": status,
                "out": files[0].read_text(errors="replace")[-100_000:],
                "err": files[1].read_text(errors="replace")[-10_000:],
                "seconds": seconds,
                "mb": peak_mb() - peak_before,
            }
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def reset_peak() -> float:
    """Begin to measure memory; return what is in use, in MB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return peak_mb()


def peak_mb() -> float:
    """Return the most memory that was in use since, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def complaint(result, verb) -> str | None:
    """Say what is wrong with what came of a mutant; None if all is well."""
    if "killed" in result:
        return f"killed: {result['killed']}"
    if result["status"] not in (0, 1, 2):
        return f"status {result['status']}: {result['err'][-300:]}"
    lines = result["err"].splitlines()
    if "Traceback" in result["err"] or not all(line.startswith("bowstream: ") for line in lines):
        return f"not a line of ours: {[line for line in lines if not line.startswith('bowstream: ')][:2]}"
    if result["status"] and not lines and "FAILED" not in result["out"]:
        return "a failure without a word"
    if result["seconds"] > PATIENCE_S:
        return f"{result['seconds']:.0f} s"
    if result["mb"] > MOST_MB:
        return f"{result['mb']:.0f} MB"
    if verb == "replay":
        if len(lines) > 4 and result["status"] != 2:
            return f"{len(lines)} lines"
        try:
            records = [json.loads(line, parse_constant=reject) for line in result["out"].splitlines()]
        except ValueError as error:
            return f"no JSON: {error}"
        ends = [record for record in records if record["type"] == "file"]
        if result["status"] in (0, 1) and len(ends) > 1:
            return "two results"
        for record in ends:
            if not all(0.0 <= score <= 1.0 for score in (record.get("scores") or {}).values()):
                return "a score that is none"
            if not result["status"] and not record.get("windows"):
                return "no result, and no failure"
    return None


def reject(name):
    """Refuse NaN and its like in JSON."""
    raise ValueError(name)


def hunt(kind, count, seed, worker, folder, keep=None):
    """Run mutants of a kind; return how they ended, and the complaints by mutant."""
    ends, bad = Counter(), {}
    for number in range(count):
        rng = np.random.default_rng([seed, number, *kind.encode()])
        arguments, stdin, files = mutant(kind, rng, Path(folder))
        result = worker.run(arguments, stdin)
        ends[result.get("status", "killed")] += 1
        if problem := complaint(result, arguments[0]):
            bad[number] = problem
            if keep:
                place = Path(keep, f"{kind}-{seed}-{number}")
                place.mkdir(parents=True, exist_ok=True)
                for file in files:
                    (place / file.name).write_bytes(file.read_bytes() if file.is_file() else b"")
                (place / "problem").write_text(f"{arguments}\n{problem}\n{result.get('err', '')}")
    return ends, bad


def main() -> None:
    """Run many mutants, and tell what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+", help=f"all, or some of {', '.join(KINDS)}")
    parser.add_argument("--count", type=int, default=1000, help="mutants of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="folder for those that are bad")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    worker, found = Worker(), 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS if "all" in options.kinds else options.kinds:
            started = time.monotonic()
            ends, bad = hunt(kind, options.count, options.seed, worker, folder, options.keep)
            found += len(bad)
            print(
                f"{kind}: {options.count} mutants, {time.monotonic() - started:.0f} s, by status {dict(ends)}", end=", "
            )
            print(f"{len(bad)} bad", flush=True)
            for problem, times in Counter(bad.values()).most_common(8):
                first = next(number for number, text in bad.items() if text == problem)
                print(f"    {times} x {problem} (first: {first})", flush=True)
    worker.close()
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
