"""How one column becomes input features, and how that is written into a checkpoint."""

import base64
import binascii
import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dlkit.errors import printable

_FEWEST = 1_000
_NUMBERS = ("mean", "std", "log", "fill", "indicator")
_DAY = 86_400.0
YEAR = 365.2425 * _DAY
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY  # 1970-01-05
CYCLES = {"year": (YEAR, 0.0), "week": (_WEEK, _MONDAY), "day": (_DAY, 0.0)}


@dataclass(kw_only=True, slots=True)  # frozen would take three times as long, for 100,000 columns
class ColumnCode:
    """How one column becomes input features.

    Args:
        name: The column.
        kind: `number`, `boolean`, `date` or `text`.
        mean: Mean over the training rows, after the logarithm where there is one.
        std: Standard deviation, likewise.
        log: The value v is taken as log(1 + v / log); 0 takes it as it is.
        fill: What stands for a missing value, in the column's own unit.
        indicator: A feature marks where the value is missing.
        cycles: Periods of a date that have a sine and a cosine each.
        categories: Texts that have a feature, or a code, of their own; None stands for a missing one.
        embedded: One feature holds codes, 0 for any other text and i + 1 for category i, which the network
            embeds; otherwise each category is a feature of 0 or 1.
        unit: What stood around its numbers, or what came first in its dates; see `table.Column`.
    """

    name: str
    kind: str
    mean: float = 0.0
    std: float = 1.0
    log: float = 0.0
    fill: float = 0.0
    indicator: bool = False
    cycles: tuple[str, ...] = ()
    categories: tuple[str | None, ...] = ()
    embedded: bool = False
    unit: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that the column becomes."""
        if not self.indicator and not self.cycles and self.kind != "text":
            return (self.name,)
        if self.kind == "text":
            if self.embedded:
                return (self.name,)
            return tuple(f"{self.name}={shown_text(text)}" for text in self.categories)
        waves = tuple(f"{self.name} {cycle} {wave}" for cycle in self.cycles for wave in ("sin", "cos"))
        return (self.name, *waves, *([f"{self.name} is missing"] if self.indicator else []))

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults, in plain lists, strings and numbers."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, default in _DEFAULTS.items()
            if (value := getattr(self, name)) != default
        }

    @property
    def num_codes(self) -> int:
        """How many codes an embedded column has, that for any other text counted in."""
        return len(self.categories) + 1


_DEFAULTS = {field.name: field.default for field in fields(ColumnCode)}


def pack_columns(codes: Sequence[ColumnCode]) -> list[dict[str, Any]]:
    """Return codes as plain dictionaries; a run of at least 1,000 of numbers is one, for a header has little room.

    Such a run has the names, separated by line ends, and float64 numbers, little-endian in base64: mean, std, log, fill
    and indicator of each column.
    """
    packed: list[dict[str, Any]] = []
    for plain, run in itertools.groupby(codes, _is_plain):
        members = list(run)
        if plain and len(members) >= _FEWEST:
            numbers = np.array(list(map(operator.attrgetter(*_NUMBERS), members)), "<f8")
            text = base64.b64encode(numbers.tobytes()).decode()
            packed.append({"names": "\n".join(code.name for code in members), "numbers": text})
        else:
            packed += [code.to_dict() for code in members]
    return packed


def unpack_columns(packed: Sequence[Mapping[str, Any]]) -> tuple[ColumnCode, ...]:
    """Read back what `pack_columns` gave.

    Raises:
        ValueError: It is something else.
    """
    codes: list[ColumnCode] = []
    for part in packed:
        if "names" not in part:
            codes.append(read_code(part))
            continue
        names = part["names"].split("\n")
        try:
            raw = base64.b64decode(part["numbers"], validate=True)
            numbers = np.frombuffer(raw, "<f8").reshape(len(names), len(_NUMBERS)).tolist()
        except (binascii.Error, ValueError) as err:
            raise ValueError(f"not the numbers of {len(names):,} columns") from err
        for name, (*values, indicator) in zip(names, numbers, strict=True):
            learned = dict(zip(_NUMBERS, values, strict=False))
            codes.append(read_code({"name": name, "kind": "number", **learned, "indicator": bool(indicator)}))
    return tuple(codes)


def _is_plain(code: ColumnCode) -> bool:
    return code.kind == "number" and not code.unit and "\n" not in code.name


def read_code(plain: Mapping[str, Any]) -> ColumnCode:
    """Read back one column's `to_dict`.

    Raises:
        ValueError: It is something else.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    code = ColumnCode(**values)
    numbers = (code.mean, code.std, code.log, code.fill)
    sound = (
        isinstance(code.name, str)
        and isinstance(code.unit, str)
        and code.kind in ("number", "boolean", "date", "text")
        and all(isinstance(number, float | int) and math.isfinite(number) for number in numbers)
        and code.std > 0
        and code.log >= 0
        and all(isinstance(flag, bool) for flag in (code.indicator, code.embedded))
        and all(cycle in CYCLES for cycle in code.cycles)
        and all(text is None or isinstance(text, str) for text in code.categories)
    )
    if not sound:
        raise ValueError(f"not the columns of a table: {printable(str(code.name))}")
    return code


def shown_text(text: str | None) -> str:
    """Return a text of a table for names and messages."""
    return "(missing)" if text is None else printable(text, 40)
