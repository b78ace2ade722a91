"""How sure a metric is: the interval in which it would lie with 95 % on all samples of this kind."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from dlkit.evaluation.certainty.calibration_interval import calibration_interval
from dlkit.evaluation.certainty.delong import area_terms, precision_terms, standard_error
from dlkit.evaluation.certainty.resampling import Drawn, Resampling
from dlkit.metrics import Metric, Z, class_terms, wilson

FEW_GROUPS = 20
_TINY = 1e-12
_NORMAL = NormalDist()
_TERMS = {"roc_auc": area_terms, "average_precision": precision_terms}

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """How intervals are made.

    Args:
        draws: Random draws of the samples; 0 makes no intervals.
        seed: Of the draws.
        groups: Group of each sample, shape (N,), where those of one are not independent; else None.
    """

    draws: int = 1_000
    seed: int = 0
    groups: np.ndarray | None = None

    def resampling(self, samples: int) -> Resampling:
        """Return the draws of so many samples."""
        return Resampling(samples, self.draws, self.seed, self.groups)


def few_groups_note(certainty: Certainty) -> list[str]:
    """Return a message where there are too few groups for intervals that one can rely on."""
    if certainty.groups is None or not certainty.draws:
        return []
    count = len(np.unique(certainty.groups))
    if count >= FEW_GROUPS:
        return []
    return [
        f"the intervals are based on {count} groups and are rough; reliable intervals need at least {FEW_GROUPS}"
    ]


def intervals(
    metrics: Sequence[Metric],
    values: Mapping[str, float],
    preds: np.ndarray,
    targets: np.ndarray,
    certainty: Certainty,
) -> dict[str, tuple[float, float]]:
    """Return the ends of the 95 % interval of each metric by name; a metric that is not defined has none.

    A share of single samples has Wilson's (1927), the area under the ROC curve DeLong's (1988) on the logit scale and
    the average precision one like it, a median of single samples order statistics (Thompson 1936), the expected
    calibration error one that knows what chance adds to it, errors and R2 the jackknife's on the log scale; all others
    have the percentiles of random draws, moved for bias and skewness (Efron 1987) and a little farther out for few
    samples (Hesterberg 2015).

    Args:
        metrics: Which.
        values: What they are.
        preds: Probabilities, shape (N, K), or numbers, shape (N, D, ...), of samples whose target is known.
        targets: Class indices, shape (N,), or numbers.
        certainty: How.
    """
    resampling = certainty.resampling(len(targets))
    if not certainty.draws or resampling.units < 2:
        return {}
    direct, drawn_of = {}, []
    for metric in metrics:
        ends = _direct(metric, preds, targets, certainty.groups)
        if ends is None and metric.terms is not None and (metric.name == "r2" or not metric.higher_is_better):
            ends = _of_error(metric, values[metric.name], resampling.without(metric, preds, targets))
        if ends is not None:
            direct[metric.name] = ends if metric.most is None else (ends[0], min(ends[1], metric.most(preds)))
        else:
            drawn_of.append(metric)
    drawn = resampling.values(drawn_of, preds, targets)
    found = {}
    for metric in metrics:
        value = values[metric.name]
        if not math.isfinite(value):
            continue
        ends = direct.get(metric.name) or _of_draws(metric, value, drawn[metric.name], resampling.units)
        if ends is not None:
            found[metric.name] = (min(ends[0], value), max(ends[1], value))
    return found


def differences(
    metrics: Sequence[Metric],
    pair: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    certainty: Certainty,
) -> dict[str, tuple[float, float, float]]:
    """Return the second less the first of two networks on the same samples, and the ends of its 95 % interval.

    Nothing is returned of a single sample, or group.

    Args:
        metrics: Which.
        pair: What each predicts, shape (N, K) or (N, D, ...).
        targets: Class indices, shape (N,), or numbers.
        certainty: How.
    """
    resampling = certainty.resampling(len(targets))
    if resampling.units < 2:
        return {}
    drawn_of = [m for m in metrics if m.name not in _TERMS]
    drawn = [resampling.values(drawn_of, preds, targets) for preds in pair]
    found = {}
    for metric in metrics:
        first, second = (metric.of(preds, targets) for preds in pair)
        value = second - first
        if not math.isfinite(value):
            continue
        if terms_of := _TERMS.get(metric.name):
            terms = terms_of(pair[1], targets) - terms_of(pair[0], targets)
            half = Z * standard_error(terms, targets, certainty.groups)
            found[metric.name] = (value, value - half, value + half)
        else:
            ends = _percentiles(drawn[1][metric.name].less(drawn[0][metric.name]), value, resampling.units)
            if ends is not None:
                found[metric.name] = (value, *ends)
    return found


def _direct(
    metric: Metric, preds: np.ndarray, targets: np.ndarray, groups: np.ndarray | None
) -> tuple[float, float] | None:
    """Return the interval that follows from the samples at once; None where it takes draws of them."""
    if terms_of := _TERMS.get(metric.name):
        value = metric.of(preds, targets)
        return _of_area(value, terms_of(preds, targets), targets, groups) if math.isfinite(value) else None
    if metric.name == "ece":
        return calibration_interval(metric.terms_of(preds, targets), groups)
    if groups is not None:
        return None
    if metric.is_share:
        return wilson(metric.of(preds, targets), len(targets))
    if metric.name == "median_error" and preds.size == len(preds):
        return _of_median(np.sort(np.abs(preds.reshape(-1) - targets.reshape(-1))))
    return None


def _of_error(metric: Metric, value: float, without: np.ndarray) -> tuple[float, float] | None:
    """Return the interval of an error, or of the share of the variance left, by leaving units out in turn (Tukey 1958).

    It is normal on the log scale; None where there is no error, or the metric is not defined without some unit.
    """
    is_share = metric.name == "r2"
    left, error = (1 - without, 1 - value) if is_share else (without, value)
    if not (error > 0 and np.isfinite(left).all() and (left > 0).all()):
        return None
    logs, units = np.log(left), len(left)
    half = _student(units - 1) * math.sqrt((units - 1) * float(logs.var()))
    lo, hi = error * math.exp(-half), error * math.exp(half)
    return (1 - hi, 1 - lo) if is_share else (lo, hi)


def _student(free: int) -> float:
    """Return Student's quantile for 95 % within, of so many degrees of freedom, by its expansion."""
    return Z + (Z**3 + Z) / (4 * free) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * free**2)


