"""Where output cannot go, where there is no home, and Ctrl+C from the first instant on."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import warm
from conftest import start
from signals import RATE, scene
from years import make_up

from bowstream.cli.main import build_parser, main
from bowstream.cli.written import write_text
from bowstream.errors import BowstreamError

VERBS = (
    *("listen", "replay", "learn", "learned", "forget", "history", "wrong", "right", "report", "export"),
    *("install-service", "doctor", "config", "password", "devices", "check", "bench"),
)
# What takes a microphone, a sound that was taught or a password to be shown.
NOT_SHOWN = {"devices", "learn", "forget", "password"}
SHOWN = [
    ["--help"],
    ["--version"],
    ["config"],
    ["check"],
    ["check", "--json"],
    ["doctor", "--json"],
    ["listen", "--demo"],
    ["listen", "--demo", "--json"],
    ["replay", "RECORDING"],
    ["replay", "--csv", "RECORDING"],
    ["replay", "--json", "--jobs", "2", "RECORDING", "OTHER"],
    ["learned"],
    *(["history", "--by", by, "--since", "7d", "--file", "HISTORY"] for by in ("event", "tag", "hour", "day")),
    ["history", "--csv", "--file", "HISTORY"],
    ["wrong", "last", "--file", "HISTORY"],
    ["right", "last", "--file", "HISTORY"],
    ["report", "--out", "/dev/null", "--file", "HISTORY"],
    ["export", "--to", "ical", "--since", "7d", "--file", "HISTORY"],
    ["install-service", "--print"],
    ["bench", "--rounds", "1", "--json"],
]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "gehört ☂.wav"
    soundfile.write(path, scene(3.0), RATE)
    return str(path)


def other(recording, folder):
    """Return another file with the same sound: one that is named twice is heard once."""
    return str(shutil.copy(recording, folder / "other.wav"))


def ended(process, timeout=60):
    """Return a process's status and the lines that it said."""
    _, err = process.communicate(timeout=timeout)
    return process.returncode, err.decode().splitlines()


def test_all_verbs_are_tried():
    (verbs,) = (action for action in build_parser()._actions if action.dest == "verb")
    assert set(verbs.choices) == set(VERBS)
    assert {arguments[0] for arguments in SHOWN} - {"--help", "--version"} == set(VERBS) - NOT_SHOWN


@pytest.mark.parametrize("arguments", SHOWN, ids=" ".join)
def test_a_standard_output_that_is_full_is_told_in_one_line(arguments, recording, tmp_path):
    history = tmp_path / "history.db"
    if "HISTORY" in arguments:
        make_up(history, round(time.time() * 1000.0), days=3, per_day=5)
    named = {"RECORDING": recording, "OTHER": other(recording, tmp_path), "HISTORY": str(history)}
    words = [named.get(word, word) for word in arguments]
    with Path("/dev/full").open("w") as full:
        status, said = ended(start(*words, stdout=full, environment={"XDG_CONFIG_HOME": str(tmp_path)}))
    assert (status, said[-1:]) == (1, ["bowstream: standard output: No space left on device"]), said
    assert not any("Traceback" in line or "Exception" in line for line in said)
    assert not any("hops" in line or "heard" in line for line in said)


