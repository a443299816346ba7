"""A few mutants of every kind of file; `fuzz.py` runs many by hand."""

import fuzz
import pytest
from mutants import KINDS

COUNT, BUNDLES = 25, 15


@pytest.fixture(scope="module")
def worker():
    worker = fuzz.Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutant_gives_a_result_or_a_line(kind, worker, tmp_path):
    """Within 10 s and 300 MB, without a traceback or a crash."""
    ends, bad = fuzz.hunt(kind, BUNDLES if kind == "bundle" else COUNT, 0, worker, tmp_path)
    assert bad == {}
    assert sum(ends.values()) >= BUNDLES


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        ({"killed": -11}, "killed"),
        ({"status": 0, "out": "", "err": "", "seconds": 11.0, "mb": 1.0}, "11 s"),
        ({"status": 0, "out": "", "err": "", "seconds": 1.0, "mb": 400.0}, "400 MB"),
        ({"status": 1, "out": "", "err": "Traceback (most", "seconds": 1.0, "mb": 1.0}, "not a line of ours"),
        ({"status": 1, "out": "", "err": "", "seconds": 1.0, "mb": 1.0}, "without a word"),
        ({"status": 0, "out": "NaN", "err": "", "seconds": 1.0, "mb": 1.0}, "no JSON"),
        ({"status": 0, "out": '{"type": "file"}', "err": "", "seconds": 1.0, "mb": 1.0}, "no result"),
        ({"status": 1, "out": '{"type": "file"}', "err": "bowstream: no", "seconds": 1.0, "mb": 1.0}, None),
    ],
)
def test_what_the_fuzzer_complains_about(result, problem):
    found = fuzz.complaint(result, "replay")
    assert found is None if problem is None else problem in found
