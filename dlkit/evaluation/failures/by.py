"""The metrics of parts of the samples: by class, or by the values of a column."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from dlkit.data.dataset import DataSet
from dlkit.errors import ConfigError, DataError, did_you_mean, first_of, printable
from dlkit.evaluation.certainty.intervals import Certainty, intervals
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.section import Cell, Section
from dlkit.evaluation.tasks import Results
from dlkit.metrics import Metric, number, scores_of
from dlkit.metrics.metric import mean_of_first

_CLASS = "class"
_FEW_VALUES = 12  # of a column of numbers, which then are parts themselves
_PARTS = 5
_FEWEST = 5  # samples that an interval takes
_MOST_PARTS = 50


def metrics_by(
    column: str,
    dataset: DataSet,
    rows: np.ndarray,
    results: Results,
    measured: Sequence[Metric],
    certainty: Certainty,
) -> Section:
    """Return the metrics of each part of the samples, the interval of the first beside it.

    Args:
        column: `class`, or a column of the table: texts, or numbers, which are cut into fifths.
        dataset: The data.
        rows: Stored row of each sample whose target is known, shape (N,).
        results: Targets and outputs.
        measured: Which metrics.
        certainty: How intervals are made.

    Raises:
        ConfigError: There is no such column, or there are no classes.
        DataError: The column cannot tell parts apart.
    """
    names, part = _parts(column, dataset, rows, results)
    preds, targets = results.pairs()
    if column == _CLASS:  # of one class alone, only what is a mean over samples means something
        measured = [metric for metric in results.metrics() if _is_mean(metric)]
    table: list[list[Cell]] = []
    for place, name in enumerate(names):
        members = np.flatnonzero(part == place)
        if not len(members):
            continue
        scores = scores_of(measured, preds[members], targets[members], asked=True)
        ends: tuple[float | None, float | None] = (None, None)
        if len(members) >= _FEWEST:
            groups = None if certainty.groups is None else certainty.groups[members]
            how = replace(certainty, groups=groups)
            found = intervals(measured[:1], scores, preds[members], targets[members], how)
            ends = found.get(measured[0].name, ends)
        first, *others = (number(scores[metric.name]) for metric in measured)
        table.append([name, len(members), first, *ends, *others])
    first_name, *other_names = (metric.name for metric in measured)
    columns = [column, "n", first_name, f"{first_name}_lo", f"{first_name}_hi", *other_names]
    return Section(name="by", columns=columns, rows=table)


def _is_mean(metric: Metric) -> bool:
    return (
        metric.terms is not None
        and metric.value is mean_of_first
        and (metric.reported or not metric.is_share)
    )


def _parts(
    column: str, dataset: DataSet, rows: np.ndarray, results: Results
) -> tuple[Sequence[str], np.ndarray]:
    """Return the names of the parts, and which of them each sample is in, shape (N,)."""
    table = dataset.table
    if table is not None and column in table.columns:
        return _of_column(column, dataset, rows)
    if column == _CLASS and isinstance(results, Classes):
        return results.names, results.pairs()[1]
    there = [*([_CLASS] if isinstance(results, Classes) else []), *(table.names if table is not None else ())]
    raise ConfigError(
        f"--by {printable(column)}: {dataset.description.name} has no such column",
        did_you_mean(column, there) or (f"it has {first_of(there, 12, 80)}" if there else "leave it out"),
    )


def _of_column(column: str, dataset: DataSet, rows: np.ndarray) -> tuple[Sequence[str], np.ndarray]:
    table = dataset.table
    assert table is not None, "it was looked up"
    if table.column(column).kind in ("number", "date"):
        values = table.numbers(column, rows)
        if len(np.unique(values[~np.isnan(values)])) > _FEW_VALUES:
            return _fifths(values, table.column(column).kind)
    texts = table.texts(column, rows)
    missing = np.array([text is None for text in texts])
    names, part, counts = np.unique(
        np.where(missing, "(missing)", texts).astype(str), return_inverse=True, return_counts=True
    )
    if len(names) > _MOST_PARTS and counts.max() < 2:
        raise DataError(
            f"--by {printable(column)}: nearly every sample has a different value", "name another column"
        )
    if len(names) <= _MOST_PARTS:
        return [printable(name) for name in names], part
    place = np.full(len(names), _MOST_PARTS)
    largest = np.argsort(-counts, kind="stable")[:_MOST_PARTS]
    place[largest] = np.arange(_MOST_PARTS)
    return [*(printable(names[i]) for i in largest), "(all others)"], place[part]


def _fifths(values: np.ndarray, kind: str) -> tuple[Sequence[str], np.ndarray]:
    """Cut numbers at their quantiles into parts of about as many samples."""
    there = values[~np.isnan(values)]
    edges = np.unique(np.quantile(there, np.linspace(0, 1, _PARTS + 1)))
    part = np.searchsorted(edges[1:-1], values, side="right")
    part[np.isnan(values)] = len(edges) - 1
    if kind == "date":
        ends = [str(np.datetime64(int(edge), "s"))[:10] for edge in edges]
    else:
        ends = [f"{edge:.4g}" for edge in edges]
    names = [f"{lo} to {hi}" for lo, hi in pairwise(ends)]
    return [*names, "(missing)"], part
