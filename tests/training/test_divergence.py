"""When training diverges (NaN or infinity): nothing good is lost, and the failing batch is found and kept."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from limits import file_size_limit
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, essence, replace_parts, resume
from torch import Tensor
from toys import CPU, make_split

from dlkit.data.batches import Batches
from dlkit.data.dataset import TensorSplit
from dlkit.errors import DivergedError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.settings.config import TrainConfig
from dlkit.training.divergence.guard import all_finite
from dlkit.training.divergence.recovery import lower_rate
from dlkit.training.run import TrainRun, start_run


@dataclass(frozen=True)
class Spoiled(TensorSplit):
    """A split in which the inputs of one stored row come out as NaN in one epoch."""

    row: int = -1
    epoch: int = 0

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(rows, device, epoch)
        if epoch == self.epoch:
            inputs[rows == self.row] = math.nan
        return inputs, targets


def spoil(run: TrainRun, step: int) -> int:
    """Spoil one sample of the batches of a step, and give its row."""
    train, accumulate = run.parts.train, run.parts.accumulate
    epoch, in_epoch = divmod(step - 1, run.steps_per_epoch)
    last = min(len(train), (in_epoch + 1) * accumulate)
    row = int(train.rows_in(epoch + 1, last - 1, last)[0])
    split = train._split
    spoiled = Spoiled(split.inputs, split.targets, split.rows, split.normalisation, row=row, epoch=epoch + 1)
    replace_parts(run, train=Batches(spoiled, train.batch_size, CPU, train.seed))
    return row


def diverge(run: TrainRun) -> DivergedError:
    with pytest.raises(DivergedError) as caught:
        drive(run)
    assert caught.value.exit_code == 5
    return caught.value


def drive_with(run: TrainRun, at_step: int, action: Callable[[], object]) -> None:
    """Train, and do something after a step."""
    for step, _ in run:
        if step.step == at_step:
            action()


def poke(run: TrainRun, name: str, value: float) -> None:
    """Set one number of a weight."""
    with torch.no_grad():
        run.parts.model.get_parameter(name).reshape(-1)[0] = value


# Each optimizer; everything that moves with a step and could be moved by a bad one.
CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "sgd-batch-norm": ({}, {"norm": "batch", "dropout": "0.3"}),
    "adam-clip": ({"optimizer": "adam", "grad_clip": 0.5}, {"dropout": "0.3"}),
    "adamw-accumulate-ema": (
        {"optimizer": "adamw", "accumulate": 3, "ema": 0.9, "batch_size": 4},
        {"norm": "batch"},
    ),
    "rmsprop-ema": ({"optimizer": "rmsprop", "ema": 0.9}, {"norm": "batch"}),
    "adagrad-clip-accumulate": (
        {"optimizer": "adagrad", "grad_clip": 0.5, "accumulate": 2, "batch_size": 4},
        {"dropout": "0.3"},
    ),
    "cnn": ({"model": "cnn", "schedule": "onecycle"}, {"width": "4", "dropout": "0.3"}),
}


@pytest.fixture(params=[None, 1], ids=["seen-with-the-display", "seen-at-once"])
def log_every(request: pytest.FixtureRequest) -> int | None:
    return request.param


@pytest.mark.parametrize("case", CASES)
@pytest.mark.quick(1)
def test_a_run_that_met_a_bad_batch_comes_to_the_bits_of_one_that_never_did(
    case: str, log_every: int | None, tmp_path: Path
) -> None:
    settings, arguments = CASES[case]
    config = configure(arguments, **settings, log_every=log_every, epochs=2)
    drive(start_run(config, tmp_path / "unbroken"))
    run = start_run(config, tmp_path / "run")
    bad = run.steps_per_epoch + 5
    row = spoil(run, bad)

    error = diverge(run)

    assert_reports(error, "epoch 2", f"step {bad}", "1 sample", f"row {row}", str(run.dir.last))
    resumed = resume(tmp_path / "run")
    assert resumed.start_step == bad - 1
    drive(resumed)
    assert essence(tmp_path / "run") == essence(tmp_path / "unbroken")


@pytest.mark.parametrize("bad", [1, 2, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 3 * STEPS_PER_EPOCH])
@pytest.mark.quick(1)
def test_any_step_may_be_the_bad_one(bad: int, tmp_path: Path) -> None:
    config = configure({"norm": "batch"})
    drive(start_run(config, tmp_path / "unbroken"))
    run = start_run(config, tmp_path / "run")
    spoil(run, bad)

    diverge(run)
    drive(resume(tmp_path / "run"))

    assert essence(tmp_path / "run") == essence(tmp_path / "unbroken")


def test_bad_data_are_not_answered_with_a_lower_rate(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")
    spoil(run, 3)

    hint = diverge(run).hint

    for part in (f"dlkit inspect nan {run.dir.path}", "digits"):
        assert part in hint
    assert "--lr" not in hint


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_weights_that_grew_past_use_before_the_bad_step_are_not_saved(optimizer: str, tmp_path: Path) -> None:
    drive(start_run(configure(epochs=1, optimizer=optimizer), tmp_path / "run"))
    run = resume(tmp_path / "run", epochs=3, lr=1e38)
    good = {path: path.read_bytes() for path in (run.dir.best, run.dir.last)}

    error = diverge(run)

    assert_reports(error, "epoch 2", f"{run.dir.last}", f"step {STEPS_PER_EPOCH}")
    assert f"dlkit train --resume {run.dir.path} --lr 0.0" in error.hint
    assert {path: path.read_bytes() for path in good} == good
    assert all_finite(load_checkpoint(run.dir.last).weights.values())
    drive(resume(tmp_path / "run", epochs=2, lr=lower_rate(run.config)))
    assert len(read_history(run.dir.history)) == 2


@pytest.mark.parametrize("lr", [1e6, 1e38])
def test_divergence_in_the_first_epoch_leaves_the_weights_it_began_with(lr: float, tmp_path: Path) -> None:
    run = start_run(configure(lr=lr, limit=1400, batch_size=64), tmp_path / "run")

    diverge(run)

    assert not run.dir.best.exists()
    assert not run.dir.history.exists()
    last = load_checkpoint(run.dir.last)
    assert all_finite([*last.weights.values(), *last.extras.values()])
    assert last.metadata["progress"]["position"]["step"] == 0


@pytest.mark.parametrize(
    ("lr", "model", "optimizer", "lower"),
    [(0.05, "mlp", "sgd", 0.005), (1e6, "mlp", "sgd", 0.01), (1e6, "mlp", "adam", 0.001)],
)
def test_rate_to_continue_with_is_a_tenth_or_the_usual_one(
    lr: float, model: str, optimizer: str, lower: float
) -> None:
    assert lower_rate(TrainConfig(model=model, data="digits", lr=lr, optimizer=optimizer)) == lower


@pytest.mark.parametrize(
    ("name", "value"),
    [("output.weight", math.nan), ("hidden.0.linear.bias", -math.inf)],
    ids=["seen-in-the-loss", "hidden-behind-a-relu"],
)
def test_weights_that_are_not_finite_never_reach_a_checkpoint(
    name: str, value: float, tmp_path: Path
) -> None:
    run = start_run(configure(), tmp_path / "run")

    with pytest.raises(DivergedError) as caught:
        drive_with(run, 2 * STEPS_PER_EPOCH - 2, lambda: poke(run, name, value))

    assert_reports(caught.value, name, f"{run.dir.last}", f"step {STEPS_PER_EPOCH}")
    for path in (run.dir.best, run.dir.last):
        assert all_finite(load_checkpoint(path).weights.values())
    assert len(read_history(run.dir.history)) == 1


def test_a_signal_after_divergence_saves_nothing_that_is_not_finite(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")

    def poke_and_stop() -> None:
        poke(run, "hidden.0.linear.bias", -math.inf)
        run.stop_signal = 15

    with pytest.raises(DivergedError):
        drive_with(run, 3, poke_and_stop)

    assert all_finite(load_checkpoint(run.dir.last).weights.values())


def test_an_average_that_is_not_finite_never_becomes_best(tmp_path: Path) -> None:
    run = start_run(configure(ema=0.9), tmp_path / "run")

    def spoil_average() -> None:
        run.parts.ema.network().output.bias[0] = math.nan

    with pytest.raises(DivergedError) as caught:
        drive_with(run, 3, spoil_average)

    assert "weights" in caught.value.message
    assert not run.dir.best.exists()


def test_validation_that_is_not_finite_counts_as_divergence(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")
    inputs = torch.zeros(8, 1, 8, 8)
    inputs[5] = math.inf
    replace_parts(run, val=Batches(make_split(inputs, torch.arange(8)), 4, CPU))

    error = diverge(run)

    assert_reports(error, "epoch 1", "validation", f"step {STEPS_PER_EPOCH}", "1 sample", "row 5")
    assert not run.dir.best.exists()
    kept = load_checkpoint(run.dir.nan)
    assert kept.metadata["progress"]["failing"]["split"] == "val"
    assert kept.extras["batch.rows"].tolist() == [4, 5, 6, 7]


def test_failing_batch_is_kept_with_the_weights_it_met(tmp_path: Path) -> None:
    config = configure({"norm": "batch"}, accumulate=3, epochs=1)
    run = start_run(config, tmp_path / "run")
    row = spoil(run, 4)

    diverge(run)

    kept, last = load_checkpoint(run.dir.nan), load_checkpoint(run.dir.last)
    assert kept.metadata["progress"]["failing"] == {
        "split": "train",
        "epoch": 1,
        "step": 4,
        "sizes": [8, 8, 8],
    }
    assert kept.metadata["progress"]["position"]["step"] == 3
    assert all(torch.equal(value, last.weights[name]) for name, value in kept.weights.items())
    rows = kept.extras["batch.rows"]
    assert torch.equal(rows, run.parts.train.rows_in(1, 9, 12))
    bad = kept.extras["batch.inputs"].isnan().flatten(1).any(1)
    assert rows[bad].tolist() == [row]


def test_a_disk_that_is_full_is_reported_with_the_divergence(tmp_path: Path) -> None:
    run = start_run(configure(), tmp_path / "run")
    spoil(run, 30)

    with contextlib.ExitStack() as stack, pytest.raises(DivergedError) as caught:
        drive_with(run, 25, lambda: stack.enter_context(file_size_limit(10_000)))

    assert_reports(caught.value, f"step {STEPS_PER_EPOCH}", "disk full", f"{run.dir.last}", f"{run.dir.nan}")
    assert "digits" in caught.value.hint
    assert "--resume" not in caught.value.hint
