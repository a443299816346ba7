"""`bowstream replay ARCHIVE --out FOLDER`: each row once, whatever stops the job and whenever."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import archives
import numpy as np
import pytest
import soundfile
import warm
from archives import configured, made_up, rows, tables
from signals import scene
from test_replay import of_kind

from bowstream.archive.child import Children, CrashError, HangingError
from bowstream.archive.hear import Wanted
from bowstream.archive.job import parts_first
from bowstream.archive.plan import Recording, Task, read_plan, tasks_of, write_plan
from bowstream.archive.remote import fetched, listed
from bowstream.archive.work import Work, bundle_with, bundles, carried_out, fingerprint
from bowstream.cli import archive as cli_archive
from bowstream.cli import replay as cli_replay
from bowstream.cli.main import build_parser, main
from bowstream.cli.recordings import open_bundle
from bowstream.config.file import Config
from bowstream.config.settings import Settings
from bowstream.errors import AudioError, BowstreamError, UsageError
from bowstream.output.labels import FORMATS, Label


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An archive, and its results without an interruption."""
    folder = tmp_path_factory.mktemp("archive")
    made_up(folder / "cards")
    (folder / "cards" / "A" / "bad.wav").write_bytes(b"RIFFjunk")
    (folder / "cards" / "A" / "dump.raw").write_bytes(bytes(100))
    config = configured(folder)
    arguments = ["replay", str(folder / "cards"), "--config", config, "--timezone", "+02:00", "--scores", "--loudness"]
    assert main([*arguments, "--out", str(folder / "whole")]) == 1
    return folder, arguments


def test_the_rows_are_those_that_replay_writes(place, replayed):
    folder, arguments = place
    _, objects, _ = replayed("--config", arguments[3], "--timezone", "+02:00", folder / "cards")
    ended = [each for each in of_kind(objects, "event") if each["state"] == "off"]
    found = rows(folder / "whole", "events")
    assert len(found) == len(ended) > 0
    key = ("file", "onset_s", "tag")
    for row, event in zip(
        sorted(found, key=lambda row: [row[k] for k in key]), sorted(ended, key=lambda row: [row[k] for k in key])
    ):
        assert [row[name] for name in (*key, "id")] == [event[name] for name in (*key, "id")]
        assert (round(row["offset_s"], 3), round(row["peak"], 4)) == (event["offset_s"], event["peak"])
        assert row["utc_offset_s"] == 7200
    hops = of_kind(objects, "hop")
    scores = {(row["file"], row["end_s"]): row for row in rows(folder / "whole", "scores")}
    assert len(scores) == len(hops)
    for hop in hops:
        row = scores[hop["file"], hop["end_s"]]
        assert {tag: round(row[tag], 4) for tag in hop["scores"]} == pytest.approx(hop["scores"], abs=1.1e-4)
    minutes = rows(folder / "whole", "loudness")
    assert [(row["start_s"], row["heard_s"]) for row in minutes] == [(0.0, 4.0)] * 8
    assert all(-90.0 < row["level_dbfs"] < row["peak_dbfs"] < 0.0 for row in minutes)


def test_each_recording_has_a_row_and_failures_a_reason(place):
    folder, _ = place
    found = {row["file"]: row for row in rows(folder / "whole", "recordings")}
    assert len(found) == 9
    bad = found.pop(str(folder / "cards" / "A" / "bad.wav"))
    assert "no recording" in bad["error"] and bad["heard_s"] == 0.0 and bad["time"] is None
    assert {row["heard_s"] for row in found.values()} == {4.0} and not any(row["error"] for row in found.values())
    assert all(len(row["sha256"]) == 64 for row in found.values())
    with (folder / "whole" / "failed.csv").open() as file:
        reasons = {Path(row["file"]).name: row["reason"] for row in csv.DictReader(file)}
    assert reasons.keys() == {"bad.wav", "dump.raw"} and "--raw" in reasons["dump.raw"]
    manifest = json.loads((folder / "whole" / "manifest.json").read_text())
    assert manifest["recordings"] == 9 and len(manifest["bundle_sha256"]) == 64 and manifest["settings"]["hop_s"] == 1.0


def test_tables_lie_by_date_and_site(place):
    folder, _ = place
    places = {str(Path(name).parent) for name in tables(folder / "whole") if name.startswith("events/")}
    dated = {f"events/date=2026-06-0{day}/site={site}" for day in (1, 2) for site in ("A", "B%20b")}
    assert places == dated | {"events/date=unknown/site=A"}


