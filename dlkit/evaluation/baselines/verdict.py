"""Whether a network is better than simpler methods on the same samples, in a sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from dlkit.evaluation.certainty.intervals import Certainty, Intervals, differences
from dlkit.evaluation.section import shown
from dlkit.metrics import METRICS, Metric

Difference = tuple[float, float, float]


def deciding_metric(metrics: Sequence[Metric]) -> Metric:
    """Return the metric by which methods are compared: accuracy, or the error that the mean has least of."""
    names = {metric.name for metric in metrics}
    return METRICS["accuracy"] if "accuracy" in names else METRICS["rmse"]


def lead_over(
    metric: Metric,
    method: np.ndarray,
    network: np.ndarray,
    targets: np.ndarray,
    certainty: Certainty,
) -> Difference | None:
    """Return by how much a network is better than a method, and the ends of the 95 % interval; above 0 is better.

    Args:
        metric: By which.
        method: What the method predicts.
        network: What the network does.
        targets: The truth.
        certainty: How the interval is made.
    """
    found = differences([metric], (method, network), targets, certainty).get(metric.name)
    if found is None or metric.higher_is_better:
        return found
    value, lo, hi = found
    return -value, -hi, -lo


def no_better_than_constant(
    method: str, answer: str, metric: Metric, values: tuple[float, float], lead: Difference, ranked: Intervals
) -> str:
    """Say that a network is not shown to be better than a constant answer; empty if it is.

    Args:
        method: `majority class` or `mean`.
        answer: The class, or empty.
        metric: By which they are compared.
        values: The metric of the network, and of the constant answer.
        lead: Difference with its interval.
        ranked: Intervals of the metrics reported.
    """
    value, lo, hi = lead
    if lo > 0:
        return ""
    what = f"the {method}{f' ({answer})' if answer else ' of the training targets'}"
    verdict = "worse than" if hi < 0 else "not shown to be better than" if value > 0 else "no better than"
    text = f"the network is {verdict} {what}: {metric.name} {shown(values[0])} against {shown(values[1])}"
    if value > 0:
        text += f", better by {shown(value)}, which may be chance (95 % interval {shown(lo)} to {shown(hi)})"
    if ranked.get("roc_auc", (0, 0))[0] > 0.5:
        text += "; its ROC AUC says that it ranks samples better than chance"
    return text


def best_baseline(
    metric: Metric, value: float, baselines: Mapping[str, float], leads: Mapping[str, Difference]
) -> str:
    """Say whether the network is better than the best of the simpler methods; empty where none has the metric."""
    if not leads:
        return ""
    best = (max if metric.higher_is_better else min)(leads, key=lambda method: baselines[method])
    lead, lo, hi = leads[best]
    if lo > 0:
        verdict = f"the network is better than {best}, the best of the simpler methods"
    elif hi < 0:
        verdict = f"{best} is better than the network"
        lead, lo, hi = -lead, -hi, -lo
    else:
        verdict = f"no difference is shown between the network and {best}, the best of the simpler methods"
    numbers = f"{metric.name} {shown(value)} against {shown(baselines[best])}"
    return f"{verdict}: {numbers}, by {shown(lead)} (95 % interval {shown(lo)} to {shown(hi)})"
