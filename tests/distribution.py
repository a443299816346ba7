"""How the tests are spread over processes: a plugin of conftest.py."""

import gc
import importlib
import os
from contextlib import suppress
from pathlib import Path

import pytest

# What takes longest begins first, so that nobody is left with it at the end.
LONGEST = [
    "test_types",
    "test_web_browser",
    "test_sinks_listen",
    "test_archive",
    "test_ears_listen",
    "test_streams",
    "test_dashboard_teaching",
    "test_fuzz",
    "test_demo",
    "test_reconnect",
    "test_listen",
    "test_bench",
    "test_archive_parts",
    "test_conditions",
    "test_sound_server",
]
# Tests of a file share what takes a while to make, so one process runs them all; so with those of a training.
TOGETHER = {
    "test_archive",
    "test_bad_input",
    "test_bundle_hostile",
    "test_corrections",
    "test_demo",
    "test_examples",
    "test_fuzz",
    "test_history_queries",
    "test_learn",
    "test_web_browser",
}


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: tests wait more than they compute, so there is work for four processes a processor."""
    return 4 * len(os.sched_getaffinity(0))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    """Have each process compile a part of the tests first, and take the others' as compiled by the others."""
    gc.disable()
    worker = getattr(session.config, "workerinput", None)
    if worker and session.config.args == session.config.getini("testpaths"):
        names = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
        first = int(worker["workerid"].removeprefix("gw")) * len(names) // worker["workercount"]
        for name in names[first:] + names[:first]:
            with suppress(Exception, pytest.skip.Exception):  # which is said when they are collected
                importlib.import_module(name)


def pytest_collection_finish():
    """Let no search for what can be freed go through thousands of tests again and again: they stay to the end."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Put those first that take longest."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_xdist_make_scheduler(config, log):
    """Hand out tests one by one, or a file's together. Marks for groups go unseen in pytest 9.2 with xdist 3.8."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = Path(nodeid.partition("::")[0]).stem
            return file if file in TOGETHER or file.startswith("test_train_") else nodeid

    return Scheduling(config, log)
