"""Ground truth by outcome: how good the healthy runs of a base are, and which runs are worse."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.benchmarks.diagnosis.bases import Base
from tests.benchmarks.diagnosis.cases import Case
from tests.benchmarks.diagnosis.runs import Outcome

_TO_STANDARD = 1.4826  # of a normal distribution: its standard deviation over its median absolute deviation
_REFUSED = (2, 3)


@dataclass(frozen=True)
class Band:
    """What healthy runs reach: the median, and the floor below which a run is worse than they are."""

    median: float
    floor: float


@dataclass(frozen=True)
class Judged:
    """A run with what it was and what came of it.

    `truth` is `healthy`; `harmful`, a fault that made the metric worse; `harmless`, a fault that did not; `weak`, a
    healthy variant that is worse than the band; `refused`, a run that `train` did not start; `failed`, one that ended
    otherwise.
    """

    case: Case
    outcome: Outcome
    band: Band
    truth: str


def judge(cases: Iterable[Case], outcomes: Mapping[str, Outcome]) -> list[Judged]:
    """Decide what every run was, by its metric alone."""
    cases = [case for case in cases if case.key in outcomes]
    bands = find_bands(cases, outcomes)
    return [
        Judged(case, outcomes[case.key], bands[case.band], _truth(case, outcomes[case.key], bands[case.band]))
        for case in cases
        if case.band in bands
    ]


def find_bands(cases: Iterable[Case], outcomes: Mapping[str, Outcome]) -> dict[str, Band]:
    """Return the band of each group of healthy runs.

    The floor lies below the median by the larger of three standard deviations, estimated from the median absolute
    deviation so that a variant that fails does not widen it, and the tolerance of the base. Runs on other data than
    those of the base must also keep half of what the base gains over the best constant.
    """
    cases = [case for case in cases if not case.causes]
    values: dict[str, list[float]] = defaultdict(list)
    bases: dict[str, Base] = {}
    for case in cases:
        bases[case.band] = case.base
        value = outcomes[case.key].value
        if value is not None:
            values[case.band].append(value)
    bands = {group: _band(found, bases[group]) for group, found in values.items()}
    return {group: _with_skill(band, bands, bases[group], group) for group, band in bands.items()}


def _band(values: list[float], base: Base) -> Band:
    median = statistics.median(values)
    spread = _TO_STANDARD * statistics.median(abs(value - median) for value in values)
    tolerance = base.tolerance if base.metric == "accuracy" else base.tolerance * abs(median)
    return Band(median, median - max(3 * spread, tolerance))


def _with_skill(band: Band, bands: Mapping[str, Band], base: Base, group: str) -> Band:
    if group == base.name or base.name not in bands:
        return band
    constant = base.chance if base.metric == "accuracy" else -base.chance
    return Band(band.median, max(band.floor, (constant + bands[base.name].median) / 2))


def _truth(case: Case, outcome: Outcome, band: Band) -> str:
    if outcome.code in _REFUSED:
        return "refused"
    if outcome.code not in (0, 5):
        return "failed"
    worse = outcome.code == 5 or outcome.value is None or outcome.value < band.floor
    if case.causes:
        return "harmful" if worse else "harmless"
    return "weak" if worse else "healthy"
