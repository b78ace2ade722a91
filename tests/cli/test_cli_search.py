"""dlkit train --search as a user runs it."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused

Dlkit = Callable[..., Any]
TRAIN = ("train", "mlp", "--limit", "60", "--epochs", "2", "--device", "cpu")
SEARCH = (*TRAIN, "--search", "lr=1e-3..0.5:log", "--sampler", "random")


def lowest_loss(run: Path) -> float:
    with (run / "history.csv").open(newline="") as file:
        return min(float(row["val_loss"]) for row in csv.DictReader(file))


def test_stdout_is_the_best_checkpoint_and_stderr_a_table(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*SEARCH, "--trials", "6", "--out", "sweeps/a")

    assert result.code == 0
    losses = {path: lowest_loss(path) for path in (home / "sweeps" / "a").glob("trial-*")}
    best = min(losses, key=lambda path: losses[path])
    assert result.stdout == f"sweeps/a/{best.name}/best.safetensors\n"
    lines = result.stderr.splitlines()
    table = lines[-6:]
    assert table[0].split() == ["trial", "val_loss", "epochs", "lr"]
    assert [f"{float(line.split()[1]):.4g}" for line in table[1:]] == [
        f"{loss:.4g}" for loss in sorted(losses.values())[:5]
    ]
    assert sum(line.startswith("trial ") and "/6)" in line for line in lines) == 6


def test_a_trial_is_the_run_that_its_settings_make(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SEARCH, "--search", "optimizer=sgd,adamw", "--trials", "1", "--out", "a")
    stored = dlkit("inspect", "show", "a/trial-000", "--json")
    config = json.loads(stored.stdout)["config"]
    dlkit(*TRAIN, "--lr", config["lr"], "--optimizer", config["optimizer"], "--out", "by-hand", "--no-plot")

    assert lowest_loss(home / "a" / "trial-000") == lowest_loss(home / "by-hand")


def test_json_and_the_next_free_folder(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*SEARCH, "--trials", "2", "--json")

    found = json.loads(result.stdout)
    assert found["search"] == "sweeps/mlp-digits-001"
    assert found["best"] == f"sweeps/mlp-digits-001/trial-{found['trial']:03d}/best.safetensors"
    assert found["monitor"] == "val_loss"
    assert found["trials"] == {"complete": 2, "pruned": 0, "failed": 0, "running": 0}
    assert list(found["settings"]) == ["lr"]


def test_trials_may_grow_and_eval_says_how_many_there_are(dlkit: Dlkit, home: Path) -> None:
    first = dlkit(*SEARCH, "--trials", "2", "--out", "a")
    again = dlkit("train", "--join", "a")
    grown = dlkit("train", "--join", "a", "--trials", "3")

    assert (first.code, again.code, grown.code) == (0, 0, 0)
    assert again.stdout == first.stdout
    assert len(list((home / "a").glob("trial-*"))) == 3
    tested = dlkit("eval", grown.stdout.strip(), "--json")
    assert json.loads(tested.stdout)["chosen_from"] == 3
    assert "3 trials" in tested.stderr
    assert "optimistic" not in tested.stderr
    assert "optimistic" in dlkit("eval", grown.stdout.strip(), "--split", "val").stderr


def test_no_completed_trial_is_an_error_that_says_why(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*TRAIN, "--search", "lr=1e30,1e31", "--sampler", "grid", "--out", "a")

    assert result.code == 1
    assert result.stdout == ""
    assert "diverged" in result.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--search", "lr=1..2"), "--trials"),
        (("--trials", "3"), "--search"),
        (("--sampler", "random", "--trials", "3"), "--search"),
        (("--search", "lrr=1..2", "--trials", "3"), "lrr"),
        (("--search", "lr=0..2:log", "--trials", "3"), "lr=0..2:log"),
        (("--search", "lr=2..1", "--trials", "3"), "lr=2..1"),
        (("--search", "lr=1..2", "--trials", "3", "--dry-run"), "--dry-run"),
        (("--search", "lr=1..2", "--trials", "3", "--lr", "1"), "--lr"),
        (("--join", "nothing"), "nothing"),
        (("--join", "nothing", "--out", "x"), "--out"),
        (("--join", "nothing", "--lr", "1"), "--lr"),
        (("--join", "nothing", "--search", "lr=1..2"), "--search"),
        (("--join", "nothing", "--trials", "0"), "--trials 0"),
    ],
)
def test_what_is_wrong_is_refused_before_a_folder_is_made(
    dlkit: Dlkit, home: Path, words: tuple[str, ...], named: str
) -> None:
    result = dlkit("train", *(() if "--join" in words else ("mlp",)), *words)

    assert_refused(result, 2, named)
    assert list(home.iterdir()) == []


def test_a_search_of_other_settings_is_not_joined(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SEARCH, "--trials", "2", "--out", "a")

    assert_refused(dlkit("train", "cnn", "--join", "a"), 2, "cnn")
    assert_refused(dlkit("train", "--join", "a", "--data", "mnist"), 2, "mnist")
    assert_refused(dlkit("train", "--join", "a", "--trials", "1"), 2, "--trials 1")
    assert_refused(dlkit(*SEARCH, "--trials", "2", "--out", "a"), 2, "--out a", "--force")
    assert dlkit(*SEARCH, "--trials", "1", "--out", "a", "--force").code == 0
    assert [path.name for path in (home / "a").glob("trial-*")] == ["trial-000"]


def test_a_folder_with_a_search_is_refused_before_the_data_are_read(dlkit: Dlkit, home: Path) -> None:
    (home / "a").mkdir()
    (home / "a" / "study.journal").touch()
    words = ("--data", "missing.csv", "--target", "y", "--trials", "2", "--out", "a")

    assert_refused(dlkit(*SEARCH, *words), 2, "--out a", "--force")


def test_changed_data_are_exit_3(dlkit: Dlkit, home: Path) -> None:
    rows = "".join(f"{n},{n % 7}\n" for n in range(80))
    Path("t.csv").write_text(f"x,y\n{rows}")
    words = ("--data", "t.csv", "--target", "y", "--task", "regression", "--epochs", "1")
    begun = dlkit("train", "mlp", *words, "--search", "lr=0.01,0.1", "--sampler", "grid", "--out", "a")
    Path("t.csv").write_text(f"x,y\n{rows}80,1\n")

    assert begun.code == 0
    assert_refused(dlkit("train", "--join", "a", "--trials", "3"), 3, "t.csv")


def test_code_of_ones_own_runs_only_where_the_command_line_names_it(dlkit: Dlkit, home: Path) -> None:
    Path("net.py").write_text(
        "from torch.nn import Flatten, LazyLinear, Sequential\n\n"
        "def net(num_classes):\n    return Sequential(Flatten(), LazyLinear(num_classes))\n"
    )
    words = ("--limit", "60", "--epochs", "1", "--data", "digits")
    begun = dlkit("train", "net.py:net", *words, "--search", "lr=0.1,0.2", "--sampler", "grid", "--out", "a")

    assert begun.code == 0, begun.stderr
    assert_refused(dlkit("train", "--join", "a"), 2, "net.py:net")
    assert dlkit("train", "net.py:net", "--join", "a").code == 0


def test_without_optuna_the_exit_code_is_7(dlkit: Dlkit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "dlkit.search.study", raising=False)

    assert_refused(dlkit(*SEARCH, "--trials", "2"), 7, "optuna", "dlkit[search]")
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_jobs_train_the_trials_of_one_process_and_replace_a_killed_one(dlkit: Dlkit, home: Path) -> None:
    words = ("--epochs", "20", "--batch-size", "4", "--pruner", "none", "--trials", "6")
    dlkit(*SEARCH, *words, "--out", "one")
    command = [sys.executable, "-m", "dlkit", *SEARCH, *words, "--jobs", "2", "--out", "two"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed = [kill_a_trainer(home / "two", number) for number in (0, 2, 4)]
    stdout, stderr = process.communicate(timeout=300)

    assert process.returncode == 0, stderr
    assert stdout.startswith("two/trial-")
    assert stderr.count("killed") == sum(killed) == 3
    assert "UserWarning" not in stderr
    losses = [[lowest_loss(home / name / f"trial-{n:03d}") for n in range(6)] for name in ("one", "two")]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them_and_save(dlkit: Dlkit, home: Path) -> None:
    words = (*SEARCH, "--epochs", "2000", "--trials", "2", "--jobs", "2", "--out", "a")
    process = subprocess.Popen([sys.executable, "-m", "dlkit", *words], stderr=subprocess.DEVNULL)
    runs = [home / "a" / f"trial-00{number}" for number in range(2)]
    wait_until(lambda: all((run / "history.csv").exists() for run in runs))
    workers = [int((run / "run.lock").read_text().split()[1]) for run in runs]
    process.kill()
    process.wait()

    wait_until(lambda: all(", stopped at" in (run / "run.lock").read_text() for run in runs))
    wait_until(lambda: not any(map(is_alive, workers)))
    assert dlkit("inspect", "show", runs[0] / "last.safetensors").code == 0


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert done()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill_a_trainer(sweep: Path, number: int) -> bool:
    """Kill the process that trains a trial, once it has trained an epoch; return whether that was in time."""
    run = sweep / f"trial-{number:03d}"
    wait_until((run / "history.csv").exists)
    with contextlib.suppress(ProcessLookupError):
        words = (run / "run.lock").read_text().split()
        os.kill(int(words[1]), signal.SIGKILL)
        return "done" not in words
    return False


@pytest.mark.slow
def test_plot_draws_a_search(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SEARCH, "--trials", "5", "--out", "a")

    assert dlkit("plot", "a").stdout == "a/search.png\n"
    assert dlkit("plot", "a", "--kind", "parallel", "-o", "p.svg").stdout == "p.svg\n"
    assert (home / "a" / "search.png").stat().st_size > 10_000
    assert_refused(dlkit("plot", "a", "--kind", "paralel"), 2, "paralel", "parallel")
    assert_refused(dlkit("plot", "a", "--smooth", "3"), 2, "--smooth")
    assert_refused(dlkit("plot", "a/trial-000", "--kind", "parallel"), 2, "parallel")