def begin(folder, arguments, out, jobs=2):
    command = [sys.executable, "-m", "bowstream", *arguments, "--out", str(folder / out), "--jobs", str(jobs)]
    return warm.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(process, out, done):
    """Wait until so many tasks are done, or the process has ended."""
    while process.poll() is None and len(list((out / "recordings").rglob("[0-9]*.parquet"))) < done:
        time.sleep(0.005)


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGKILL, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_job_that_is_stopped_goes_on(number, jobs, place):
    folder, arguments = place
    out = folder / f"stopped-{number}"
    for done in (1, 3) if number == signal.SIGKILL else (2,):
        process = begin(folder, arguments, out.name, jobs)
        wait_for(process, out, done)
        process.send_signal(number)
        _, err = process.communicate(timeout=30.0)
        assert process.returncode in (-signal.SIGKILL, 130, 143, 1)
        if process.returncode in (130, 143):
            assert "the same command continues" in err and "Traceback" not in err
    assert main([*arguments, "--out", str(out)]) == 1
    assert tables(out) == tables(folder / "whole")
    assert not [name for name in out.rglob("*.part")]


def test_a_job_that_is_done_has_nothing_to_do(place):
    folder, arguments = place
    before = {file: file.stat().st_mtime_ns for file in (folder / "whole" / "events").rglob("*.parquet")}
    assert main([*arguments, "--out", str(folder / "whole"), "--jobs", "2"]) == 1
    assert {file: file.stat().st_mtime_ns for file in (folder / "whole" / "events").rglob("*.parquet")} == before


