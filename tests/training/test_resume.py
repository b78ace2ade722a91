"""A run that is stopped and resumed comes to the same bits as one that never was."""

import contextlib
import functools
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from limits import file_size_limit
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, essence, history, resume

from dlkit.errors import CheckpointError, ConfigError, DlkitError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.training.resume import resume_run
from dlkit.training.run import start_run

DROPOUT = {"dropout": "0.3"}
# Every two of network, optimizer and schedule meet.
CASES = {
    "mlp-sgd": ({"model": "mlp", "optimizer": "sgd"}, DROPOUT),
    "mlp-adam-onecycle": ({"model": "mlp", "optimizer": "adam", "schedule": "onecycle"}, DROPOUT),
    "mlp-adamw": ({"model": "mlp", "optimizer": "adamw", "weight_decay": 0.1}, DROPOUT),
    "cnn-sgd-onecycle": ({"model": "cnn", "optimizer": "sgd", "schedule": "onecycle"}, {"width": "4"}),
    "cnn-adam": ({"model": "cnn", "optimizer": "adam", "l1": 1e-4}, {"width": "4"}),
    "cnn-adamw-onecycle": ({"model": "cnn", "optimizer": "adamw", "schedule": "onecycle"}, {"width": "4"}),
}
LAST_STEP = 3 * STEPS_PER_EPOCH
# After the first step, within a chunk and at its edge, at the edge of an epoch, in the second, before the end.
STOPS = (1, 7, 16, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 11, LAST_STEP - 1)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the run folder of a case, trained without a stop when it is first asked for."""

    @functools.cache
    def train(case: str) -> Path:
        settings, arguments = CASES[case]
        folder = tmp_path_factory.mktemp("unbroken") / case
        assert drive(start_run(configure(arguments, **settings), folder)) is None
        return folder

    return train


@pytest.mark.parametrize("case", CASES)
@pytest.mark.quick(1)
def test_run_stopped_at_six_places_has_the_bits_of_the_unbroken_one(
    case: str, unbroken: Callable[[str], Path], tmp_path: Path
) -> None:
    settings, arguments = CASES[case]
    run = start_run(configure(arguments, **settings), tmp_path / "run")
    for stop in STOPS:
        stopped = drive(run, stop)
        assert stopped is not None
        assert f"step {stop}" in stopped.message
        run = resume(tmp_path / "run")
        assert run.start_step == stop
    assert drive(run) is None

    assert essence(tmp_path / "run") == essence(unbroken(case))


def test_kill_between_the_files_of_an_epoch_loses_and_repeats_nothing(
    unbroken: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    settings, arguments = CASES["mlp-sgd"]
    drive(start_run(configure(arguments, **settings), folder), STEPS_PER_EPOCH + 11)
    run_dir = RunDir(folder)
    saved = run_dir.last.read_bytes()
    drive(resume(folder), 2 * STEPS_PER_EPOCH)
    run_dir.last.write_bytes(saved)  # as if killed after history, probes and best were written, but not last

    drive(resume(folder))

    assert essence(folder) == essence(unbroken("mlp-sgd"))


@pytest.mark.parametrize(
    ("num_bytes", "name"),
    [
        (300, "config.toml"),
        (10_000, "probes.csv"),
        (30_000, "best.safetensors"),
        (60_000, "last.safetensors"),
    ],
)
@pytest.mark.quick(1)
def test_a_disk_that_fills_up_loses_nothing(
    num_bytes: int, name: str, unbroken: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    settings, arguments = CASES["mlp-sgd"]
    drive(start_run(configure(arguments, **settings), folder), STEPS_PER_EPOCH + 11)

    with file_size_limit(num_bytes), pytest.raises(DlkitError) as caught:
        drive(resume(folder))
    assert "disk full" in caught.value.message
    assert re.search(rf"{name}.*[\d,]+ bytes", caught.value.message)
    assert caught.value.exit_code == 1

    drive(resume(folder))
    assert essence(folder) == essence(unbroken("mlp-sgd"))


def test_growing_the_epochs_equals_a_run_that_had_them_from_the_start(tmp_path: Path) -> None:
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    drive(start_run(configure(epochs=2), grown))
    drive(resume(grown, epochs=4))
    drive(start_run(configure(epochs=4), whole))

    assert len(history(grown)) == 4
    assert essence(grown) == essence(whole)


@pytest.mark.parametrize("epochs", [3, 2], ids=["as-many", "fewer"])
def test_a_finished_run_resumed_changes_nothing_and_reports_it(tmp_path: Path, epochs: int) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(), folder))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}

    for _ in range(3):
        run = resume(folder, epochs=epochs)
        assert "steps (--epochs)" in run.notes[-1]
        assert list(run) == []

    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"} == before


FIXED = {
    "model": ("cnn", "MODEL cnn", "mlp"),
    "data": ("mnist", "--data mnist", "digits"),
    "val": (0.2, "--val 0.2", "0.1"),
    "test": (0.3, "--test 0.3", "0.1"),
    "limit": (99, "--limit 99", "150"),
    "normalize": ("none", "--normalize none", "auto"),
    "batch_size": (7, "--batch-size 7", "8"),
    "optimizer": ("adam", "--optimizer adam", "sgd"),
    "loss": ("mse", "--loss mse", "auto"),
    "seed": (1, "--seed 1", "0"),
}


@pytest.mark.parametrize(("name", "case"), FIXED.items(), ids=FIXED)
def test_what_may_not_change_is_refused(name: str, case: tuple[object, str, str], tmp_path: Path) -> None:
    value, typed, stored = case
    drive(start_run(configure(epochs=1), tmp_path / "run"))

    with pytest.raises(ConfigError) as caught:
        resume(tmp_path / "run", **{name: value})

    assert_reports(caught.value, typed, "--resume", stored)


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay", "l1", "schedule", "log_every"])
def test_what_may_change_is_taken(name: str, tmp_path: Path) -> None:
    value = {"schedule": "onecycle", "log_every": 2}.get(name, 0.003)
    drive(start_run(configure(epochs=1), tmp_path / "run"))

    run = resume(tmp_path / "run", epochs=2, **{name: value})
    drive(run)

    assert getattr(run.config, name) == value
    assert load_checkpoint(RunDir(tmp_path / "run").last).config == run.config


def spoil(path: Path) -> None:
    """Flip one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_damaged_last_gives_way_to_the_one_before_and_reports_it(
    unbroken: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    settings, arguments = CASES["cnn-adam"]
    config = configure(arguments, **settings)
    drive(start_run(config, folder), STEPS_PER_EPOCH + 11)
    run_dir = RunDir(folder)
    spoil(run_dir.last)
    damaged = run_dir.last.read_bytes()

    run = resume_run(config, run_dir)
    assert [note for note in run.notes if run_dir.last.name in note and run_dir.last_prev.name in note]
    assert run.start_step == STEPS_PER_EPOCH
    assert [note for note in run.notes if f"{run_dir.last_corrupt}" in note]
    assert run_dir.last.read_bytes() == damaged, "nothing is renamed before the run is locked"
    drive(run)
    assert run_dir.last_corrupt.read_bytes() == damaged

    assert essence(folder) == essence(unbroken("cnn-adam"))


def test_a_run_that_has_gone_on_since_it_was_loaded_is_not_turned_back(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(), folder), 5)
    late = resume(folder)
    drive(resume(folder))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}

    with pytest.raises(DlkitError) as caught:
        drive(late)

    assert "another process" in caught.value.message
    assert "resume" in caught.value.hint
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"} == before


