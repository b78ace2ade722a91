"""Faults of a table: values, columns and rows that a network should not be given as they are."""

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dlkit.data.findings import Finding, some_of
from dlkit.data.infer_task import infer_task
from dlkit.data.row_hashes import copies, hash_columns
from dlkit.data.tables.encoding import overflows, too_large
from dlkit.data.tables.learning import as_date
from dlkit.data.tables.number_lists import numbers_each, refuse_lists
from dlkit.data.tables.oddities.code_names import find_codes
from dlkit.data.tables.oddities.equal_rows import FEW_POSSIBLE, alike_by_chance
from dlkit.data.tables.oddities.limits import FEWEST_AT_END, find_limits
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
from dlkit.data.tables.oddities.stems import stems_in
from dlkit.data.tables.oddities.suspects import Suspect, missing_option, suspects_of, words_of_missing
from dlkit.data.tables.oddities.totals import Totals, kept_totals, totals_in, without_totals_of
from dlkit.data.tables.own_split import splits_at_random
from dlkit.data.tables.positions import position_in, told_by
from dlkit.data.tables.raw_rows import hash_compared, not_empty
from dlkit.data.tables.reports.check_target import check_target, stored_of
from dlkit.data.tables.table import Column, Table, blocks_of, is_index
from dlkit.data.tables.targets import target_names
from dlkit.errors import DataError, counted, printable
from dlkit.settings.config import TrainConfig

_MOSTLY_EMPTY = 0.95


def check_table(
    table: Table,
    target: str | None,
    features: Sequence[str] | None = None,
    task: str = "auto",
) -> list[Finding]:
    """Look for faults in the columns and rows of a table.

    Args:
        table: The table.
        target: The column to predict, or several: A,B; without one its rules are left out.
        features: The columns to predict from; None takes all others.
        task: Whether the target is classes or numbers; `auto` goes by its values.

    Raises:
        DataError: There is no such column.
    """
    targets = () if target is None else target_names(table.names, target, table.source)
    used = [
        name for name in features or table.names if name not in targets and (features or not is_index(name))
    ]
    columns = [table.column(name, "--features") for name in used]
    seen = _remarkable(table, columns)
    known = np.logical_and.reduce([~table.missing(name) for name in targets]) if targets else None
    findings = [finding for column in seen for finding in _of_column(table, column, known)]
    suspects = suspects_of(table, [*used, *targets])
    findings += _codes(table, suspects, [*used, *targets])
    if features is None:
        findings += _weights(table, [column for column in columns if not column.given])
    codes = {(each.column, float(each.code)) for each in suspects}
    findings += [
        finding for column in seen for finding in find_limits(table, column.name, codes, target=False)
    ]
    findings += _lists(table, columns, targets)
    findings += find_codes(table, [column.name for column in columns])
    totals = totals_in(table, table.names)
    findings += _total(table, totals)
    of_classes = {name: _is_classes(table, table.column(name), task) for name in targets}
    if features is None and any(of_classes.values()):
        findings += _cases(table, used, targets)
    findings += _of_rows(table, used, of_classes)
    for name, classes in of_classes.items():
        findings += check_target(table, columns, table.column(name), totals.left_out, codes, classes=classes)
    return findings


def _lists(table: Table, columns: Sequence[Column], targets: Sequence[str]) -> Iterator[Finding]:
    """Find the first column of texts that hold many numbers each."""
    try:
        refuse_lists(table, [column.name for column in columns if not column.given], targets)
    except DataError as err:
        name = next(column.name for column in columns if numbers_each(column))
        yield Finding(
            level="error",
            rule="stray",
            where=f"column {printable(name)}",
            count=len(table),
            message=err.message,
            cure=err.hint,
        )


def find_groups(table: Table, config: TrainConfig) -> Iterator[Finding]:
    """Find columns that name what several rows are of, as patients, which a split at random divides."""
    if not splits_at_random(table, config):
        return
    targets = target_names(table.names, config.target, table.source) if config.target else ()
    others = [name for name in table.names if name not in targets]
    for each in stems_in(table, others):
        yield Finding(
            level="warning",
            rule="groups",
            where=f"column {printable(each.column)}",
            count=each.count,
            message=f"{each.shown(len(table))}: rows of one are divided between the splits",
            cure=each.command(table),
        )
    for name, count in groups_in(table, others):
        shown = printable(name)
        yield Finding(
            level="warning",
            rule="groups",
            where=f"column {shown}",
            count=count,
            message=f"{count:,} different values in {len(table):,} rows: rows of one are divided between the splits",
            cure=f"--group {shlex.quote(shown)} keeps them together, for scores on new ones",
        )


