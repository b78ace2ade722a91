"""Which file a path means, and predicted concentration curves in a CSV; no matplotlib needed."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError, printable

CURVE_COLUMNS = ("index", "organ", "time", "target", "pred")
"""The header of predicted concentration curves."""


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
            f"{path} is a checkpoint, not a CSV",
            f"dlkit plot {shlex.quote(str(path.parent))} draws the run's curves",
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
        return file.read() not in (b"\n", b"\r", b"}", b"]")  # which end JSON


def _what_is_there(folder: Path) -> str:
    if runs := sorted(folder.glob("*/history.csv")):
        return f"its folders have one, e.g. dlkit plot {printable(str(runs[-1].parent))}"
    if tables := sorted(file.name for file in folder.glob("*.csv")):
        return f"it has {', '.join(map(printable, tables[:4]))}"
    return "dlkit train writes a row of it after each epoch"


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
            f"{path} line {line}: {name} is {printable(text)!r}, not a number of at least 0",
            "times are hours since the dose, concentrations mg/L",
        )
    return value
