"""Predictions in a CSV, classes or numbers, as they are drawn; no matplotlib needed."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.errors import DataError, did_you_mean, printable

_MAX_CLASSES = 1000
_PROBABILITY = "prob_"
_EVAL = "dlkit eval RUN --predict FILE.csv writes predictions"

Rows = Sequence[tuple[int, Sequence[str]]]


@dataclass(frozen=True)
class Predictions:
    """Class names as they were predicted and as they are, one a sample, and all classes in their order.

    Args:
        targets: N names.
        preds: N names.
        class_names: K names.
        probs: For each sample the probabilities of the first classes; empty where the file has none.
    """

    targets: Sequence[str]
    preds: Sequence[str]
    class_names: Sequence[str]
    probs: Sequence[Sequence[float]] = field(default=(), compare=False)


@dataclass(frozen=True)
class PredictedNumbers:
    """True and predicted values of one output, and the ends of their intervals where the file has them."""

    targets: Sequence[float]
    preds: Sequence[float]
    lo: Sequence[float] = ()
    hi: Sequence[float] = ()


def has_predictions(header: Sequence[str]) -> bool:
    """Return whether a CSV with this header holds predictions."""
    return bool({"target", "pred"} & set(header)) or bool(_outputs(header))


def holds_numbers(header: Sequence[str], rows: Rows) -> bool:
    """Return whether predictions are numbers: several outputs, or values with decimals and no probabilities."""
    if _probability_columns(header):
        return False
    if "target" not in header or "pred" not in header:
        return bool(_outputs(header))
    columns = (header.index("target"), header.index("pred"))
    return _are_measurements({row[column] for _, row in rows for column in columns if row[column]})


def complete_rows(path: Path, header: Sequence[str], rows: Rows) -> tuple[Rows, str]:
    """Return the rows with target and prediction, and a message about the others, which eval did not score.

    The message is empty where there are no others; if all are, they are returned for the parser to refuse.
    """
    names = ("target", "pred", *(f"pred{suffix}" for suffix in _outputs(header)))
    columns = [place for place, name in enumerate(header) if name in names]
    complete = [(line, row) for line, row in rows if all(row[column] for column in columns)]
    if len(complete) in (0, len(rows)):
        return rows, ""
    count = len(rows) - len(complete)
    return (
        complete,
        f"{path}: {count:,} of {len(rows):,} rows have no target or no prediction and are left out",
    )


def parse_classes(path: Path, header: Sequence[str], rows: Rows) -> Predictions:
    """Read predicted and true classes.

    Raises:
        DataError: A column is missing or empty, or the targets are numbers.
    """
    target, pred = _find(path, header, ("target", "pred"))
    if not rows:
        raise DataError(f"{path} has no predictions", "it holds a header only")
    _check_complete(path, header, rows, (target, pred))
    targets, preds = ([row[column] for _, row in rows] for column in (target, pred))
    columns = _probability_columns(header)
    seen = {*targets, *preds}
    if not columns and _are_measurements(seen):
        raise DataError(
            f"{path} predicts numbers ({printable(targets[0])}), not classes",
            f"dlkit plot {shlex.quote(str(path))} --kind parity",
        )
    named = [header[column].removeprefix(_PROBABILITY) for column in columns]
    class_names = list(dict.fromkeys([*named, *_in_order(seen)]))
    if len(class_names) > _MAX_CLASSES:
        raise DataError(f"{path} has {len(class_names):,} classes; at most {_MAX_CLASSES:,} can be drawn")
    probs = [
        [_number(path, line, header[column], row[column]) for column in columns]
        for line, row in rows
        if columns
    ]
    return Predictions(targets, preds, class_names, probs)


def parse_probabilities(path: Path, header: Sequence[str], rows: Rows) -> Predictions:
    """Read predicted classes with the probability of each.

    Raises:
        DataError: As `parse_classes`, or there are no probabilities.
    """
    found = parse_classes(path, header, rows)
    if not found.probs:
        raise DataError(f"{path} has no probabilities (columns {_PROBABILITY}...)", _EVAL)
    return found


def parse_numbers(path: Path, header: Sequence[str], rows: Rows) -> Mapping[str, PredictedNumbers]:
    """Read true and predicted numbers, by output; a single output has the name "".

    Raises:
        DataError: A column is missing, the values are no numbers, or no true value is known.
    """
    suffixes = [""] if {"target", "pred"} & set(header) else _outputs(header)
    if not suffixes:
        _find(path, header, ("target", "pred"))
    if columns := _probability_columns(header):
        raise DataError(
            f"{path} predicts classes ({header[columns[0]]})",
            f"dlkit plot {shlex.quote(str(path))} --kind confusion",
        )
    return {suffix.removeprefix("_"): _numbers_of(path, header, rows, suffix) for suffix in suffixes}


def _numbers_of(path: Path, header: Sequence[str], rows: Rows, suffix: str) -> PredictedNumbers:
    names = [f"{name}{suffix}" for name in ("target", "pred")]
    columns = list(_find(path, header, names))
    ends = [f"{name}{suffix}" for name in ("lo", "hi")]
    columns += [header.index(name) for name in ends if set(ends) <= set(header)]
    values: list[list[float]] = [[] for _ in columns]
    for line, row in rows:
        if row[columns[0]] and row[columns[1]]:
            for column, into in zip(columns, values, strict=True):
                into.append(_number(path, line, header[column], row[column]))
    if not values[0]:
        raise DataError(f"{path} has no row with {names[0]} and {names[1]}", _EVAL)
    return PredictedNumbers(*values)


def _find(path: Path, header: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the places of columns, or raise DataError for the first that is missing."""
    for name in names:
        if name not in header:
            shown = printable(", ".join(header), 200)
            raise DataError(
                f"{path} has no column {printable(name)}; its columns are {shown}",
                did_you_mean(name, header) or _EVAL,
            )
    return [header.index(name) for name in names]


def _check_complete(path: Path, header: Sequence[str], rows: Rows, columns: Iterable[int]) -> None:
    for column in columns:
        empty = [line for line, row in rows if not row[column]]
        if len(empty) == len(rows) and header[column] == "target":
            raise DataError(
                f"{path} has no true classes: column target is empty", "plot data whose classes are known"
            )
        if empty:
            raise DataError(
                f"{path} line {empty[0]}: {header[column]} is empty", "each sample needs both classes"
            )


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{path} line {line}: {printable(name)} is {printable(text)!r}, not a finite number")
    return value


def _probability_columns(header: Sequence[str]) -> list[int]:
    return [column for column, name in enumerate(header) if name.startswith(_PROBABILITY)]


def _outputs(header: Sequence[str]) -> list[str]:
    """Return what follows `target` and `pred` in the columns of several outputs: `_x` for target_x and pred_x."""
    suffixes = [name.removeprefix("pred") for name in header if name.startswith("pred_")]
    return [suffix for suffix in suffixes if f"target{suffix}" in header]


def _in_order(names: Iterable[str]) -> list[str]:
    """Sort whole numbers by size before words by the alphabet."""
    return sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name))


def _are_measurements(names: Iterable[str]) -> bool:
    try:
        return not all(float(name).is_integer() for name in names)
    except ValueError:
        return False
