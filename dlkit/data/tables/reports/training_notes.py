"""What training on a table reports beside its columns, and rows and columns that it refuses to learn from."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dlkit.data.row_hashes import copies
from dlkit.data.tables.encoding import Encoding
from dlkit.data.tables.oddities.code_names import note_of_codes
from dlkit.data.tables.oddities.equal_rows import alike_by_chance
from dlkit.data.tables.oddities.far_away import note_of_far
from dlkit.data.tables.oddities.roles import (
    cases_error,
    cases_in,
    groups_in,
    has_few_rows_each,
    names_rows,
    times_in,
    weights_error,
    weights_in,
)
from dlkit.data.tables.oddities.spellings import spelt_differently
from dlkit.data.tables.oddities.stems import stems_in
from dlkit.data.tables.oddities.telling import giving_away, separating
from dlkit.data.tables.oddities.totals import is_total, note_of_totals, totals_in, without_rows
from dlkit.data.tables.own_split import splits_at_random
from dlkit.data.tables.raw_rows import hash_raw
from dlkit.data.tables.table import Column, Table, blocks_of, in_shell
from dlkit.data.tables.targets import Targets
from dlkit.errors import DataError, counted, printable
from dlkit.settings.config import TrainConfig

_MOST_COMPARED = 300  # columns
_MOST_CELLS = 2_000_000
_FEW_COPIES, _MOST_COPIES = 0.01, 0.6
_FEW_ABSENT = 8
_LONGEST = 200  # letters of names


def refuse_totals(table: Table, names: Sequence[str]) -> None:
    """Refuse rows of totals whose words keep a column from being dates or numbers."""
    if not any(column.stray and is_total(column.stray.value) for column in table.columns.values()):
        return
    found = totals_in(table, names)
    if found.left_out:
        raise DataError(
            f"{table.source}: rows that seem to hold totals or means of others, {found.shown}: {len(found.rows):,}",
            without_rows(table, found.rows),
        )


def refuse_weights(table: Table, features: Sequence[str], targets: Targets) -> None:
    """Refuse to learn from a column that weighs the rows, unless the user says that it is a number like others.

    So does one that counts the cases of each row.
    """
    if targets.task == "classification" and (name := cases_in(table, features, targets.names)):
        raise cases_error(table, name)
    for name in weights_in(table, [name for name in features if not table.column(name).given]):
        raise weights_error(table, name, [other for other in features if other != name])


def training_notes(
    table: Table,
    targets: Targets,
    rows: Mapping[str, np.ndarray],
    encoding: Encoding,
    left_out: Mapping[str, str],
) -> Iterator[str]:
    """Yield what is filled in and left out."""
    totals = totals_in(table, table.names).left_out
    unknown = int((~targets.known).sum()) - len(totals)
    if unknown > 0:
        yield f"{counted(unknown, 'row')} without {', '.join(targets.names)} left out"
    filled = [
        f"{printable(code.name)} ({table.missing(code.name, rows['train']).sum():,})"
        for code in encoding.columns
        if code.indicator or None in code.categories
    ]
    if filled:
        yield f"missing values in the training rows are filled in and marked: {', '.join(filled)}"
    yield note_of_totals(table)
    for name in targets.names if targets.task == "regression" else ():
        yield note_of_far(table, name, totals)
    yield note_of_codes(table, [code.name for code in encoding.columns])
    if counting := list(_counting(table, [code.name for code in encoding.columns])):
        yield (
            f"{', '.join(map(printable, counting))} seems to number the rows, and is learned from; --features with the "
            "other columns leaves it out"
        )
    yield _few_rows_each(table, [code.name for code in encoding.columns])
    if len(targets.names) == 1 and len(encoding.columns) <= _MOST_COMPARED:
        columns = [table.column(code.name) for code in encoding.columns]
        classes = targets.task == "classification"
        target = table.column(targets.names[0])
        telling = dict(giving_away(table, columns, target, classes=classes))
        for name, score in telling.items():
            yield (
                f"{printable(name)} predicts {printable(target.name)} by itself ({score}); leave it out with "
                "--features unless it is known before the target is"
            )
        if classes:
            rest = [column for column in columns if column.name not in telling]
            yield from _separating(table, rest, targets, rows["train"])
    if spelt := spelt_differently(table, [code.name for code in encoding.columns]):
        yield f"texts that differ only in case, spaces or dashes are different: {', '.join(spelt)}; write them alike"
    yield from _copies(table, [*targets.names, *(code.name for code in encoding.columns)], targets.known)
    yield from _absent_classes(targets, rows)
    if left_out:
        reasons = "; ".join(
            f"{printable(name) or 'column 1, without a name,'} {why}" for name, why in left_out.items()
        )
        yield f"columns left out: {reasons}"


def _separating(table: Table, columns: Sequence[Column], targets: Targets, rows: np.ndarray) -> Iterator[str]:
    """Yield the columns that tell one class from all others."""
    for name, place in separating(table, columns, targets.values, rows):
        others = in_shell(*(printable(column.name) for column in columns if column.name != name))
        shown = others if len(others) <= _LONGEST else "with the other columns"
        yield (
            f"{printable(name)} alone separates {printable(targets.class_names[place])} from the other classes: is it "
            f"known before the outcome? --features {shown} leaves it out"
        )


def split_notes(
    table: Table, targets: Sequence[str], encoding: Encoding, config: TrainConfig
) -> Iterator[str]:
    """Yield what a split at random does to rows of one thing, as a patient, and to rows in time."""
    if not splits_at_random(table, config):
        return
    for name, count in groups_in(table, [code.name for code in encoding.columns]):
        shown = printable(name)
        yield (
            f"{shown} has {count:,} different values in {len(table):,} rows, and rows of one are divided between the "
            f"splits; --group {shlex.quote(shown)} keeps them together, for scores on new ones; each row is a "
            "sample by itself, sequences are arrays of shape (N, T, F)"
        )
    others = [name for name in table.names if name not in targets]
    for each in stems_in(table, others):
        yield (
            f"{printable(each.column)} has {each.shown(len(table))}, and rows of one are divided between the splits: "
            f"{each.command(table)}"
        )
    for name in times_in(table, others):
        shown = printable(name)
        yield (
            f"rows are in time by {shown} and split at random, so most test rows stand between training rows; "
            f"--by-time {shlex.quote(shown)} tests on the latest"
        )


def _counting(table: Table, names: Sequence[str]) -> Iterator[str]:
    """Yield the columns of numbers that count the rows, or are keys of theirs."""
    numbers = [name for name in names if table.column(name).kind == "number"]
    for block in blocks_of(numbers, len(table)):
        values = table.stack(block)
        whole = (values == np.floor(values)).all(1)
        for place in np.flatnonzero(whole).tolist():
            column = table.column(block[place])
            if names_rows(column, values[place], len(np.unique(values[place]))):
                yield column.name


def _few_rows_each(table: Table, names: Sequence[str]) -> str:
    """Return which texts are learned as categories that have few rows each; empty where there are none."""
    found = []
    for name in [name for name in names if table.column(name).kind == "text"]:
        codes = table.codes(name)
        different = len(np.unique(codes[codes >= 0]))
        if has_few_rows_each(table.column(name), codes[codes >= 0], different) and not groups_in(
            table, [name]
        ):
            found.append((name, different))
    others = [printable(name) for name in names if name not in dict(found)]
    if not found or not others:
        return ""
    shown = ", ".join(f"{printable(name)} ({count:,} different)" for name, count in found)
    features = in_shell(*others)
    return (
        f"texts with few rows each are learned as categories, and may be learned by heart: {shown}; "
        f"--features {features if len(features) <= _LONGEST else 'with the other columns'} leaves them out"
    )


def _copies(table: Table, names: Sequence[str], known: np.ndarray) -> Iterator[str]:
    """Yield how many rows repeat others, where that is soon found and there are decimals: whole numbers often do.

    Rows without a target are left out anyway.
    """
    fine = any(table.column(name).kind == "number" and (table.numbers(name) % 1 > 0).any() for name in names)
    if not fine or len(table) * len(names) > _MOST_CELLS:
        return
    repeated = copies(hash_raw(table, names))
    repeated = repeated[known[repeated]]
    count = len(repeated)
    some = _FEW_COPIES * len(table) <= count <= _MOST_COPIES * len(table)
    if some and not alike_by_chance(table, names, count, np.delete(np.arange(len(table)), repeated)):
        yield (
            f"{counted(count, 'row')} equal to an earlier one in every column: copies in several splits make scores "
            "too good; drop them, or keep them together with --group"
        )


def _absent_classes(targets: Targets, rows: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Yield which classes a split has no row of."""
    for split, members in rows.items() if targets.task == "classification" else ():
        counts = np.bincount(targets.values[members], minlength=len(targets.class_names))
        absent = [printable(targets.class_names[place]) for place in np.flatnonzero(counts == 0)]
        if 0 < len(absent) <= _FEW_ABSENT:
            yield f"no row of {', '.join(absent)} in the {split} part"
