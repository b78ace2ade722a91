"""CMA-ES is derived from the trials alone."""

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from cmaes import CMA
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from dlkit.search.evolution import next_point
from dlkit.settings.search import Searched, Value, parse_search

PLANE = [parse_search("lr=0..1", "mlp"), parse_search("momentum=0..1", "mlp")]


def trial(params: dict[str, float], value: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    complete = state == TrialState.COMPLETE
    return optuna.trial.create_trial(
        state=state,
        params=params,
        distributions=dict.fromkeys(params, FloatDistribution(0, 1)),
        value=value if complete else None,
        intermediate_values={} if complete else {1: value + 1, 2: value},
    )


def search(
    space: list[Searched], loss: Callable[[dict[str, Value]], float], trials: int, *, sign: int = 1
) -> list[float]:
    """The losses of a search, one trial after the other."""
    found: list[FrozenTrial] = []
    for seed in range(trials):
        point = next_point(space, found, higher=sign < 0, seed=seed)
        found.append(trial({key: float(value) for key, value in point.items()}, sign * loss(point)))
    return [sign * float(one.values[0]) for one in found]


def sphere(point: dict[str, Value]) -> float:
    return sum((float(value) - 0.8) ** 2 for value in point.values())


@pytest.mark.parametrize("sign", [1, -1])
def test_it_finds_a_minimum_that_random_trials_do_not(sign: int) -> None:
    losses = search(PLANE, sphere, 90, sign=sign)
    random = ((np.random.default_rng(0).random((90, 2)) - 0.8) ** 2).sum(axis=1)

    assert min(losses) < random.min() / 20
    assert np.median(losses[-12:]) < 0.01


def test_one_range_alone() -> None:
    losses = search([parse_search("lr=0..1", "mlp")], sphere, 60)

    assert min(losses) < 1e-5


def test_the_state_is_that_of_cmaes_told_the_same_generations() -> None:
    rng = np.random.default_rng(1)
    points, losses = rng.random((13, 2)), rng.random(13)
    trials = [trial({"lr": x, "momentum": y}, v) for (x, y), v in zip(points, losses, strict=True)]
    trials[3:3] = [trial({"lr": 0.1, "momentum": 0.1}, 9.0, TrialState.FAIL)]
    trials[8] = trial(dict(trials[8].params), trials[8].values[0], TrialState.PRUNED)

    cma = CMA(np.full(2, 0.5), 0.3, np.array([[0, 1]] * 2), seed=7, population_size=6)
    for start in (0, 6):
        cma.tell([(points[n], losses[n]) for n in range(start, start + 6)])
    assert next_point(PLANE, trials, higher=False, seed=7) == pytest.approx(
        dict(zip(("lr", "momentum"), cma.ask(), strict=True))
    )


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("lr=1e-4..1e-1:log", lambda value: 1e-4 <= value <= 1e-1),
        ("batch_size=16..64:16", lambda value: value in (16, 32, 48, 64)),
        ("batch_size=16..256:log", lambda value: isinstance(value, int) and 16 <= value <= 256),
        ("s.dropout=0..0.5:0.1", lambda value: value in (0, 0.1, 0.2, 0.3, 0.4, 0.5)),
    ],
)
def test_values_are_of_the_range_and_reach_both_ends(text: str, allowed: Callable[[Value], bool]) -> None:
    one = parse_search(text, "mlp")
    values = [next_point([one], [], higher=False, seed=seed)[one.key] for seed in range(300)]

    assert all(allowed(value) for value in values)
    spread = float(max(values)) - float(min(values))
    assert spread > 0.8 * (one.high - one.low)