def find_times(table: Table, config: TrainConfig) -> Iterator[Finding]:
    """Find a column of dates in whose order the rows stand, which a split at random mixes."""
    if not splits_at_random(table, config):
        return
    targets = target_names(table.names, config.target, table.source) if config.target else ()
    for name in times_in(table, [name for name in table.names if name not in targets]):
        shown = printable(name)
        yield Finding(
            level="warning",
            rule="times",
            where=f"column {shown}",
            count=len(table),
            message="rows stand in the order of these dates: a random split puts test rows between training rows",
            cure=f"--by-time {shlex.quote(shown)} tests on the latest",
        )


def _is_classes(table: Table, column: Column, task: str) -> bool:
    if column.kind != "number" or task != "auto":
        return column.kind != "number" or task == "classification"
    return infer_task("it", table.numbers(column.name), column.unit)[0] == "classification"


def _remarkable(table: Table, columns: Sequence[Column]) -> list[Column]:
    """Return the columns without those of numbers in which nothing can be found, judged many at once."""
    dull: set[str] = set()
    for block in blocks_of([column for column in columns if column.kind == "number"], len(table)):
        if len(block) > 1:
            values = np.sort(table.stack([column.name for column in block]), axis=1)
            with np.errstate(over="ignore", invalid="ignore"):
                sound = np.isfinite(values.std(1)) & (values[:, 0] < values[:, -1])
            broken = (values != np.floor(values)).any(1)
            piled = np.maximum((values == values[:, :1]).sum(1), (values == values[:, -1:]).sum(1))
            chosen = sound & broken & (piled < FEWEST_AT_END)
            dull |= {column.name for column in itertools.compress(block, chosen)}
    return [column for column in columns if column.name not in dull]


def _of_column(table: Table, column: Column, known: np.ndarray | None) -> Iterator[Finding]:
    """Find gaps and values of a column that a network should not be given; `known` has the rows with a target."""
    name = printable(column.name)
    missing = np.flatnonzero(table.missing(column.name))
    if len(missing):
        share = len(missing) / len(table)
        yield Finding(
            level="warning",
            rule="missing",
            where=f"column {name}",
            count=len(missing),
            message=(
                f"{counted(len(missing), 'value')} missing ({share:.1%}), e.g. in line "
                f"{table.line(int(missing[0])):,}"
            ),
            cure=_cure_of_gaps(table, column, known, share),
        )
    position = position_in(table, column)
    if numbers_each(column):
        return
    if position is not None and not told_by(table):
        fault, rule, count = position.error(table.source), "position", len(table)
    elif position is None and column.stray is not None:
        fault, rule, count = column.stray.error(table.source, column.name), "stray", 1
    else:
        yield from _of_values(table, column, missing)
        return
    yield Finding(
        level="error", rule=rule, where=f"column {name}", count=count, message=fault.message, cure=fault.hint
    )


def _of_values(table: Table, column: Column, missing: np.ndarray) -> Iterator[Finding]:
    """Find values of a column that a network should not be given; `missing` has the rows without one."""
    name = printable(column.name)
    values = table.codes(column.name) if column.kind == "text" else table.numbers(column.name)
    if column.kind != "text" and np.isinf(values).any():
        rows = np.flatnonzero(np.isinf(values))
        yield Finding(
            level="error",
            rule="infinite",
            where=f"column {name}",
            count=len(rows),
            message=f"values are infinite in line {some_of([table.line(int(row)) for row in rows])}",
            cure="empty those fields, or leave the column out with --features",
        )
    elif column.kind == "number" and len(missing) < len(values) and overflows(values):
        largest = int(np.nanargmax(np.abs(values)))
        fault = too_large(table, column.name, largest, values[largest])
        yield Finding(
            level="error",
            rule="too-large",
            where=f"column {name}",
            count=1,
            message=fault.message,
            cure=fault.hint,
        )
    given = np.delete(values, missing)
    different = len(np.unique(given))
    if different <= 1 and len(table) > 1 and not (different and len(missing)):
        yield Finding(
            level="warning",
            rule="constant",
            where=f"column {name}",
            count=len(table),
            message="every row has the same value" if different else "every value is missing",
            cure="it carries no information: leave it out with --features",
        )
    elif names_rows(column, given, different):
        yield Finding(
            level="warning",
            rule="id-like",
            where=f"column {name}",
            count=different,
            message=f"{different:,} different values in {len(given):,} rows: it identifies the rows",
            cure="a network memorises such values: leave it out with --features" + as_date(column),
        )
    elif has_few_rows_each(column, given, different) and not groups_in(table, [column.name]):
        yield Finding(
            level="warning",
            rule="few-rows",
            where=f"column {name}",
            count=different,
            message=f"{different:,} different texts in {len(given):,} rows: each has few",
            cure="a network may learn them by heart: try without it, by --features",
        )


