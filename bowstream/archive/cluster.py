"""A cluster of machines, or of threads of this one, by Dask: it carries tasks out as `engine.Local` does.

The folder of results is written here alone, so a task that was carried out twice is written once. What the cluster
loses, because a worker or the scheduler was killed, is asked for again.
"""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from bowstream.archive.child import Children
from bowstream.errors import BowstreamError, UsageError

# How long a scheduler may be away.
CONNECT_S, AWAY_S, LOOK_EVERY_S = 10.0, 600.0, 0.5
# Of a cluster of this process: a task waits for the worker that is free first, and what nobody looks at is not
# measured, which would take 3 % of a core all the time.
HERE = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "10s",
}
# Dask's servers of web pages, which cannot be left out, are for this machine alone.
PRIVATE = "127.0.0.1:0"


def is_there() -> bool:
    """Whether Dask is installed."""
    return importlib.util.find_spec("distributed") is not None


class Cluster:
    """A cluster whose scheduler is at an address, or one of this process.

    Parameters
    ----------
    address : as in tcp://host:8786; None for a cluster of this process
    jobs : workers of the latter
    children : those that its workers use
    away_s : how long the scheduler may be away

    Raises
    ------
    BowstreamError
        If there is no scheduler at the address.
    UsageError
        If Dask is missing, or the address is none.
    """

    def __init__(self, address: str | None, jobs: int, children: Children, away_s: float = AWAY_S) -> None:
        if not is_there():
            raise UsageError("--dask needs Dask: pip install 'bowstream[cluster]'")
        import dask
        import distributed
        from distributed.scheduler import KilledWorker

        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is said here
        self._dask: Any = distributed
        self.losses: tuple[type[Exception], ...] = (KilledWorker,)
        self._children, self._away_s, self._width = children, away_s, 1
        self._local: Any = None
        if address is None:
            with dask.config.set(HERE):
                self._local = distributed.LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    processes=False,
                    dashboard_address=PRIVATE,
                    worker_dashboard_address=PRIVATE,
                    scheduler_kwargs={"dashboard": False},
                )
        self._address = address or self._local.scheduler_address
        self._client = self._connected()

    @property
    def width(self) -> int:
        """How many tasks are carried out at a time, or were before the scheduler went away."""
        if self._client.status == "running":
            with suppress(OSError):
                self._width = max(1, sum(self._client.nthreads().values()))
        return self._width

    @property
    def has_workers(self) -> bool:
        """Whether there are workers to carry tasks out."""
        return bool(self._client.nthreads())

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have a call carried out somewhere; wait for a scheduler that is away.

        Raises
        ------
        BowstreamError
            If it stays away.
        """
        self._revive()
        future: Future[Any] = Future()
        asked = self._client.submit(function, *arguments, pure=False)
        self._client.loop.add_callback(hand_on, self._client, asked, future)
        return future

    def close(self) -> None:
        """Give up what is not done, at once."""
        if self._local:
            self._children.stop()
        self._client.close(timeout=CONNECT_S)
        if self._local:
            self._local.close(timeout=CONNECT_S)
            self._children.reset()

    def _revive(self) -> None:
        until_s = time.monotonic() + self._away_s
        while self._client.status == "connecting" and time.monotonic() < until_s:
            time.sleep(LOOK_EVERY_S)
        while self._client.status != "running":
            try:
                self._client = self._connected()
            except BowstreamError:
                if time.monotonic() >= until_s:
                    raise
                time.sleep(LOOK_EVERY_S)

    def _connected(self) -> Any:
        try:
            return self._dask.Client(self._address, timeout=CONNECT_S, set_as_default=False, name="bowstream")
        except ValueError as error:
            raise UsageError(f"--dask must be like tcp://host:8786 (got {self._address!r})") from error
        except OSError as error:
            raise BowstreamError(f"there is no scheduler at {self._address}: dask scheduler starts one") from error


async def hand_on(client: Any, asked: Any, future: Future[Any]) -> None:
    """Hand on what a call gave or raised; it is lost if that cannot be fetched.

    Dask's own executor tells nobody of the latter: who waits for its future, waits for ever.
    """
    try:
        future.set_result(await client.gather(asked, asynchronous=True))
    except Exception as error:
        if asked.status == "error":
            future.set_exception(error)
        else:
            future.cancel()
            future.set_running_or_notify_cancel()  # wakes who waits