def _of_median(ordered: np.ndarray) -> tuple[float, float]:
    """Return the order statistics between which the median lies, of values in order, shape (N,)."""
    half = Z * math.sqrt(len(ordered)) / 2
    lowest = math.floor(len(ordered) / 2 - half)
    return float(ordered[max(0, lowest)]), float(ordered[min(len(ordered) - 1, len(ordered) - 1 - lowest)])


def _of_area(
    value: float, terms: np.ndarray, targets: np.ndarray, groups: np.ndarray | None
) -> tuple[float, float]:
    error = standard_error(terms, targets, groups)
    if min(value, 1 - value) < _TINY or error < _TINY:  # every pair in order: the rarest class decides
        rarest = min(count for count in np.bincount(targets) if count)
        return wilson(round(value), rarest)
    logit = math.log(value / (1 - value))
    half = Z * error / (value * (1 - value))
    return 1 / (1 + math.exp(half - logit)), 1 / (1 + math.exp(-half - logit))


def _of_draws(metric: Metric, value: float, drawn: Drawn, units: int) -> tuple[float, float] | None:
    ends = _percentiles(drawn, value, units)
    if ends is None:
        return None
    lo, hi = ends
    if hi - lo < _TINY and (metric.terms is class_terms or metric.is_share) and value in (0.0, 1.0):
        return wilson(value, units)  # nothing but right ones, or wrong ones: no draw differs
    return lo, hi


def _percentiles(drawn: Drawn, value: float, units: int) -> tuple[float, float] | None:
    """Return the ends by the percentiles of draws, moved for bias and skewness (Efron 1987)."""
    there = drawn.values[np.isfinite(drawn.values)]
    if not len(there):
        return None
    below = ((there < value).mean() + (there <= value).mean()) / 2
    shift = _NORMAL.inv_cdf(float(np.clip(below, _TINY, 1 - _TINY)))
    skew = _acceleration(drawn.without)
    far = _student(units - 1) * math.sqrt(units / (units - 1))
    tails = [_NORMAL.cdf(shift + (shift + z) / (1 - skew * (shift + z))) for z in (-far, far)]
    lo, hi = np.quantile(there, tails)
    return float(lo), float(hi)


def _acceleration(without: np.ndarray | None) -> float:
    """Return how fast the spread grows with the value, by leaving units out in turn; 0 where that is not known."""
    if without is None or not np.isfinite(without).all():
        return 0.0
    moved = without.mean() - without
    spread = np.square(moved).sum()
    return float((moved**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0
