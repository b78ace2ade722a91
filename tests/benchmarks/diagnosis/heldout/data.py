"""The data of the held-out bases: real tables and images where they are at hand, and simulated ones."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,)

_ROOT = Path(__file__).parents[4]
SHARED = Path(os.environ.get("DLKIT_SHARED_DATA", _ROOT.parent / "shared" / "data"))
_PIXELS = 28


def _table(name: str, target: str, rows: int) -> tuple[np.ndarray, pd.Series]:
    """Return some rows of a table with a column for each category, and its target."""
    frame = pd.read_csv(SHARED.parent / "tables" / f"{name}.csv.gz", keep_default_na=False, na_values=[""])
    frame = frame.dropna(axis=1)
    frame = frame.sample(min(rows, len(frame)), random_state=1)
    inputs = pd.get_dummies(frame.drop(columns=target), drop_first=True)
    inputs = inputs.loc[:, inputs.nunique() > 1]
    return inputs.to_numpy(float), frame[target]


def juice() -> Rows:
    """Return which of two orange juices customers bought."""
    x, y = _table("oj", "Purchase", 1070)
    return x, (y == "MM").to_numpy().astype(int)


def houses() -> Rows:
    """Return prices of houses in Ames, in thousands."""
    x, y = _table("ames", "Sale_Price", 1500)
    return x, y.to_numpy(float) / 1000


def stones() -> Rows:
    """Return the logarithm of the prices of diamonds."""
    x, y = _table("diamonds", "price", 1800)
    return x, np.log(y.to_numpy(float))


def wages() -> Rows:
    """Return the logarithm of weekly wages, of which these inputs explain a third."""
    x, y = _table("cps", "wage", 1800)
    return x, np.log(y.to_numpy(float))


def cards() -> Rows:
    """Return whose application for a credit card was accepted, without what follows from having one."""
    x, y = _table("credit", "card", 1319)
    kept = [column for column in range(x.shape[1]) if column not in (3, 4)]
    return x[:, kept], (y == "yes").to_numpy().astype(int)


def written() -> Rows:
    """Return handwritten digits of MNIST, every second pixel."""
    folder = SHARED / "mnist"
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, _PIXELS, _PIXELS)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(int)
    return images[:2400, ::2, ::2].copy(), labels[:2400]


def wine() -> Rows:
    """Return three sorts of wine by 13 measurements."""
    found = datasets.load_wine()
    return found.data, found.target


def rings() -> Rows:
    """Return two rings, one in the other, beside four inputs of no use."""
    x, y = datasets.make_circles(1200, noise=0.08, factor=0.5, random_state=11)
    return np.hstack([x, np.random.default_rng(11).normal(size=(len(x), 4))]), y


def rolled() -> Rows:
    """Return the place along a rolled-up sheet in three dimensions."""
    x, y = datasets.make_swiss_roll(1200, noise=0.3, random_state=12)
    return x, y


def steps() -> Rows:
    """Return three kinds of series: up, down, and up then down, at 16 times of 3 channels."""
    draw = np.random.default_rng(13)
    labels = draw.integers(0, 3, 900)
    times = np.linspace(0, 1, 16)
    start = draw.uniform(0.15, 0.4, (900, 1))
    up, down = (1 / (1 + np.exp(-20 * (times - begin))) for begin in (start, start + 0.4))
    shape = np.choose(labels[:, None], [up, 1 - down, up - down])
    other = draw.normal(size=(900, 16, 2))
    return np.concatenate([shape[:, :, None] + 0.4 * draw.normal(size=(900, 16, 1)), other], 2), labels


def letters() -> Rows:
    """Return four languages by 14 letters of 32 each, in frequencies of their own."""
    draw = np.random.default_rng(14)
    frequencies = draw.dirichlet(np.full(32, 0.4), 4)
    labels = draw.integers(0, 4, 1000)
    return np.stack([draw.choice(32, 14, p=frequencies[label]) for label in labels]), labels


def _sorted(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Split rows that were in the order of their targets."""
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


def _unscaled_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give validation another unit."""
    x = x.astype("float32")
    x[count:] = 8 * x[count:] + x.std()
    return x, y


def _permuted_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give validation its columns in another order."""
    x = x.copy()
    x[count:] = x[count:][..., draw.permutation(x.shape[-1])]
    return x, y


def _shuffled_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give every validation row the target of another."""
    return x, np.concatenate([y[:count], draw.permutation(y[count:])])


def _mostly_wrong(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give 70 % of the training rows the target of another."""
    y = y.copy()
    chosen = np.flatnonzero(draw.random(count) < 0.7)
    y[chosen] = draw.permutation(y[chosen])
    return x, y


def _few_distinct(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Repeat 12 training rows until there are as many as before."""
    rows = np.concatenate([np.resize(np.arange(12), count), np.arange(count, len(x))])
    return x[rows], y[rows]


def _target_outlier(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give one training row a target of another unit."""
    y = y.copy()
    y[5] += 5000 * y.std()
    return x, y


def _column_units(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give the last column, which says little, a unit of its own among others of spread 1."""
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    x[:, -1] *= 3000
    return x.astype("float32"), y


def _missing_code(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write -9999 for a third of the training values."""
    x = x.astype("float32")
    x[:count][draw.random(x[:count].shape) < 1 / 3] = -9999
    return x, y


def _missing_class(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Leave one class out of training."""
    y = y.copy()
    y[:count][y[:count] == np.bincount(y).argmax()] = -1
    return x, y


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "sorted": _sorted,
    "unscaled-validation": _unscaled_validation,
    "permuted-validation": _permuted_validation,
    "shuffled-validation": _shuffled_validation,
    "mostly-wrong": _mostly_wrong,
    "few-distinct": _few_distinct,
    "target-outlier": _target_outlier,
    "column-units": _column_units,
    "missing-code": _missing_code,
    "missing-class": _missing_class,
}

SETS: dict[str, Callable[[], Rows]] = {
    function.__name__: function
    for function in (juice, houses, stones, wages, cards, written, wine, rings, rolled, steps, letters)
}
