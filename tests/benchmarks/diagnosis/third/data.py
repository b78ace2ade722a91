"""The data of the third part: tables with text columns, signals, tokens and pictures that the others do not have."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn import datasets

from tests.benchmarks.diagnosis.heldout.data import SHARED

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,)
DROPPED = -1  # the label of a row that a change takes away


def _table(name: str) -> pd.DataFrame:
    path = SHARED.parent / "tables" / f"{name}.csv.gz"
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).dropna(axis=1)


def _as_many_of_both(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return all rows of the rarer class and as many of the other."""
    least = frame[target].value_counts().min()
    return frame.groupby(target, sort=True).sample(least, random_state=1)


def leavers() -> Rows:
    """Return who left a company and who stayed, by numbers and text."""
    frame = _as_many_of_both(_table("attrition"), "Attrition")
    return frame.drop(columns="Attrition").to_numpy(object), (frame["Attrition"] == "Yes").to_numpy(int)


def debts() -> Rows:
    """Return who did not pay a credit card."""
    frame = _as_many_of_both(_table("default"), "default")
    x = np.stack([frame["student"] == "Yes", frame["balance"], frame["income"]], 1)
    return x.astype(float), (frame["default"] == "Yes").to_numpy(int)


def trains() -> Rows:
    """Return how many thousands enter a station in Chicago, by other stations, weather and games."""
    frame = _table("Chicago").drop(columns="date").sample(1500, random_state=1)
    x = frame.drop(columns="ridership").to_numpy(float)
    return x[:, x.std(0) > 0], frame["ridership"].to_numpy(float)


def blocks() -> Rows:
    """Return values of houses in California, in dollars, by numbers and text."""
    frame = pd.read_csv(SHARED / "housing" / "housing.csv").dropna().sample(1300, random_state=1)
    return frame.drop(columns="median_house_value").to_numpy(object), frame["median_house_value"].to_numpy(
        float
    )


def sugar() -> Rows:
    """Return how far diabetes has gone after a year."""
    found = datasets.load_diabetes(scaled=False)
    return found.data, found.target


def flowers() -> Rows:
    """Return three sorts of iris."""
    found = datasets.load_iris()
    return found.data, found.target


def moons() -> Rows:
    """Return two half circles, one in the other."""
    return datasets.make_moons(1000, noise=0.2, random_state=21)


def shells() -> Rows:
    """Return the shell, of four, of a point in five dimensions."""
    return datasets.make_gaussian_quantiles(n_samples=1200, n_features=5, n_classes=4, random_state=22)


def shapes() -> Rows:
    """Return coloured pictures of a disc, a square, a cross or a triangle, 16 x 16 x 3."""
    draw = np.random.default_rng(23)
    labels = draw.integers(0, 4, 700)
    images = draw.integers(0, 90, (700, 16, 16, 3))
    rows, columns = np.mgrid[:16, :16]
    for image, label in zip(images, labels, strict=True):
        top, left, size = (*draw.uniform(6, 10, 2), draw.uniform(3.5, 5.5))
        down, right = rows - top, columns - left
        inside = (
            down**2 + right**2 < size**2,
            np.maximum(abs(down), abs(right)) < size,
            (np.minimum(abs(down), abs(right)) < 1.2) & (np.maximum(abs(down), abs(right)) < size),
            (down < size) & (2 * abs(right) < down + size),
        )[label]
        image[inside] = draw.integers(100, 256, 3)
    return images.astype("uint8"), labels


def textures() -> Rows:
    """Return grey pictures of stripes in five directions, 20 x 20."""
    draw = np.random.default_rng(24)
    labels = draw.integers(0, 5, 900)
    rows, columns = np.mgrid[:20, :20]
    angle = (labels * np.pi / 5 + draw.normal(0, 0.06, 900))[:, None, None]
    along = rows * np.cos(angle) + columns * np.sin(angle)
    waves = np.sin(along * draw.uniform(0.8, 1.6, (900, 1, 1)) + draw.uniform(0, 7, (900, 1, 1)))
    return np.clip(110 + 60 * waves + 35 * draw.normal(size=waves.shape), 0, 255).astype("uint8"), labels


