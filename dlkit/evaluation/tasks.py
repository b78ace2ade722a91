"""The evaluation tasks: what a network's outputs are, and how they are reported."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Split
from dlkit.data.kinds import task_of
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.curves import Curves
from dlkit.evaluation.numbers import Numbers
from dlkit.metrics import Metric, chosen, scores_of


class Results(Protocol):
    """Targets and outputs of N samples, and what is reported of them."""

    @property
    def note(self) -> str:
        """What the user should know of the scores; may be empty."""

    def metrics(self) -> Sequence[Metric]:
        """Return the metrics that the task has."""

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and targets, as the metrics take them, of the samples whose target is known."""

    def tables(self) -> Sequence[tuple[Sequence[str], Sequence[Sequence[Any]]]]:
        """Return header and rows of each table that follows the metrics."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return what the tables hold as JSON values."""

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Yield a header and the lines of the predictions, given the place of each sample."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a network gives for a split.

    Args:
        dataset: The data.
        split: The samples, N of them.
        targets: Class indices, shape (N,), or numbers, shape (N, D, ...).
        preds: Probabilities, shape (N, K), or numbers in the target's unit, shape (N, D, ...).
        spread: Standard deviation of the numbers over random draws; None without draws.
    """

    dataset: DataSet
    split: Split
    targets: np.ndarray
    preds: np.ndarray
    spread: np.ndarray | None = None


def _classes(found: Outputs) -> Classes:
    names = found.dataset.description.class_names
    return Classes(names=names, targets=found.targets, probs=found.preds)


def _numbers(found: Outputs) -> Numbers:
    names = found.dataset.description.target_names
    return Numbers(names=names, targets=found.targets, preds=found.preds, spread=found.spread)


def _curves(found: Outputs) -> Curves:
    inputs, _ = found.split.batch(found.split.rows[:1], torch.device("cpu"))
    assert not isinstance(inputs, Tensor), "the times are one of several inputs"
    times, organs = inputs["times"][0].numpy(), found.dataset.description.target_names
    return Curves(organs=organs, times=times, targets=found.targets, preds=found.preds)


TASKS: dict[str, Callable[[Outputs], Results]] = {
    "classification": _classes,
    "regression": _numbers,
    "curves": _curves,
}


def scores_of_results(
    results: Results, names: Sequence[str] | None = None, also: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Return metrics by name; nothing where no target is known.

    Args:
        results: Targets and outputs.
        names: Which; None takes those reported by default.
        also: Further ones, and the option that names each.

    Raises:
        ConfigError: The task has no such metric.
    """
    asked = chosen(results.metrics(), names)
    further = [chosen(results.metrics(), [name], option)[0] for name, option in (also or {}).items()]
    preds, targets = results.pairs()
    if not len(targets):
        return {}
    found = scores_of(asked, preds, targets, asked=names is not None)
    return found | scores_of([m for m in further if m.name not in found], preds, targets, asked=True)


def results_of(found: Outputs) -> Results:
    """Return the results in the form of the task: that of the kind of data, or of its description."""
    return TASKS[task_of(found.dataset.description)](found)
