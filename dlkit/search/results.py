"""What a search has found so far, as plain values: the trials, the best of them, which settings matter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlkit.metrics import higher_is_better
from dlkit.search.study import REASON, Search
from dlkit.settings.search import Value

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_FEWEST_FOR_IMPORTANCE = 4


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One trial.

    Args:
        number: From 0, as in the name of its folder.
        state: `complete`, `pruned`, `failed` or `running`.
        value: The best value of what is monitored; None if there is none.
        values: The searched settings by key.
        curve: The monitored value by epoch.
        reason: Why it failed.
    """

    number: int
    state: str
    value: float | None
    values: Mapping[str, Value]
    curve: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All trials of a search.

    Args:
        trials: By number.
        monitor: The column of history.csv that they are compared by.
        importance: The share of each setting in the variance of the values, the largest first; empty for few trials.
        logarithmic: Keys whose range is logarithmic.
    """

    trials: Sequence[TrialResult]
    monitor: str
    importance: Mapping[str, float] = field(default_factory=dict)
    logarithmic: Sequence[str] = ()

    @property
    def higher_is_better(self) -> bool:
        """Whether the monitored value should rise."""
        return higher_is_better(self.monitor)

    def best(self, number: int = 1) -> list[TrialResult]:
        """Return the best complete trials, the best first; earlier ones before later where they are equal."""
        sign = -1 if self.higher_is_better else 1
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        return sorted(complete, key=lambda trial: sign * (trial.value or 0.0))[:number]

    def count(self, state: str) -> int:
        """Return how many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def results_of(search: Search, *, importance: bool = False) -> Results:
    """Return what a search has found so far.

    Args:
        search: The search.
        importance: Compute which settings matter too.
    """
    frozen = search.trials()
    return Results(
        trials=[_result(trial) for trial in frozen],
        monitor=search.monitor,
        importance=_importance(search) if importance else {},
        logarithmic=[one.key for one in search.space if one.log],
    )


def _result(trial: "FrozenTrial") -> TrialResult:
    return TrialResult(
        number=trial.number,
        state={"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower()),
        value=trial.values[0] if trial.values else None,
        values=trial.params,
        curve=trial.intermediate_values,
        reason=trial.user_attrs.get(REASON, ""),
    )


def _importance(search: Search) -> Mapping[str, float]:
    """Return fANOVA's importances (Hutter et al. 2014, https://proceedings.mlr.press/v32/hutter14.html)."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    complete = [trial for trial in search.trials() if trial.state.name == "COMPLETE"]
    values = {trial.values[0] for trial in complete if math.isfinite(trial.values[0])}
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len(values) < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=0)
    found = get_param_importances(search.study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
