"""The README's numbers are those of the committed runs."""

import copy
import json

from train.cli import main
from train.cli import numbers as command
from train.cli.numbers import contents
from train.report.card import card
from train.report.numbers import COLUMNS, between, numbers, steps
from train.report.streams import in_short

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
    assert "| false events per hour by kind | not measured | made hum 0, music 115 |" in lines
    assert "| false events per hour, recorded | not measured | 2 (0 … 6) at a recall of 0.41 of 0.70 |" in lines
    assert "| training of one fold | 11 min, 2.0 GB, 2 cores | at least 11 min, 2.0 GB, 2 cores |" in lines


def test_missing_metrics_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(COLUMNS, "the paper's recipe, width 256", tmp_path / "nowhere.json")
    assert main(["numbers"]) == 2
    assert "nowhere.json is missing" in capsys.readouterr().err


def test_the_readme_and_the_card_have_the_numbers_of_the_committed_runs():
    for file, tables in contents().items():
        text = file.read_text("utf-8")
        for name, content in tables.items():
            assert between(text, name, content) == text, f"{file.name}: {name}: python -m train numbers --write"


def test_numbers_are_written_between_their_markers(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n")
    monkeypatch.setattr(command, "contents", lambda: {page: {"a": "new\n"}})
    assert main(["numbers"]) == 0 and capsys.readouterr().out == "new\n"
    assert main(["numbers", "--write"]) == 0
    assert page.read_text() == "before\n<!-- a -->\nnew\n<!-- /a -->\nafter\n"
    monkeypatch.setattr(command, "contents", lambda: {page: {"b": "new\n"}})
    assert main(["numbers", "--write"]) == 2
    assert "page.md: there is no <!-- b --> … <!-- /b --> in it" in capsys.readouterr().err


def test_the_card_tells_what_ships_and_why_the_rest_does_not(tmp_path):
    works = {
        "clips": 9,
        "average_precision": 0.5,
        "recall": 0.6,
        "sources": {"a": 5, "b": 4},
        "recalls": {"a": 1, "b": 1},
    }
    tags = [
        {"name": "dog", "group": "animals", "works": True, "sources": {f"place{n}": n for n in range(1, 9)}},
        {"name": "cat", "group": "animals", "works": False, "average_precision": 0.02, "sources": {}},
        {"name": "owl", "group": "animals", "works": False, "average_precision": None, "sources": {}},
        {"name": "cow", "group": "animals", "sources": {}},
    ]
    description = {
        "tags": tags,
        "trained_on": "x",
        "sources": {"place1": 7},
        "source_licences": {"place1": ["CC0"]},
        "licences": {"weights": "CC BY"},
    }
    places = {
        "sources": ["place1", "street"],
        "ours": {"tags": {"dog": works}},
        "other": {"name": "yamnet", "tags": {"dog": {"average_precision": 0.7}}},
    }
    (tmp_path / "bundle.json").write_text(json.dumps(description))
    (tmp_path / "places.json").write_text(json.dumps(places))
    costs = [{"sensitivity": n / 10, "false_per_hour": n / 2, "recall": n / 20} for n in range(11)]
    streams = {"protocol": "How.", "placed": 9, "hours": {"backgrounds": 1.0}, "ours": {"1": {"costs": costs}}}
    (tmp_path / "streams.json").write_text(json.dumps(streams))
    text = card(tmp_path)
    assert "| sensitivity 0.3: false events per hour, recall | 1.5, 0.150 |" in text
    assert "| sounds raised, at most 3 false events per hour | 0.300 |" in in_short(streams)
    of = "place8 8, place7 7, place6 6, place5 5, place4 4, place3 3, 2 more"
    assert f"| dog | animals | 9 | 2 | 0.50 | 0.70 | 0.60 | {of} |" in text
    assert "| cow | animals | 0 | 0 |" in text
    assert "Learned, but not shipped: cat (average precision 0.02), owl (no clip held out)." in text
    assert "| place1 | 7 | CC0 |" in text and "Tried on only: street." in text


def test_steps_are_means_over_splits_and_what_no_device_does_has_no_cost(tmp_path):
    header = "setting,split,clip_map,accuracy,bundle_mb,us_per_s\n"
    rows = "recipe,fold 1,0.5,0.4,2.0,700\nrecipe,fold 2,0.6,0.5,2.0,800\n= sums,fold 1,0.7,0.6,,\n"
    (tmp_path / "sweep.csv").write_text(header + rows)
    lines = steps(tmp_path / "sweep.csv").splitlines()
    assert lines[0] == "| setting | clip mAP | clip accuracy | bundle, MB | µs a second of sound |"
    assert lines[2:] == ["| recipe | 0.550 | 0.450 | 2.000 | 750 |", "| = sums | 0.700 | 0.600 | — | — |"]