def beats() -> Rows:
    """Return three kinds of heart beats at 40 times of two leads."""
    draw = np.random.default_rng(25)
    labels = draw.integers(0, 3, 900)
    times = np.arange(40) - draw.uniform(15, 25, (900, 1))
    width, second = np.where(labels == 1, 4.0, 1.5)[:, None], np.where(labels == 2, -0.6, 0.6)[:, None]
    lead = np.exp(-((times / width) ** 2)) + second * np.exp(-(((times - 8) / 3) ** 2))
    return np.stack([lead, 0.5 * np.roll(lead, 2, 1)], 2) + 0.2 * draw.normal(size=(900, 40, 2)), labels


def levels() -> Rows:
    """Return the level of a tank after 10 times of inflow, of which a part leaks out each time, and a valve."""
    draw = np.random.default_rng(26)
    x = draw.normal(size=(1100, 10, 3))
    level = np.zeros(1100)
    for now in range(10):
        level = 0.8 * level + x[:, now, 0] * (x[:, now, 1] > -0.5)
    return x, level + 0.1 * draw.normal(size=1100)


def sentences() -> Rows:
    """Return which of three groups of words the most of 12 words are of."""
    draw = np.random.default_rng(27)
    labels = draw.integers(0, 3, 1000)
    group = np.where(draw.random((1000, 12)) < 0.6, labels[:, None], draw.integers(0, 3, (1000, 12)))
    return group * 10 + draw.integers(0, 10, (1000, 12)), labels


SETS: dict[str, Callable[[], Rows]] = {
    function.__name__: function
    for function in (
        leavers,
        debts,
        trains,
        blocks,
        sugar,
        flowers,
        moons,
        shells,
        shapes,
        textures,
        beats,
        levels,
        sentences,
    )
}


def _slipped(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Lose one target near the beginning, so that all later ones stand a row too high."""
    first = count // 10
    return x, np.concatenate([y[:first], np.roll(y[first:count], -1), y[count:]])


def _joined(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Join inputs and targets without a key: each training row comes once with every one of four targets."""
    rows = np.concatenate([np.resize(np.arange(count // 4), count), np.arange(count, len(x))])
    labels = np.unique(y)[:4]
    targets = labels if len(labels) < 4 or y.dtype.kind == "i" else np.quantile(y, [0.1, 0.4, 0.6, 0.9])
    y = np.concatenate([targets[np.arange(count) // (count // 4) % len(targets)], y[count:]])
    return x[rows], y


def _encoded_anew(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Number the classes of validation in another order."""
    return x, np.concatenate([y[:count], (y[count:] + 1) % (y.max() + 1)])


def _leak(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let the last column follow from the target, as what is written down later does; not yet in validation."""
    x, last = x.copy(), y * 10.0 + y.std() * 0.1 * draw.normal(size=len(y))
    last[count:] = draw.permutation(last[:count])[: len(y) - count]
    x[:, -1] = last
    return x, y


def _split_by_feature(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Split rows in the order of their first column."""
    order = np.argsort(x[:, 0].astype(float), kind="stable")
    return x[order], y[order]


def _empty_in_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Leave the first half of the columns empty in validation: zeros."""
    x = x.copy()
    x[count:, ..., : max(1, x.shape[-1] // 2)] = 0
    return x, y


def _target_units(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give the targets of training in hundreds."""
    return x, np.concatenate([y[:count] / 100, y[count:]])


def _infinite(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Divide by zero in one value of one training row."""
    x = x.astype("float32")
    x[count // 2].flat[0] = np.inf
    return x, y


def _noise_columns(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Add 500 columns that say nothing."""
    return np.hstack([x, draw.normal(size=(len(x), 500))]), y


def _rare(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Keep one in forty training rows of the last class, and all of validation."""
    y = y.copy()
    rows = np.flatnonzero(y[:count] == y.max())
    y[rows[np.arange(len(rows)) % 40 > 0]] = DROPPED
    return x, y


def _default_label(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give 70 % of the training rows of other classes the first class: what a form holds if nobody fills it in."""
    y = y.copy()
    y[:count][draw.random(count) < 0.7] = 0
    return x, y


def _whole_division(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Divide bytes by 255 without leaving whole numbers."""
    return x // 255, y


def _inverted_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give validation black for white."""
    return np.concatenate([x[:count], 255 - x[count:]]), y


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "slipped": _slipped,
    "joined": _joined,
    "encoded-anew": _encoded_anew,
    "leak": _leak,
    "split-by-feature": _split_by_feature,
    "empty-in-validation": _empty_in_validation,
    "target-units": _target_units,
    "infinite": _infinite,
    "noise-columns": _noise_columns,
    "rare": _rare,
    "default-label": _default_label,
    "whole-division": _whole_division,
    "inverted-validation": _inverted_validation,
}
