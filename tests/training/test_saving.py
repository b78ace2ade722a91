"""Where a run ends, what it keeps, and how it resumes from there."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from runs import STEPS_PER_EPOCH, configure, drive, essence, history, resume

from dlkit.device import pick_device
from dlkit.errors import DivergedError
from dlkit.evaluation.run_evaluation import evaluate_checkpoint
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.settings.eval_config import EvalConfig
from dlkit.settings.resolve import read_config_file, resolve
from dlkit.training.run import TrainRun, start_run

IN_MID_EPOCH = STEPS_PER_EPOCH + 11
ENDS = {
    "in-the-first-epoch": 5,
    "at-the-end-of-an-epoch": STEPS_PER_EPOCH,
    "in-the-second-epoch": IN_MID_EPOCH,
    "just-before-the-end": 3 * STEPS_PER_EPOCH - 1,
}


def run_to_the_end(folder: Path, **settings: Any) -> TrainRun:
    run = start_run(configure(**settings), folder)
    assert drive(run) is None
    return run


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    run_to_the_end(folder)
    return folder


@pytest.mark.parametrize("max_steps", ENDS.values(), ids=ENDS)
def test_a_run_ends_after_so_many_steps_with_a_validated_row(max_steps: int, tmp_path: Path) -> None:
    run = run_to_the_end(tmp_path / "run", max_steps=max_steps)

    rows = read_history(run.dir.history).columns
    assert rows["step"][-1] == run.total_steps == max_steps
    assert rows["epoch"] == [*range(1, len(rows["epoch"]) + 1)]
    for column in ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "grad_norm"):
        assert math.isfinite(rows[column][-1]), column
    assert f"{max_steps} steps (--max-steps)" in run.done_reason
    assert run.ended_early
    best = load_checkpoint(run.dir.best).metadata["progress"]["best"]
    assert best["val_loss"] == min(rows["val_loss"])
    assert best == run.best


def test_a_done_run_that_was_killed_before_its_diagnosis_gets_it(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(unbroken, folder)
    run = resume(folder)
    run.dir.findings.unlink()
    (folder / ".dlkit-tmp-1-0123abcd").write_text("half")

    assert drive(run) is None

    assert run.dir.findings.read_text() == (unbroken / "findings.json").read_text().replace(
        str(unbroken), str(folder)
    )
    assert not list(folder.glob(".dlkit-tmp-*"))
    assert essence(folder) == essence(unbroken)


def test_more_steps_than_the_epochs_have_change_nothing(unbroken: Path, tmp_path: Path) -> None:
    run = run_to_the_end(tmp_path / "run", max_steps=10_000)

    assert "57 steps (--epochs)" in run.done_reason
    assert not run.ended_early
    assert essence(run.dir.path, settings=False) == essence(unbroken, settings=False)


@pytest.mark.parametrize("max_steps", ENDS.values(), ids=ENDS)
@pytest.mark.quick(1)
def test_a_run_given_more_steps_comes_to_the_bits_of_the_unbroken_one(
    max_steps: int, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run_to_the_end(folder, max_steps=max_steps)

    drive(resume(folder, max_steps=10_000))

    assert essence(folder, settings=False) == essence(unbroken, settings=False)
    assert not RunDir(folder).best_prev.exists()


def test_a_run_ended_in_mid_epoch_is_done_and_its_best_is_what_best_holds(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ended = run_to_the_end(folder, max_steps=IN_MID_EPOCH)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}

    run = resume(folder)

    assert f"{IN_MID_EPOCH} steps (--max-steps)" in run.notes[-1]
    assert list(run) == []
    assert run.best == ended.best
    assert run.best["step"] == IN_MID_EPOCH
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"} == before


def test_best_of_whole_epochs_comes_back_when_later_ones_are_worse(tmp_path: Path) -> None:
    """A rate so high from the second epoch on that neither later epoch beats what the stop within it found."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    run_to_the_end(folder, max_steps=IN_MID_EPOCH)
    assert load_checkpoint(RunDir(folder).best).metadata["progress"]["best"]["step"] == IN_MID_EPOCH
    drive(start_run(configure(), whole), IN_MID_EPOCH)

    for place in (folder, whole):
        drive(resume(place, max_steps=10_000, lr=30.0))

    assert history(folder) == history(whole)
    assert load_checkpoint(RunDir(whole).best).metadata["progress"]["best"]["epoch"] == 1
    assert essence(folder, settings=False) == essence(whole, settings=False)


