"""A configuration in, a run folder out."""

import time
import tomllib
from pathlib import Path

import pytest
import torch
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive
from safetensors.torch import load_file
from torch import nn

from dlkit.errors import DlkitError, MissingError, RunExistsError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.models.build import build_model, restore_model
from dlkit.training.run import start_run


def test_run_folder_holds_what_it_promises(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")
    drive(run)

    names = {path.name for path in (tmp_path / "run").iterdir()}
    checkpoints = {"best.safetensors", "last.safetensors", "last.prev.safetensors"}
    assert names == {*checkpoints, "config.toml", "history.csv", "probes.csv", "run.lock", "findings.json"}
    stored = tomllib.loads(run.dir.config.read_text())
    assert stored == {**configure().to_dict(), "arguments": {**stored["arguments"], "hidden": [128]}}
    assert "limit" in stored
    assert "log_every" not in stored
    assert len(read_history(run.dir.history)) == 3


def test_best_goes_into_plain_torch_and_last_holds_more_under_a_prefix(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")
    drive(run)

    plain = load_file(run.dir.best)
    model = build_model("mlp", load_checkpoint(run.dir.best).description, run.config.arguments)
    model.load_state_dict(plain)
    extra = set(load_file(run.dir.last)) - set(plain)
    assert extra
    assert all(name.startswith("dlkit.") for name in extra)


def test_best_is_the_epoch_with_the_lowest_validation_loss(tmp_path: Path) -> None:
    run = start_run(configure(lr=0.5, epochs=6), tmp_path / "run")
    drive(run)

    history = read_history(run.dir.history)
    row = history.best_row()
    best = load_checkpoint(run.dir.best)
    model = restore_model(best).eval()
    dataset_val = run.parts.val
    with torch.inference_mode():
        pairs = [(model(inputs), targets) for inputs, targets in dataset_val.in_order()]
    outputs, targets = (torch.cat(part) for part in zip(*pairs, strict=True))
    loss = nn.functional.cross_entropy(outputs, targets).item()
    assert row != len(history) - 1, "this test wants a best epoch that is not the last"
    assert loss == pytest.approx(history.columns["val_loss"][row], rel=1e-5)
    assert run.best["epoch"] == row + 1 == best.metadata["progress"]["best"]["epoch"]


def test_note_says_what_is_trained_on_what(tmp_path: Path) -> None:
    (note,) = start_run(configure(), tmp_path / "run").notes

    for part in (
        "mlp",
        "9,610",
        "digits",
        "150 train",
        "162 val",
        "180 test",
        "sgd",
        "0.01",
        "batch 8",
        "cpu",
    ):
        assert part in note


def test_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        drive(start_run(configure({"dropout": "0.5"}, seed=seed), tmp_path / name))

    first, second, other = (
        load_checkpoint(tmp_path / name / "last.safetensors").metadata["tensors"] for name in "abc"
    )
    assert first == second
    assert first["output.weight"] != other["output.weight"]


def test_readings_come_at_most_ten_times_a_second(tmp_path: Path) -> None:
    run = start_run(configure(epochs=4), tmp_path / "run")
    start = time.monotonic()

    readings = [reading for _, reading in run if reading is not None]

    assert 4 <= len(readings) <= 10 * (time.monotonic() - start) + 4 + 1
    assert all(0 <= reading.metric <= 1 and reading.loss > 0 for reading in readings)


def test_readings_come_at_every_step_asked_for(tmp_path: Path) -> None:
    run = start_run(configure(epochs=1, log_every=6), tmp_path / "run")

    read = {step.step for step, reading in run if reading is not None}

    assert read >= {6, 12, 18, STEPS_PER_EPOCH}


def test_a_signal_in_the_last_step_comes_too_late_to_stop(tmp_path: Path) -> None:
    run = start_run(configure(epochs=1), tmp_path / "run")

    assert drive(run, stop_at=STEPS_PER_EPOCH) is None


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    first = start_run(configure(), tmp_path / "run")
    for _ in first:
        second = start_run(configure(), tmp_path / "run", force=True)
        with pytest.raises(DlkitError) as caught:
            drive(second)
        break

    assert_reports(caught.value, "locked", "--out")


def test_an_existing_run_is_refused_without_force_and_replaced_with_it(tmp_path: Path) -> None:
    drive(start_run(configure(), tmp_path / "run"))
    (tmp_path / "run" / "notes.txt").write_text("mine")

    with pytest.raises(RunExistsError) as caught:
        start_run(configure(), tmp_path / "run")
    assert_reports(caught.value, f"--out {tmp_path / 'run'}", "--resume", "--force")

    run = start_run(configure(epochs=1), tmp_path / "run", force=True)
    assert len(read_history(run.dir.history)) == 3, "nothing is lost before the new run begins"
    drive(run)
    assert len(read_history(run.dir.history)) == 1
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_nothing_is_made_when_the_device_or_the_data_are_not_there(tmp_path: Path, home: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(MissingError):
            start_run(configure(device="cuda"), tmp_path / "run")
    with pytest.raises(DlkitError):
        start_run(configure(data="kmnist"), tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_curves_are_plotted_at_the_end(tmp_path: Path) -> None:
    run = start_run(configure(epochs=1, plot=True), tmp_path / "run")
    drive(run)

    assert run.dir.curves.read_bytes().startswith(b"\x89PNG")
