"""Learning rates as functions of the step, against torch's own schedulers."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from dlkit.settings.config import SCHEDULES
from dlkit.training.schedules import (
    CYCLIC_START,
    EXPONENTIAL_END,
    PLATEAU_FACTOR,
    PLATEAU_PATIENCE,
    POLYNOMIAL_POWER,
    STEP_FACTOR,
    STEP_PARTS,
    Plateau,
    build_schedule,
)

LR, TOTAL, PER_EPOCH = 0.05, 1000, 40
SAME = {"rel": 1e-9, "abs": 1e-15}
Reference = Callable[[torch.optim.Optimizer, int], LRScheduler]

REFERENCES: dict[str, Reference] = {
    "none": lambda optimizer, _span: lr_scheduler.ConstantLR(optimizer, factor=1.0),
    "step": lambda optimizer, span: lr_scheduler.StepLR(optimizer, -(-span // STEP_PARTS), gamma=STEP_FACTOR),
    "exponential": lambda optimizer, span: lr_scheduler.ExponentialLR(
        optimizer, EXPONENTIAL_END ** (1 / span)
    ),
    "cosine": lambda optimizer, span: lr_scheduler.CosineAnnealingLR(optimizer, T_max=span),
    "cyclic": lambda optimizer, _span: lr_scheduler.CyclicLR(
        optimizer, LR * CYCLIC_START, LR, step_size_up=2 * PER_EPOCH, cycle_momentum=False
    ),
    "onecycle": lambda optimizer, span: lr_scheduler.OneCycleLR(
        optimizer, max_lr=LR, total_steps=span, cycle_momentum=False
    ),
    "polynomial": lambda optimizer, span: lr_scheduler.PolynomialLR(
        optimizer, total_iters=span, power=POLYNOMIAL_POWER
    ),
}


def optimizer_at(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates_of(scheduler: LRScheduler, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    """Return the rate that each step is taken with."""
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rates


RUNS = [*((name, total) for name in REFERENCES for total in (998, 999, TOTAL))]
RUNS += [("onecycle", total) for total in (1, 2, 3, 4, 7, 20)]


@pytest.mark.parametrize(("name", "total"), RUNS)
def test_schedule_equals_torchs(name: str, total: int) -> None:
    optimizer = optimizer_at(LR)
    expected = rates_of(REFERENCES[name](optimizer, total), optimizer, total)

    ours = build_schedule(name, LR, total_steps=total, steps_per_epoch=PER_EPOCH)

    assert [ours(step) for step in range(total)] == pytest.approx(expected, **SAME)


@pytest.mark.parametrize("name", ["none", "step", "exponential", "cosine", "polynomial"])
@pytest.mark.parametrize("warmup", [1, 2, 50, 333])
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
def test_warmup_equals_torchs_linear_and_sequential_over_a_thousand_steps(name: str, warmup: int) -> None:
    optimizer = optimizer_at(LR)
    rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=max(1, warmup - 1))
    after = REFERENCES[name](optimizer, TOTAL - warmup)
    both = lr_scheduler.SequentialLR(optimizer, [rise, after], milestones=[warmup])
    expected = rates_of(both, optimizer, TOTAL)

    ours = build_schedule(name, LR, total_steps=TOTAL, steps_per_epoch=PER_EPOCH, warmup_steps=warmup)

    assert [ours(step) for step in range(TOTAL)] == pytest.approx(expected, **SAME)


@pytest.mark.parametrize("name", ["cyclic", "onecycle"])
def test_warmup_rises_to_where_a_rising_schedule_begins_and_shifts_it(name: str) -> None:
    warmup = 100
    bare = build_schedule(name, LR, total_steps=TOTAL - warmup, steps_per_epoch=PER_EPOCH)

    ours = build_schedule(name, LR, total_steps=TOTAL, steps_per_epoch=PER_EPOCH, warmup_steps=warmup)

    rise = [bare(0) * (step + 1) / warmup for step in range(warmup)]
    assert [ours(step) for step in range(warmup)] == pytest.approx(rise, **SAME)
    assert [ours(step) for step in range(warmup, TOTAL)] == [bare(step) for step in range(TOTAL - warmup)]


@pytest.mark.parametrize("higher_is_better", [False, True], ids=["loss", "accuracy"])
def test_plateau_equals_torchs_on_a_made_up_series(higher_is_better: bool) -> None:
    optimizer = optimizer_at(LR)
    mode = "max" if higher_is_better else "min"
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE, threshold=1e-4
    )
    ours = Plateau(higher_is_better=higher_is_better)
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1000, generator=generator).tolist()
    falling = [math.exp(-epoch / 60) + 0.05 * value for epoch, value in enumerate(noise)]
    series = [1 - value for value in falling] if higher_is_better else falling

    factors = []
    for value in series[:200]:
        reference.step(value)
        ours.observe(value)
        factors.append(ours.factor)
        assert LR * ours.factor == pytest.approx(optimizer.param_groups[0]["lr"], **SAME)
    assert factors[-1] < PLATEAU_FACTOR**3


def test_plateau_waits_for_six_epochs_without_a_better_one() -> None:
    plateau = Plateau()

    factors = []
    for value in (1.0, 0.9, *[0.9] * 6, 0.5, *[0.5] * 6):
        plateau.observe(value)
        factors.append(plateau.factor)

    assert factors == [1.0] * 7 + [0.5] * 7 + [0.25]


@pytest.mark.parametrize(("value", "better"), [(0.90008, False), (0.9001, True)])
def test_plateau_takes_a_ten_thousandth_more_for_better(value: float, better: bool) -> None:
    rising, falling = Plateau(higher_is_better=True), Plateau()

    for start, then in ((0.9, value), (0.9, 1.8 - value)):
        plateau = rising if then > start else falling
        plateau.observe(start)
        plateau.observe(then)

    assert (rising.bad_epochs, falling.bad_epochs) == ((0, 0) if better else (1, 1))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("total", [1, 2, 3, 5, 100], ids=lambda total: f"{total}-steps")
@pytest.mark.parametrize("warm", ["no-warmup", "longest-warmup"])
def test_rates_lie_between_0_and_the_peak_in_any_run_and_past_its_end(
    name: str, total: int, warm: str
) -> None:
    warmup = total - 1 if warm == "longest-warmup" else 0
    ours = build_schedule(name, LR, total_steps=total, steps_per_epoch=3, warmup_steps=warmup)

    rates = [ours(step) for step in (*range(total), total, 2 * total, 10**9)]

    assert all(0 <= rate <= LR * (1 + 1e-12) for rate in rates)
    assert rates[0] > 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_longest_warmup_leaves_one_step_to_the_schedule(name: str) -> None:
    bare = build_schedule(name, LR, total_steps=1, steps_per_epoch=3)

    ours = build_schedule(name, LR, total_steps=100, steps_per_epoch=3, warmup_steps=99)

    assert ours(99) == bare(0) == pytest.approx(ours(98))


@pytest.mark.parametrize(
    ("name", "last"), [("cosine", 0.0), ("polynomial", 0.0), ("onecycle", LR / 25 / 1e4)]
)
def test_rate_past_the_end_of_a_run_is_the_last(name: str, last: float) -> None:
    ours = build_schedule(name, LR, total_steps=999, steps_per_epoch=10)

    assert ours(999) == ours(5000) == pytest.approx(last, abs=1e-15)


def test_cyclic_has_its_peak_within_a_run_shorter_than_four_epochs() -> None:
    ours = build_schedule("cyclic", LR, total_steps=30, steps_per_epoch=10)

    assert [ours(0), ours(15), ours(30)] == pytest.approx([LR * CYCLIC_START, LR, LR * CYCLIC_START])