def test_a_stop_within_an_epoch_after_another_one_keeps_the_best_of_whole_epochs(
    unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run_to_the_end(folder, max_steps=IN_MID_EPOCH)
    for max_steps in (IN_MID_EPOCH + 3, 2 * STEPS_PER_EPOCH + 2, 10_000):
        drive(resume(folder, max_steps=max_steps))

    assert essence(folder, settings=False) == essence(unbroken, settings=False)


def test_a_limit_of_time_ends_a_run_after_a_step(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = run_to_the_end(folder, max_time="0.000001")

    assert [row["step"] for row in history(folder)] == ["1"]
    assert "--max-time 0.000001" in run.done_reason
    assert run.ended_early
    assert run.dir.best.exists()
    again = resume(folder)
    assert "--max-time 0.000001" in again.notes[-1]
    assert list(again) == []

    drive(resume(folder, max_time="2h"))

    assert essence(folder, settings=False) == essence(unbroken, settings=False)


def test_time_counts_over_a_stop(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(), folder), 30)
    spent = load_checkpoint(RunDir(folder).last).metadata["progress"]["position"]["seconds"]

    assert resume(folder, max_time=f"{spent / 2:.9f}s").done_reason.count("--max-time")
    assert resume(folder, max_time="2h").done_reason == ""


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "step", "exponential", "polynomial", "cyclic"])
def test_a_schedule_that_spans_other_steps_is_reported(schedule: str, tmp_path: Path) -> None:
    run_to_the_end(tmp_path / "run", max_steps=5, schedule=schedule)

    stretched = resume(tmp_path / "run", max_steps=40, sched_on_resume="stretch")
    assert any(f"{schedule} schedule" in note and "40 steps" in note for note in stretched.notes)
    assert not any(f"{schedule} schedule" in note for note in resume(tmp_path / "run", lr=0.1).notes)


def numbered(folder: Path) -> list[int]:
    return [int(path.stem.removeprefix("step-")) for path in RunDir(folder).all_numbered()]


SAVED = {
    "every-10-steps": ({"save_every": "10"}, [10, 20, 30, 40, 50]),
    "every-epochs-worth-of-steps": ({"save_every": "19"}, [19, 38, 57]),
    "every-epoch": ({"save_every": "1e"}, [19, 38, 57]),
    "every-second-epoch": ({"save_every": "2e"}, [38]),
    "the-newest-two": ({"save_every": "10", "keep": 2}, [40, 50]),
    "the-newest": ({"save_every": "1e", "keep": 1}, [57]),
    "more-than-there-are": ({"save_every": "1e", "keep": 9}, [19, 38, 57]),
    "until-the-last-step": ({"save_every": "5", "max_steps": 25}, [5, 10, 15, 20, 25]),
    "of-whole-epochs-only": ({"save_every": "1e", "max_steps": 25}, [19]),
    "none": ({}, []),
}


@pytest.mark.parametrize(("settings", "steps"), SAVED.values(), ids=SAVED)
@pytest.mark.quick(2)
def test_checkpoints_are_kept_at_the_steps_asked_for(
    settings: dict[str, Any], steps: list[int], tmp_path: Path
) -> None:
    run_to_the_end(tmp_path / "run", **settings)

    assert numbered(tmp_path / "run") == steps


