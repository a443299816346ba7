"""The paper's whole recipe on a made-up FSD50K: what is tried, what comes of it, and the table beside the paper's."""

import shutil

import pytest
from made_up_fsd50k import Extent, write_set

from train import experiments
from train.cli import main
from train.experiments import as_in_the_paper
from train.paper import NAMES
from train.paper import experiments as planned
from train.report.paper import beside, read_rows

SMALL = ["--width", "16", "--encoder-dropout", "0.1", "--encoder-epochs", "1", "--epoch-patches", "2000"]
SMALL += ["--head-epochs", "1", "--kmeans-latents", "2000"]


def rows(columns, *values):
    """Return rows of an experiment, each of its settings, its split and chunk and clip mAP."""
    names = [*columns.split(), "split", "chunk_map", "clip_map"]
    return [dict(zip(names, map(str, one))) for one in values]


def test_encoders_are_the_papers_where_it_does_not_vary_them_or_as_given():
    by_name = {one.name: one for one in planned({"encoder_epochs": 2})}
    assert tuple(by_name) == NAMES
    sizes = {name: {(c.encoder.width, c.encoder.encoder_dropout) for c in one.configs} for name, one in by_name.items()}
    assert sizes["figure2"] == sizes["figure3"] == sizes["factor"] == sizes["table1"] == {(2048, 0.5)}
    assert sizes["width"] == {(width, dropout) for width in (256, 512, 2048) for dropout in (0.1, 0.5)}
    assert {(c.codebook.codes, c.head.head_width, c.head.head_dropout) for c in by_name["figure2"].configs} == {
        (codes, width, dropout)
        for codes in (16, 64, 256, 1024)
        for width in (256, 512, 2048, 4096)
        for dropout in (0.1, 0.4)
    }
    every = [config for one in by_name.values() for config in one.configs]
    assert all(config.encoder.encoder_epochs == 2 for config in every)
    assert all((config.features.level, config.features.low_cut) == ("absolute", "no") for config in every)
    narrow = {one.name: one for one in planned({"width": 256})}
    assert {config.encoder.width for config in narrow["figure3"].configs} == {256}
    assert len({config.encoder.width for config in narrow["width"].configs}) == 3


def test_a_line_is_the_best_by_chunks_of_the_settings_it_is_about():
    figure2 = rows(
        "codes head_width head_dropout",
        (16, 512, 0.1, "fold 1", 0.2, 0.9),
        (256, 512, 0.4, "fold 1", 0.30, 0.4),
        (256, 512, 0.4, "fold 2", 0.40, 0.5),
        (256, 4096, 0.4, "fold 1", 0.45, 0.1),
        (256, 4096, 0.4, "fold 2", 0.05, 0.1),
    )
    lines = dict(line.strip("| \n").split(" | ", 1) for line in beside({"figure2": figure2}).splitlines()[2:])
    best = "0.350 | 0.450 | codes 256, head_width 512, head_dropout 0.4"
    assert lines["Figure 2, best without masking"].startswith(best)
    assert lines["Figure 2, 16 codes, best head"].startswith("0.200 | 0.900 | codes 16, head_width 512")
    assert lines["Figure 2, head of 4096"].startswith("0.250 | 0.100 | codes 256, head_width 4096")
    assert "Figure 2, 64 codes, best head" not in lines and "Figure 3, without masking" not in lines
    assert lines["Transformer, in the paper"].startswith("0.39 | 0.46")


def test_a_setting_that_the_paper_fixes_is_refused(capsys, tmp_path):
    command = ["paper", "--data", "folder", "--root", str(tmp_path), "--out", str(tmp_path / "out")]
    for setting, value in (("--level", "relative"), ("--low-cut", "yes"), ("--method", "learned"), ("--mask", "0.2")):
        assert main([*command, setting, value]) == 2
        assert capsys.readouterr().err.strip() == f"train: {setting} is set by this experiment: leave it out"


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_a_made_up_fsd50k_goes_through_to_the_table_and_on_after_a_stop(tmp_path, monkeypatch, capsys):
    """Stages that are there are not made again; what was deleted is."""
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
    pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")
    few = {
        "table1": as_in_the_paper({"width": (16,), "encoder_dropout": (0.1,)}, codes=16),
        "figure3": as_in_the_paper({"mask": (0.0, 0.35)}, codes=16),
        "factor": as_in_the_paper({"factor": (10,)}, codes=16),
        "width": as_in_the_paper({"width": (16,), "encoder_dropout": (0.1,)}, codes=16),
        "figure2": as_in_the_paper({"codes": (16,), "head_width": (512, 4096), "head_dropout": (0.4,)}, mask=0.0),
    }
    for name, variants in few.items():
        monkeypatch.setitem(experiments.EXPERIMENTS, name, variants)
    write_set(tmp_path / "FSD50K", Extent(share=0.0004, tags=5, parents=1, mean_s=1.5))
    runs, out = tmp_path / "runs", tmp_path / "out"
    place = ["--data", "fsd50k", "--root", str(tmp_path / "FSD50K"), "--runs", str(runs), "--out", str(out)]
    assert main(["paper", *place, *SMALL]) == 0
    assert capsys.readouterr().out.strip() == str(out / "paper.md")
    table = (out / "paper.md").read_text()
    assert "| Figure 2, head of 4096 |" in table and "| Figure 3, masking at 0.35 |" in table
    assert {path.name for path in out.iterdir()} == {*NAMES, "paper.md"}
    assert all((out / name / "sweep.png").stat().st_size > 1000 for name in NAMES)
    (row, _) = read_rows(out / "figure3" / "sweep.csv")
    assert row["split"] == "eval" and "accuracy" not in row and 0.0 < float(row["chunk_map"]) <= 1.0
    made = {path: path.stat().st_mtime_ns for path in runs.glob("*/*/stage.json")}
    heads = sorted(runs.glob("head/*/stage.json"))
    assert len(heads) == 3  # of 512 with and without masking, and of 4096
    shutil.rmtree(heads[0].parent)
    assert main(["paper", *place, *SMALL]) == 0
    again = {path: path.stat().st_mtime_ns for path in runs.glob("*/*/stage.json")}
    assert set(again) == set(made)
    assert {path.parent.parent.name for path in again if again[path] != made[path]} <= {"head", "bundle", "held"}
    assert heads[0] in {path for path in again if again[path] != made[path]}
    assert (out / "paper.md").read_text() == table
