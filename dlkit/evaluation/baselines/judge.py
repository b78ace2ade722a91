"""A network beside simpler methods: their scores, how far it leads, and what is to be said of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dlkit.evaluation.baselines.constant import constant_answer
from dlkit.evaluation.baselines.kept import baselines_of
from dlkit.evaluation.baselines.verdict import (
    Difference,
    best_baseline,
    deciding_metric,
    lead_over,
    no_better_than_constant,
)
from dlkit.evaluation.certainty.intervals import Certainty, Intervals
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Outputs, Results, results_of
from dlkit.files.run_dir import RunDir
from dlkit.metrics import Metric, finite, scores_of


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What simpler methods reach.

    Args:
        scores: Their metrics, by method.
        leads: By how much the network is better by the deciding metric, with its interval, by method.
        warnings: That the network is no better than a constant answer.
        notes: How it compares with the best of them, and what was kept.
    """

    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    leads: Mapping[str, Difference] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()


def judge(
    subject: Subject,
    found: Outputs,
    split: str,
    measured: Sequence[Metric],
    ends: Intervals,
    certainty: Certainty,
    run: RunDir | None,
    *,
    asked: bool,
) -> Judged:
    """Compare a network with a constant answer, and with simpler methods where that is asked for.

    Args:
        subject: The network and its data.
        found: What it predicts.
        split: The split.
        measured: The metrics reported.
        ends: Their intervals.
        certainty: How those are made.
        run: The run folder, which keeps what simpler methods predict.
        asked: Score all simpler methods.
    """
    results = results_of(found)
    metric = deciding_metric(results.metrics())
    notes: list[str] = []
    methods: Mapping[str, np.ndarray] = {}
    if asked:
        methods, notes = baselines_of(subject.dataset, split, subject.checkpoint.config.seed, run)
    warnings = [text] if (text := _constant(subject, found, results, metric, ends, certainty)) else []
    scores, leads, reached = {}, {}, {}
    for method, preds in methods.items():
        others, targets = _pairs(found, preds)
        scores[method] = scores_of(measured, others, targets, asked=True)
        lead = lead_over(metric, others, results.pairs()[0], targets, certainty) if certainty.draws else None
        if lead is not None:
            leads[method], reached[method] = lead, metric.of(others, targets)
    value = metric.of(*results.pairs())
    if verdict := best_baseline(metric, value, reached, leads):
        notes.append(verdict)
    return Judged(scores=scores, leads=leads, warnings=warnings, notes=notes)


def _pairs(found: Outputs, preds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and targets of the samples that the network is scored on."""
    there = finite(found.preds).reshape(-1, *[1] * (preds.ndim - 1))
    return results_of(replace(found, preds=np.where(there, preds, np.nan), spread=None)).pairs()


def _constant(
    subject: Subject, found: Outputs, results: Results, metric: Metric, ends: Intervals, certainty: Certainty
) -> str:
    """Say that the network is no better than a constant answer; empty if it is, or nothing is known of that."""
    preds, targets = results.pairs()
    constant = constant_answer(subject.dataset, len(found.targets)) if certainty.draws else None
    if constant is None:
        return ""
    others, _ = _pairs(found, constant[1])
    values = metric.of(preds, targets), metric.of(others, targets)
    if metric.name in ends and _is_beyond(values[1], ends[metric.name], higher=metric.higher_is_better):
        return ""
    lead = lead_over(metric, others, preds, targets, certainty)
    names = subject.dataset.description.class_names
    answer = names[int(constant[1][0].argmax())] if names else ""
    return no_better_than_constant(constant[0], answer, metric, values, lead, ends) if lead else ""


def _is_beyond(value: float, ends: tuple[float, float], *, higher: bool) -> bool:
    """Return whether a value is worse than all of an interval."""
    return value < ends[0] if higher else value > ends[1]
