"""What a resumed run makes of a changed length and of another machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, resume

from dlkit.errors import CheckpointError, ConfigError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.files.tensor_file import read_tensors, write_tensors
from dlkit.training.run import TrainRun, start_run
from dlkit.training.schedules import build_schedule

SPANNING = ("step", "exponential", "cosine", "onecycle", "polynomial")
TWO, FOUR = 2 * STEPS_PER_EPOCH, 4 * STEPS_PER_EPOCH


def finished(folder: Path, **settings: Any) -> Path:
    """A run of two epochs that is done."""
    assert drive(start_run(configure(epochs=2, **settings), folder)) is None
    return folder


def rates(run: TrainRun) -> list[float]:
    return [step.lr for step, _ in run]


def curve(schedule: str, steps: int) -> list[float]:
    made = build_schedule(schedule, 0.01, total_steps=steps, steps_per_epoch=STEPS_PER_EPOCH)
    return [made(step) for step in range(steps)]


@pytest.mark.parametrize("schedule", SPANNING)
@pytest.mark.quick(1)
def test_a_stretched_schedule_continues_as_in_a_run_of_the_new_length(schedule: str, tmp_path: Path) -> None:
    run = resume(finished(tmp_path / "run", schedule=schedule), epochs=4, sched_on_resume="stretch")

    assert rates(run) == curve(schedule, FOUR)[TWO:]
    (note,) = (note for note in run.notes if "--sched-on-resume stretch" in note)
    for value in (FOUR, f"{curve(schedule, FOUR)[TWO]:.3g}", f"{curve(schedule, TWO)[-1]:.3g}"):
        assert f"{value}" in note


@pytest.mark.parametrize("schedule", SPANNING)
def test_kept_schedule_stays_where_it_ended(schedule: str, tmp_path: Path) -> None:
    run = resume(finished(tmp_path / "run", schedule=schedule), epochs=4, sched_on_resume="keep")

    end = curve(schedule, TWO)[-1]
    assert rates(run) == [end] * TWO
    assert f"{TWO} steps" in run.notes[-1]
    assert f"{end:.3g}" in run.notes[-1]


@pytest.mark.parametrize("choice", ["keep", "stretch"])
def test_choice_outlasts_another_stop(choice: str, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    for path in (whole, folder):
        finished(path, schedule="cosine")
    expected = rates(resume(whole, epochs=4, sched_on_resume=choice))
    assert drive(resume(folder, epochs=4, sched_on_resume=choice), TWO + 5) is not None

    run = resume(folder)

    assert rates(run) == expected[5:]
    assert not any("schedule" in note for note in run.notes)


@pytest.mark.parametrize("stop", [5, None], ids=["under-way", "done"])
@pytest.mark.parametrize("schedule", SPANNING)
def test_a_changed_length_is_asked_about(schedule: str, stop: int | None, tmp_path: Path) -> None:
    drive(start_run(configure(epochs=2, schedule=schedule), tmp_path / "run"), stop)
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.safetensors")}

    with pytest.raises(ConfigError) as caught:
        resume(tmp_path / "run", epochs=4)

    now, then = (curve(schedule, steps)[min(stop or TWO, steps - 1)] for steps in (TWO, FOUR))
    assert_reports(caught.value, "--epochs 4", schedule, f"{TWO} steps", f"{now:.3g}", f"{then:.3g}")
    assert "--sched-on-resume" in caught.value.hint
    assert {path: path.read_bytes() for path in before} == before


def test_a_changed_number_of_steps_is_asked_about_too(tmp_path: Path) -> None:
    drive(start_run(configure(schedule="cosine", max_steps=10), tmp_path / "run"))

    with pytest.raises(ConfigError) as caught:
        resume(tmp_path / "run", max_steps=20)

    assert_reports(caught.value, "--max-steps 20", "10 steps")


NOTHING_TO_ASK: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {"epochs": 9}),
    "plateau": ({"schedule": "plateau"}, {"epochs": 9}),
    "cyclic-of-the-same-cycles": ({"schedule": "cyclic", "epochs": 8}, {"epochs": 9}),
    "another-schedule": ({"schedule": "onecycle"}, {"epochs": 9, "schedule": "cosine"}),
    "no-schedule-any-more": ({"schedule": "onecycle"}, {"epochs": 9, "schedule": "none"}),
    "fewer-epochs-than-are-done": ({"schedule": "onecycle"}, {"epochs": 1}),
    "the-same-length": ({"schedule": "onecycle"}, {"epochs": 2}),
}


@pytest.mark.parametrize(("settings", "typed"), NOTHING_TO_ASK.values(), ids=NOTHING_TO_ASK)
@pytest.mark.quick(2)
def test_nothing_is_asked_where_nothing_depends_on_it(
    settings: Mapping[str, Any], typed: Mapping[str, Any], tmp_path: Path
) -> None:
    drive(start_run(configure(**{"epochs": 2, **settings, "limit": 20}), tmp_path / "run"))

    run = resume(tmp_path / "run", **typed)

    assert not any("--sched-on-resume" in note for note in run.notes)


def test_another_schedule_spans_the_whole_run(tmp_path: Path) -> None:
    run = resume(finished(tmp_path / "run", schedule="onecycle"), epochs=4, schedule="cosine")

    assert rates(run) == curve("cosine", FOUR)[TWO:]


def changed(folder: Path, **changes: Any) -> None:
    """Change what `last` says of the run, with checksums that fit."""
    path = RunDir(folder).last
    tensors, metadata = read_tensors(path)
    progress = {**metadata["progress"], **changes.pop("progress", {})}
    kept = {name: value for name, value in metadata.items() if name not in ("sha256", "tensors", "format")}
    write_tensors(path, tensors, {**kept, "progress": progress, **changes})


@pytest.mark.parametrize("span", [0, -3, "38", 1.5, None, True])
@pytest.mark.quick(2)
def test_a_schedule_without_a_length_is_refused(span: Any, tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", schedule="cosine")
    changed(folder, progress={"schedule_steps": span})

    with pytest.raises(CheckpointError) as caught:
        resume(folder)

    assert_reports(caught.value, f"{RunDir(folder).last}", f"{span!r} steps")


def test_another_version_of_torch_or_device_is_reported(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run")
    assert not any("bits" in note for note in resume(folder, epochs=3).notes)
    versions = load_checkpoint(RunDir(folder).last).metadata["versions"]

    changed(folder, versions={**versions, "torch": "2.0"}, progress={"device": "NVIDIA H200"})

    notes = "\n".join(resume(folder, epochs=3).notes)
    for part in ("torch 2.0", f"torch {torch.__version__}", "NVIDIA H200", "cpu"):
        assert part in notes
