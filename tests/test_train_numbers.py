"""The README's numbers are those of the committed runs."""

import copy
import json

from train.cli import main
from train.report.numbers import CHECKOUT, COLUMNS, numbers, steps

TABLES = [(f"<!-- {name} -->\n", f"<!-- /{name} -->") for name in ("numbers", "context", "steps")]
MEASURES = {name: {"mean": 0.5, "interval_95": [0.4, 0.6]} for name in ("accuracy", "clip_map", "chunk_map")}
CHANGED = (
    *("gain -30 dB", "gain +6 dB", "300 … 3400 Hz only", "a copy at 48 kHz", "ten scores a second"),
    *(f"{noise}, {snr_db} dB SNR" for noise in ("white noise", "a negative") for snr_db in (20, 10, 0)),
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
        "shipped": {
            "recorded_per_hour": 1.92,
            "recorded_interval_95": [0.4, 5.6],
            "recall": 0.41,
            "by_kind_per_hour": {"made hum": 0.0, "music": 115.2},
        },
    }
    with_negatives["stages"]["joint"]["resumed"] = True
    for name, metrics in (("one", METRICS), ("other", with_negatives)):
        (tmp_path / name).write_text(json.dumps(metrics))
    lines = numbers({"one": tmp_path / "one", "other": tmp_path / "other"}).splitlines()
    assert lines[0] == "|  | one | other |"
    assert "| clip accuracy | 0.500 (0.400 … 0.600) | 0.500 (0.400 … 0.600) |" in lines
    assert "| false events an hour by kind | not measured | made hum 0, music 115 |" in lines
    assert "| false events an hour, recorded | not measured | 2 (0 … 6) at a recall of 0.41 of 0.70 |" in lines
    assert "| training of one fold | 11 min, 2.0 GB, 2 cores | at least 11 min, 2.0 GB, 2 cores |" in lines


def test_missing_metrics_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(COLUMNS, "the paper's recipe, width 256", tmp_path / "nowhere.json")
    assert main(["numbers"]) == 2
    assert "nowhere.json is missing" in capsys.readouterr().err


def test_the_readme_has_the_numbers_of_the_committed_runs(capsys):
    assert main(["numbers"]) == 0
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    tables = [readme.partition(begin)[2].partition(end)[0] for begin, end in TABLES]
    assert "\n".join(tables) == capsys.readouterr().out


def test_steps_are_means_over_splits_and_what_no_device_does_has_no_cost(tmp_path):
    header = "setting,split,clip_map,accuracy,bundle_mb,us_per_s\n"
    rows = "recipe,fold 1,0.5,0.4,2.0,700\nrecipe,fold 2,0.6,0.5,2.0,800\n= sums,fold 1,0.7,0.6,,\n"
    (tmp_path / "sweep.csv").write_text(header + rows)
    lines = steps(tmp_path / "sweep.csv").splitlines()
    assert lines[0] == "| setting | clip mAP | clip accuracy | bundle, MB | µs a second of sound |"
    assert lines[2:] == ["| recipe | 0.550 | 0.450 | 2.000 | 750 |", "| = sums | 0.700 | 0.600 | — | — |"]
