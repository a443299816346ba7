"""The job on a Dask cluster: workers and schedulers are killed, decoders hang, and the rows are the same."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from archives import configured, deadly_once, made_up, tables
from stage import until

from bowstream.archive import cluster
from bowstream.archive.child import Children
from bowstream.archive.engine import each
from bowstream.cli.main import main

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

SITES, DAYS = ("A", "B"), ("20260601", "20260602", "20260603")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An archive, and its results by one plain process."""
    folder = tmp_path_factory.mktemp("cluster")
    made_up(folder / "cards", SITES, DAYS, 3.0)
    arguments = ["replay", str(folder / "cards"), "--config", configured(folder), "--scores"]
    assert main([*arguments, "--out", str(folder / "plain")]) == 0
    return folder, arguments


class Machines:
    """A scheduler and workers, each a process of its own."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.processes = []

    def start(self, module, *arguments, stderr=subprocess.DEVNULL):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environment, stdout=subprocess.DEVNULL, stderr=stderr, text=True, start_new_session=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self):
        host, port = self.address.removeprefix("tcp://").split(":")
        where = "--host", host, "--port", port
        return self.start("distributed.cli.dask_scheduler", *where, "--no-dashboard", "--no-jupyter")

    def worker(self):
        how = "--nthreads", "1", "--no-dashboard", "--no-nanny"
        return self.start("distributed.cli.dask_worker", self.address, *how)

    def ready(self):
        """Start one of each; return them when one can connect."""
        both = self.scheduler(), self.worker()
        until(self.is_reachable)
        return both

    def is_reachable(self):
        host, port = self.address.removeprefix("tcp://").split(":")
        with socket.socket() as one:
            return one.connect_ex((host, int(port))) == 0

    def job(self, arguments, out):
        there = "--out", str(out), "--dask", self.address
        return self.start("bowstream", *arguments, *there, stderr=subprocess.PIPE)

    def stop(self):
        kill(*self.processes)


def kill(*processes):
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def machines():
    found = Machines()
    yield found
    found.stop()


def wait_for(process, out, done):
    while process.poll() is None and len(list((out / "recordings").rglob("[0-9]*.parquet"))) < done:
        time.sleep(0.01)
    assert process.poll() is None


def test_a_cluster_of_this_machine_writes_the_same(place):
    folder, arguments = place
    assert main([*arguments, "--out", str(folder / "local"), "--jobs", "2"]) == 0
    assert tables(folder / "local") == tables(folder / "plain")


def test_a_cluster_of_this_machine_cannot_be_reached_from_others():
    def listening():
        return {one.laddr for one in psutil.Process().net_connections("tcp") if one.status == psutil.CONN_LISTEN}

    before = listening()
    with closing(cluster.Cluster(None, 2, Children())):
        opened = listening() - before
    assert {address.ip for address in opened} == {"127.0.0.1"}


def test_a_worker_that_is_killed(place, machines):
    folder, arguments = place
    machines.scheduler()
    first, _ = machines.worker(), machines.worker()
    process = machines.job(arguments, folder / "worker")
    wait_for(process, folder / "worker", 1)
    kill(first)
    _, err = process.communicate(timeout=100.0)
    assert process.returncode == 0 and "Traceback" not in err, err
    assert tables(folder / "worker") == tables(folder / "plain")


def test_a_scheduler_that_starts_again(place, machines):
    folder, arguments = place
    scheduler, worker = machines.scheduler(), machines.worker()
    process = machines.job(arguments, folder / "scheduler")
    wait_for(process, folder / "scheduler", 1)
    kill(scheduler, worker)
    machines.scheduler()
    machines.worker()
    _, err = process.communicate(timeout=100.0)
    assert process.returncode == 0 and "Traceback" not in err, err
    assert tables(folder / "scheduler") == tables(folder / "plain")


def test_a_scheduler_that_ends_before_a_result_is_fetched(machines, tmp_path):
    processes = machines.ready()

    def start_again():
        for process in processes:
            process.wait()
        machines.ready()

    again = threading.Thread(target=start_again)
    again.start()
    with closing(cluster.Cluster(machines.address, 1, Children())) as found:
        victims = [process.pid for process in processes]
        done = each(found, deadly_once, iter(range(5)), str(tmp_path / "died"), victims)
        assert sorted(done) == [(number, number) for number in range(5)]
    again.join()


def test_a_scheduler_that_is_away_while_results_are_written(machines, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 3.0)
    processes = machines.ready()
    with closing(cluster.Cluster(machines.address, 1, Children())) as found:
        done = each(found, abs, iter(range(5)))
        results = [next(done)]
        kill(*processes)
        until(lambda: found._client.status == "closed")  # it no longer tries
        machines.ready()
        assert sorted([*results, *done]) == [(number, number) for number in range(5)]


def test_a_job_on_a_cluster_is_stopped_and_goes_on_without(place, machines):
    folder, arguments = place
    machines.scheduler()
    machines.worker()
    process = machines.job(arguments, folder / "stopped")
    wait_for(process, folder / "stopped", 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60.0)
    assert process.returncode == 130 and "the same command continues" in err and "Traceback" not in err
    assert main([*arguments, "--out", str(folder / "stopped")]) == 0
    assert tables(folder / "stopped") == tables(folder / "plain")


@pytest.mark.parametrize(("address", "status"), [("tcp://127.0.0.1:1", 1), ("nowhere://x", 2), ("tcp://", 2)])
def test_schedulers_that_are_none(address, status, place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    _, arguments = place
    assert main([*arguments, "--out", str(tmp_path / "out"), "--dask", address]) == status
    lines = [line for line in capsys.readouterr().err.splitlines() if "configured by" not in line]
    assert len(lines) == 1 and "Traceback" not in lines[0]
    assert Path(tmp_path, "out").exists()


def test_without_dask(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "is_there", lambda: False)
    folder, arguments = place
    assert main([*arguments, "--out", str(tmp_path / "out"), "--jobs", "2"]) == 0
    assert tables(tmp_path / "out") == tables(folder / "plain")
    assert main([*arguments, "--out", str(tmp_path / "out"), "--dask", "tcp://127.0.0.1:1"]) == 2
    assert "bowstream[cluster]" in capsys.readouterr().err
