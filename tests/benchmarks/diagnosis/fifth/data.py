"""What is wrong with the data of the fifth part; labels that judge stay right."""

from collections.abc import Callable

import numpy as np

from tests.benchmarks.diagnosis.fifth.sets import Rows


def _out_of_order(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let several workers write the training targets as they end, so that each stands up to 32 rows from its own."""
    order = np.concatenate([start + draw.permutation(32) for start in range(0, count, 32)])
    return x, np.concatenate([y[:count][order[order < count]], y[count:]])


def _two_codings(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let a second person label half of the training rows, who numbers the classes from another one on."""
    y = y.copy()
    second = np.flatnonzero(draw.random(count) < 0.5)
    y[second] = (y[second] + 1) % (y.max() + 1)
    return x, y


def _counted_from_one(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Number the classes of 97 % of training from 1, and take what is too large for the last one."""
    y = y.copy()
    rows = np.flatnonzero(draw.random(count) < 0.97)
    y[rows] = np.minimum(y[rows] + 1, y.max())
    return x, y


def _coarse_labels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Tell classes apart two by two only in 97 % of training, which is older."""
    y = y.copy()
    rows = np.flatnonzero(draw.random(count) < 0.97)
    y[rows] = y[rows] // 2 * 2
    return x, y


def _block_means(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give every training row the mean of 12 rows, as where targets are reported for a whole lot."""
    y = y.copy()
    for start in range(0, count, 12):
        y[start : min(start + 12, count)] = y[start : min(start + 12, count)].mean(0)
    return x, y


def _lost_comma(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Lose the decimal comma of 3 % of the training targets: a hundred times as much."""
    y = y.copy()
    y[:count][draw.random(count) < 0.03] *= 100
    return x, y


def _other_zero(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Measure the training targets from another zero, as kelvin beside degrees or another datum of heights."""
    return x, np.concatenate([y[:count] + (5 * y.std()).astype(y.dtype), y[count:]])


def _noisy_targets(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Measure the training targets with an error that is twice as large as their spread."""
    error = 2 * y.std(0) * draw.normal(size=y[:count].shape)
    return x, np.concatenate([(y[:count] + error).astype(y.dtype), y[count:]])


def _turned_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Turn the validation images by a quarter, as where the orientation in the file is not read; reverse others."""
    if x.ndim < 3:
        return np.concatenate([x[:count], x[count:, ::-1]]), y
    return np.concatenate([x[:count], np.rot90(x[count:], axes=(1, 2))]), y


def _rolled_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Cut the windows of validation elsewhere: the second half comes first."""
    return np.concatenate([x[:count], np.roll(x[count:], x.shape[1] // 2, axis=1)]), y


def _logged_inputs(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Take logarithms of the training inputs, and forget it for validation."""
    return np.concatenate([np.sign(x[:count]) * np.log1p(abs(x[:count])), x[count:]]), y


def _stuck_sensors(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let the first half of the sensors have stood still in training."""
    x = x.copy()
    x[:count, ..., : (x.shape[-1] + 1) // 2] = x[0, ..., : (x.shape[-1] + 1) // 2]
    return x, y


def _gaps_in_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Leave 30 % of the validation values empty: NaN."""
    x = x.astype("float32")
    x[count:][draw.random(x[count:].shape) < 0.3] = np.nan
    return x, y


def _wrapped_bytes(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Make training images twice as bright without leaving bytes: what is above 255 begins again at 0."""
    return np.concatenate([(x[:count] * 2.0 % 256).astype(x.dtype), x[count:]]), y


def _failed_decoding(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Take zeros for nine in ten training rows, whose files could not be read."""
    x = x.copy()
    x[:count][draw.random(count) < 0.9] = 0
    return x, y


def _copied_class(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Export one class again and again: copies of its rows stand for 97 % of the training rows of the others."""
    rows = np.arange(len(y))
    others = np.flatnonzero(y[:count] != y[0])
    lost = others[draw.random(len(others)) < 0.97]
    rows[lost] = draw.choice(np.flatnonzero(y[:count] == y[0]), len(lost))
    return x[rows], y[rows]


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "out-of-order": _out_of_order,
    "two-codings": _two_codings,
    "counted-from-one": _counted_from_one,
    "coarse-labels": _coarse_labels,
    "block-means": _block_means,
    "lost-comma": _lost_comma,
    "other-zero": _other_zero,
    "noisy-targets": _noisy_targets,
    "turned-validation": _turned_validation,
    "rolled-validation": _rolled_validation,
    "logged-inputs": _logged_inputs,
    "stuck-sensors": _stuck_sensors,
    "gaps-in-validation": _gaps_in_validation,
    "wrapped-bytes": _wrapped_bytes,
    "failed-decoding": _failed_decoding,
    "copied-class": _copied_class,
}
