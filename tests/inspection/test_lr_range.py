"""The learning-rate range test: its rates, its end, and the suggestion."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dlkit.diagnosis.recording import Recording
from dlkit.errors import DlkitError
from dlkit.inspection.lr_range import (
    Point,
    raise_rate,
    range_settings,
    rising_rates,
    suggest_rate,
)
from dlkit.objectives import Objective
from dlkit.settings.resolve import resolve
from dlkit.training.assemble import assemble_new
from dlkit.training.step import Parts

RATES = rising_rates(1e-6, 10, 100)


@pytest.fixture(scope="module")
def make_parts() -> Callable[..., Parts]:
    """The parts of a run of `mlp` on `digits`, new with each call."""

    def make(arguments: dict[str, str] | None = None, **settings: object) -> Parts:
        config = resolve({"model": "mlp", **settings}, arguments or {})
        return assemble_new(range_settings(config)).parts

    return make


def recording_of(*missing: str) -> Recording:
    """The recording of a network whose parameters all have a gradient, but for those named."""
    recording = Recording()
    for name in ("0.weight", "0.bias", "1.weight", "1.bias"):
        recording.add_signals([(1, name, "grad_norm", 0.0 if name in missing else 1.0)])
        recording.add_signals([(1, name, "grad_missing", 1.0)] if name in missing else [])
    return recording


def points_of(losses: Sequence[float], rates: Sequence[float] = RATES) -> list[Point]:
    """Points whose loss is smooth already."""
    return [Point(lr, loss, loss) for lr, loss in zip(rates, losses, strict=False)]


def dip(at: float, depth: float = 2.0, width: float = 1.0) -> list[float]:
    """A loss of 2.3 that dips around a rate and rises steeply after it."""
    distances = [math.log10(lr / at) / width for lr in RATES]
    return [2.3 - depth * math.exp(-(x**2)) + (3 * x if x > 0 else 0) for x in distances]


def test_rates_rise_by_the_same_factor_from_start_to_end() -> None:
    assert rising_rates(0.001, 10, 5) == pytest.approx([0.001, 0.01, 0.1, 1.0, 10])


def test_settings_keep_the_rate_and_the_weights_free() -> None:
    typed = {"model": "mlp", "schedule": "onecycle", "warmup_steps": 5, "ema": 0.9, "max_steps": 7, "l1": 0.1}

    settings = range_settings(resolve(typed, {}))

    assert (settings.schedule, settings.warmup_steps, settings.ema, settings.max_steps) == (
        "none",
        0,
        None,
        None,
    )
    assert settings.l1 == 0.1


def test_each_step_is_taken_with_its_own_rate(make_parts: Callable[..., Parts]) -> None:
    parts = make_parts(batch_size=32)
    rates = rising_rates(1e-4, 1e-2, 60)  # more steps than an epoch has
    weight = next(parts.model.parameters())

    seen = [
        (point.lr, parts.optimizer.param_groups[0]["lr"]) for point in raise_rate(parts, rates, Recording())
    ]

    assert seen == [(lr, lr) for lr in rates]
    assert len(parts.train) < len(rates)
    assert not torch.equal(weight, next(make_parts(batch_size=32).model.parameters()))


def test_loss_is_that_of_the_batch_and_smoothing_is_the_corrected_average(
    make_parts: Callable[..., Parts],
) -> None:
    parts = make_parts()
    inputs, targets = next(parts.train.shuffled(1))
    first = parts.objective.loss(parts.model(inputs), targets).item()

    points = list(raise_rate(parts, rising_rates(1e-6, 1e-3, 50), Recording()))

    keep = 1 - 1 / 5  # a tenth of 50 steps
    for step, point in enumerate(points):
        weights = [keep ** (step - before) for before in range(step + 1)]
        losses = [earlier.loss for earlier in points[: step + 1]]
        average = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)
        assert point.smoothed == pytest.approx(average)
    assert points[0].loss == pytest.approx(first)


def test_test_ends_when_the_loss_has_grown(make_parts: Callable[..., Parts]) -> None:
    points = list(raise_rate(make_parts(), RATES, Recording()))

    smoothed = [point.smoothed for point in points]
    assert len(points) < len(RATES)
    assert smoothed[-1] > 4 * min(smoothed)
    assert max(smoothed[:-1]) <= 4 * min(smoothed)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_test_ends_before_a_loss_that_is_not_finite(make_parts: Callable[..., Parts], value: float) -> None:
    parts = make_parts()
    count = 0

    def break_down(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return parts.objective.loss(outputs, targets) * (value if count > 3 else 1.0)

    objective = Objective(break_down, "accuracy", parts.objective.metric_sum)
    broken = replace(parts, objective=objective)

    assert len(list(raise_rate(broken, RATES, Recording()))) == 3


def test_two_tests_at_one_seed_are_equal_and_another_seed_differs(make_parts: Callable[..., Parts]) -> None:
    first, second, other = (
        list(raise_rate(make_parts({"dropout": "0.3"}, seed=seed), RATES[::4], Recording()))
        for seed in (0, 0, 1)
    )

    assert first == second != other


def test_a_run_that_follows_is_the_same_as_without_a_test(make_parts: Callable[..., Parts]) -> None:
    before = make_parts().model.state_dict()
    list(raise_rate(make_parts(), RATES[::10], Recording()))

    after = make_parts().model.state_dict()

    assert all(map(torch.equal, before.values(), after.values()))


@pytest.mark.parametrize("at", [1e-3, 0.1])
def test_suggestion_is_a_fifth_of_the_middle_between_half_way_and_lowest(at: float) -> None:
    found = suggest_rate(points_of(dip(at)), RATES, recording_of())

    half_way = at / 10 ** math.sqrt(math.log(2))  # where exp(-x**2) is a half
    assert found.lowest.lr == pytest.approx(at, rel=0.2)
    assert found.half_way.lr == pytest.approx(half_way, rel=0.2)
    assert found.lr == pytest.approx(math.sqrt(half_way * at) / 5, rel=0.2)
    assert found.lr == float(f"{math.sqrt(found.half_way.lr * found.lowest.lr) / 5:.3g}")
    assert not found.still_falling


def test_a_loss_that_is_lowest_at_the_last_rate_is_still_falling() -> None:
    falling = points_of([2.3 - 0.02 * step for step in range(100)])

    assert suggest_rate(falling, RATES, recording_of()).still_falling
    assert not suggest_rate(falling[:-1], RATES, recording_of()).still_falling


def test_a_lucky_first_batch_is_not_taken_for_the_lowest_loss() -> None:
    lucky = points_of([0.1, *dip(0.1)[1:]])

    found = suggest_rate(lucky, RATES, recording_of())

    assert found.lowest.lr == pytest.approx(0.1, rel=0.2)


FLAT = [2.3] * 100


@pytest.mark.parametrize(
    ("losses", "rates", "missing", "message", "hint"),
    [
        (FLAT, RATES, (), "100 of 100 rates from 1e-06 to 10", "--overfit 32"),
        ([], RATES, (), "0 of 100 rates from 1e-06 to 10", "--start 1e-09"),
        ([2.3, 40.0], [0.5, 1.0, *RATES[2:]], (), "2 of 100 rates from 0.5 to 10", "--start 0.0005"),
        (FLAT, rising_rates(1e-9, 1e-5, 100), (), "from 1e-09 to 1e-05", "--end 0.01"),
        (FLAT, RATES, ("0.weight", "0.bias"), "100 of 100", "0.weight, 0.bias"),
        ([2.3 - 1e-4 * step for step in range(100)], RATES, (), "", "--overfit 32"),
        ([1.0, 3.0] * 5 + [1.4] * 90, RATES, (), "", "--overfit 32"),
    ],
    ids=[
        "flat",
        "not-finite",
        "grew-at-once",
        "too-low",
        "no-gradient",
        "less-than-a-hundredth",
        "only-noise",
    ],
)
def test_a_loss_that_never_fell_is_refused_with_causes(
    losses: list[float], rates: list[float], missing: tuple[str, ...], message: str, hint: str
) -> None:
    with pytest.raises(DlkitError) as caught:
        suggest_rate(points_of(losses, rates), rates, recording_of(*missing))

    assert caught.value.exit_code == 1
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_suggestion_lies_where_training_works(make_parts: Callable[..., Parts], optimizer: str) -> None:
    """Three epochs at rates from 0.03 (sgd) or 0.003 (the others) up to 0.1 or 0.03 reach 0.94 and more."""
    parts = make_parts(optimizer=optimizer)

    recording = Recording()
    found = suggest_rate(list(raise_rate(parts, RATES, recording)), RATES, recording)

    low, high = {"sgd": (0.01, 0.2), "adagrad": (0.005, 0.1)}.get(optimizer, (0.001, 0.03))
    assert low < found.lr < high
