"""How the residuals of numbers go with each column of the table: what the network has not learned from it."""

import math

import numpy as np

from dlkit.data.tables.table import Table
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.section import Cell, Section

_LEVEL = 0.05
_SHOWN = 10
_FEWEST = 10
_LEAST_PER_TEXT = 5


def residuals_by_column(table: Table, rows: np.ndarray, results: Numbers) -> Section:
    """Return of each column how the residuals, prediction less target, and their size go with it.

    For numbers that is Spearman's rank correlation. For texts it is the root of the share of the variance of the ranks
    that lies between them (Kruskal and Wallis 1952), so 0 to 1. Those that chance alone makes as large in one of 20
    tables stand first and are shown.

    Args:
        table: The table.
        rows: Row of each sample whose target is known, shape (N,).
        results: A single output.
    """
    preds, targets = (values.reshape(len(rows), -1)[:, 0].astype(np.float64) for values in results.pairs())
    of = {"residual": ranks(preds - targets), "size": ranks(np.abs(preds - targets))}
    found: list[tuple[float, list[Cell]]] = []
    for name, column in table.columns.items():
        if name in results.names:
            continue
        if column.kind == "text":
            codes = table.codes(name, rows)
            each = [_between(codes, values) for values in of.values()]
        else:
            numbers = table.numbers(name, rows)
            each = [_correlation(numbers, values) for values in of.values()]
        (residual, p), (size, size_p) = each
        if not math.isnan(p) and not math.isnan(size_p):
            found.append((min(p, size_p), [name, residual, p, size, size_p]))
    found.sort(key=lambda one: one[0])
    shown = sum(p < _LEVEL / (2 * len(found)) for p, _ in found)
    return Section(
        name="residuals",
        columns=["column", "residual", "p", "residual_size", "size_p"],
        rows=[row for _, row in found],
        shown=min(shown, _SHOWN),
    )


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value from 1, that of equal ones being their mean, shape (N,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: np.ndarray = (counts.cumsum() - (counts - 1) / 2)[place]
    return found


def _correlation(numbers: np.ndarray, of: np.ndarray) -> tuple[float, float]:
    """Return Spearman's correlation and its p-value, by the normal distribution; NaN where it is not defined."""
    there = ~np.isnan(numbers)
    first, second = ranks(numbers[there]), ranks(of[there])
    if len(first) < _FEWEST or first.std() == 0 or second.std() == 0:
        return math.nan, math.nan
    rho = float(np.corrcoef(first, second)[0, 1])
    return rho, math.erfc(abs(rho) * math.sqrt((len(first) - 1) / 2))


def _between(codes: np.ndarray, of: np.ndarray) -> tuple[float, float]:
    """Return the root of the share of variance between texts and its p-value; NaN where it is not defined."""
    from scipy.special import chdtrc

    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    ranked = ranks(of)
    if len(counts) < 2 or len(codes) < _LEAST_PER_TEXT * len(counts) or ranked.std() == 0:
        return math.nan, math.nan
    means = np.bincount(place, ranked) / counts
    share = float((counts * (means - ranked.mean()) ** 2).sum() / ((ranked - ranked.mean()) ** 2).sum())
    return math.sqrt(share), float(chdtrc(len(counts) - 1, share * (len(codes) - 1)))
