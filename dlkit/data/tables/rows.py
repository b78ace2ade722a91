"""Blocks of texts become columns of numbers and codes; what a column turns out to be may change on the way."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dlkit.data.tables.column_kinds import (
    MISSING_NUMBERS,
    Coded,
    Judgement,
    Stray,
    are_missing,
    as_numbers,
    as_seconds,
    as_truths,
    judge,
)
from dlkit.data.tables.delimited import Block, Header
from dlkit.errors import DataError, printable

MAX_CATEGORIES = 100_000
_MAX_EXACT_FLOAT32 = 2**24
_SAMPLE_ROWS = 5_000


class Turned(Exception):  # noqa: N818 - no error: reading starts again with what is known now
    """A column turned out to be of another kind than its first rows let expect."""

    def __init__(self, plans: "Mapping[str, Plan]") -> None:
        super().__init__()
        self.plans = plans


@dataclass(frozen=True)
class Plan:
    """How a column is read.

    Args:
        kind: `number`, `boolean`, `date` or `text`.
        date_form: How its dates are written.
        exact: Its numbers are kept in float64.
        hashed: Its texts are kept as hashes.
        stray: The first text among its numbers.
        forced: The kind was asked for, and what does not fit it is an error.
        empty: Nothing has been seen in it yet.
    """

    kind: str
    date_form: str = ""
    exact: bool = False
    hashed: bool = False
    stray: Stray | None = None
    forced: bool = False
    empty: bool = False

    @property
    def block(self) -> str:
        """Which stored array the column goes to."""
        if self.kind == "text":
            return "hashes" if self.hashed else "codes"
        return "exact" if self.exact or self.kind == "date" else "numbers"


def plan_columns(
    header: Header, block: Block, kinds: Mapping[str, str], source: str, *, exact: bool
) -> dict[str, Plan]:
    """Tell by the first rows how each column is to be read.

    Args:
        header: Names of the columns.
        block: The first rows.
        kinds: Kinds that are known already.
        source: What the file is called in messages.
        exact: Keep all numbers in float64.
    """
    rows = min(len(block.lines), _SAMPLE_ROWS)
    frame = parse(header, block, dict.fromkeys(header.names, "object"), rows)
    plans = {}
    for name in header.names:
        found = judge(Coded.of(frame[name].to_numpy()), block.lines[:rows])
        if (wanted := kinds.get(name)) is not None:
            plans[name] = _forced(wanted, found, source, name)
        else:
            plans[name] = Plan(found.kind, found.date_form, stray=found.stray, empty=found.empty)
        if plans[name].kind == "number":
            plans[name] = replace(
                plans[name], exact=exact or _needs_float64(_numbers(frame[name].to_numpy()))
            )
    return plans


def parse(header: Header, block: Block, dtypes: Mapping[str, str], rows: int | None = None) -> pd.DataFrame:
    """Read a block into columns of float64 (NaN where missing) or texts (NaN where the field is empty).

    Raises:
        ValueError: A text stands in a column of dtype float64.
    """
    missing = {name: list(MISSING_NUMBERS) if kind == "float64" else [""] for name, kind in dtypes.items()}
    # pandas takes names from here, not from the header's line: it would change those that it finds odd.
    return pd.read_csv(
        io.BytesIO(block.data),
        sep=header.delimiter,
        header=None,
        names=list(header.names),
        index_col=False,
        dtype=dict(dtypes),
        na_values=missing,
        keep_default_na=False,
        skipinitialspace=True,
        low_memory=False,
        engine="c",
        encoding="utf-8",
        nrows=rows,
    )


class Reader:
    """Turns blocks into rows of stored arrays, by a plan for each column.

    Args:
        header: Names of the columns.
        plans: How each is read.
        source: What the file is called in messages.
    """

    def __init__(self, header: Header, plans: Mapping[str, Plan], source: str) -> None:
        self.plans = dict(plans)
        self.source = source
        self.categories: dict[str, dict[str, int]] = {
            name: {} for name, plan in plans.items() if plan.block == "codes"
        }
        self._header = header

    def read(self, block: Block) -> dict[str, np.ndarray]:
        """Give the rows of a block as arrays by name, shape (N, C).

        Raises:
            Turned: A column is not of the kind that its plan says.
            DataError: It is not of the kind asked for.
        """
        dtypes = {name: "float64" if plan.kind == "number" else "object" for name, plan in self.plans.items()}
        try:
            frame = parse(self._header, block, dtypes)
        except pd.errors.ParserError as err:
            line = int(block.lines[0])
            raise DataError(
                f"{self.source}: the lines from {line:,} on cannot be read: {printable(str(err), 120)}",
                "mend those lines",
            ) from err
        except (ValueError, OverflowError) as err:
            if turned := dict(self._numbers_that_are_none(block, dtypes)):
                raise Turned(turned) from None
            line = int(block.lines[0])
            raise DataError(
                f"{self.source}: the lines from {line:,} on cannot be read: {printable(str(err), 120)}",
                "mend those lines",
            ) from err
        if len(frame) != len(block.lines):
            raise DataError(
                f"{self.source}: the lines from {int(block.lines[0]):,} on can be read in two ways: as "
                f"{len(block.lines):,} records or as {len(frame):,}",
                "quote fields that hold line ends, and give each line the same line end",
            )
        return self.take({name: frame[name].to_numpy() for name in self.plans}, block.lines)

    def take(self, columns: Mapping[str, np.ndarray], lines: np.ndarray) -> dict[str, np.ndarray]:
        """Give rows as arrays by name, shape (N, C).

        Args:
            columns: Values of each column, shape (N,): float64, NaN where missing, or texts in an object array, NaN
                where the field is empty.
            lines: The line each row begins in, shape (N,).

        Raises:
            Turned: A column is not of the kind that its plan says.
            DataError: It is not of the kind asked for.
        """
        turned: dict[str, Plan] = {}
        arrays: dict[str, list[np.ndarray]] = {}
        for name, plan in self.plans.items():
            try:
                arrays.setdefault(plan.block, []).append(self._convert(name, plan, columns[name], lines))
            except Turned as found:
                turned.update(found.plans)
        if turned:
            raise Turned(turned)
        return {kind: np.stack(parts, axis=1) for kind, parts in arrays.items()}

    def _convert(self, name: str, plan: Plan, column: np.ndarray, lines: np.ndarray) -> np.ndarray:
        if column.dtype.kind == "f":
            return column if plan.kind == "date" else self._convert_number(name, plan, column)
        values = Coded.of(column)
        texts, codes = values.texts, values.codes
        if plan.kind == "text":
            return self._hashes(texts, codes) if plan.hashed else self._codes(name, plan, texts, codes)
        numbers = as_truths(texts) if plan.kind == "boolean" else as_seconds(texts, plan.date_form)
        strange = np.isnan(numbers) & ~are_missing(texts)
        if strange.any():
            row, text = values.first(strange)
            raise self._turned(name, plan, int(lines[row]), text)
        filled: np.ndarray = np.append(numbers, np.nan)[codes]
        return filled if plan.block == "exact" else filled.astype(np.float32)

    def _convert_number(self, name: str, plan: Plan, numbers: np.ndarray) -> np.ndarray:
        if plan.exact:
            return numbers
        if _needs_float64(numbers):
            raise Turned({name: replace(plan, exact=True)})
        with np.errstate(over="ignore"):
            return numbers.astype(np.float32)

    def _codes(self, name: str, plan: Plan, texts: np.ndarray, codes: np.ndarray) -> np.ndarray:
        known = self.categories[name]
        own = np.array([*(known.setdefault(text, len(known)) for text in texts), -1], dtype=np.int32)
        if len(known) > MAX_CATEGORIES:
            raise Turned({name: replace(plan, hashed=True)})
        rows: np.ndarray = own[codes]
        return rows

    def _hashes(self, texts: np.ndarray, codes: np.ndarray) -> np.ndarray:
        hashes = (pd.util.hash_array(texts, categorize=False) >> np.uint64(1)).astype(np.int64)
        rows: np.ndarray = np.append(hashes, -1)[codes]
        return rows

    def _numbers_that_are_none(self, block: Block, dtypes: Mapping[str, str]) -> Iterator[tuple[str, Plan]]:
        """Find the columns that are planned as numbers and are none, now read as texts."""
        frame = parse(self._header, block, dict.fromkeys(dtypes, "object"))
        for name, plan in self.plans.items():
            if plan.kind != "number":
                continue
            values = Coded.of(frame[name].to_numpy())
            strange = np.isnan(as_numbers(values.texts)) & ~are_missing(values.texts)
            if strange.any():
                row, text = values.first(strange)
                yield from self._turned(name, plan, int(block.lines[row]), text).plans.items()

    def _turned(self, name: str, plan: Plan, line: int, value: str) -> Turned:
        if plan.forced:
            raise _not_of_kind(self.source, name, plan.kind, line, value)
        stray = None if plan.empty else Stray(line, value)
        return Turned({name: Plan("text", stray=stray)})


def _forced(kind: str, found: Judgement, source: str, name: str) -> Plan:
    """Plan a column whose kind is known already."""
    if kind == "text" or found.empty or found.kind == kind:
        return Plan(kind, found.date_form or "ISO8601", forced=True)
    if found.stray is not None:
        raise _not_of_kind(source, name, kind, found.stray.line, found.stray.value)
    return Plan(kind, "ISO8601", forced=True)


def _not_of_kind(source: str, name: str, kind: str, line: int, value: str) -> DataError:
    words = {"number": "no number", "boolean": "neither true nor false", "date": "no date"}
    return DataError(
        f"{source} line {line:,}: column {printable(name)} has '{printable(value, 40)}', which is {words[kind]}",
        f"the column held {kind}s when the network was trained",
    )


def _needs_float64(numbers: np.ndarray) -> bool:
    """Tell whether float32 would change whole numbers, or blur what differs only in the last places."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return False
    largest = float(np.abs(finite).max())
    if largest >= _MAX_EXACT_FLOAT32 and bool((finite == np.round(finite)).all()):
        return True
    spread = float(finite.max() - finite.min())
    return largest > float(np.finfo(np.float32).max) or 0 < spread < largest * 1e-4


def _numbers(column: np.ndarray) -> np.ndarray:
    values = Coded.of(column)
    numbers: np.ndarray = np.append(as_numbers(values.texts), np.nan)[values.codes]
    return numbers
