"""How long training would take: what is counted, what is fitted, and what the command says."""

import math
from dataclasses import replace

import pytest
from made_up_fsd50k import Extent as Published
from made_up_fsd50k import write_set

from train.cli import main
from train.common.config import TrainConfig
from train.dataset.layouts import fsd50k
from train.forecast import rates
from train.forecast.extent import Amount, Extent, extent_of, extent_of_size
from train.forecast.forecast import Line, as_table, forecast, works
from train.forecast.rates import Took, cost_of, rates_of
from train.forecast.work import KEPT, POOL, TRAINED, Work, work_of
from train.paper import experiments

pytest.importorskip("scipy", reason="needs the train extra: pip install -e '.[train]'")

SMALL = Extent(Amount(10, 95.0, 100), {"eval": Amount(7, 66.0, 70)}, {"eval": Amount(3, 29.0, 30)}, 5)


def test_rates_are_found_again_from_what_they_come_to():
    rates = {"once": 2.0, "steps": 0.01}
    work = [{"once": 1.0, "steps": 10.0}, {"once": 1.0, "steps": 5000.0}, {"once": 1.0, "steps": 100.0, "idle": 3.0}]
    found = rates_of((units, cost_of(units, rates)) for units in work)
    assert found == pytest.approx({"once": 2.0, "steps": 0.01, "idle": 0.0})
    falling = rates_of([({"once": 1.0, "steps": 1.0}, 3.0), ({"once": 1.0, "steps": 100.0}, 2.0)])
    assert min(falling.values()) >= 0.0
    assert rates_of([({}, 0.0)]) == {}


def test_what_several_settings_share_is_there_once():
    todo = works([config for one in experiments({}) for config in one.configs], SMALL)
    made = {
        name: sum(work.name == name for work in todo) for name in ("features", "encoder_o", "export_o", "codebook_o")
    }
    # Of the paper's encoders, the narrower ones and the other dropout, and latent vectors of half the size.
    assert made == {"features": 1, "encoder_o": 7, "export_o": 7, "codebook_o": 7 + 3}
    heads = [work for work in todo if work.kind == "head"]
    figure2, masks, factor, width = 4 * 4 * 2, 8, 2, 6
    shared = 1 + 1 + 1  # without masking; at 0.35 with a factor of 10; and those encoders, with dropout 0.5, again
    assert len(heads) == figure2 + masks + factor + width - shared


def test_work_goes_by_the_settings():
    def only(name, **settings):
        (work,) = (work for work in work_of(TrainConfig().with_values(**settings), SMALL, "eval") if work.name == name)
        return work

    steps = math.ceil(100_000 / 512)
    assert only("encoder_pat", encoder_epochs=3).time["steps"] == 3 * steps
    weights = 2 * 16 * (80 + 16 + 8)
    assert only("encoder_pat", width=16, encoder_epochs=1).time["multiplied"] == steps * 512 * weights
    assert only("encoder_pat").memory[POOL] == 70 * 120 * 80  # of the clips to learn from
    assert only("head", codes=64).time["steps"] == 60 * math.ceil(8000 / 128)
    assert only("codes", codes=64).disk == {"counts": 100 * 4 * 64}
    assert only("held").disk == {"scores": 30 * 5}


def test_the_forecast_of_what_was_measured_is_what_was_measured():
    """Time of a stage is the sum over all of its kind, memory the most of any, and one core or all are kept busy."""
    todo = works([TrainConfig(), TrainConfig().with_values(width=512)], SMALL)
    found = [(work, Took(1.0, 700.0, 3.0)) for work in todo]
    by_kind = {line.kind: line for line in forecast(todo, found)}
    assert by_kind["encoder"].made == 8 and by_kind["encoder"].cpu_s == pytest.approx(8.0, rel=0.05)
    assert by_kind["encoder"].memory_mb == pytest.approx(700.0, rel=0.05)
    larger = [replace(work, memory={**work.memory, POOL: 1e8}) for work in todo if work.kind == "encoder"]
    assert forecast(larger, found)[0].memory_mb == pytest.approx(1500.0, rel=0.05)  # held twice as float32
    assert by_kind["head"].disk_mb == pytest.approx(6.0) and by_kind["check"].disk_mb == 0.0
    assert by_kind["codebook"].seconds == by_kind["codebook"].cpu_s