@pytest.mark.parametrize("arguments", [["--help"], ["check"], ["listen", "--demo", "--json"]], ids=" ".join)
def test_a_standard_output_that_is_closed_is_told_in_one_line(arguments):
    command = f'exec "{sys.executable}" -m bowstream "$@" >&-'
    done = subprocess.run(["sh", "-c", command, "sh", *arguments], capture_output=True, text=True, timeout=60)
    said = "bowstream: standard output is closed: send it to /dev/null if it is not wanted\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_what_is_said_stays_out_of_the_results_where_standard_error_is_closed(recording):
    command = f'exec "{sys.executable}" -m bowstream replay --json "$@" 2>&-'
    done = subprocess.run(["sh", "-c", command, "sh", recording, "missing.wav"], stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 1
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()].count("file") == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [["--help"], *([verb, "--help"] for verb in VERBS), ["config"], ["check"], ["replay", "RECORDING"]],
    ids=" ".join,
)
def test_no_encoding_breaks_what_is_shown(arguments, encoding, recording, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    try:
        status = main([recording if word == "RECORDING" else word for word in arguments])
    except SystemExit as end:
        status = end.code
    sys.stdout.flush()
    assert status == 0
    assert len(written.getvalue().decode(encoding)) > 100


@pytest.mark.parametrize("arguments", [["check"], ["replay", "--json", "RECORDING"]], ids=" ".join)
def test_a_process_ends_without_a_word(arguments, recording):
    """Also while Python frees everything, which `warm.Popen` spares."""
    words = [recording if word == "RECORDING" else word for word in arguments]
    process = start(*words, stdout=subprocess.DEVNULL, popen=subprocess.Popen)
    assert ended(process) == (0, [])


MOMENTS_S = [0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0]
INTERRUPTED = [["listen", "--demo", "--json"], ["replay", "--jobs", "2", "A", "B"]]


@pytest.mark.parametrize("arguments", INTERRUPTED, ids=" ".join)
def test_ctrl_c_at_any_moment_is_no_traceback(arguments, tmp_path):
    """While Python itself starts, and takes the package in, it complains of an interruption; later nothing may."""
    for name in "AB":
        soundfile.write(tmp_path / name, np.zeros(8_000 * 600, np.int16), 8_000, format="WAV")
    for moment_s in MOMENTS_S:
        process = start(*arguments, popen=subprocess.Popen, cwd=tmp_path, start_new_session=True)
        time.sleep(moment_s)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
        _, said = ended(process)
        if any("Traceback" in line for line in said):
            ours = [line for line in said if re.search(r"bowstream/(?!__init__|errors)|^bowstream:", line)]
            assert not ours, (moment_s, said)


def test_sigterm_leaves_no_folder_behind(tmp_path):
    for name in "AB":
        soundfile.write(tmp_path / name, np.zeros(8_000 * 1200, np.int16), 8_000, format="WAV")
    spool = tmp_path / "spool"
    spool.mkdir()
    process = start(
        "replay", "--json", "--hop", "0.1", "--jobs", "2", "A", "B", cwd=tmp_path, environment={"TMPDIR": str(spool)}
    )
    deadline_s = time.monotonic() + 60
    while not [file for file in spool.rglob("*") if file.is_file() and file.stat().st_size]:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    process.terminate()
    status, said = ended(process)
    assert status == 143 and list(spool.iterdir()) == []
    assert not any("Traceback" in line for line in said)


@pytest.fixture
def nobody(monkeypatch):
    """A container's user: no home, no entry in passwd."""
    import pwd

    def missing(user):
        raise KeyError(f"uid not found: {user}")

    for name in ("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", missing)
    monkeypatch.setattr(pwd, "getpwnam", missing)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["config"], 0, ""),
        (["check", "--json"], 0, ""),
        (["replay", "RECORDING"], 0, ""),
        (["install-service", "--system", "--print"], 0, ""),
        (["install-service", "--user", "--print"], 0, ""),
        (["install-service", "--user", "--uninstall"], 2, "bowstream: ~/.config: there is no home folder for ~: "),
        (["replay", "--bundle", "~/mine", "RECORDING"], 1, "bowstream: "),
        (["config", "HOMELESS"], 2, "bowstream: ~/x.jsonl: there is no home folder for ~: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_without_a_home_each_verb_works_or_says_what_it_wants(
    arguments, status, said, recording, nobody, tmp_path, capsys
):
    (tmp_path / "x.toml").write_text("bundle = '~/x.jsonl'\n")
    words = [{"RECORDING": recording, "HOMELESS": str(tmp_path / "x.toml")}.get(word, word) for word in arguments]
    assert main(words) == status
    err = capsys.readouterr().err
    assert err.count("\n") == (status != 0) and err.startswith(said)


def test_files_of_the_service_are_private_whatever_the_umask(tmp_path, monkeypatch):
    from bowstream.cli.service import write

    before = os.umask(0o077)
    try:
        write(tmp_path / "deep" / "bowstream.service", "[Unit]\n")
    finally:
        os.umask(before)
    assert (tmp_path / "deep" / "bowstream.service").stat().st_mode & 0o777 == 0o644  # systemd has to read it


def test_no_room_for_temporary_files_is_told(recording, tmp_path):
    full = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']"
    code = f"{full}\nfrom bowstream.__main__ import main\nmain()"
    command = [sys.executable, "-c", code, "replay", "--jobs", "2", recording, other(recording, tmp_path)]
    done = warm.run(command, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"bowstream: .*No usable temporary directory found in \['/proc'\]\n", done.stderr)


def test_a_file_that_is_asked_for_is_whole_or_as_it_was(tiny_disk):
    path, link = tiny_disk / "report.html", tiny_disk / "link"
    write_text(path, "before\r\n")
    assert (path.stat().st_mode & 0o777, path.read_bytes()) == (0o600, b"before\r\n")
    path.chmod(0o640)
    link.symlink_to(path)
    write_text(link, "after")
    assert link.is_symlink() and (path.stat().st_mode & 0o777, path.read_text()) == (0o640, "after")
    with pytest.raises(BowstreamError, match=f"^{re.escape(str(path))}: No space left on device$"):
        write_text(path, "x" * 100_000)
    assert (path.read_text(), sorted(tiny_disk.iterdir())) == ("after", [link, path])
    with pytest.raises(BowstreamError, match=r"^/dev/full: No space left on device$"):
        write_text(Path("/dev/full"), "x")


def test_a_name_obeys_no_terminal(tmp_path, bowstream):
    status, _, err = bowstream("replay", tmp_path / "a\x1b[31m\nb\x9b.wav")
    assert status == 1
    assert err.count("\n") == 1 and r"a\x1b[31m\nb\x9b.wav" in err
