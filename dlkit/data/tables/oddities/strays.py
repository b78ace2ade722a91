"""Several columns that are nearly numbers or dates: what stands in their way, and the options that settle it."""

from collections.abc import Sequence

from dlkit.data.tables.positions import position_in
from dlkit.data.tables.table import Column, Table, in_shell
from dlkit.data.tables.targets import is_mostly_numbers
from dlkit.errors import DataError, printable

_SHOWN = 8
_AS_TEXTS = ("units", "marks", "exponent", "code", "many")
_KNOWN = ("word", "date", "censored", "order", *_AS_TEXTS)


def refuse_strays(table: Table, features: Sequence[str], targets: Sequence[str]) -> None:
    """Refuse several columns that are nearly numbers or dates in one message; a single one has a message of its own.

    Args:
        table: The table.
        features: The columns to learn from.
        targets: The columns to predict.

    Raises:
        DataError: There are at least two of them.
    """
    columns = [table.column(name) for name in (*targets, *features)]
    strays = [
        column
        for column in columns
        if column.stray
        and position_in(table, column) is None
        and (column.name in features or is_mostly_numbers(column))
    ]
    if len(strays) < 2 or any(column.stray and column.stray.fault not in _KNOWN for column in strays):
        return
    shown = ", ".join(
        f"{printable(column.name)} ('{printable(column.stray.value, 40)}' in line {column.stray.line:,})"
        for column in strays[:_SHOWN]
        if column.stray
    )
    more = f" and {len(strays) - _SHOWN:,} more" if len(strays) > _SHOWN else ""
    raise DataError(
        f"{table.source}: {len(strays):,} columns are nearly numbers or dates: {shown}{more}",
        f"{' '.join(_options(strays))} reads them, words as missing; --kinds COLUMN=text takes one as texts",
    )


def _options(strays: Sequence[Column]) -> list[str]:
    """Return the options by which columns can be read."""
    found = [(column.name, column.stray) for column in strays if column.stray]
    words = [word for _, stray in found for word in stray.words]
    faults = {stray.fault for _, stray in found}
    texts = [f"{name}=text" for name, stray in found if stray.fault in _AS_TEXTS]
    options = []
    if words:
        options.append(f"--missing {in_shell(*dict.fromkeys(words))}")
    if "censored" in faults:
        options.append("--censored half")
    if "order" in faults:
        options.append("--dayfirst")
    if texts:
        options.append(f"--kinds {in_shell(*texts)}")
    return options
