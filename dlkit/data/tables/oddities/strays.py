"""Several columns that are nearly numbers or dates: what stands in their way, and the options that settle it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from dlkit.data.tables.positions import position_in
from dlkit.data.tables.table import Column, Stray, Table, in_shell
from dlkit.data.tables.targets import is_mostly_numbers
from dlkit.errors import DataError, printable

_SHOWN = 8
_AS_TEXTS = ("units", "marks", "exponent", "code", "many")
_TRUTHS = ("true", "false")
_KNOWN = ("word", "date", "censored", "order", *_AS_TEXTS)


def refuse_strays(table: Table, features: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse several columns that are nearly numbers or dates in one message; a single one has a message of its own.

    Args:
        table: The table.
        features: The columns to learn from.
        targets: The columns to predict.

    Raises:
        DataError: There are at least two of them, or one with a word that is a true value of another column.
    """
    columns = [_of_target(table.column(name)) for name in targets]
    columns += [table.column(name) for name in features]
    strays = [
        column
        for column in columns
        if column.stray
        and position_in(table, column) is None
        and (column.name in features or is_mostly_numbers(column))
    ]
    if (
        len(strays) == 1
        and (stray := strays[0].stray)
        and (words := tuple(_words(table, strays))) != stray.words
    ):
        raise stray.error(table.source, strays[0].name, target=strays[0].name in targets, typed=words)
    faults = {column.name: column.stray.fault for column in strays if column.stray}
    as_texts = [name for name in targets if faults.get(name) in _AS_TEXTS]  # they would be classes
    if len(strays) < 2 or as_texts or not set(faults.values()) <= set(_KNOWN):
        return
    shown = ", ".join(
        f"{printable(column.name)} ('{printable(column.stray.value, 40)}' in line {column.stray.line:,}"
        f"{_units_of(column.stray)})"
        for column in strays[:_SHOWN]
        if column.stray
    )
    more = f" and {len(strays) - _SHOWN:,} more" if len(strays) > _SHOWN else ""
    how = ["words as missing"] * any(column.stray.words for column in strays if column.stray)
    how += ["columns of several units as texts (written in one unit, they are numbers)"] * (
        "units" in faults.values()
    )
    reads = ", ".join([" ".join(_options(table, strays)) + " reads them", *how])
    raise DataError(
        f"{table.source}: {len(strays):,} columns are nearly numbers or dates: {shown}{more}",
        f"{reads}; --kinds COLUMN=text takes one as texts",
    )


def _units_of(stray: Stray) -> str:
    return f", of several units: {', '.join(stray.more)}" if stray.fault == "units" and stray.more else ""


def _of_target(column: Column) -> Column:
    return replace(column, stray=column.stray and column.stray.of_target())


def _options(table: Table, strays: Sequence[Column]) -> list[str]:
    """Return the options by which columns can be read."""
    found = [(column.name, column.stray) for column in strays if column.stray]
    words = list(_words(table, strays))
    faults = {stray.fault for _, stray in found}
    texts = [f"{name}=text" for name, stray in found if stray.fault in _AS_TEXTS]
    options = []
    if words:
        options.append(f"--missing {in_shell(*words)}")
    if "censored" in faults:
        options.append("--censored half")
    if "order" in faults:
        options.append("--dayfirst")
    if texts:
        options.append(f"--kinds {in_shell(*texts)}")
    return options


def _words(table: Table, strays: Sequence[Column]) -> Iterator[str]:
    """Yield each word as --missing takes it: with its column where it is a true value of another one."""
    columns: dict[str, list[str]] = {}
    for column in strays:
        for word in column.stray.words if column.stray else ():
            columns.setdefault(word, []).append(column.name)
    for word, names in columns.items():
        others = (column for name, column in table.columns.items() if name not in names)
        used = any(
            word in column.categories or (column.kind == "boolean" and word.lower() in _TRUTHS)
            for column in others
        )
        yield from (f"{name}={word}" for name in names) if used else (word,)
