"""Predictions in a CSV, as they are drawn; no matplotlib needed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError, did_you_mean, printable

CURVE_COLUMNS = ("index", "organ", "time", "target", "pred")
"""The header of predicted concentration curves."""


_MAX_CLASSES = 1000
_PROBABILITY = "prob_"


@dataclass(frozen=True)
class Predictions:
    """Class names as they were predicted and as they are, one a sample, and all classes in their order."""

    targets: Sequence[str]
    preds: Sequence[str]
    class_names: Sequence[str]


@dataclass(frozen=True)
class PredictedCurve:
    """The concentrations of one compound in one organ, true and predicted, mg/L, at times in h."""

    times: Sequence[float]
    targets: Sequence[float]
    preds: Sequence[float]


PredictedCurves = Mapping[str, Mapping[str, PredictedCurve]]
"""Curves by compound and organ."""


def find_csv(path: Path) -> Path:
    """Return the file that a path means: itself, or the history.csv of a run folder.

    Raises:
        DataError: There is none, or it is a checkpoint.
    """
    if path.suffix == ".safetensors":
        raise DataError(
            f"{path} is a checkpoint, not a CSV", f"dlkit plot {path.parent} draws the run's curves"
        )
    if not path.is_dir():
        return path
    history = path / "history.csv"
    if not history.exists():
        raise DataError(f"{path} has no history.csv", _what_is_there(path))
    return history


def is_cut_off(path: Path) -> bool:
    """Return whether a file ends in the middle of a line, as one does that is being written."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read() not in (b"\n", b"\r")


def _what_is_there(folder: Path) -> str:
    if runs := sorted(folder.glob("*/history.csv")):
        return f"its folders have one, e.g. dlkit plot {printable(str(runs[-1].parent))}"
    if tables := sorted(file.name for file in folder.glob("*.csv")):
        return f"it has {', '.join(map(printable, tables[:4]))}"
    return "dlkit train writes a row of it after each epoch"


def parse_predictions(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> Predictions:
    """Read predicted and true classes.

    Raises:
        DataError: A column is missing or empty, or the targets are numbers.
    """
    for name in ("target", "pred"):
        if name not in header:
            shown = printable(", ".join(header), 200)
            raise DataError(
                f"{path} has no column {name}; its columns are {shown}",
                did_you_mean(name, header) or "dlkit eval --predict FILE.csv writes target and pred",
            )
    if not rows:
        raise DataError(f"{path} has no predictions", "it holds a header only")
    columns = [header.index("target"), header.index("pred")]
    for line, row in rows:
        for column in columns:
            if not row[column]:
                raise DataError(
                    f"{path} line {line}: {header[column]} is empty", "each sample needs both classes"
                )
    targets, preds = ([row[column] for _, row in rows] for column in columns)
    probabilities = [name.removeprefix(_PROBABILITY) for name in header if name.startswith(_PROBABILITY)]
    seen = {*targets, *preds}
    if not probabilities and _are_measurements(seen):
        raise DataError(
            f"{path} predicts numbers ({printable(targets[0])}), not classes",
            "a confusion matrix needs classes",
        )
    class_names = list(dict.fromkeys([*probabilities, *_in_order(seen)]))
    if len(class_names) > _MAX_CLASSES:
        raise DataError(
            f"{path} has {len(class_names):,} classes; a confusion matrix shows up to {_MAX_CLASSES:,}"
        )
    return Predictions(targets, preds, class_names)


def parse_curves(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> PredictedCurves:
    """Read predicted and true concentrations.

    Raises:
        DataError: A column is missing, or a value is not a number from 0.
    """
    for name in CURVE_COLUMNS:
        if name not in header:
            raise DataError(
                f"{path} has no column {name}; its columns are {printable(', '.join(header), 200)}",
                "dlkit eval RUN --predict FILE.csv of a pbpk network writes concentration curves",
            )
    if not rows:
        raise DataError(f"{path} has no predictions", "it holds a header only")
    compound, organ, *measured = (header.index(name) for name in CURVE_COLUMNS)
    curves: dict[str, dict[str, PredictedCurve]] = {}
    for line, row in rows:
        found = curves.setdefault(row[compound], {}).setdefault(row[organ], PredictedCurve([], [], []))
        for column, values in zip(measured, (found.times, found.targets, found.preds), strict=True):
            assert isinstance(values, list), "made above"
            values.append(_concentration(path, line, header[column], row[column]))
    return curves


def _concentration(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DataError(
            f"{path} line {line}: {name} is {printable(text)!r}, not a number from 0",
            "times are hours since the dose, concentrations mg/L",
        )
    return value


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort whole numbers by size before words by the alphabet."""
    return sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))


def _are_measurements(names: Iterable[str]) -> bool:
    try:
        return not all(float(name).is_integer() for name in names)
    except ValueError:
        return False
