"""A map in a CSV: cells with mean and half width of their interval, then observations; no matplotlib needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError, printable

_CELL = ["mean", "sd_draws", "half_width"]


@dataclass(frozen=True)
class MapValues:
    """What a map shows.

    Args:
        names: Of the two coordinates and of the value.
        cells: East, north, mean and half width of the interval of each cell; NaN for the last two where it is empty.
        observations: East, north and value of each.
    """

    names: tuple[str, str, str]
    cells: Sequence[tuple[float, float, float, float]]
    observations: Sequence[tuple[float, float, float]]


def is_map(header: Sequence[str]) -> bool:
    """Tell by its header whether a CSV is a map: X,Y,mean,sd_draws,half_width,VALUE."""
    return len(header) == 6 and list(header[2:5]) == _CELL


def parse_map(path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]) -> MapValues:
    """Read the rows of a map.

    Raises:
        DataError: The header is another's, a cell is no number, or there is nothing to draw.
    """
    if not is_map(header):
        shown = printable(", ".join(header), 200)
        raise DataError(
            f"{path} is not a map (X,Y,mean,sd_draws,half_width,VALUE); its columns are {shown}",
            "dlkit eval CKPT --grid 50 -o map.csv",
        )
    cells, observations = [], []
    for line, row in rows:
        x, y, mean, _, half, value = (
            _number(path, line, name, text) for name, text in zip(header, row, strict=True)
        )
        if math.isnan(x) or math.isnan(y):
            raise DataError(f"{path} line {line}: a coordinate is empty", "each row has both")
        if math.isnan(value):
            cells.append((x, y, mean, half))
        else:
            observations.append((x, y, value))
    if all(math.isnan(mean) for _, _, mean, _ in cells):
        raise DataError(f"{path} has no cell with a mean", "dlkit eval CKPT --grid 50 -o map.csv")
    return MapValues((header[0], header[1], header[5]), cells, observations)


def _number(path: Path, line: int, name: str, text: str) -> float:
    if not text:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise DataError(
            f"{path} line {line}: {printable(name)} is {printable(text, 40)!r}, not a number",
            "leave the field empty if the value is unknown",
        )
    return number
