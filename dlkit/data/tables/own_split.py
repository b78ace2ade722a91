"""A column that names the part of each row, as train, val or test: a table's own split."""

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from dlkit.data.findings import Finding
from dlkit.data.part_names import part_of
from dlkit.data.splits import NAMES, is_random, split_rows
from dlkit.data.tables.table import Column, Table
from dlkit.data.tables.targets import target_names
from dlkit.errors import counted, printable
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import fields_of

_USUAL = re.compile(
    r"(data|train[_ -]?test|tvt|sub|eval|ml)?[_ -]*(sets?|splits?|partition|fold|part)|usage", re.IGNORECASE
)
_PUBLIC = re.compile(r"(public|private)[_ -]?(?=test)", re.IGNORECASE)
_HELD_OUT = re.compile("hold[_ -]?out", re.IGNORECASE)
_MOST_VALUES = 12


def part_column(table: Table, taken: Collection[str]) -> str | None:
    """Return the column that names the part of each row; None where there is none.

    It has at least rows of train and of val or test, and nothing else unless it is called `split` or the like.

    Args:
        table: The table.
        taken: Columns to predict, and those that the user learns from by their names.
    """
    found = (name for name, column in table.columns.items() if name not in taken and _names_parts(column))
    return next(found, None)


def split_column(table: Table, targets: Sequence[str], config: TrainConfig) -> str | None:
    """Return the column that the rows are split by, since the user asks for no other way; None without one."""
    asked = not is_random(config) or config.folds is not None or config.stratify is not None
    chosen = fields_of(config.features) if config.features else ()
    return None if asked else part_column(table, {*targets, *chosen})


def splits_at_random(table: Table, config: TrainConfig) -> bool:
    """Return whether the rows of a table are split at random, one by one."""
    targets = target_names(table.names, config.target, table.source) if config.target else ()
    return is_random(config) and split_column(table, targets, config) is None


def split_by_column(
    table: Table, name: str, strata: np.ndarray, known: np.ndarray, config: TrainConfig
) -> dict[str, np.ndarray]:
    """Return the rows of each part that a column names; what it lacks of val and test is cut off the training rows.

    Args:
        table: The table.
        name: The column.
        strata: Group of each row, shape (N,), of which what is cut off gets its share.
        known: Rows that have a target; the others are in no part.
        config: Shares and seed.
    """
    parts = parts_of(table.columns[name].categories)
    named = np.array([*(parts.get(text, "") for text in table.columns[name].categories), ""])
    of_rows = named[table.codes(name, known)]
    rows = {part: known[of_rows == part] for part in NAMES}
    for part, share in (("test", config.test), ("val", config.val)):
        if not len(rows[part]) and len(train := rows["train"]):
            kept, cut = split_rows(strata[train], share, config.seed, f"{part}/{table.fingerprint}")
            rows[part], rows["train"] = train[cut], train[kept]
    return rows


def note_of_split(table: Table, name: str, known: np.ndarray) -> str:
    """Return that rows with a target, bool of shape (N,), are split by a column, and what that leaves open."""
    parts = parts_of(table.columns[name].categories)
    shown = ", ".join(f"{printable(text, 40)} ({part})" for text, part in parts.items())
    present = {parts.get(text) for text in table.texts(name)[known]}
    lacking = [part for part in NAMES[1:] if part not in present]
    cut = f"; {' and '.join(lacking)} cut off train" * bool(lacking)
    others = sum(text not in parts for text in table.texts(name)[known])
    unused = f"; {counted(others, 'row')} of no part left out" * bool(others)
    return f"rows are split by column {printable(name)}: {shown}{cut}{unused}; --no-stratify splits at random"


def find_own_split(table: Table, config: TrainConfig) -> Iterator[Finding]:
    """Find the column that training splits the rows by."""
    names = target_names(table.names, config.target, table.source) if config.target else ()
    if (name := split_column(table, names, config)) is not None:
        known = np.ones(len(table), dtype=bool)
        for target in names:
            known &= ~table.missing(target)
        yield Finding(
            level="note",
            rule="own-split",
            where=f"column {printable(name)}",
            count=len(table),
            message=note_of_split(table, name, known),
            cure="",
        )


def _names_parts(column: Column) -> bool:
    if column.kind != "text" or column.hashed or not 2 <= len(column.categories) <= _MOST_VALUES:
        return False
    parts = parts_of(column.categories)
    others = len(parts) < len(column.categories) and not _USUAL.fullmatch(column.name.strip())
    return not others and "train" in parts.values() and len(set(parts.values())) > 1


def parts_of(texts: Sequence[str]) -> dict[str, str]:
    """Return the part that each text names; of two tests, the public one is val where there is none."""
    parts = {}
    for text in texts:
        part = part_of(_HELD_OUT.sub("test", _PUBLIC.sub("", text)))
        if part is not None and part[1]:
            parts[text] = part[0]
    tests = [text for text, part in parts.items() if part == "test"]
    if "val" not in parts.values() and len(tests) > 1:
        parts |= {text: "val" for text in tests if text.lower().startswith("public")}
    return parts
