"""What reading a table had to decide, in words, and options that had nothing to do."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dlkit.data.tables.reading.files.commands import by_pandas
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.values.dates import STARTS
from dlkit.data.tables.reading.values.numbers import LIMIT
from dlkit.data.tables.table import in_shell
from dlkit.errors import DataError, counted, did_you_mean, printable

if TYPE_CHECKING:
    from dlkit.data.tables.reading.values.columns import ColumnReader

_SHOWN, _LONGEST = 8, 240
_PAIR = re.compile(r"\s*\d+(\.\d+)?\s*/\s*\d+(\.\d+)?\s*")  # of blood pressure, 127/89
_IN_TWO = (
    "c = sys.argv[3]; d[[c + ' 1', c + ' 2']] = d[c].str.split('/', n=1, expand=True); d = d.drop(columns=c)"
)
_FEWEST_PAIRS, _MOST_STRAYS = 20, 0.1
_CENSORED = {"half": "half the limit (those like >100 the limit)", "value": "the limit", "drop": "missing"}


def notes_of(
    source: str, readers: Mapping[str, "ColumnReader"], options: TableOptions, dialect: str
) -> Iterator[str]:
    """Yield what was decided of the columns, a line for each kind of decision.

    Args:
        source: What the table is called.
        readers: How its columns were read.
        options: What the user said.
        dialect: How pandas reads the file.
    """
    numbers = {name: each for name, each in readers.items() if each.kind == "number"}
    all_marks = dict.fromkeys(each.written.marks for each in numbers.values())
    for marks in [each for each in all_marks if options.marks is None and not each.plain]:
        written = [name for name, each in numbers.items() if each.written.marks == marks]
        yield (
            f"{source} writes numbers as 1{marks.thousands}234{marks.decimal}5, so {_some(written)} are read this "
            "way; --decimal and --thousands override it"
        )
    around = {name: each.written for name, each in numbers.items() if each.written.unit}
    forms = {name: written.unit for name, written in around.items() if written.form}
    units = {name: written.unit for name, written in around.items() if name not in forms}
    for what, written_so in ((" in this unit", units), ("", forms)):
        if written_so:
            shown = _some((f"{name} ({unit})" for name, unit in written_so.items()), _LONGEST)
            yield f"read as numbers{what}: {shown}; --kinds {_example(written_so, 'text')} takes a column as texts"
    if padded := [name for name, each in readers.items() if each.kind == "text" and each.padded]:
        digits = [name for name in padded if _are_digits(readers[name])]
        also = f"; --kinds {_example(digits, 'number')} takes a column as numbers" if digits else ""
        yield f"read as text, since values begin with 0: {_some(padded)}{also}"
    yield from _of_texts_and_dates(readers)
    for name in filter(lambda name: _has_pairs(readers[name]), readers):
        yield (
            f"warning: {printable(name)} has {len(readers[name].categories):,} different pairs of numbers, as "
            f"{printable(next(iter(readers[name].categories)), 40)}, and is read as text; to have two columns of "
            f"numbers: {by_pandas(source, dialect, _IN_TWO, name)}"
        )
    for code in options.missing:
        if found := {name: each.emptied[code] for name, each in readers.items() if code in each.emptied}:
            yield f"--missing {code}: {_some(f'{name} ({count:,})' for name, count in found.items())}"
    for column, codes in options.missing_of.items():
        emptied = readers[column].emptied if column in readers else {}
        for code in codes:
            yield f"--missing {column}={code}: {counted(emptied.get(code, 0), 'row')}"
    if limits := {name: each.limits for name, each in numbers.items() if each.limits}:
        yield (
            f"--censored {options.censored}: values like <0.05 become {_CENSORED[options.censored or 'value']} in "
            f"{_some(f'{name} ({count:,})' for name, count in limits.items())}"
        )


def _of_texts_and_dates(readers: Mapping[str, "ColumnReader"]) -> Iterator[str]:
    if mixed := [name for name, each in readers.items() if each.kind == "text" and each.mixed]:
        yield f"read as text, since their numbers have several units: {_some(mixed)}; one unit makes them numbers"
    orders = {name: each.order.partition("@") for name, each in readers.items() if each.kind == "date"}
    for first, word in (("%d", "day"), ("%m", "month")):
        if dates := [name for name, (order, _, _) in orders.items() if order == first]:
            yield f"dates are read with the {word} first: {_some(dates)}"
    starts = [name for name, each in readers.items() if each.kind == "date" and STARTS in each.forms[0]]
    if starts:
        yield (
            f"the date at the beginning of each text is read, and what follows left out: {_some(starts)}; "
            f"--kinds {_example(starts, 'text')} takes a column as texts"
        )
    if moved := [f"{name} ({first} to {int(first) + 99})" for name, (_, _, first) in orders.items() if first]:
        yield f"years of two digits are read as those of these hundred years: {_some(moved)}"


def _are_digits(reader: "ColumnReader") -> bool:
    """Return whether all texts of a column are digits, or stand for a missing number."""
    missing = reader.written.missing
    return all((bare := text.strip()).isdecimal() or bare in missing for text in reader.categories)


def _has_pairs(reader: "ColumnReader") -> bool:
    """Return whether a column of texts holds two numbers a row, with a slash between."""
    texts = reader.categories
    pairs = sum(map(bool, map(_PAIR.fullmatch, texts)))
    return not reader.forced and pairs >= max(_FEWEST_PAIRS, (1 - _MOST_STRAYS) * len(texts))


def refuse_idle(source: str, readers: Mapping[str, "ColumnReader"], options: TableOptions) -> None:
    """Refuse options that name what the table does not have.

    Raises:
        DataError: A column of `--kinds`, a value of `--missing`, dates for `--dayfirst` or a limit for `--censored`
            are not there.
    """
    for name in options.kinds:
        if name not in readers:
            raise DataError(
                f"--kinds {printable(name)}: {source} has no such column",
                did_you_mean(name, readers) or f"it has {_some(readers)}",
            )
    for code in options.missing:
        if not any(code in reader.emptied for reader in readers.values()):
            raise DataError(
                f"--missing {printable(code, 40)}: {source} has no such value",
                "leave it out; the check of the data lists candidates",
            )
    for name, codes in options.missing_of.items():
        if name not in readers:
            raise DataError(
                f"--missing {printable(name)}={codes[0]}: {source} has no such column",
                did_you_mean(name, readers) or f"it has {_some(readers)}",
            )
        for code in codes:
            if code not in readers[name].emptied:
                raise DataError(
                    f"--missing {printable(name)}={printable(code, 40)}: the column has no such value",
                    "leave it out",
                )
    if options.day and not any(
        reader.order or (reader.odd and reader.odd.fault == "other order") for reader in readers.values()
    ):
        option = "--dayfirst" if options.day == "%d" else "--monthfirst"
        raise DataError(
            f"{option}: {source} has no dates in which day and month may be swapped", "leave it out"
        )
    if options.censored and not any(reader.limits or _lacks_limits(reader) for reader in readers.values()):
        raise DataError(
            f"--censored {options.censored}: {source} has no value like <0.05 among numbers", "leave it out"
        )


def _lacks_limits(reader: "ColumnReader") -> bool:
    """Return whether a column has limits that are not read, since something else in it is no number."""
    return reader.odd is not None and any(re.search(LIMIT, text) for text in reader.categories)


def _some(names: "Iterator[str] | Mapping[str, object] | list[str]", longest: int = 80) -> str:
    shown = [printable(name, longest) for name in names]
    return ", ".join(shown[:_SHOWN]) + (f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else "")


def _example(names: "Mapping[str, object] | list[str]", kind: str) -> str:
    return in_shell(f"{printable(next(iter(names)))}={kind}")
