"""The data of the benchmark: small sets of scikit-learn's and simulated ones, each with the faults data can have."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn import datasets

from tests.benchmarks.diagnosis.fifth import data as fifth_data
from tests.benchmarks.diagnosis.fifth import sets as fifth_sets
from tests.benchmarks.diagnosis.fourth import data as fourth_data
from tests.benchmarks.diagnosis.heldout import data as heldout_data
from tests.benchmarks.diagnosis.sixth import data as sixth_data
from tests.benchmarks.diagnosis.sixth import sets as sixth_sets
from tests.benchmarks.diagnosis.third import data as third_data

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,) or (N, K)
VAL_SHARE, TEST_ROWS = 0.35, 20
DROPPED = third_data.DROPPED


def cancer() -> Rows:
    """Return 30 measurements of 569 tumours, benign or malignant."""
    found = datasets.load_breast_cancer()
    return found.data, found.target


def friedman() -> Rows:
    """Return Friedman's first function of 5 of 10 inputs, with noise."""
    return datasets.make_friedman1(1200, 10, noise=1.0, random_state=1)


def noisy() -> Rows:
    """Return two classes with many labels wrong; 4 of 30 inputs are of use."""
    draw = np.random.default_rng(2)
    x = draw.normal(size=(900, 30))
    right = x[:, 0] + x[:, 1] - x[:, 2] + 0.5 * x[:, 3] > 0
    return x, np.where(draw.random(900) < 0.2, ~right, right).astype(int)


def digits() -> Rows:
    """Return 1,797 handwritten digits, 8 x 8."""
    found = datasets.load_digits()
    return found.images.astype("uint8"), found.target


def large_digits() -> Rows:
    """Return handwritten digits at one of four places of 9 x 9 pixels, with noise."""
    images, labels = digits()
    draw = np.random.default_rng(3)
    canvas = draw.integers(0, 3, (len(images), 9, 9))
    for row, (top, left) in enumerate(draw.integers(0, 2, (len(images), 2))):
        canvas[row, top : top + 8, left : left + 8] += images[row]
    return (canvas * 10).astype("uint8"), labels


def groups() -> Rows:
    """Return five classes of several clusters each in 16 dimensions."""
    return datasets.make_classification(
        1500,
        16,
        n_informative=10,
        n_classes=5,
        n_clusters_per_class=2,
        class_sep=1.6,
        flip_y=0.02,
        random_state=4,
    )


def circuit() -> Rows:
    """Return the impedance of a circuit, Friedman's second function, beside three inputs of no use."""
    x, y = datasets.make_friedman2(1200, noise=40.0, random_state=5)
    return np.hstack([x, np.random.default_rng(5).normal(size=(len(x), 3))]), y


def waves() -> Rows:
    """Return four shapes of waves with random phases and noise, 12 times of 2 channels."""
    draw = np.random.default_rng(6)
    labels = draw.integers(0, 4, 800)
    phase = draw.uniform(0, 2 * np.pi, (800, 1)) + np.arange(12) * draw.uniform(0.8, 1.0, (800, 1))
    first = np.where(labels[:, None] % 2 == 0, np.sin(phase), np.sign(np.sin(phase)))
    second = np.where(labels[:, None] < 2, np.cos(phase), np.cos(2 * phase))
    return np.stack([first, second], 2) + 0.3 * draw.normal(size=(800, 12, 2)), labels


def spirals() -> Rows:
    """Return three arms of a spiral."""
    draw = np.random.default_rng(7)
    labels = draw.integers(0, 3, 1000)
    radius = np.sqrt(draw.uniform(0.02, 1, 1000))
    angle = labels * 2 * np.pi / 3 + 4.5 * radius + 0.15 * draw.normal(size=1000)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), labels


SETS: dict[str, Callable[[], Rows]] = (
    {
        function.__name__: function
        for function in (cancer, friedman, noisy, digits, large_digits, groups, circuit, waves, spirals)
    }
    | heldout_data.SETS
    | third_data.SETS
    | fourth_data.SETS
    | fifth_sets.SETS
    | sixth_sets.SETS
)


def write_data(folder: Path, name: str, change: str, form: str) -> list[str]:
    """Write a set with a change, and return the options of `dlkit train` that name it.

    Labels are changed in training alone, so that those judged by are right.

    Args:
        folder: Where the files lie; those that are there already are used.
        name: One of `SETS`.
        change: One of `CHANGES`.
        form: `npz`, `csv`, or `folder` of pictures.
    """
    path = folder / f"{name}-{change}" if form == "folder" else folder / f"{name}-{change}.{form}"
    if not path.exists():
        x, y = SETS[name]()
        order = np.random.default_rng(0).permutation(len(x))
        x, y = x[order], y[order]
        count = len(x) - TEST_ROWS - int(VAL_SHARE * len(x))
        x, y = CHANGES[change](x, y, count, np.random.default_rng(8))
        kept = (y != DROPPED).reshape(len(y), -1).all(1)
        _write(path, x[kept], y[kept], int(kept[:count].sum()))
    if form == "csv":
        return ["--data", str(path), "--target", "y", "--split-file", str(path.with_suffix(".split"))]
    return ["--data", str(path)]


