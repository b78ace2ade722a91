"""How the columns of a table become inputs, by what was learned of them, and what a checkpoint keeps of that."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from dlkit.data.tables.column_code import CYCLES, YEAR, ColumnCode, pack_columns, unpack_columns
from dlkit.data.tables.table import Column, Table, blocks_of
from dlkit.errors import DataError, printable


@dataclass(frozen=True)
class Encoding:
    """How rows of a table become inputs, learned from its training rows.

    Args:
        columns: One code a column that is used, in the order of the features.
        left_out: Columns that are not used, and why.
    """

    columns: tuple[ColumnCode, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of all features, D in number."""
        return tuple(name for column in self.columns for name in column.features)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column, to read other tables by."""
        return {column.name: column.kind for column in self.columns}

    @property
    def orders(self) -> dict[str, str]:
        """What came first in the dates of columns where that was a choice, to read other tables by."""
        return {column.name: column.unit for column in self.columns if column.kind == "date" and column.unit}

    @property
    def embedded(self) -> dict[int, int]:
        """The features that hold codes: their index and the number of codes."""
        return {index: column.num_codes for index, column in self._firsts if column.embedded}

    @property
    def continuous(self) -> tuple[int, ...]:
        """The indices of the features that hold standardised numbers and dates."""
        return tuple(index for index, column in self._firsts if column.kind in ("number", "date"))

    def encode(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """Turn rows into inputs, float32, shape (N, D).

        A text that was not seen in training is 0 in all features of its column, or the code 0.

        Args:
            table: Has the columns; others are not looked at.
            rows: Which rows, in which order; None takes all.

        Raises:
            DataError: A column is missing, is of another kind, or has an infinite value.
        """
        count = len(table) if rows is None else len(rows)
        inputs = np.zeros((count, len(self.feature_names)), dtype=np.float32)
        numbers = []
        for first, code in self._firsts:
            check_column(table, code)
            if code.kind == "text":
                _encode_texts(code, table, rows, inputs[:, first : first + len(code.features)])
            else:
                numbers.append((first, code))
        for block in blocks_of(numbers, count):
            _encode_numbers(block, table, rows, inputs)
        return inputs

    def without_scaling(self) -> Self:
        """Return the same codes with numbers left in their own unit."""
        plain = tuple(
            replace(code, mean=0.0, std=1.0, log=0.0) if code.kind != "text" else code
            for code in self.columns
        )
        return replace(self, columns=plain)

    def unseen(self, table: Table, rows: np.ndarray | None = None) -> dict[str, int]:
        """Count, by column, the rows with a text or a gap that the training rows did not have."""
        counts = {}
        for code in self.columns:
            check_column(table, code)
            if code.kind == "text":
                places = _places(code, table.column(code.name))[table.codes(code.name, rows)]
                counts[code.name] = int((places < 0).sum())
            elif not code.indicator:
                counts[code.name] = int(table.missing(code.name, rows).sum())
        return {name: count for name, count in counts.items() if count}

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers."""
        return {"columns": pack_columns(self.columns), "left_out": dict(self.left_out)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            columns = unpack_columns(plain["columns"])
            return cls(columns, {str(name): str(why) for name, why in plain["left_out"].items()})
        except (KeyError, TypeError, AttributeError) as err:
            raise ValueError(f"not the columns of a table: {err}") from err

    @functools.cached_property
    def _firsts(self) -> tuple[tuple[int, ColumnCode], ...]:
        """The columns, each with the index of its first feature."""
        counts = [len(column.features) for column in self.columns]
        return tuple(zip(itertools.accumulate(counts, initial=0), self.columns, strict=False))


def check_column(table: Table, code: ColumnCode) -> Column:
    """Return the column of a table that a code is for.

    Raises:
        DataError: It is not there, or of another kind than in training.
    """
    column = table.column(code.name)
    if (column.kind == "text") != (code.kind == "text"):
        if column.stray is not None:
            raise column.stray.error(table.source, code.name)
        raise DataError(
            f"{table.source}: column {printable(code.name)} is {column.kind}; it was {code.kind} in training",
            "give the columns that the network was trained on",
        )
    return column


def overflows(values: np.ndarray) -> bool:
    """Return whether the standard deviation of numbers overflows, though all of them are finite; NaN is left out."""
    with np.errstate(over="ignore", invalid="ignore"):
        return not np.isfinite(np.nanstd(values))


def too_large(table: Table, name: str, row: int, value: float) -> DataError:
    """Return the error of a number beyond what a network can compute with."""
    return DataError(
        f"{table.place(row, name)} is {value:g}, too large to compute with",
        f"--missing {value:g} if it stands for a missing value; otherwise divide the column by a unit that fits",
    )


def _encode_texts(code: ColumnCode, table: Table, rows: np.ndarray | None, part: np.ndarray) -> None:
    places = _places(code, table.column(code.name))[table.codes(code.name, rows)]
    if code.embedded:
        part[:, 0] = places + 1
        return
    known = np.flatnonzero(places >= 0)
    part[known, places[known]] = 1


def _places(code: ColumnCode, column: Column) -> np.ndarray:
    """Return the place of each code of a column among the known categories, that of a missing one last; -1 if none."""
    place = {text: index for index, text in enumerate(code.categories)}
    return np.array([place.get(text, -1) for text in (*column.categories, None)], dtype=np.int64)


def _encode_numbers(
    block: Sequence[tuple[int, ColumnCode]], table: Table, rows: np.ndarray | None, inputs: np.ndarray
) -> None:
    """Encode columns of numbers, booleans or dates, each with the index of its first feature."""
    firsts, codes = np.array([first for first, _ in block]), [code for _, code in block]
    values = table.stack([code.name for code in codes], rows)
    for infinite in np.flatnonzero(np.isinf(values).any(1)):
        check_finite(table, codes[infinite].name, rows, values[infinite])
    missing = np.isnan(values)
    for place, (first, code) in enumerate(block):
        if code.cycles:
            _encode_waves(code, values[place], missing[place], inputs[:, first + 1 :])
    means, stds, logs, fills = np.array([(code.mean, code.std, code.log, code.fill) for code in codes]).T[
        ..., None
    ]
    dates = np.array([code.kind == "date" for code in codes], dtype=bool)
    values[dates] /= YEAR
    values = np.where(missing, fills, values)
    if len(logged := np.flatnonzero(logs)):
        values[logged] = np.log1p(np.maximum(values[logged], 0) / logs[logged])
    with np.errstate(over="ignore"):
        scaled = ((values - means) / stds).astype(np.float32)
    if not np.isfinite(scaled).all():
        column, row = np.argwhere(~np.isfinite(scaled))[0]
        raise too_large(
            table,
            codes[column].name,
            int(row if rows is None else rows[row]),
            float(values[column, row]),
        )
    inputs[:, firsts] = scaled.T
    for place, (first, code) in enumerate(block):
        if code.indicator:
            inputs[:, first + len(code.features) - 1] = missing[place]


def _encode_waves(code: ColumnCode, seconds: np.ndarray, missing: np.ndarray, part: np.ndarray) -> None:
    """Encode where dates stand in their cycles, as sines and cosines."""
    for index, name in enumerate(code.cycles):
        period, offset = CYCLES[name]
        angle = np.where(missing, 0.0, (seconds - offset) % period) * (2 * np.pi / period)
        part[:, 2 * index] = np.where(missing, 0, np.sin(angle))
        part[:, 2 * index + 1] = np.where(missing, 0, np.cos(angle))


def check_finite(table: Table, name: str, rows: np.ndarray | None, values: np.ndarray) -> None:
    """Refuse infinite values of a column.

    Args:
        table: The table.
        name: The column.
        rows: The rows that the values are from; None for all.
        values: Shape (N,).

    Raises:
        DataError: One is infinite; the message has its line.
    """
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        row = int(infinite[0]) if rows is None else int(rows[infinite[0]])
        more = f", and {len(infinite) - 1:,} more" if len(infinite) > 1 else ""
        raise DataError(
            f"{table.place(row, name)} is infinite{more}",
            f"--missing {'inf' if values[infinite[0]] > 0 else '-inf'} takes it as missing; --features with the others "
            "leaves the column out",
        )
