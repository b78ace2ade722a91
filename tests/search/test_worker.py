"""Trials are taken one by one, trained as ordinary runs, and not lost when their worker goes."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from dlkit.errors import ConfigError, DataError, DlkitError, InterruptedRun
from dlkit.files.sweep_dir import SweepDir
from dlkit.search.results import results_of
from dlkit.search.study import Search, create_search, open_search
from dlkit.search.worker import Worker, check_same, with_digests
from dlkit.settings.search import Plan

TIMES = ("seconds", "samples_per_second", "memory_mib")


def begin(folder: Path, *searched: str, arguments: dict[str, str] | None = None, **others: Any) -> Search:
    """A search of mlp on 60 digits, two epochs a trial."""
    settings = {"model": "mlp", "epochs": 2, "limit": 60, "device": "cpu"} | others.pop("settings", {})
    defaults = {"sampler": "random", "pruner": "none", "trials": 3}
    plan = Plan(
        settings=settings, arguments=arguments or {}, file={}, searched=searched, **{**defaults, **others}
    )
    return create_search(SweepDir(folder), with_digests(plan)[0])


def history(search: Search, number: int) -> list[dict[str, str]]:
    """The rows of a trial's history, without times."""
    with search.sweep.run(number).history.open(newline="") as file:
        return [{key: cell for key, cell in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def drawn(search: Search) -> list[dict[str, Any]]:
    return [dict(trial.values) for trial in results_of(search).trials]


def test_values_are_the_lowest_of_each_history(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log")

    assert list(Worker(search=search)) == [0, 1, 2]

    results = results_of(search)
    lowest = [min(float(row["val_loss"]) for row in history(search, number)) for number in range(3)]
    assert [trial.value for trial in results.trials] == pytest.approx(lowest, rel=1e-6)
    assert results.best()[0].number == lowest.index(min(lowest))
    assert [len(trial.curve) for trial in results.trials] == [2, 2, 2]


def test_best_is_the_highest_of_a_metric(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log", settings={"monitor": "val_accuracy"})
    list(Worker(search=search))

    best, *_, worst = results_of(search).best(3)
    highest = [max(float(row["val_accuracy"]) for row in history(search, n)) for n in range(3)]
    assert (best.value, worst.value) == (pytest.approx(max(highest)), pytest.approx(min(highest)))


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes"])
@pytest.mark.quick(1)
def test_settings_do_not_depend_on_how_often_a_search_was_opened(tmp_path: Path, sampler: str) -> None:
    whole = begin(tmp_path / "whole", "lr=1e-3..0.5:log", "s.dropout=0..0.5", sampler=sampler, trials=4)
    list(Worker(search=whole))
    parts = begin(tmp_path / "parts", "lr=1e-3..0.5:log", "s.dropout=0..0.5", sampler=sampler, trials=1)
    for trials in (1, 3, 4):
        parts.grow(trials)
        list(Worker(search=open_search(SweepDir(tmp_path / "parts"))))

    assert len({trial["lr"] for trial in drawn(whole)}) == 4
    assert drawn(parts) == drawn(whole)


def test_cmaes_chooses_among_lists_at_random_and_keeps_no_state(tmp_path: Path) -> None:
    search = begin(
        tmp_path / "a",
        "lr=1e-3..0.5:log",
        "optimizer=sgd,adamw",
        sampler="cmaes",
        trials=9,
        settings={"epochs": 1},
    )
    list(Worker(search=search))

    assert {trial["optimizer"] for trial in drawn(search)} == {"sgd", "adamw"}
    journal = [json.loads(line) for line in search.sweep.journal.read_text().splitlines()]
    attributes = {name for line in journal for name in line.get("system_attr", line.get("system_attrs", {}))}
    assert attributes <= {"fixed_params"}


def test_grid_takes_each_combination_once_and_ends(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "optimizer=sgd,adamw", "s.dropout=0,0.5", sampler="grid", trials=9)

    assert len(list(Worker(search=search))) == 4
    assert [tuple(trial.values()) for trial in drawn(search)] == [
        ("sgd", 0.0),
        ("sgd", 0.5),
        ("adamw", 0.0),
        ("adamw", 0.5),
    ]


def test_workers_take_different_trials_and_one_that_was_left(tmp_path: Path) -> None:
    first = begin(tmp_path / "a", "lr=1e-3..0.5:log", trials=2)
    second = open_search(SweepDir(tmp_path / "a"))

    with first.next_trial() as left, second.next_trial() as other, first.next_trial() as none:
        assert left is not None
        assert other is not None
        assert (left.number, other.number, none) == (0, 1, None)
        assert left.params != other.params
    with second.next_trial() as again:
        assert again is not None
        assert (again.number, again.params) == (0, left.params)


@pytest.mark.parametrize("stop_at", [3, 8, 9])
@pytest.mark.quick(1)
def test_a_trial_that_was_stopped_continues_to_the_same_numbers(tmp_path: Path, stop_at: int) -> None:
    settings = {"batch_size": 8, "epochs": 3}
    whole = begin(tmp_path / "whole", "lr=1e-3..0.5:log", trials=1, settings=settings)
    list(Worker(search=whole))
    parts = begin(tmp_path / "parts", "lr=1e-3..0.5:log", trials=1, settings=settings)

    worker = StoppedAt(search=parts, step=stop_at)
    with pytest.raises(InterruptedRun) as caught:
        list(worker)
    assert caught.value.exit_code == 143
    assert "--join" in caught.value.hint
    assert [trial.state for trial in results_of(parts).trials] == ["running"]
    assert list(Worker(search=open_search(SweepDir(tmp_path / "parts")))) == [0]

    assert history(parts, 0) == history(whole, 0)
    (resumed,), (unbroken,) = results_of(parts).trials, results_of(whole).trials
    assert (resumed.value, resumed.curve) == (unbroken.value, unbroken.curve)


@pytest.mark.parametrize("left", ["", "epoch,step,sec", "HEADER", "HEADER1,6,0."])
@pytest.mark.quick(1)
def test_a_trial_killed_while_it_wrote_its_first_epoch_is_not_lost(tmp_path: Path, left: str) -> None:
    whole = begin(tmp_path / "whole", "lr=1e-3..0.5:log", trials=1, settings={"batch_size": 8})
    list(Worker(search=whole))
    parts = begin(tmp_path / "parts", "lr=1e-3..0.5:log", trials=1, settings={"batch_size": 8})
    with pytest.raises(InterruptedRun):
        list(StoppedAt(search=parts, step=3))
    header = whole.sweep.run(0).history.read_text().partition("\n")[0]
    parts.sweep.run(0).history.write_text(left.replace("HEADER", f"{header}\n"))

    assert list(Worker(search=open_search(SweepDir(tmp_path / "parts")))) == [0]
    assert history(parts, 0) == history(whole, 0)
    (resumed,), (unbroken,) = results_of(parts).trials, results_of(whole).trials
    assert (resumed.value, resumed.curve) == (unbroken.value, unbroken.curve)


class StoppedAt(Worker):
    """A worker that a signal reaches at a step."""

    def __init__(self, *, search: Search, step: int) -> None:
        super().__init__(search=search)
        self.step = step

    def _open(self, trial: optuna.Trial, folder: Any) -> Any:
        run = super()._open(trial, folder)
        rate = run.parts.schedule

        def schedule(step: int) -> float:
            if step + 1 == self.step:
                self.request_stop(15)
            return rate(step)

        run.assembly = replace(run.assembly, parts=replace(run.parts, schedule=schedule))
        return run


def test_what_diverges_fails_and_the_search_goes_on(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e30,0.01", sampler="grid")

    assert list(Worker(search=search)) == [0, 1]

    failed, complete = results_of(search).trials
    assert (failed.state, complete.state) == ("failed", "complete")
    assert "diverged" in failed.reason
    assert failed.value is None


def test_settings_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "warmup_steps=0,5000", sampler="grid")
    list(Worker(search=search))

    assert [trial.state for trial in results_of(search).trials] == ["complete", "failed"]


def test_pruned_trials_end_after_the_epoch_as_whole_runs(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log", trials=2, settings={"epochs": 4})
    search.study.pruner = optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=2)

    list(Worker(search=search))

    results = results_of(search)
    assert [trial.state for trial in results.trials] == ["pruned", "pruned"]
    assert [len(history(search, number)) for number in range(2)] == [2, 2]
    assert results.best() == []
    assert search.sweep.run(0).findings.exists()
    assert ", done at" in search.sweep.run(0).lock.read_text()


def test_other_data_and_other_code_are_not_joined(tmp_path: Path) -> None:
    table, net = tmp_path / "t.csv", tmp_path / "net.py"
    rows = "".join(f"{n},{n * n}\n" for n in range(60))
    table.write_text(f"x,y\n{rows}")
    net.write_text("from torch import nn\n\ndef net():\n    return nn.LazyLinear(1)\n")
    settings = {"model": f"{net}:net", "data": str(table), "target": "y", "task": "regression"}
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log", settings={**settings, "limit": 40})
    check_same(search)

    table.write_text(f"x,y\n{rows}60,1\n")
    with pytest.raises(DataError, match=r"t\.csv"):
        check_same(search)
    table.write_text(f"x,y\n{rows}")
    net.write_text(net.read_text() + "\n# changed\n")
    with pytest.raises(ConfigError, match=r"net\.py"):
        check_same(search)


def test_a_search_in_the_folder_is_not_replaced(tmp_path: Path) -> None:
    begin(tmp_path / "a", "lr=1e-3..0.5:log")

    with pytest.raises(ConfigError) as caught:
        begin(tmp_path / "a", "lr=1e-3..0.5:log")
    assert "--join" in caught.value.hint


def test_force_removes_the_search_but_no_other_file_and_none_that_is_trained(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log", trials=2, settings={"epochs": 1})
    list(Worker(search=search))
    (tmp_path / "a" / "trial-001" / "notes.txt").write_text("mine")
    plan = replace(search.plan, searched=["momentum=0..0.5"], trials=1)

    with open_search(SweepDir(tmp_path / "a")).next_trial() as none:
        assert none is None
    search.grow(3)
    with search.next_trial(), pytest.raises(DlkitError, match="trial-002"):
        create_search(search.sweep, plan, force=True)
    assert len(drawn(open_search(search.sweep))) == 3

    replaced = create_search(search.sweep, plan, force=True)
    assert drawn(replaced) == []
    assert [path.name for path in sorted((tmp_path / "a").glob("trial-*/*"))] == ["notes.txt"]
    assert list(Worker(search=replaced)) == [0]
    assert list(drawn(replaced)[0]) == ["momentum"]


def test_a_line_that_a_killed_worker_did_not_end_is_cut_off(tmp_path: Path) -> None:
    search = begin(tmp_path / "a", "lr=1e-3..0.5:log", trials=2, settings={"epochs": 1})
    worker = iter(Worker(search=search))
    next(worker)
    whole = search.sweep.journal.read_bytes()
    search.sweep.journal.write_bytes(whole + b'{"op_code":7,"worker_id":"ab')

    assert next(worker) == 1
    assert [trial.state for trial in results_of(open_search(search.sweep)).trials] == ["complete", "complete"]
    assert search.sweep.journal.read_bytes().startswith(whole + b'{"op_code":4,')


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b'{"op_code":0,"worker_id":"x","study_name":"search","directions":[1]}\n']
)
def test_a_folder_without_a_search_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="no search"):
        open_search(SweepDir(tmp_path))
    (tmp_path / "study.journal").write_bytes(content)
    with pytest.raises(ConfigError, match="no search"):
        open_search(SweepDir(tmp_path))