def test_what_failed_is_heard_once_more(tmp_path):
    cards = made_up(tmp_path / "cards", ("A",), ("20260601",), 1.0)
    away = cards / "A" / "20260601_070000.wav"
    content = away.read_bytes()
    away.write_bytes(b"")
    arguments = ["replay", str(cards), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    away.write_bytes(content)
    assert main(arguments) == 1  # that is done, though it failed
    assert main([*arguments, "--retry"]) == 0
    assert [row["heard_s"] for row in rows(tmp_path / "out", "recordings")] == [1.0, 1.0]
    assert len(list((tmp_path / "out" / "recordings").rglob("*.parquet"))) == 1


def test_a_process_that_is_killed_costs_no_row(place):
    folder, arguments = place
    process = begin(folder, arguments, "killed", 1)
    wait_for(process, folder / "killed", 1)
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    for child in " ".join(file.read_text() for file in children).split():
        os.kill(int(child), signal.SIGKILL)
    process.communicate(timeout=60.0)
    assert process.returncode == 1  # of what cannot be heard
    assert tables(folder / "killed") == tables(folder / "whole")


def parsed(*arguments):
    return cli_replay.options(build_parser().parse_args(["replay", *map(str, arguments)]))


def test_long_recordings_in_parts_have_the_same_rows(tmp_path):
    (tmp_path / "cards").mkdir()
    gains = np.repeat(10.0 ** np.random.default_rng(3).uniform(-3.0, 0.0, 200), 16_000)
    soundfile.write(
        tmp_path / "cards" / "20260601_060000.wav", (np.tile(scene(20.0), 10) * gains)[: 190 * 16_000], 16_000
    )
    found = []
    for part_s in (1e9, 60.0):
        out = tmp_path / f"by-{part_s}"
        options = parsed(tmp_path / "cards", "--config", configured(tmp_path), "--out", out, "--scores", "--loudness")
        assert cli_archive.archive(options, options.archive, part_s=part_s) == 0
        found.append({kind: rows(out, kind) for kind in ("events", "scores", "loudness", "recordings")})
        assert not list((out / "parts").glob("*")) if part_s == 60.0 else not (out / "parts").exists()
        assert len(list(read_plan(out))) == (3 if part_s == 60.0 else 1)
    assert found[0] == found[1]
    assert len(found[0]["loudness"]) == 4 and len(found[0]["events"]) > 10


@pytest.mark.parametrize(("hop", "parts"), [("1", 1), ("0.1", 4)])
def test_with_a_short_hop_parts_are_shorter(hop, parts, tmp_path, monkeypatch):
    """All scores of a part are in memory at a time."""
    made_up(tmp_path / "cards", ("A",), ("20260601",), 1.0)
    next((tmp_path / "cards").rglob("*_070000.wav")).unlink()
    monkeypatch.setattr(cli_archive, "length_of", lambda path: 36_000.0)
    monkeypatch.setattr(cli_archive, "carry_on", lambda *job: None)
    assert main(["replay", str(tmp_path / "cards"), "--out", str(tmp_path / "out"), "--hop", hop]) == 0
    assert len(list(read_plan(tmp_path / "out"))) == parts


def work(open_session, patience_s=20.0):
    settings = Settings()
    opening = partial(open_bundle, Config(settings))
    return Work(opening, partial(open_session, settings), fingerprint(opening()), Wanted(), patience_s=patience_s)


def test_a_bundle_is_opened_once_and_must_be_that_which_was_begun_with(bundle, monkeypatch):
    monkeypatch.delitem(bundles, fingerprint(bundle), raising=False)
    opened = []
    assert bundle_with(fingerprint(bundle), lambda: opened.append(bundle) or bundle) is bundle
    assert bundle_with(fingerprint(bundle), lambda: opened.append(bundle) or bundle) is bundle
    assert opened == [bundle]
    with pytest.raises(BowstreamError, match="what it was taught, is another here"):
        bundle_with("0" * 16, lambda: bundle)


def test_what_crashes_or_hangs_a_decoder_costs_one_recording(tmp_path):
    names = ["a.wav", "crash.wav", "b.wav", "hang.wav", "c.wav"]
    for name in names:
        soundfile.write(tmp_path / name, scene(1.0), 16_000)
    recordings = tuple(Recording(str(tmp_path / name), 1, None, "A") for name in names)
    heard = carried_out(Task(0, 0, recordings), work(archives.crashing_session, patience_s=5.0))
    assert [one.heard_s for one in heard] == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert "its process ended" in heard[1].error and "nothing was heard for 5 s" in heard[3].error
    assert heard[0].error is heard[2].error is heard[4].error is None


def test_a_child_does_one_call_after_another():
    children = Children()
    child, told = children.mine(), []
    assert child is children.mine()
    assert child.call(archives.adds, 1, 2, told=told.append) == 3 and told == ["adding"]
    with pytest.raises(ValueError, match="no"):
        child.call(archives.raises, "no")
    with pytest.raises(CrashError):
        child.call(archives.dies)
    with pytest.raises(HangingError):
        child.call(archives.hangs, patience_s=0.5)
    assert child.call(archives.adds, 3, 4) == 7
    children.stop()
    with pytest.raises(CrashError):
        child.call(archives.adds, 1, 2)


def test_a_child_ends_with_its_parent():
    code = (
        "import archives\nfrom bowstream.archive.child import Child\nchild = Child()\nchild.call(archives.adds, 1, 2)\n"
        "print(child._process.pid, flush=True)\nchild.call(archives.hangs)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    child = Path("/proc") / process.stdout.readline().strip()
    assert child.exists()
    process.kill()
    process.wait()
    until = time.monotonic() + 10.0
    while child.exists() and "State:\tZ" not in (child / "status").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert time.monotonic() < until


@pytest.mark.parametrize(
    "change",
    [["--hop", "0.5"], ["--timezone", "UTC"], ["--hold", "2"], ["another"], []],
    ids=lambda change: "-".join(change),
)
def test_it_goes_on_only_with_the_same(change, place, capsys):
    folder, arguments = place
    other = [arguments[0], *change, *arguments[1:]] if change else [each for each in arguments if each != "--scores"]
    if change[:1] == ["--timezone"]:
        other = [*arguments[:4], *change, *arguments[6:]]  # said once
    assert main([*other, "--out", str(folder / "whole")]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "configured by" not in line]
    assert "these results were begun with other" in line


def test_no_two_write_at_once(place, capsys):
    folder, arguments = place
    with cli_archive.alone(folder / "whole"):
        assert main([*arguments, "--out", str(folder / "whole")]) == 1
    assert "another bowstream is writing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--json"], ["--csv"], ["--realtime"], ["--start", "2026-06-01T06:00"], ["-"]], ids=lambda each: each[0]
)
def test_what_tables_are_not(options, tmp_path, capsys):
    assert main(["replay", "--out", str(tmp_path / "out"), *options, str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("bowstream: --out writes tables")
    assert main(["replay", str(tmp_path), "--scores"]) == 2
    assert main(["replay", f"@{tmp_path / 'none'}"]) == 2
    (tmp_path / "empty").write_text("\n")
    assert main(["replay", f"@{tmp_path / 'empty'}"]) == 2


@pytest.mark.parametrize("damage", ["{", '{"format": "another"}', '{"format": "bowstream-archive-1"}', "[]"])
def test_a_damaged_manifest_is_told(damage, tmp_path, capsys):
    made_up(tmp_path / "cards", ("A",), ("20260601",), 1.0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(damage)
    assert main(["replay", str(tmp_path / "cards"), "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is damaged, or of another version" in line


def test_a_folder_of_other_things_is_left_alone(tmp_path, capsys):
    made_up(tmp_path / "cards", ("A",), ("20260601",), 1.0)
    assert main(["replay", str(tmp_path / "cards"), "--out", str(tmp_path / "cards")]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_verbs_that_look_back_read_the_results(place, capsys):
    folder, _ = place
    history = ["--file", str(folder / "whole" / "history.db"), "--since", "2026-06-01", "--until", "2026-06-03"]
    assert main(["history", *history, "--json", "--by", "hour"]) == 0
    hours = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(hour["events"] for hour in hours) == len(rows(folder / "whole", "events"))
    assert sum(hour["listened_s"] for hour in hours) == 16.0  # two sites at the same time
    assert main(["export", *history, "--to", "csv"]) == 0
    assert {row["source"] for row in csv.DictReader(capsys.readouterr().out.splitlines())} == {"A", "B b"}
    assert len(list((folder / "whole").glob("history.db*"))) == 1
    with sqlite3.connect(folder / "whole" / "history.db") as connection:
        assert connection.execute("SELECT count(*), min(heard_ms) FROM minutes").fetchone() == (8, 4000)
    page = (folder / "whole" / "summary.html").read_text()
    assert "events by day and hour" in page and "Mon 01 Jun" in page


@pytest.mark.parametrize("program", ["raven", "audacity"])
def test_labels(program, tmp_path, capsys):
    made_up(tmp_path / "cards", ("A",), ("20260601",), 6.0)  # so long that an event ends after one that began later
    arguments = ["replay", str(tmp_path / "cards"), "--config", configured(tmp_path), "--labels", program]
    assert main(arguments) == 0  # beside the recordings
    beside = {file.name: file.read_text() for file in (tmp_path / "cards").rglob("*.txt")}
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    found = {file.name: file.read_text() for file in (tmp_path / "out" / "labels").rglob("*.txt")}
    assert found == beside and len(found) == 2
    first, place = (1, 3) if program == "raven" else (0, 0)
    for text in found.values():
        onsets = [float(line.split("\t")[place]) for line in text.splitlines()[first:]]
        assert onsets == sorted(onsets) and len(onsets) > 1


@pytest.mark.parametrize("peak", [0.13497, 0.12503, 0.0, 1.0, 0.995])
def test_a_label_of_a_rounded_peak_is_that_of_the_exact_one(peak):
    """A recording's report rounds it to four digits, an archive's tables do not."""
    for form in FORMATS.values():
        assert form([Label(0.0, 1.0, "dog", round(peak, 4))]) == form([Label(0.0, 1.0, "dog", peak)])


def test_a_list_and_a_zip_are_archives(tmp_path):
    cards = made_up(tmp_path / "cards", ("A",), ("20260601",), 1.0)
    names = sorted(map(str, cards.rglob("*.wav")))
    (tmp_path / "list.txt").write_text("\n".join([*names, ""]))
    assert main(["replay", f"@{tmp_path / 'list.txt'}", "--out", str(tmp_path / "listed")]) == 0
    assert [row["file"] for row in rows(tmp_path / "listed", "recordings")] == names
    pytest.importorskip("fsspec")
    with zipfile.ZipFile(tmp_path / "cards.zip", "w") as file:
        for name in names:
            file.write(name, os.path.relpath(name, tmp_path))
        file.writestr("cards/notes.txt", "none")
    address = f"zip://::{tmp_path / 'cards.zip'}"
    assert main(["replay", address, "--out", str(tmp_path / "zipped"), "--scores"]) == 0
    zipped = rows(tmp_path / "zipped", "recordings")
    assert [row["file"] for row in zipped] == [
        f"zip://cards/A/{Path(name).name}::{tmp_path / 'cards.zip'}" for name in names
    ]
    assert [row["sha256"] for row in zipped] == [row["sha256"] for row in rows(tmp_path / "listed", "recordings")]


def test_a_host_stays_in_the_addresses_of_its_recordings():
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem
    from fsspec.utils import infer_storage_options

    class Hosted(MemoryFileSystem):
        """As sftp:// and ftp:// are: its paths are without the host, and there is none without one."""

        protocol, cachable, store, pseudo_dirs = "hosted", False, {}, [""]

        def __init__(self, host, username=None, **options):
            super().__init__(**options)
            if username == "nobody":
                raise RuntimeError("no such user")

        @classmethod
        def _strip_protocol(cls, path):
            return infer_storage_options(path)["path"].rstrip("/")

        @staticmethod
        def _get_kwargs_from_urls(path):
            return {name: each for name, each in infer_storage_options(path).items() if name in ("host", "username")}

    fsspec.register_implementation("hosted", Hosted, clobber=True)
    Hosted("h").pipe("/cards/A b/1.wav", b"RIFF")
    (there,) = {listed(f"hosted://me@h{path}")[0] for path in ("", "/", "/cards", "/cards/", "/cards/A b")}
    assert there == ("hosted://me@h/cards/A b/1.wav", 4)
    with fetched(there[0], lambda heard_s: None) as file:
        assert file.name == "1.wav" and file.read_bytes() == b"RIFF"
    with pytest.raises(UsageError, match="cannot be listed: no such user"):
        listed("hosted://nobody@h/cards")
    with pytest.raises(AudioError, match="cannot be fetched: no such user"), fetched("hosted://nobody@h/1.wav", print):
        pass


@pytest.mark.parametrize("address", ["nothing://here", "zip://::/no/such.zip", "memory://empty"])
def test_addresses_that_lead_nowhere(address, tmp_path, capsys):
    pytest.importorskip("fsspec")
    assert main(["replay", address, "--out", str(tmp_path / "out")]) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bowstream: ") and "Traceback" not in line


def test_a_plan_is_read_as_it_was_written(tmp_path):
    name = os.fsdecode(b"\xff.wav")
    recordings = [Recording(f"{tmp_path}/{each}", 9_600_000, None, "A") for each in (name, *map(str, range(99)))]
    recordings.append(Recording("long.wav", 1, None, "B", 36_000.0))
    tasks = list(tasks_of(recordings, part_s=3600.0))
    assert write_plan(tmp_path, tasks) == 101
    assert list(read_plan(tmp_path)) == tasks
    assert [task.number for task in tasks] == list(range(13)) and [task.group for task in tasks[3:]] == [3] * 10
    assert [len(task.recordings) for task in tasks[:3]] == [36, 36, 28]
    assert sum(task.weight_s for task in tasks) == pytest.approx(100 * 100.0 + 36_000.0)


def test_parts_of_long_recordings_come_first(tmp_path):
    recordings = [Recording("A/long.wav", 1, None, "A", 36_000.0), Recording("A/short.wav", 1, None, "A", 60.0)]
    recordings += [Recording("B/short.wav", 1, None, "B", 60.0), Recording("C/long.wav", 1, None, "C", 36_000.0)]
    write_plan(tmp_path, tasks_of(recordings, part_s=18_000.0))
    found = [(task.recordings[0].path, task.is_part) for task in parts_first(tmp_path)]
    long, short = ("A/long.wav", "C/long.wav"), ("A/short.wav", "B/short.wav")
    assert found == [(path, True) for path in long for _ in range(2)] + [(path, False) for path in short]


def test_a_small_recording_is_as_long_as_another_of_its_folder_says(tmp_path):
    for name, rate, length_s in [("a.wav", 8000, 2.0), ("b.wav", 8000, 6.0), ("c.flac", 8000, 2.0)]:
        soundfile.write(tmp_path / name, scene(length_s, rate), rate, "PCM_16")
    (tmp_path / "0.wav").write_bytes(b"none")
    lengths, sizes = cli_archive.Lengths(1e6), {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert lengths.of(str(tmp_path / "0.wav"), 4) is None
    assert lengths.of(str(tmp_path / "a.wav"), sizes["a.wav"]) == 2.0
    (tmp_path / "b.wav").unlink()  # it is not opened
    assert lengths.of(str(tmp_path / "b.wav"), sizes["b.wav"]) == pytest.approx(6.0, rel=0.01)
    assert lengths.of(str(tmp_path / "c.flac"), sizes["c.flac"]) == 2.0
    assert cli_archive.Lengths(10).of(str(tmp_path / "a.wav"), sizes["a.wav"]) == 2.0


def test_a_silent_recording_says_nothing_of_those_beside_it(tmp_path):
    """Silence takes next to nothing in FLAC: by its bytes, the next one would be hours."""
    lengths = cli_archive.Lengths(1e6)
    for name, sound in [("a", np.zeros(80_000)), ("b", scene(3.0, 8000)), ("c", np.zeros(80_000))]:
        path = tmp_path / f"{name}.flac"
        soundfile.write(path, sound, 8000, "PCM_16")
        assert lengths.of(str(path), path.stat().st_size) == len(sound) / 8000