def test_what_a_process_keeps_of_each_training_is_told_from_what_a_stage_takes():
    """Two trainings of the same size, one after the other: the second finds what the first has left."""
    trained = {"once": 1.0, TRAINED: 1e6}
    works = [Work("head", "head", number, {}, trained, {TRAINED: 1e6}) for number in range(2)]
    works.append(Work("bundle", "bundle", 0, {}, {"once": 1.0}, {}))
    found = rates.with_kept([(work, Took(1.0, memory_mb, 1.0)) for work, memory_mb in zip(works, (520, 540, 440))])
    assert [work.memory[KEPT] for work, _ in found] == [1e6, 2e6, 2e6]
    by_kind = {line.kind: line for line in forecast(works, found)}
    assert by_kind["kept"].made == 2 and by_kind["kept"].memory_mb == pytest.approx(40.0)
    assert by_kind["head"].memory_mb == pytest.approx(500.0) and by_kind["bundle"].memory_mb == pytest.approx(400.0)


def test_the_table_has_a_sum_and_what_was_measured_beside_it():
    lines = [Line("codebook", 2, 120.0, 900.0, 10.0), Line("bundle", 2, 60.0, 1500.0, 5.0)]
    assert (
        as_table([*lines, Line("kept", 9, 0.0, 500.0, 0.0)], {})
        .splitlines()[-1]
        .startswith("| together | 4 | 3.0 | 2.00 | 0.01 | 3.0 |")
    )
    rows = as_table(lines, {"codebook": Line("codebook", 1, 66.0, 800.0, 9.0)}).splitlines()
    assert rows[0].count("|") == 11 and "measured: core-minutes" in rows[0]
    assert rows[2].endswith("| 2 | 2.0 | 0.90 | 0.01 | 2.0 | 1 | 1.1 | 0.80 | 0.01 |")
    assert rows[3].endswith("| — | — | — | — |")
    assert rows[4].startswith("| together | 4 | 3.0 | 1.50 | 0.01 | 3.0 |")


def test_an_extent_is_that_of_the_files(tmp_path):
    write_set(tmp_path, Published(share=0.0002, tags=4, parents=1, mean_s=2.0))
    data = fsd50k(tmp_path)
    extent = extent_of(data, data.splits())
    assert extent.tags == 4 and set(extent.fit) == {"eval"}
    assert extent.whole.clips == len(data.clips) > extent.fit["eval"].clips + extent.held["eval"].clips
    assert extent.whole.sound_s < extent.whole.windows < extent.whole.sound_s + extent.whole.clips
    known = extent_of_size(extent.whole.sound_s / 3600, extent.whole.clips, 4)
    assert known.whole.windows == pytest.approx(extent.whole.windows, rel=0.2)


REFUSED = {
    "neither": ([], "wanted --out"),
    "of training": (["--out", "x", "--width", "16"], "--width is of training"),
    "an experiment alone": (["--experiment", "paper"], "--experiment is of training"),
    "no clips": (["--hours", "1"], "--hours must come with --clips"),
    "nothing": (["--hours", "0", "--clips", "1"], "must be above 0"),
    "learned": (["--hours", "1", "--clips", "9", "--method", "learned"], "--method learned cannot be forecast"),
    "folds of a size": (["--hours", "1", "--clips", "9", "--folds", "1"], "--folds goes with --data"),
    "tags of files": (["--data", "folder", "--root", ".", "--tags", "9"], "--tags is of a set that is not there"),
    "both": (["--hours", "1", "--data", "folder", "--root", "."], "leave it out with --data"),
    "a table": (["--hours", "1", "--clips", "9", "--out", "x"], "--out is for what a device has to do"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused_in_one_line(capsys, case):
    arguments, said = REFUSED[case]
    assert main(["cost", *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.splitlines()) == 1


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_short_runs_tell_what_each_stage_takes(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow", reason="needs the train extra: pip install -e '.[train]'")
    pytest.importorskip("sklearn", reason="needs the train extra: pip install -e '.[train]'")
    settings = {"width": 16, "epoch_patches": 2000, "codes": 8, "head_width": 16}
    monkeypatch.setattr(rates, "RUNS", (rates.Short(40, 1.2, 2, [settings]),))
    size = ["--hours", "0.02", "--clips", "60", "--tags", "2"]
    assert main(["cost", *size, "--width", "16", "--codes", "8"]) == 0
    head, _, *lines = (line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines())
    kinds = ["check", "features", "encoder", "export", "codebook", "codes", "head", "bundle", "held", "scores", "kept"]
    assert [line[0] for line in lines] == [*kinds, "together"] and head[1] == "made"
    by_kind = {line[0]: dict(zip(head, line)) for line in lines}
    assert by_kind["encoder"]["made"] == "4" and float(by_kind["together"]["core-minutes"]) > 0.0
    assert 0.2 < float(by_kind["encoder"]["memory, GB"]) < 3.0
