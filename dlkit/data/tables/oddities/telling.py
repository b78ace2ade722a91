"""Columns that tell the target by themselves, as one that was made from it does."""

from collections.abc import Iterator, Sequence

import numpy as np

from dlkit.data.tables.table import Column, Table

FEWEST_ROWS = 40
_TELLING_ROWS = 5000
_GIVES_AWAY = 0.99
_BINS = 64
_ROWS_A_BIN = 8
_FEWEST_OF_CLASS = 20
_WRONG = 0.01  # of the rows of the class, or of the others where those are fewer


def giving_away(
    table: Table, columns: Sequence[Column], target: Column, *, classes: bool
) -> Iterator[tuple[str, str]]:
    """Yield the columns that tell the target by themselves, and how well on rows held out, in words.

    What they tell of half the rows, of 5,000 at most, is asked of the rest.

    Args:
        table: The table.
        columns: Those to learn from.
        target: The column to predict.
        classes: It holds classes.
    """
    rows = np.flatnonzero(~table.missing(target.name))
    if len(rows) < FEWEST_ROWS or target.hashed:
        return
    random = np.random.RandomState(0)
    if len(rows) > 10 * _TELLING_ROWS:  # a permutation of so many would take longer than all columns
        rows = rows[np.unique(random.randint(0, len(rows), _TELLING_ROWS))]
    rows = random.permutation(rows)[:_TELLING_ROWS]
    truth = _stored(table, target.name, rows)
    places = np.unique(truth, return_inverse=True)[1]
    if not places.any():
        return
    for column in columns:
        if column.hashed or column.stray is not None:
            continue
        values = _stored(table, column.name, rows)
        score = _telling(values, places, text=column.kind == "text", classes=classes)
        if (gaps := table.missing(column.name, rows)).any():
            score = max(score, _telling(gaps, places, text=True, classes=classes))
        if score >= _GIVES_AWAY:
            measure = "balanced accuracy" if classes else "R2 of ranks"
            yield column.name, f"{measure} {score:.3f} on rows held out"


def separating(
    table: Table, columns: Sequence[Column], classes: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[str, int]]:
    """Yield the columns in which one value, or none given, stands in all rows of one class alone, or of all others.

    So does what is known after the outcome: the money recovered is 0 but where a loan was lost. Numbers that only
    lie apart are no sign of it.

    Args:
        table: The table.
        columns: Those to learn from.
        classes: The class of each row, shape (N,), three or more of them: of two, the column would give both away.
        rows: The training rows; 5,000 of them are asked.

    Yields:
        The name of a column, and the class.
    """
    rows = np.random.RandomState(0).permutation(rows)[:_TELLING_ROWS]
    sizes = np.bincount(classes[rows])
    smaller = np.minimum(sizes, len(rows) - sizes)
    enough = smaller >= _FEWEST_OF_CLASS
    if (sizes > 0).sum() <= 2 or not enough.any():
        return
    for column in columns:
        if column.hashed or column.stray is not None:
            continue
        places = np.unique(_stored(table, column.name, rows), return_inverse=True)[1]
        common = np.flatnonzero(np.bincount(places) >= _FEWEST_OF_CLASS)
        found = [np.bincount(classes[rows[places == each]], minlength=len(sizes)) for each in common]
        counts = np.reshape(found, (-1, len(sizes)))
        elsewhere = counts.sum(1, keepdims=True) - counts
        here = sizes - counts + elsewhere
        wrong = np.minimum(here, len(rows) - here).min(0, initial=len(rows))
        for place in np.flatnonzero(enough & (wrong <= _WRONG * smaller))[:1].tolist():
            yield column.name, place


def _telling(values: np.ndarray, places: np.ndarray, *, text: bool, classes: bool) -> float:
    """Return how well one column predicts the target on the half of the rows that was not learnt from.

    Numbers are cut into bins that hold equally many rows, a text is a bin of its own; each bin predicts the mean
    rank of its targets, or their commonest class. Ranks, so that a few large targets do not decide.

    Args:
        values: Of the column, shape (N,).
        places: The ranks of the targets, or their classes, shape (N,).
        text: The column holds codes of texts.
        classes: The target is one of classes.
    """
    half = len(values) // 2
    bins = values.astype(np.int64) + 1 if text else _equal_bins(values, half)
    if classes:
        counts = np.zeros((bins.max() + 1, places.max() + 1))
        np.add.at(counts, (bins[:half], places[:half]), 1)
        counts[counts.sum(1) == 0] = counts.sum(0)
        right = counts.argmax(1)[bins[half:]] == places[half:]
        shares = [right[places[half:] == group].mean() for group in np.unique(places[half:])]
        return float(np.mean(shares))
    found = np.bincount(bins[:half], minlength=bins.max() + 1)
    sums = np.bincount(bins[:half], weights=places[:half], minlength=bins.max() + 1)
    predicted = np.where(found > 0, sums / np.maximum(found, 1), places[:half].mean())[bins[half:]]
    rest = places[half:]
    return float(1 - ((rest - predicted) ** 2).sum() / ((rest - rest.mean()) ** 2).sum())


def _equal_bins(values: np.ndarray, half: int) -> np.ndarray:
    """Cut numbers where the first half has equally many in each bin; missing ones have a bin of their own."""
    finite = np.isfinite(values)
    count = max(_BINS, half // _ROWS_A_BIN)
    learnt = values[:half][finite[:half]]
    edges = np.unique(np.quantile(learnt, np.linspace(0, 1, count + 1)[1:-1])) if len(learnt) else np.zeros(0)
    bins: np.ndarray = np.where(finite, 1 + np.searchsorted(edges, values, side="right"), 0)
    return bins


def _stored(table: Table, name: str, rows: np.ndarray) -> np.ndarray:
    return table.codes(name, rows) if table.column(name).kind == "text" else table.numbers(name, rows)
