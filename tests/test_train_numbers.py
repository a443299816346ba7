"""The README's numbers are those of the committed runs."""

import copy
import json

import pytest

from train.cli import main
from train.report.numbers import CHECKOUT, COLUMNS, numbers

BEGIN, END = "<!-- numbers -->\n", "<!-- /numbers -->"
MEASURES = {name: {"mean": 0.5, "interval_95": [0.4, 0.6]} for name in ("accuracy", "clip_map", "chunk_map")}
CHANGED = (
    *("gain -30 dB", "gain +6 dB", "300 … 3400 Hz only", "a copy at 48 kHz", "ten scores a second"),
    *(f"white noise, {snr_db} dB SNR" for snr_db in (20, 10, 0)),
)
METRICS = {
    **MEASURES,
    "precision": {"keras": {"accuracy": 0.52}, "tflite": {"accuracy": 0.51}},
    "robustness": {
        "table": {change: {"accuracy": 0.3, "clip_map": 0.2} for change in CHANGED},
    },
    "expense": {"bundle_mb": 2.04, "us_per_s": 1500.0},
    "stages": {
        "joint": {"seconds": 600.0, "peak_memory_mb": 2048, "resumed": False},
        "refit": {"seconds": 60.0, "peak_memory_mb": 1024, "resumed": False},
    },
    "processors": 2,
}


def test_the_table_tells_what_the_metrics_hold(tmp_path):
    with_negatives = copy.deepcopy(METRICS)
    with_negatives["false_events"] = {
        "full_recall": 0.7,
        "hours": {"recorded": 2.0},
        "shipped": {"recorded_per_hour": 0.92, "recall": 0.41},
    }
    with_negatives["stages"]["joint"]["resumed"] = True
    for name, metrics in (("one", METRICS), ("other", with_negatives)):
        (tmp_path / name).write_text(json.dumps(metrics))
    lines = numbers({"one": tmp_path / "one", "other": tmp_path / "other"}).splitlines()
    assert lines[0] == "|  | one | other |"
    assert "| clip accuracy | 0.500 (0.400 … 0.600) | 0.500 (0.400 … 0.600) |" in lines
    assert "| false events an hour | not measured | 0.9 (in 2.0 h) at a recall of 0.41 of 0.70 |" in lines
    assert "| training of one fold | 11 min, 2.0 GB, 2 cores | at least 11 min, 2.0 GB, 2 cores |" in lines


def test_missing_metrics_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(COLUMNS, "the paper's recipe", tmp_path / "nowhere.json")
    assert main(["numbers"]) == 2
    assert "nowhere.json is missing" in capsys.readouterr().err


def test_the_readme_has_the_numbers_of_the_committed_runs(capsys):
    missing = [path for path in COLUMNS.values() if not path.exists()]
    if missing:
        pytest.skip(f"no run's metrics are at {missing[0]}")
    assert main(["numbers"]) == 0
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    assert readme.partition(BEGIN)[2].partition(END)[0] == capsys.readouterr().out
