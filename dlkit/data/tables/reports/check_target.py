"""Faults of the column to predict, and columns that tell it by themselves."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from dlkit.data.findings import Finding, some_of
from dlkit.data.tables.oddities.far_away import cure_of_far, far_away, shown_far
from dlkit.data.tables.oddities.limits import find_limits
from dlkit.data.tables.oddities.spellings import alike, shown_alike
from dlkit.data.tables.oddities.telling import giving_away, separating
from dlkit.data.tables.table import Column, Table, in_shell
from dlkit.errors import counted, printable

_SHOWN_OTHERS = 20


def check_target(
    table: Table,
    columns: Sequence[Column],
    target: Column,
    aside: Sequence[int] = (),
    codes: Collection[tuple[str, float]] = (),
    *,
    classes: bool,
) -> list[Finding]:
    """Look for faults of a column to predict.

    Args:
        table: The table.
        columns: Those to learn from.
        target: The column.
        aside: Rows that training leaves out anyway.
        codes: What is reported as a code for a missing value, each with its column.
        classes: It holds classes.
    """
    findings = list(_of_target(table, target))
    if not classes:
        findings += find_limits(table, target.name, codes, target=True)
        findings += _far_away(table, target.name, aside)
    given_away = list(_giving_away(table, columns, target, classes=classes))
    findings += given_away
    if classes:
        reported = {finding.where for finding in given_away}
        rest = [column for column in columns if f"column {printable(column.name)}" not in reported]
        findings += _separating(table, rest, target)
    return findings


def _of_target(table: Table, column: Column) -> Iterator[Finding]:
    name = printable(column.name)
    missing = np.flatnonzero(table.missing(column.name))
    if len(missing):
        yield Finding(
            level="warning",
            rule="unlabelled",
            where=f"column {name}",
            count=len(missing),
            message=f"no target in {counted(len(missing), 'row')}, e.g. in line {table.line(int(missing[0])):,}",
            cure="they are of no use for training; fill them in or drop them",
        )
    if texts := alike(column):
        yield Finding(
            level="warning",
            rule="labels",
            where=f"column {name}",
            count=sum(map(len, texts)),
            message=f"classes that differ only in case, spaces or dashes: {shown_alike(texts)}",
            cure="training takes them as one; --task classification keeps them apart",
        )


def _far_away(table: Table, name: str, aside: Sequence[int]) -> Iterator[Finding]:
    """Find few targets far away from the rest."""
    if found := far_away(table, name, aside):
        yield Finding(
            level="warning",
            rule="far-target",
            where=f"line {some_of([f'{table.line(row):,}' for row in found])}",
            count=len(found),
            message=shown_far(table, name, found),
            cure=cure_of_far(table, found),
        )


def _giving_away(
    table: Table, columns: Sequence[Column], target: Column, *, classes: bool
) -> Iterator[Finding]:
    """Find columns that tell the target by themselves."""
    for name, score in giving_away(table, columns, target, classes=classes):
        yield Finding(
            level="warning",
            rule="gives-away",
            where=f"column {printable(name)}",
            count=len(table),
            message=f"it predicts {printable(target.name)} by itself ({score})",
            cure="leave it out with --features unless it is known before the target is",
        )


def _separating(table: Table, columns: Sequence[Column], target: Column) -> Iterator[Finding]:
    """Find columns that tell one class from all others."""
    if target.hashed:
        return
    rows = np.flatnonzero(~table.missing(target.name))
    _, classes = np.unique(stored_of(table, target.name)[rows], return_inverse=True)
    places = np.zeros(len(table), dtype=np.int64)
    places[rows] = classes
    for name, place in separating(table, columns, places, rows):
        others = [printable(column.name) for column in columns if column.name != name]
        shown = in_shell(*others) if len(others) <= _SHOWN_OTHERS else "and the other columns"
        one = rows[classes == place][:1]
        yield Finding(
            level="warning",
            rule="separates",
            where=f"column {printable(name)}",
            count=int((classes == place).sum()),
            message=f"it separates {printable(str(table.texts(target.name, one)[0]))} from the other classes by itself",
            cure=f"leave it out with --features {shown} unless it is known before the outcome",
        )


def stored_of(table: Table, name: str) -> np.ndarray:
    """Return the codes of a column of texts, the numbers of another, shape (N,)."""
    return table.codes(name) if table.column(name).kind == "text" else table.numbers(name)
