"""--log: what TensorBoard and the lines of JSON hold, also after a stop."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from descriptions import OF_CLASSES
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, history, resume

from dlkit.errors import DataError, DlkitError, MissingError
from dlkit.files.run_dir import RunDir
from dlkit.objectives import build_objective
from dlkit.running_mean import RunningMean
from dlkit.training.logs import Logs, check_logs, cut_back_lines, open_logs
from dlkit.training.loop import Position, Reading, Step
from dlkit.training.run import start_run

LAST_STEP = 3 * STEPS_PER_EPOCH


def lines(folder: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """What log.jsonl holds."""
    found = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in found if kind is None or line["kind"] == kind]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag, as TensorBoard shows them."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulators.EventAccumulator(str(folder), purge_orphaned_data=True)
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_lines_hold_every_step_asked_for_and_every_epoch(tmp_path: Path) -> None:
    run = start_run(configure(log="jsonl", log_every=5), tmp_path / "run")
    drive(run)

    steps, epochs = lines(tmp_path / "run", "step"), lines(tmp_path / "run", "epoch")
    expected = sorted({*range(5, LAST_STEP + 1, 5), *range(STEPS_PER_EPOCH, LAST_STEP + 1, STEPS_PER_EPOCH)})
    assert [line["step"] for line in steps] == expected
    names = {"kind", "epoch", "step", "seconds", "lr", "batch_loss", "train_loss", "train_accuracy"}
    assert set(steps[0]) == names
    rows = history(tmp_path / "run")
    assert [float(row["val_loss"]) for row in rows] == [line["val_loss"] for line in epochs]
    assert set(rows[0]) < set(epochs[0])
    closing = [line for line in steps if line["step"] % STEPS_PER_EPOCH == 0]
    assert [line["train_loss"] for line in closing] == [line["train_loss"] for line in epochs]


@pytest.mark.parametrize("stop", [1, 7, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 11])
@pytest.mark.quick(1)
def test_a_resumed_run_continues_without_a_doubled_line(stop: int, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        drive(start_run(configure(log="jsonl", log_every=1), folder), stop if folder == parts else None)

    drive(resume(parts))

    assert without_times(lines(parts)) == without_times(lines(whole))


def test_a_kill_after_the_epoch_was_logged_doubles_nothing(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder, whole = tmp_path / "run", tmp_path / "whole"
    drive(start_run(configure(log="jsonl,tensorboard", log_every=1), whole))
    drive(start_run(configure(log="jsonl,tensorboard", log_every=1), folder), STEPS_PER_EPOCH + 4)
    saved = RunDir(folder).last.read_bytes()
    drive(resume(folder), 2 * STEPS_PER_EPOCH + 3)
    RunDir(folder).last.write_bytes(saved)  # as if killed before any of this was saved
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"kind": "st')

    drive(resume(folder))

    assert without_times(lines(folder)) == without_times(lines(whole))
    assert without_machine(scalars(folder)) == without_machine(scalars(whole))


def without_times(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = ("seconds", "samples_per_second", "memory_mib")
    return [{name: value for name, value in line.items() if name not in times} for line in found]


def without_machine(found: Mapping[str, Any]) -> dict[str, Any]:
    return {tag: values for tag, values in found.items() if not tag.startswith("Machine/")}


def test_an_epoch_cut_short_is_logged_and_taken_back_on_resume(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(log="jsonl", max_steps=STEPS_PER_EPOCH + 5), folder))
    assert [line["step"] for line in lines(folder, "epoch")] == [STEPS_PER_EPOCH, STEPS_PER_EPOCH + 5]

    drive(resume(folder, max_steps=LAST_STEP))

    assert [line["step"] for line in lines(folder, "epoch")] == [
        STEPS_PER_EPOCH * epoch for epoch in (1, 2, 3)
    ]


def test_tensorboard_has_the_tags_by_step_and_by_epoch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    drive(start_run(configure(log="tensorboard", log_every=1), folder))

    found = scalars(folder)

    every, ends = list(range(1, LAST_STEP + 1)), [STEPS_PER_EPOCH * epoch for epoch in (1, 2, 3)]
    for tag in ("Loss/train", "Accuracy/train", "Optimizer/lr"):
        assert [step for step, _ in found[tag]] == every, tag
    for tag in ("Loss/val", "Accuracy/val", "Loss/train_epoch", "Accuracy/train_epoch", "Machine/memory_mib"):
        assert [step for step, _ in found[tag]] == ends, tag
    rows = history(folder)
    for tag, column in (("Loss/val", "val_loss"), ("Accuracy/train_epoch", "train_accuracy")):
        assert [value for _, value in found[tag]] == pytest.approx([float(row[column]) for row in rows])
    assert not (folder / "log.jsonl").exists()
    assert len(RunDir(folder).events()) == 1


def test_force_removes_the_logs_of_the_run_before(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    folder = tmp_path / "run"
    drive(start_run(configure(log="tensorboard,jsonl", epochs=1), folder))

    RunDir(folder).clear()

    assert [file.name for file in folder.iterdir()] == ["run.lock"]


def test_readings_get_further_apart_as_the_run_gets_longer() -> None:
    taken: list[float] = []

    class Taker:
        def reading(self, _step: Step, _reading: Reading, seconds: float) -> None:
            taken.append(seconds)

        def epoch(self, _record: Any) -> None:
            raise AssertionError("no epoch")

        def close(self) -> None:
            taken.append(-1.0)

    running = RunningMean(build_objective(OF_CLASSES))
    with Logs([Taker()]) as logs:
        for tenth in range(10_000):
            logs.reading(Step(1, tenth, tenth, 0.1, running), Reading(1.0, 0.5, 1.0), tenth / 10)

    first, later = ([s for s in taken if low <= s < low + 90] for low in (0, 900))
    assert len(first) == 900
    assert 90 <= len(later) <= 110
    assert taken[-1] == -1.0


def test_a_missing_tensorboard_is_exit_7_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        check_logs(("tensorboard",), has_tensorboard=False)

    assert_reports(caught.value, "--log tensorboard", "pip install 'dlkit[tensorboard]'")
    assert caught.value.exit_code == 7
    check_logs(("jsonl",), has_tensorboard=False)


@pytest.mark.parametrize(
    "text",
    ["hello\n", '{"kind": "step"}\n', "[1]\n", '{"kind": "step", "epoch": "x", "step": 1}\n', "\xff\n"],
)
def test_a_foreign_file_of_that_name_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(DataError) as caught:
        cut_back_lines(path, Position())

    assert f"{path} line 1" in caught.value.message
    assert caught.value.hint
    assert path.read_text(encoding="latin-1") == text


@pytest.mark.parametrize("text", ["", '{"kind": "step", "ep'], ids=["empty", "cut"])
def test_a_file_without_a_whole_line_is_emptied(text: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text)

    cut_back_lines(path, Position(step=3))

    assert path.read_text() == ""


def test_a_folder_in_its_place_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()

    with pytest.raises(DlkitError, match=r"log\.jsonl"):
        open_logs(("jsonl",), RunDir(tmp_path), "accuracy", Position())


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    running = RunningMean(build_objective(OF_CLASSES))
    with open_logs(("jsonl",), RunDir(tmp_path), "accuracy", Position()) as logs:
        logs.reading(Step(1, 1, 1, 0.1, running), Reading(float("inf"), 0.5, float("nan")), 1.0)

    (line,) = lines(tmp_path)
    assert (line["train_loss"], line["batch_loss"]) == (None, None)


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    from dlkit.training.logs import JsonLines

    log = JsonLines(Path("/dev/full"), "accuracy")
    with pytest.raises(DlkitError) as caught:
        log.reading(Step(1, 1, 1, 0.1, RunningMean(build_objective(OF_CLASSES))), Reading(1.0, 0.5, 1.0), 1.0)
    log.close()

    assert_reports(caught.value, "disk full", "/dev/full")


def test_the_command_takes_both(dlkit: Callable[..., Any], home: Path) -> None:
    pytest.importorskip("tensorboard")
    words = ["train", "mlp", "--epochs", "1", "--limit", "64", "--log", "tensorboard,jsonl", "--no-plot"]

    result = dlkit(*words, "--out", "run")

    assert result.code == 0, result.stderr
    assert set(scalars(home / "run")) >= {"Loss/train", "Loss/val", "Accuracy/train", "Accuracy/val"}
    assert len(lines(home / "run", "epoch")) == 1
