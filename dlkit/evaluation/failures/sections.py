"""The tables that say where a network fails, as they are asked for."""

from typing import TYPE_CHECKING

import numpy as np

from dlkit.errors import ConfigError
from dlkit.evaluation.failures.by import metrics_by
from dlkit.evaluation.failures.importance import permutation_importance
from dlkit.evaluation.failures.residuals import residuals_by_column
from dlkit.evaluation.failures.worst import images_of, worst_samples
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.section import Section
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Outputs
from dlkit.metrics import known
from dlkit.settings.eval_config import EvalConfig

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report


def failures_of(
    report: "Report", subject: Subject, found: Outputs, rows: np.ndarray, config: EvalConfig
) -> tuple[list[Section], list[bytes]]:
    """Return the tables asked for, residuals of a table in any case, and the worst samples as PNG files.

    Args:
        report: The scores.
        subject: The network and its data.
        found: Its predictions of the split.
        rows: Stored row of each sample whose target is known.
        config: What is asked for.

    Raises:
        ConfigError: The data have no such column, or none at all.
    """
    sections: list[Section] = []
    images: list[bytes] = []
    dataset, results, certainty = subject.dataset, report.results, report.certainty
    scored = known(found.targets, found.preds)
    if config.by is not None:
        sections.append(metrics_by(config.by, dataset, rows, results, report.measured, certainty))
    if config.worst:
        section, which = worst_samples(config.worst, results, np.flatnonzero(scored), report.places)
        sections.append(section)
        images = images_of(found.split, which, dataset.description)
    if config.importance:
        metric = next((metric for metric in report.measured if metric.terms is not None), None)
        if metric is None:
            raise ConfigError("--importance needs a metric that is a mean", "leave --metrics out")
        sections.append(permutation_importance(subject, found.split, scored, results, metric, certainty))
    if dataset.table is not None and isinstance(results, Numbers) and results.pairs()[0].size == len(rows):
        sections.append(residuals_by_column(dataset.table, rows, results))
    return sections, images