def test_a_damaged_last_is_left_alone_while_another_process_trains(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(), folder), 5)
    run_dir = RunDir(folder)
    spoil(run_dir.last)
    damaged = run_dir.last.read_bytes()
    run = resume_run(configure(), run_dir)

    with run_dir.locked(), pytest.raises(DlkitError, match="locked"):
        drive(run)

    assert run_dir.last.read_bytes() == damaged
    assert not run_dir.last_corrupt.exists()


def test_a_missing_last_gives_way_to_the_one_before(unbroken: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings, arguments = CASES["mlp-sgd"]
    config = configure(arguments, **settings)
    drive(start_run(config, folder), STEPS_PER_EPOCH)
    RunDir(folder).last.unlink()

    drive(resume_run(config, RunDir(folder)))

    assert essence(folder) == essence(unbroken("mlp-sgd"))


def test_two_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(epochs=2), folder))
    run_dir = RunDir(folder)
    for path in (run_dir.last, run_dir.last_prev):
        spoil(path)
    before = run_dir.last.read_bytes()

    with pytest.raises(CheckpointError) as caught:
        resume_run(configure(epochs=2), run_dir)

    assert "damaged" in caught.value.message
    assert run_dir.last.read_bytes() == before


SLOW_RUN = [
    *("train", "mlp", "-s", "dropout=0.3", "--epochs", "12", "--batch-size", "8", "--device", "cpu"),
    *("--log-every", "20", "--no-plot"),
]


@pytest.fixture
def start_process(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `dlkit` in a process of its own; none outlives the test."""
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "dlkit", *words]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Read stderr up to a line."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"{pattern} never came")


@pytest.fixture(scope="module")
def long_unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long") / "run"
    from dlkit.cli.app import run

    assert run([*SLOW_RUN, "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "name"),
    [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C"), (signal.SIGHUP, 129, "SIGHUP")],
)
def test_a_signal_in_mid_epoch_saves_and_the_printed_command_resumes_in_a_new_process(
    number: int,
    code: int,
    name: str,
    long_unbroken: Path,
    start_process: Callable[..., subprocess.Popen[str]],
) -> None:
    process = start_process(*SLOW_RUN, "--out", "run")
    read_until(process, r"epoch 3 \[")
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)

    assert (process.returncode, stdout) == (code, "")
    assert f"stopped by {name} after step" in stderr
    assert "run/last.safetensors" in stderr
    assert load_checkpoint(Path("run/last.safetensors")).metadata["progress"]["position"]["batch"] > 0
    command = shlex.split(re.search(r"dlkit (train --resume .*)", stderr).group(1))
    resumed = start_process(*command)
    stdout, _ = resumed.communicate(timeout=300)

    assert (resumed.returncode, stdout) == (0, "run/best.safetensors\n")
    assert essence(Path("run")) == essence(long_unbroken)


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(start_process: Callable[..., subprocess.Popen[str]]) -> None:
    words = "train mlp -s hidden=3000,3000 --batch-size 1455 --device cpu --no-plot --out run"
    process = start_process(*words.split())  # a step takes about a second
    read_until(process, "epoch 1/")
    process.send_signal(signal.SIGINT)
    read_until(process, "again to quit now")
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=120)

    assert (process.returncode, stdout, stderr) == (143, "", "")
    load_checkpoint(Path("run/last.safetensors"))
