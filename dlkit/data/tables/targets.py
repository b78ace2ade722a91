"""What a table's target column holds, classes or a number, and its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from dlkit.data.infer_task import FEW_CLASSES, MAX_CLASSES, SOME_CLASSES, infer_task
from dlkit.data.tables.encoding import too_large
from dlkit.data.tables.oddities.spellings import (
    alike,
    folded,
    hint_of_one_hot,
    one_spelling,
    refuse_no_classes,
    shown_alike,
)
from dlkit.data.tables.oddities.totals import without_totals
from dlkit.data.tables.reading.files.elsewhere import elsewhere
from dlkit.data.tables.table import Column, Table
from dlkit.errors import ConfigError, DataError, did_you_mean, printable

UNLABELLED = -1


@dataclass(frozen=True)
class Targets:
    """The values to predict.

    Args:
        task: `classification` or `regression`.
        names: The columns they are from.
        values: Class indices, int64, shape (N,), -1 where missing; or numbers, float32, shape (N, D), NaN where
            missing.
        class_names: The classes, in the order of their indices; empty for numbers.
        note: What was inferred, in words.
    """

    task: str
    names: tuple[str, ...]
    values: np.ndarray
    class_names: tuple[str, ...] = ()
    note: str = ""

    @property
    def known(self) -> np.ndarray:
        """Whether each row has a target, shape (N,), bool."""
        if self.task == "classification":
            return np.asarray(self.values != UNLABELLED)
        return np.asarray(~np.isnan(self.values).any(1))

    def strata(self, *, numbers: bool) -> np.ndarray:
        """Return a group a row, shape (N,), of which every split is to get its share.

        Args:
            numbers: Group numbers by the tenth of them that they fall in; otherwise they are one group.
        """
        if self.task == "classification":
            return self.values
        first = self.values[:, 0]
        if not numbers:
            return np.zeros(len(first), dtype=np.int64)
        return np.searchsorted(np.nanquantile(first, np.linspace(0.1, 0.9, 9)), first)


def target_names(table_names: Sequence[str], typed: str, source: str) -> tuple[str, ...]:
    """Return the names in `--target A` or `--target A,B`.

    Raises:
        DataError: There is no such column.
    """
    names = (typed,) if typed in table_names else tuple(part.strip() for part in typed.split(","))
    for name in names:
        if name not in table_names:
            shown = ", ".join(map(printable, table_names[:12])) + (", ..." if len(table_names) > 12 else "")
            raise DataError(
                f"--target {printable(name)}: {source} has no such column",
                elsewhere(source, name) or did_you_mean(name, table_names) or f"it has {shown}",
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"--target {printable(typed)} names a column twice", "name each once")
    return names


def read_targets(table: Table, names: tuple[str, ...], task: str) -> Targets:
    """Read the target columns of a table to train on.

    Args:
        table: The table.
        names: The columns; several must all be numbers.
        task: `classification`, `regression`, or `auto` to infer it from the values.

    Raises:
        DataError: The values cannot be learned: all alike, infinite, of the wrong kind, or missing in all rows.
    """
    columns = [table.column(name, "--target") for name in names]
    table = without_totals(table, names)
    for column in columns:
        _check(table, column)
    if len(columns) == 1:
        if task == "auto":
            task, why = _infer(table, columns[0])
            if columns[0].kind == "text":
                refuse_no_classes(table, columns[0])
                return _merged(table, columns[0], why)
        else:
            why = ""
    elif task == "classification":
        raise DataError(
            f"--task classification takes one target; --target names {len(names)}", "name one of them"
        )
    else:
        if task == "auto":
            _refuse_several_classes(table, columns)
        task, why = "regression", ""
    if task == "classification":
        values, class_names = _classes(table, columns[0])
        return Targets(task, names, values, class_names, why)
    for column in columns:
        if column.kind == "text" and column.stray is None:
            example = printable(column.categories[0], 40)
            raise DataError(
                f"--target {printable(column.name)} is text, e.g. '{example}', not a number",
                "--task classification takes its texts as classes"
                if len(columns) == 1
                else "name columns of numbers",
            )
    return Targets(task, names, _numbers(table, names), note=why)


def _merged(table: Table, column: Column, why: str) -> Targets:
    """Return the classes of a column of texts with the spellings of one as one class."""
    spelling = one_spelling(column, table.codes(column.name))
    values, names = _classes(table, column, spelling)
    for texts in alike(column):
        one = len({spelling.get(text, text) for text in texts}) == 1
        what = "one class, --task classification keeps them apart" if one else "classes of their own"
        why += f"; {shown_alike([texts])} are {what}"
    return Targets("classification", (column.name,), values, names, why)


def targets_like(table: Table, names: tuple[str, ...], task: str, class_names: Sequence[str]) -> Targets:
    """Read the targets of other rows than those trained on; they may all be missing.

    Args:
        table: The table.
        names: The columns that were trained on.
        task: What they are.
        class_names: The classes trained on.

    Raises:
        DataError: A class was not trained on, or a value is no number.
    """
    if any(name not in table.columns for name in names):
        shape = (len(table),) if task == "classification" else (len(table), len(names))
        fill = UNLABELLED if task == "classification" else np.nan
        return Targets(task, names, np.full(shape, fill, np.int64 if shape[1:] == () else np.float32))
    table = without_totals(table, names)
    if task == "regression":
        return Targets(task, names, _numbers(table, names))
    texts = table.texts(names[0])
    place = {name: index for index, name in enumerate(class_names)}
    spelt = {folded(name): index for index, name in enumerate(class_names)}
    if len(spelt) == len(place):
        place |= {text: spelt[folded(text)] for text in {*texts} - {None, *place} if folded(text) in spelt}
    values = np.array(
        [UNLABELLED if text is None else place.get(text, UNLABELLED - 1) for text in texts], dtype=np.int64
    )
    foreign = np.flatnonzero(values < UNLABELLED)
    if len(foreign):
        raise DataError(
            f"{table.place(int(foreign[0]), names[0])} is '{printable(texts[foreign[0]], 40)}', which is none of "
            f"the {len(class_names)} classes trained on: {_some(class_names)}",
            f"fix the {len(foreign)} such rows; empty the field where the class is not known",
        )
    return Targets(task, names, values, tuple(class_names))


def _check(table: Table, column: Column) -> None:
    name = printable(column.name)
    missing = table.missing(column.name)
    if missing.all():
        raise DataError(
            f"--target {name}: {table.source} has no value in that column",
            "name another column; NA, None, null and the like stand for missing numbers where no other text is there",
        )
    if column.kind == "date":
        raise DataError(
            f"--target {name} holds dates; a target is a number or a class",
            "write the time to predict as a number, e.g. days since the first row",
        )
    if column.stray is not None and is_mostly_numbers(column):
        raise column.stray.error(table.source, column.name, target=True)
    if column.hashed:
        raise DataError(
            f"--target {name} is text with too many different values to be classes", "name another column"
        )


def is_mostly_numbers(column: Column) -> bool:
    """Return whether a column that is no numbers for a few texts has too many others to be classes."""
    return len(column.categories) > FEW_CLASSES


def _infer(table: Table, column: Column) -> tuple[str, str]:
    """Return the task by the values, and why."""
    values: np.ndarray = np.array([], dtype=object if column.kind == "text" else bool)
    if column.kind == "number":
        values = table.numbers(column.name)
    return infer_task(f"target {printable(column.name)}", values, column.unit)


def _refuse_several_classes(table: Table, columns: Sequence[Column]) -> None:
    """Refuse several targets that are each true or false: they would be learned as numbers, and nobody would know."""
    if all(
        column.kind == "boolean" or (column.kind == "number" and _is_binary(table.numbers(column.name)))
        for column in columns
    ):
        raise DataError(
            f"--target {_some([column.name for column in columns])} are true or false each; only one target can be of "
            "classes",
            hint_of_one_hot(table, [column.name for column in columns])
            or "name one of them; or --task regression keeps all, as numbers 0 and 1: predictions estimate "
            "probabilities",
        )


def _is_binary(numbers: np.ndarray) -> bool:
    return bool(np.array_equal(np.unique(numbers[~np.isnan(numbers)]), [0, 1]))


def _classes(
    table: Table, column: Column, spelling: Mapping[str, str] = MappingProxyType({})
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return class indices and the names of the classes, in the order of texts or of numbers.

    Args:
        table: The table.
        column: The column.
        spelling: The class of texts that are not their own.
    """
    name = printable(column.name)
    if column.kind == "text":
        codes = table.codes(column.name)
        used = np.unique(codes[codes >= 0])
        called = [spelling.get(text, text) for text in column.categories]
        names = sorted({called[code] for code in used})
        place = {text: index for index, text in enumerate(names)}
        by_code = np.array([*(place.get(text, UNLABELLED) for text in called), UNLABELLED])
        indices = by_code[codes]
    else:
        numbers = table.numbers(column.name)
        _refuse_infinite(table, column.name, numbers)
        missing = np.isnan(numbers)
        different = np.unique(numbers[~missing])
        first = _first_rows(numbers, different)
        names = [str(text) for text in table.texts(column.name, first)]
        indices = np.where(missing, UNLABELLED, np.searchsorted(different, numbers))
    if len(names) == 1:
        raise DataError(
            f"--target {name} is {printable(names[0], 40)} in all {int((indices >= 0).sum()):,} rows: one class "
            "cannot be learned",
            "name another column, or add rows of other classes",
        )
    labelled = int((indices >= 0).sum())
    if len(names) > MAX_CLASSES or (len(names) > SOME_CLASSES and len(names) > labelled / 2):
        raise DataError(
            f"--target {name} has {len(names):,} different values in {labelled:,} rows, too many to be classes",
            "name another column" if column.kind == "text" else "--task regression takes them as numbers",
        )
    return indices.astype(np.int64), tuple(names)


def _first_rows(numbers: np.ndarray, different: np.ndarray) -> np.ndarray:
    found, rows = np.unique(numbers, return_index=True)
    chosen: np.ndarray = rows[np.isin(found, different)]
    return chosen


def _numbers(table: Table, names: tuple[str, ...]) -> np.ndarray:
    columns = []
    for name in names:
        values = table.numbers(name)
        _refuse_infinite(table, name, values)
        given = values[~np.isnan(values)]
        if np.abs(given).max(initial=0) > np.finfo(np.float32).max:
            largest = int(np.nanargmax(np.abs(values)))
            raise too_large(table, name, largest, values[largest])
        columns.append(values)
    return np.stack(columns, axis=1).astype(np.float32)


def _refuse_infinite(table: Table, name: str, values: np.ndarray) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        more = f", and {len(infinite) - 1:,} more" if len(infinite) > 1 else ""
        raise DataError(
            f"{table.place(int(infinite[0]), name)} is infinite{more}",
            f"--missing {'inf' if values[infinite[0]] > 0 else '-inf'} takes it as missing, and leaves the row out",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(printable(name, 40) for name in names[:8]) + (", ..." if len(names) > 8 else "")
