"""What the user says of how a table is to be read."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Self

from dlkit.data.tables.reading.values.numbers import Marks, Written
from dlkit.settings.texts import parse_kinds, parse_missing

if TYPE_CHECKING:
    from dlkit.settings.config import TrainConfig


@dataclass(frozen=True)
class TableOptions:
    """How a table is to be read.

    Args:
        decimal: What stands before decimals; None recognises a comma where it shows, and else takes a point.
        thousands: What stands between thousands; None likewise.
        missing: Texts and numbers that stand for a missing value, beside the usual ones.
        missing_of: Those that do so in one column alone, by its name.
        censored: What becomes of `<0.05`: `half`, `value` or `drop`; None refuses it.
        day: Whether the day or the month comes first in a date: `%d` or `%m`; None lets the column decide.
        header: Whether the first line has the names of the columns; None looks.
        kinds: Kinds of columns by name.
    """

    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] = ()
    missing_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    censored: str | None = None
    day: str | None = None
    header: bool | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: "TrainConfig") -> Self:
        """Return those of a configuration."""
        everywhere, of_columns = parse_missing(config.missing) if config.missing else ((), {})
        return cls(
            decimal=config.decimal,
            thousands=config.thousands,
            missing=everywhere,
            missing_of=of_columns,
            censored=config.censored,
            day="%d" if config.dayfirst else "%m" if config.monthfirst else None,
            header=config.header,
            kinds=parse_kinds(config.kinds) if config.kinds else {},
        )

    def of_column(self, name: str) -> "TableOptions":
        """Return the options for one column."""
        own = self.missing_of.get(name)
        return self if own is None else replace(self, missing=(*self.missing, *own), missing_of={})

    @property
    def marks(self) -> Marks | None:
        """The marks of numbers; None recognises them."""
        if not self.decimal and not self.thousands:
            return None
        return Marks(self.decimal or ("," if self.thousands == "." else "."), self.thousands or "")

    @property
    def written(self) -> Written:
        """How numbers are written as far as it was given."""
        return Written(
            marks=self.marks or Marks(),
            censored=self.censored or "",
            typed=frozenset(self.missing) - self.codes.keys(),
        )

    @property
    def codes(self) -> dict[str, float]:
        """The numbers among what stands for a missing value, by how they were typed."""
        return {text: number for text in self.missing if not math.isnan(number := _number(text))}


@dataclass(frozen=True)
class Asked:
    """What is asked of a table before it is read.

    Args:
        options: What the user says.
        kinds: Kinds of columns that a trained network needs, by name.
        orders: What came first in the dates that it was trained on, `%d` or `%m`, by column.
    """

    options: TableOptions = TableOptions()
    kinds: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> "Asked":
        """The same options for a network that is still to be trained."""
        return Asked(self.options)

    def key(self) -> str:
        """Return what tells this from what else may be asked."""
        return json.dumps(asdict(self), sort_keys=True)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
