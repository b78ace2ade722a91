"""CMA-ES (Hansen 2016, https://arxiv.org/abs/1604.00772), its state derived from the trials each time anew.

Optuna's own sampler keeps its state as a pickle in the study; here the trials that have ended are all there is to know.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from dlkit.settings.search import Searched, Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_SIGMA = 0.3  # of the range, as Hansen recommends


def next_point(
    space: Sequence[Searched], trials: Iterable["FrozenTrial"], *, higher: bool, seed: int
) -> dict[str, Value]:
    """Return the next values of all ranges; choices are left out, since they have no order.

    Args:
        space: What is searched.
        trials: Those so far, by number. As many as make a generation move the distribution, in this order; one that
            was pruned counts with its best epoch, one that failed or runs does not count.
        higher: The value should rise.
        seed: Of this trial.
    """
    ranges = [one for one in space if not one.choices]
    cma = CMA(
        mean=np.full(len(ranges), 0.5),
        sigma=_SIGMA,
        bounds=np.array([[0.0, 1.0]] * len(ranges)),
        seed=seed,
        population_size=4 + math.floor(3 * math.log(len(ranges))),
    )
    best, sign = (max, -1.0) if higher else (min, 1.0)
    ended = []
    for trial in trials:
        values = trial.values or list(trial.intermediate_values.values())
        if trial.state.name in ("COMPLETE", "PRUNED") and values:
            place = np.array([_to_unit(one, float(trial.params[one.key])) for one in ranges])
            ended.append((place, sign * best(values)))
    size = cma.population_size
    for start in range(0, len(ended) - size + 1, size):
        cma.tell(ended[start : start + size])
    point: NDArray[np.float64] = cma.ask()
    return {one.key: _from_unit(one, float(place)) for one, place in zip(ranges, point, strict=True)}


def _to_unit(one: Searched, value: float) -> float:
    """Return where in its range a value is, from 0 to 1."""
    low, high = one.low, one.high
    if one.log:
        return math.log(value / low) / math.log(high / low)
    half = (one.step or 0.0) / 2
    return (value - low + half) / (high - low + 2 * half)


def _from_unit(one: Searched, place: float) -> Value:
    low, high = one.low, one.high
    if one.log:
        value: float = min(max(low * (high / low) ** place, low), high)
        return round(value) if one.whole else value
    if one.step is None:
        return low + place * (high - low)
    return one.number(min(int(place * one.count), one.count - 1))
