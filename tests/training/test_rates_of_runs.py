"""The rate of every step of a run, warm-up included, is that of torch's own schedulers on its own optimizer."""

from pathlib import Path

import pytest
import torch
from runs import STEPS_PER_EPOCH, configure
from torch.optim import lr_scheduler

from dlkit.files.history import read_history
from dlkit.training.run import start_run
from dlkit.training.schedules import (
    CYCLIC_START,
    EXPONENTIAL_END,
    PLATEAU_FACTOR,
    PLATEAU_PATIENCE,
    STEP_FACTOR,
    STEP_PARTS,
)

LR, WARMUP, EPOCHS = 1e-9, 7, 15  # so small that no epoch is better, and plateau lowers it twice
TOTAL = EPOCHS * STEPS_PER_EPOCH
SPAN = TOTAL - WARMUP
AFTER = {
    "step": lambda given: lr_scheduler.StepLR(given, -(-SPAN // STEP_PARTS), gamma=STEP_FACTOR),
    "exponential": lambda given: lr_scheduler.ExponentialLR(given, EXPONENTIAL_END ** (1 / SPAN)),
    "cyclic": lambda given: lr_scheduler.CyclicLR(
        given, LR * CYCLIC_START, LR, step_size_up=2 * STEPS_PER_EPOCH, cycle_momentum=False
    ),
    "plateau": lambda given: lr_scheduler.ConstantLR(given, factor=1.0),
}


def rates_and_losses(name: str, folder: Path) -> tuple[list[float], list[float]]:
    """Train, and return the rate of each step and the validation losses."""
    run = start_run(
        configure(epochs=EPOCHS, schedule=name, warmup_steps=WARMUP, lr=LR, optimizer="sgd"), folder
    )
    rates = []
    for step, _ in run:
        rates.append(step.lr)
        assert float(run.parts.optimizer.param_groups[0]["lr"]) == pytest.approx(step.lr, rel=1e-6)
    return rates, read_history(folder / "history.csv").columns["val_loss"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize("name", AFTER)
def test_every_step_is_taken_with_the_rate_of_torch(name: str, tmp_path: Path) -> None:
    rates, losses = rates_and_losses(name, tmp_path / "run")

    first = LR * CYCLIC_START if name == "cyclic" else LR
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    after = AFTER[name](optimizer)
    plateau = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE, threshold=1e-4, eps=0
    )
    expected = []
    for step in range(TOTAL):
        if (
            step < WARMUP
        ):  # LinearLR cannot start a scheduler that starts elsewhere than at lr, as cyclic does
            expected.append(first * (step + 1) / WARMUP)
        else:
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            after.step()
        if name == "plateau" and (step + 1) % STEPS_PER_EPOCH == 0:
            plateau.step(losses[step // STEPS_PER_EPOCH])
    assert rates == pytest.approx(expected, rel=1e-9)
    assert len(set(rates)) > WARMUP
