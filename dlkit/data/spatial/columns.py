"""Which columns of a table say where and when a point is, and what they say."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dlkit.data.tables.blocks import guess_coordinates
from dlkit.data.tables.own_split import part_column
from dlkit.data.tables.positions import find_position
from dlkit.data.tables.table import Table, in_shell, is_index
from dlkit.errors import ConfigError, DataError, first_of, printable
from dlkit.settings.config import TrainConfig

NO_FEATURES = "none"
_DAY = 86_400.0


@dataclass(frozen=True)
class PointColumns:
    """The columns that make points of rows.

    Args:
        coords: Two of them, x and y, or longitude and latitude.
        time: When; None where there is no time.
        target: The value.
    """

    coords: tuple[str, str]
    time: str | None
    target: str

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.coords, *([self.time] if self.time is not None else []), self.target)

    @classmethod
    def of_settings(cls, config: TrainConfig, table: Table) -> Self:
        """Take the settings apart.

        Raises:
            ConfigError: Coordinates or target are not named, or a column has two roles.
            DataError: There is no such column.
        """
        source = printable(table.source, 200)
        if config.coords is None or config.target is None:
            option = "--coords" if config.coords is None else "--target"
            raise ConfigError(
                f"{option} is missing: it names the {'columns X,Y' if config.coords is None else 'column'} of "
                f"{source} {'that say where a point is' if config.coords is None else 'to predict'}; it has "
                f"{first_of(table.names, 12, 80)}",
                _example(table) if config.coords is None else "",
            )
        coords = tuple(_parts(config.coords))
        if len(coords) != 2:
            raise ConfigError(
                f"--coords {printable(config.coords)} names {len(coords)} of the columns; it takes two: X,Y",
                _example(table),
            )
        columns = cls((coords[0], coords[1]), config.time, config.target)
        if len(set(columns.names)) < len(columns.names):
            raise ConfigError(
                f"--coords, --time and --target name a column twice: {', '.join(map(printable, columns.names))}",
                "each column has one role",
            )
        options = ("--coords", "--coords", *(["--time"] if config.time is not None else []), "--target")
        for name, option in zip(columns.names, options, strict=True):
            table.column(name, option)
        return columns

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            x, y = plain["coords"]
            columns = cls((x, y), plain["time"], plain["target"])
        except (KeyError, TypeError) as err:
            raise ValueError(f"not the columns of points: {err}") from err
        if not all(isinstance(name, str) for name in columns.names):
            raise ValueError("not the columns of points: a name is not text")
        return columns

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"coords": list(self.coords), "time": self.time, "target": self.target}


@dataclass(frozen=True)
class Located:
    """Where and when each row of a table is.

    Args:
        coords: Shape (N, 2), float64, in the columns' unit; NaN where missing.
        times: Shape (N,), float64; dates count in days. None where there is no time.
    """

    coords: np.ndarray
    times: np.ndarray | None

    @property
    def known(self) -> np.ndarray:
        """Which rows have a place, and a time if there are times, shape (N,), bool."""
        known: np.ndarray = ~np.isnan(self.coords).any(1)
        return known if self.times is None else known & ~np.isnan(self.times)


def locate(table: Table, columns: PointColumns, distance: str) -> Located:
    """Read where and when each row is.

    Raises:
        DataError: A column is missing or no number, a value is infinite, or no place on the globe.
    """
    places = [_numbers(table, name, "--coords") for name in columns.coords]
    if distance == "haversine":
        _check_globe(table, columns.coords, places)
    times = None
    if columns.time is not None:
        times = _numbers(table, columns.time, "--time")
        if table.column(columns.time).kind == "date":
            times = times / _DAY
    return Located(np.stack(places, axis=1), times)


def choose_features(table: Table, columns: PointColumns, config: TrainConfig) -> tuple[list[str], bool]:
    """Return the columns to predict from beside place and time, and whether the user named them.

    Raises:
        ConfigError: One is named twice, or is the target.
    """
    if config.features == NO_FEATURES and NO_FEATURES not in table.columns:
        return [], True
    if config.features is None:
        own = part_column(table, columns.names)
        left_out = {*columns.names, config.group, config.by_time, own}
        return [name for name in table.names if name not in left_out and not is_index(name)], False
    names = _parts(config.features)
    if columns.target in names:
        raise ConfigError(
            f"--features {printable(columns.target)} is the target too",
            "leave it out: it would give the answer away",
        )
    if not names or len(set(names)) < len(names):
        raise ConfigError(
            f"--features {printable(config.features)} names no column, or one twice",
            f"--features {NO_FEATURES} uses place and time only",
        )
    return names, True


def _parts(text: str) -> list[str]:
    return [name.strip() for name in next(csv.reader(io.StringIO(text)), []) if name.strip()]


def _example(table: Table) -> str:
    """Return what `--coords` should name, or the command that makes such columns of one with positions."""
    guess = guess_coordinates(table.names)
    if guess is None and (position := find_position(table)) is not None:
        return f"{position.cure} --coords {','.join(position.coords)}"
    numbers = [column.name for column in table.columns.values() if column.kind == "number"]
    named = guess or (tuple(numbers[:2]) if len(numbers) > 2 else ())
    return f"for example --coords {in_shell(*map(printable, named))}" if named else ""


def _numbers(table: Table, name: str, option: str) -> np.ndarray:
    column = table.column(name, option)
    wrong = ("boolean", "text") if option == "--time" else ("boolean", "text", "date")
    if column.kind in wrong and column.stray is None:
        wanted = "numbers or dates" if option == "--time" else "numbers"
        raise DataError(
            f"{option} {printable(name)} is a column of {column.kind}, not of {wanted}", "name another column"
        )
    values = table.numbers(name)
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(
            f"{table.place(int(infinite[0]), name)} is infinite, so {option} cannot place that row",
            "empty the field if it is not known: such rows are left out",
        )
    return values


def _check_globe(table: Table, names: tuple[str, str], places: Sequence[np.ndarray]) -> None:
    for name, values, low, high in zip(names, places, (-180, -90), (360, 90), strict=True):
        outside = np.flatnonzero((values < low) | (values > high))
        if len(outside):
            row = int(outside[0])
            raise DataError(
                f"{table.place(row, name)} is {values[row]:g}; --distance haversine takes degrees from {low} to {high}",
                "--coords names the longitude first, then the latitude",
            )
