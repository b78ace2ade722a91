"""Prediction intervals by split-conformal (Papadopoulos et al. 2002): as wide as the errors on the validation part."""

import math
from dataclasses import dataclass, replace

import numpy as np

from dlkit.data.dataset import Split
from dlkit.data.kinds import kind_of
from dlkit.errors import ConfigError, DataError, DlkitError
from dlkit.evaluation.curves import Curves
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Results, results_of
from dlkit.metrics import FLOOR, known

USUAL_LEVEL = 0.9
_FEWEST_IN_BIN = 50
_MOST_BINS = 5
_CLEAR = 3.0  # standard errors from which on errors are said to grow with the distance


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Half widths of intervals, learned from the errors on the validation part.

    Args:
        level: The share of new samples that they hold.
        half: One an output and bin, shape (B, D).
        edges: Between the bins, shape (B - 1,): distances to the nearest observation; empty for one bin.
    """

    level: float
    half: np.ndarray
    edges: np.ndarray

    def of(self, distances: np.ndarray | None, count: int) -> np.ndarray:
        """Return the half widths of N samples, shape (N, D)."""
        bins = (
            np.zeros(count, dtype=np.int64) if distances is None else np.searchsorted(self.edges, distances)
        )
        return np.asarray(self.half[bins])

    def note(self) -> str:
        """Return what the intervals are made of."""
        by = (
            f", in {len(self.half)} bins of the distance to the nearest observation"
            if len(self.edges)
            else ""
        )
        return f"intervals contain {self.level:.0%} of new values, by the errors on the validation part{by}"


def learn_widths(subject: Subject, level: float, draws: int | None) -> Widths:
    """Learn half widths from the validation part of the data trained on.

    Raises:
        DataError: It is too small, or the data trained on are not here.
    """
    own = subject.own()
    part = own.dataset.split("val")
    found = own.predict(part, draws)[1]
    preds, targets = results_of(found).pairs()
    errors = np.abs(preds.astype(np.float64) - targets).reshape(len(targets), -1)
    _check_count(len(errors), level)
    distances = distances_of(own, part)
    if distances is not None:
        distances = distances[known(found.targets, found.preds)]
    return widths_of(errors, level, distances)


def widths_of(errors: np.ndarray, level: float, distances: np.ndarray | None = None) -> Widths:
    """Return half widths that hold a share of new samples, however the errors are distributed.

    Where errors grow with the distance to the nearest observation, samples are put into bins of it, each of which has
    its own width (Vovk 2012).

    Args:
        errors: Absolute errors, shape (N, D).
        level: The share.
        distances: Shape (N,); None takes one bin.
    """
    edges = np.zeros(0)
    fewest = max(_FEWEST_IN_BIN, math.ceil(level / (1 - level)))
    bins = 1 if distances is None or not _grow(errors, distances) else min(_MOST_BINS, len(errors) // fewest)
    if distances is not None and bins > 1:
        edges = np.unique(np.quantile(distances, np.linspace(0, 1, bins + 1)[1:-1]))
    member = np.zeros(len(errors), np.int64) if distances is None else np.searchsorted(edges, distances)
    parts = [errors[member == place] for place in range(len(edges) + 1)]
    if any(len(part) < math.ceil(level / (1 - level)) for part in parts):  # many at the same distance
        edges, parts = np.zeros(0), [errors]
    half = [np.sort(part, axis=0)[math.ceil((len(part) + 1) * level) - 1] for part in parts]
    return Widths(level=level, half=np.stack(half), edges=edges)


def factors_of(preds: np.ndarray, targets: np.ndarray, level: float) -> np.ndarray:
    """Return by which factor of a prediction a share of the new values of each organ lies from it, shape (D,).

    The values of one compound are not independent of each other. So the compounds count, each with the mean over its
    times, and a new one that may lie anywhere (Lee, Barber and Willett 2023, arXiv:2306.06342).

    Args:
        preds: mg/L, shape (N, D, T).
        targets: The same shape.
        level: The share.
    """
    folds = np.abs(np.log((np.maximum(preds, 0) + FLOOR) / (targets + FLOOR)))
    count, organs, times = folds.shape
    ranked = np.sort(folds.swapaxes(0, 1).reshape(organs, -1), axis=1)
    return np.asarray(np.exp(ranked[:, math.ceil((count + 1) * times * level) - 1]))


def _check_count(count: int, level: float) -> None:
    fewest = math.ceil(level / (1 - level))
    if count < fewest:
        raise DataError(
            f"--interval {level:g} needs {fewest} validation samples whose target is known; there are {count}",
            "a lower level, or more samples for validation: --val",
        )


def _with_factors(subject: Subject, results: Curves, level: float) -> tuple[Results, str]:
    """Return curves with their intervals, and a message."""
    own = subject.own()
    preds, targets = results_of(own.predict(own.dataset.split("val"))[1]).pairs()
    _check_count(len(targets) if targets.size else 0, level)
    text = f"intervals contain {level:.0%} of new values of each organ, by the fold errors on the validation part"
    return replace(results, factors=factors_of(preds, targets, level), level=level), text


def with_intervals(
    subject: Subject, part: Split, results: Results, level: float | None, draws: int | None
) -> tuple[Results, str]:
    """Return numbers or curves with their intervals, and a message.

    Args:
        subject: The network and its data.
        part: The samples.
        results: What it predicts for them.
        level: The share of new samples that lies within; None takes 0.9, and does without them where the validation
            part is too small or not here.
        draws: As the predictions were made.

    Raises:
        ConfigError: These are no numbers.
        DataError: The validation part is too small.
    """
    if isinstance(results, Curves):
        return _with_factors(subject, results, level or USUAL_LEVEL)
    if not isinstance(results, Numbers):
        raise ConfigError(
            f"--interval {level or USUAL_LEVEL:g} is for numbers; {subject.dataset.description.name} has none",
            "--calibrate is for classes",
        )
    try:
        widths = learn_widths(subject, level or USUAL_LEVEL, draws)
    except DlkitError as err:
        if level is not None:
            raise
        return results, f"no intervals: {err.message}"
    half = widths.of(distances_of(subject, part), len(results.preds)).reshape(results.preds.shape)
    return replace(results, half=half, level=widths.level), widths.note()


def distances_of(subject: Subject, part: Split) -> np.ndarray | None:
    """Return the distance of each sample to its nearest observation, shape (N,); None where there are no points."""
    measure = kind_of(subject.dataset).distances
    return None if measure is None else measure(subject.dataset, part)


def _grow(errors: np.ndarray, distances: np.ndarray) -> bool:
    """Return whether errors clearly grow with the distance, by the correlation of their ranks."""
    first, second = (np.argsort(np.argsort(values)) for values in (errors.mean(1), distances))
    if len(first) < 2 * _FEWEST_IN_BIN:
        return False
    return bool(np.corrcoef(first, second)[0, 1] * math.sqrt(len(first)) > _CLEAR)