def _write(path: Path, x: np.ndarray, y: np.ndarray, count: int) -> None:
    """Write the rows: the first `count` train, the last ones test."""
    ends = {"train": slice(0, count), "val": slice(count, -TEST_ROWS), "test": slice(-TEST_ROWS, None)}
    if path.suffix == ".npz":
        arrays = {
            f"{key}_{split}": values[part]
            for split, part in ends.items()
            for key, values in (("x", x), ("y", y))
        }
        np.savez(path, **arrays)
        return
    if not path.suffix:
        _write_pictures(path, x, y, ends)
        return
    header = ",".join([*(f"f{column}" for column in range(x.shape[1])), "y"])
    labels = [f"class{label}" for label in y] if y.dtype.kind == "i" else y
    lines = [
        ",".join([*(value if isinstance(value, str) else repr(float(value)) for value in row), str(label)])
        for row, label in zip(x, labels, strict=True)
    ]
    path.write_text("\n".join([header, *lines]) + "\n")
    named = np.empty(len(x), dtype=object)
    for split, part in ends.items():
        named[part] = split
    path.with_suffix(".split").write_text(
        "row,split\n" + "".join(f"{row},{split}\n" for row, split in enumerate(named))
    )


def _write_pictures(path: Path, x: np.ndarray, y: np.ndarray, ends: dict[str, slice]) -> None:
    """Write a folder for each split and each class."""
    for split, part in ends.items():
        for row, (image, label) in enumerate(zip(x[part], y[part], strict=True)):
            folder = path / split / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{row}.png")


def _clean(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    return x, y


def _shuffled_labels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give every training row the target of another at random."""
    return x, np.concatenate([draw.permutation(y[:count]), y[count:]])


def _shifted_labels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give every training row the target of the one before it."""
    return x, np.concatenate([np.roll(y[:count], 1), y[count:]])


def _wrong_labels(share: float) -> Callable[..., Rows]:
    def change(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
        y = y.copy()
        chosen = draw.random(len(y)) < share
        chosen[count:] = False
        y[chosen] = draw.permutation(y)[chosen]
        return x, y

    return change


def _imbalanced(ratio: float, val_ratio: float = 8) -> Callable[..., Rows]:
    """Drop rows of all classes but the last until it has `ratio` times as many as each; fewer in validation."""

    def change(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
        kept = y == y.max()
        kept[-TEST_ROWS:] = True
        for part, share, least in (
            (slice(0, count), ratio, 3),
            (slice(count, -TEST_ROWS), min(ratio, val_ratio), 8),
        ):
            for label in np.unique(y)[:-1]:
                rows = np.flatnonzero(y[part] == label) + (part.start or 0)
                number = max(least, round((y[part] == y.max()).sum() / share))
                kept[draw.permutation(rows)[:number]] = True
        x, y = x.copy(), y.copy()
        y[~kept] = DROPPED
        return x, y

    return change


def _constant(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give every row the values of the first."""
    return np.broadcast_to(x[:1], x.shape).copy(), y


def _clipped(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Clip nearly every value away: above the 0.2 % smallest of a column all are alike."""
    limit = np.quantile(x.reshape(len(x), -1), 0.002, axis=0).reshape(1, *x.shape[1:])
    return np.minimum(x, limit).astype(x.dtype), y


def _scaled(factor: float) -> Callable[..., Rows]:
    def change(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
        return x.astype("float32") * np.float32(factor) / np.abs(x).max().astype("float32"), y

    return change


def _outlier(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Put one training row far away, as a wrong unit or a code for missing values does."""
    x = x.astype("float32")
    x[0] += 2000 * x.std(0) + 1e-3
    return x, y


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "clean": _clean,
    "shuffled": _shuffled_labels,
    "shifted": _shifted_labels,
    "noise5": _wrong_labels(0.05),
    "imbalance8": _imbalanced(8),
    "imbalance80": _imbalanced(80),
    "constant": _constant,
    "clipped": _clipped,
    "scaled1000": _scaled(1000),
    "outlier": _outlier,
    **heldout_data.CHANGES,
    **third_data.CHANGES,
    **fourth_data.CHANGES,
    **fifth_data.CHANGES,
    **sixth_data.CHANGES,
}
