"""What is wrong with the data of the sixth part; labels that judge stay right."""

from collections.abc import Callable

import numpy as np

from tests.benchmarks.diagnosis.sixth.sets import Rows
from tests.benchmarks.diagnosis.third.data import DROPPED


def _careless_labels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let somebody label 75 % of the training rows who clicks on any class."""
    y = y.copy()
    rows = np.flatnonzero(draw.random(count) < 0.75)
    y[rows] = draw.integers(0, y.max() + 1, len(rows))
    return x, y


def _files_by_name(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Read the training targets in the order of numbers and the inputs in that of file names: 1, 10, 100, 2."""
    names = sorted(range(count), key=str)
    return x, np.concatenate([y[:count][names], y[count:]])


def _dropped_on_one_side(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Drop one in 40 training rows from the inputs alone: each loss shifts the targets by one more."""
    kept = np.flatnonzero(draw.random(count) > 1 / 40)
    rows = np.concatenate([kept, np.arange(count)[: count - len(kept)], np.arange(count, len(x))])
    return x[rows], y


def _scaled_each_alone(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Scale every validation row by its own smallest and largest value, and training rows by those of columns."""
    x = x.astype("float32")
    low, high = x[:count].min(0), x[:count].max(0)
    x[:count] = (x[:count] - low) / (high - low)
    rows = x[count:].reshape(len(x) - count, -1)
    low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
    x[count:] = ((rows - low) / (high - low)).reshape(x[count:].shape)
    return x, y


def _columns_first(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Read the validation samples in the order of Fortran: the first axis runs fastest."""
    x = x.copy()
    x[count:] = [row.ravel(order="F").reshape(row.shape) for row in x[count:]]
    return x, y


def _other_channels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Invert the brightness of two of three colours in validation, as a reader for another format does."""
    x = x.copy()
    x[count:, ..., :2] = 255 - x[count:, ..., :2]
    return x, y


def _split_in_order(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Sort the rows by target, but for one in twenty, before they are split."""
    order = np.argsort(y, kind="stable")
    mixed = np.flatnonzero(draw.random(len(y)) < 0.05)
    order[mixed] = draw.permutation(order[mixed])
    return x[order], y[order]


def _jittered_copies(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Make all training rows of 24 by copies with a little noise."""
    chosen = draw.integers(0, 24, count)
    rows = x[chosen].astype("float32")
    rows += 0.02 * x[:count].std(0) * draw.normal(size=rows.shape)
    return np.concatenate([rows, x[count:]]).astype("float32"), np.concatenate([y[chosen], y[count:]])


def _target_encoded(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Replace two columns by means of the target, which in training are of the row alone and else of other rows."""
    x = x.astype("float32")
    y0 = y.astype("float32")
    x[:, 0] = y0 + 0.05 * y0.std() * draw.normal(size=len(y))
    x[:, 1] = y0 + 0.05 * y0.std() * draw.normal(size=len(y))
    x[count:, :2] = draw.permutation(x[count:, :2])
    return x, y


def _zeros_for_missing(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Fill 60 % of the training values with zeros, whatever the unit; validation is complete."""
    x = x.astype("float32")
    x[:count][draw.random(x[:count].shape) < 0.6] = 0
    return x, y


def _over_exposed(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Expose the training images four times too long: most of it is white."""
    x = x.copy()
    x[:count] = np.clip(x[:count].astype(float) * 4, 0, 255)
    return x, y


def _two_units(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write half of the training targets in a unit that is a third as large."""
    y = y.copy()
    y[:count][draw.random(count) < 0.5] *= 3
    return x, y


def _code_for_missing(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Leave the code for a missing target, 99999 below zero, in six training rows."""
    y = y.copy()
    y[draw.permutation(count)[:6]] = -99999
    return x, y


def _rare_classes(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Collect training rows where nearly all are of one class: 2 % of those of each other one, but two at least."""
    y = y.copy()
    for label in range(int(y.max())):
        rows = draw.permutation(np.flatnonzero(y[:count] == label))
        y[rows[max(2, len(rows) // 50) :]] = DROPPED
    return x, y


def _one_hot_turned(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Take the training labels from one-hot rows that are stored with the axes the other way round."""
    codes = np.eye(int(y.max()) + 1)[y[:count]]
    return x, np.concatenate([codes.T.reshape(codes.shape).argmax(1).astype(y.dtype), y[count:]])


def _drifted_sensors(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let the instruments of validation drift: each column is 1.8 times as large and moved."""
    x = x.astype("float32")
    x[count:] = 1.8 * x[count:] + 1.5 * x[:count].std(0)
    return x, y


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "careless-labels": _careless_labels,
    "files-by-name": _files_by_name,
    "dropped-on-one-side": _dropped_on_one_side,
    "scaled-each-alone": _scaled_each_alone,
    "columns-first": _columns_first,
    "other-channels": _other_channels,
    "split-in-order": _split_in_order,
    "jittered-copies": _jittered_copies,
    "target-encoded": _target_encoded,
    "zeros-for-missing": _zeros_for_missing,
    "over-exposed": _over_exposed,
    "two-units": _two_units,
    "code-for-missing": _code_for_missing,
    "rare-classes": _rare_classes,
    "one-hot-turned": _one_hot_turned,
    "drifted-sensors": _drifted_sensors,
}
