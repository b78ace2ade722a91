"""A further table of a report, as it is printed, written and given in JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlkit.files.csv_text import csv_text

Cell = str | int | float | None


def shown(value: float) -> str:
    """Format a number for a sentence: without an exponent where it is large."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:.4g}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table with a name.

    Args:
        name: Its key in JSON.
        columns: The header.
        rows: One cell a column; None where there is nothing to say.
        shown: How many rows are printed; None prints them all. JSON and files have them all.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    shown: int | None = None

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as JSON objects."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_csv(self) -> str:
        """Return the table as CSV."""
        return csv_text([self.columns, *self.rows])