def _cure_of_gaps(table: Table, column: Column, known: np.ndarray | None, share: float) -> str:
    """Return what becomes of the missing values of a column."""
    if known is not None and known.any() and table.missing(column.name)[known].all():
        return "no row with a target has one: training leaves the column out"
    if share >= _MOSTLY_EMPTY:
        return (
            "hardly a row has one: leave it out with --features, unless it tells something that one is given"
        )
    return "they are filled in, and a feature marks where; fill them yourself if you know better"


def _codes(table: Table, suspects: Sequence[Suspect], names: list[str]) -> Iterator[Finding]:
    for each in suspects:
        yield Finding(
            level="warning",
            rule="missing-code",
            where=f"column {printable(each.column)}",
            count=each.count,
            message=(
                f"{counted(each.count, 'value')} of {each.code} where the others lie from {each.low:g} to "
                f"{each.high:g}: it looks like a code for a missing value"
            ),
            cure=f"{missing_option([each])} takes it as missing",
        )
    for each in words_of_missing(table, names):
        yield Finding(
            level="warning",
            rule="missing-word",
            where=f"column {printable(each.column)}",
            count=each.count,
            message=f"{counted(each.count, 'value')} of {each.code}, a text or class of its own, or a missing value",
            cure=f"{missing_option([each])} takes it as missing; without it it is kept",
        )


def _total(table: Table, found: Totals) -> Iterator[Finding]:
    """Find rows that hold sums or means of others."""
    if found.rows:
        stray = found.column and table.column(found.column).stray
        kept = f"; {kept_totals(table, found)}" if found.column else ""
        yield Finding(
            level="warning",
            rule="total",
            where=f"line {some_of([f'{table.line(row):,}' for row in found.rows])}",
            count=len(found.rows),
            message=f"totals or means of other rows: {found.shown}",
            cure=without_totals_of(table, found)
            if stray or found.kept
            else f"training leaves them out{kept}",
        )


def _weights(table: Table, columns: Sequence[Column]) -> Iterator[Finding]:
    """Find columns that weigh the rows."""
    names = [column.name for column in columns]
    for name in weights_in(table, names):
        fault = weights_error(table, name, [other for other in names if other != name])
        yield Finding(
            level="error",
            rule="weights",
            where=f"column {printable(name)}",
            count=len(table),
            message=fault.message,
            cure=fault.hint,
        )


def _cases(table: Table, features: Sequence[str], targets: Sequence[str]) -> Iterator[Finding]:
    """Find a column that counts the cases of each row."""
    if name := cases_in(table, features, targets):
        fault = cases_error(table, name)
        yield Finding(
            level="error",
            rule="cases",
            where=f"column {printable(name)}",
            count=len(table),
            message=fault.message,
            cure=fault.hint,
        )


def _of_rows(table: Table, used: Sequence[str], targets: Mapping[str, bool]) -> Iterator[Finding]:
    inputs = hash_compared(table, used)
    for name, classes in targets.items():
        if classes:
            yield from _conflicts(table, inputs, stored_of(table, name), name)
    repeated = copies(hash_columns([inputs.view(np.int64), *(stored_of(table, name) for name in targets)]))
    repeated = not_empty(table, [*used, *targets], repeated)
    if len(repeated):
        yield Finding(
            level="warning",
            rule="duplicates",
            where=f"line {some_of([table.line(row) for row in repeated])}",
            count=len(repeated),
            message=f"{counted(len(repeated), 'copy')} of earlier rows",
            cure=FEW_POSSIBLE
            if alike_by_chance(
                table, [*used, *targets], len(repeated), np.delete(np.arange(len(table)), repeated)
            )
            else "drop them, or keep copies together in one split with --group",
        )


def _conflicts(table: Table, inputs: np.ndarray, truth: np.ndarray, target: str) -> Iterator[Finding]:
    """Find rows whose inputs equal an earlier row's and whose label differs; for numbers noise is no conflict."""
    order = np.argsort(inputs, kind="stable")
    same = inputs[order][1:] == inputs[order][:-1]
    differ = truth[order][1:] != truth[order][:-1]
    rows = np.sort(order[1:][same & differ])
    if len(rows):
        first = int(rows[0])
        twin = int(np.flatnonzero(inputs == inputs[first])[0])
        twin = twin if twin != first else int(np.flatnonzero(inputs == inputs[first])[1])
        yield Finding(
            level="warning",
            rule="conflicts",
            where=f"line {some_of([table.line(int(row)) for row in rows])}",
            count=len(rows),
            message=(
                f"{counted(len(rows), 'row')} with the inputs of another row and another {printable(target)}, e.g. "
                f"lines {table.line(min(first, twin)):,} and {table.line(max(first, twin)):,}"
            ),
            cure="no network can tell them apart: correct the labels, or add the column that does",
        )