def test_a_kept_checkpoint_is_of_its_step_and_can_be_evaluated(tmp_path: Path) -> None:
    run = run_to_the_end(tmp_path / "run", save_every="19")

    rows = read_history(run.dir.history).columns
    for step, loss, accuracy in zip((19, 38, 57), rows["val_loss"], rows["val_accuracy"], strict=True):
        checkpoint = load_checkpoint(run.dir.numbered(step))
        report = evaluate_checkpoint(checkpoint, EvalConfig(split="val"), pick_device("cpu"))
        assert checkpoint.metadata["progress"]["position"]["step"] == step
        assert checkpoint.extras == {}, "only last is for resuming"
        assert report.loss == pytest.approx(loss, rel=1e-6)
        assert report.metrics["accuracy"] == accuracy


@pytest.mark.parametrize("stop", [19, 25, 30])
@pytest.mark.quick(1)
def test_kept_checkpoints_are_the_same_over_a_stop(stop: int, tmp_path: Path) -> None:
    settings = {"save_every": "10", "keep": 3}
    folder, whole = tmp_path / "run", tmp_path / "whole"
    run_to_the_end(whole, **settings)

    drive(start_run(configure(**settings), folder), stop)
    drive(resume(folder))

    assert numbered(folder) == numbered(whole) == [30, 40, 50]
    for step in numbered(folder):
        ours, theirs = (load_checkpoint(RunDir(place).numbered(step)).metadata for place in (folder, whole))
        assert ours["tensors"] == theirs["tensors"]
    assert essence(folder) == essence(whole)


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path) -> None:
    run = start_run(configure(save_every="1"), tmp_path / "run")

    def spoil_after_step_4() -> None:
        for step, _ in run:
            if step.step == 4:
                run.parts.model.get_parameter("hidden.0.linear.bias").data[0] = -math.inf

    with pytest.raises(DivergedError):
        spoil_after_step_4()

    assert numbered(tmp_path / "run") == [1, 2, 3, 4]
    for path in run.dir.all_numbered():
        assert all(weight.isfinite().all() for weight in load_checkpoint(path).weights.values())


def test_force_removes_what_was_kept_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_to_the_end(folder, save_every="10", max_steps=25)
    mine = [folder / name for name in ("step-by-step.safetensors", "step-1.safetensors", "step-00000010.txt")]
    for path in mine:
        path.write_text("mine")

    drive(start_run(configure(epochs=1, save_every="7", keep=1), folder, force=True))

    assert numbered(folder) == [14]
    assert not RunDir(folder).best_prev.exists()
    assert all(path.read_text() == "mine" for path in mine)


def test_the_newest_are_kept_by_number_not_by_name(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    for step in (99_999_999, 100_000_000, 100_000_001):
        run_dir.numbered(step).touch()

    run_dir.keep_newest(2)

    assert numbered(tmp_path) == [100_000_000, 100_000_001]


REPEATED: dict[str, dict[str, Any]] = {
    "plain": {},
    "early-stopping": {"lr": 1e-30, "patience": 2, "epochs": 9},
    "many-settings": {
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "schedule": "cosine",
        "warmup_steps": 4,
        "grad_clip": 1.0,
        "accumulate": 2,
        "ema": 0.9,
        "label_smoothing": 0.1,
        "target_weights": "3=2,8=0.5",
        "max_steps": 25,
        "save_every": "10",
        "seed": 3,
    },
}


@pytest.mark.parametrize("settings", REPEATED.values(), ids=REPEATED)
@pytest.mark.quick(1)
def test_a_run_repeated_from_its_own_file_has_the_same_bits(settings: dict[str, Any], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run_to_the_end(first, **settings)
    file, faults = read_config_file(RunDir(first).config)
    assert faults == []

    drive(start_run(resolve({}, {}, file=file), second))

    assert RunDir(second).config.read_bytes() == RunDir(first).config.read_bytes()
    assert essence(second) == essence(first)
    assert numbered(second) == numbered(first)
