"""Mean and spread of metrics over runs: folds of a cross-validation, or seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dlkit.evaluation.section import shown

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report

Spread = Mapping[str, float]


def over_runs(reports: "Sequence[Report]") -> dict[str, Spread]:
    """Return mean, standard deviation (of a sample, so divided by K - 1), least and largest value of each metric.

    The loss comes first. Metrics that not all K runs have are left out.

    Args:
        reports: One a run, at least two.
    """
    names = [name for name in reports[0].metrics if all(name in report.metrics for report in reports)]
    columns = {
        **({"loss": [report.loss for report in reports]} if names else {}),
        **{name: [report.metrics[name] for report in reports] for name in names},
    }
    return {
        name: {
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if np.isfinite(values).all() else math.nan,
            "min": min(values),
            "max": max(values),
        }
        for name, values in columns.items()
    }


def are_repeats(reports: "Sequence[Report]") -> bool:
    """Return whether runs are to be averaged: there are more than two, or two that are of other samples."""
    return len(reports) > 2 or (len(reports) == 2 and list(reports[0].places) != list(reports[1].places))


def sentence(found: Mapping[str, Spread], runs: int) -> str:
    """Return mean and standard deviation of each metric in one line."""
    each = ", ".join(f"{name} {shown(of['mean'])} ± {shown(of['sd'])}" for name, of in found.items())
    return f"mean ± standard deviation over {runs} runs: {each}"
