"""The splits of a table's rows as the settings want them, or as a file says."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlkit.data.splits import NAMES, checked, split_at_random, split_by_time, split_folds, split_groups
from dlkit.data.tables.blocks import split_blocks
from dlkit.data.tables.own_split import split_by_column
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import Targets
from dlkit.errors import DataError, counted, did_you_mean, file_error, printable
from dlkit.settings.config import TrainConfig

HEADER = ("row", "split")


def split_table(
    table: Table, targets: Targets, config: TrainConfig, column: str | None = None
) -> dict[str, np.ndarray]:
    """Return the rows of train, val and test; those without a target are in none.

    Args:
        table: The table.
        targets: What is to be predicted.
        config: Method, shares and seed.
        column: What names the part of each row, where they are split by it; see `own_split`.

    Raises:
        DataError: A split would be empty, a column is missing or has gaps, or the split file does not fit.
    """
    known = np.flatnonzero(targets.known)
    if config.split_file is not None:
        return read_split_file(Path(config.split_file), len(table), known)
    if config.split_by_block is not None:
        return split_blocks(table, known, config)
    if config.by_time is not None:
        rows = split_by_time(_times(table, config.by_time, known), val=config.val, test=config.test)
        return {name: known[members] for name, members in rows.items()}
    if column is not None:
        strata = targets.strata(numbers=False)
        return dict(checked(split_by_column(table, column, strata, known, config), len(known)))
    grouped = config.group is not None
    strata = np.zeros(len(known), dtype=np.int64)
    if config.group is not None:
        strata = _groups(table, config.group, known)
    elif config.stratify is not False:
        strata = targets.strata(numbers=config.stratify is True)[known]
    if config.folds is not None:
        assert config.fold is not None, "--folds was held to --fold"
        rows = split_folds(
            strata,
            fold=config.fold,
            folds=config.folds,
            val=config.val,
            grouped=grouped,
            seed=config.seed,
            fingerprint=table.fingerprint,
        )
    else:
        cut = split_groups if grouped else split_at_random
        rows = cut(strata, val=config.val, test=config.test, seed=config.seed, fingerprint=table.fingerprint)
    return {name: known[members] for name, members in rows.items()}


def splits_csv(rows: Mapping[str, np.ndarray]) -> str:
    """Write splits as `row,split`, in the order of the rows, counted from 0."""
    parts = np.concatenate([np.full(len(members), index) for index, members in enumerate(rows.values())])
    numbers = np.concatenate(list(rows.values()))
    order = np.argsort(numbers, kind="stable")
    names = list(rows)
    lines = (f"{row},{names[part]}\n" for row, part in zip(numbers[order], parts[order], strict=True))
    return ",".join(HEADER) + "\n" + "".join(lines)


def digest_of(path: Path, trained_with: str | None = None) -> str:
    """Return the SHA-256 over a split file.

    Args:
        path: The file.
        trained_with: That of the file with which a network was trained.

    Raises:
        DataError: It cannot be read, or is another file.
    """
    digest = hashlib.sha256(_content(path)).hexdigest()
    if trained_with not in (None, digest):
        raise DataError(
            f"--split-file {path} has changed since the checkpoint was trained with it",
            "put the file back",
        )
    return digest


def read_split_file(path: Path, count: int, known: np.ndarray) -> dict[str, np.ndarray]:
    """Read a split file; rows that it does not name are in no split.

    Args:
        path: The file.
        count: How many rows the data have.
        known: Rows that have a target.

    Raises:
        DataError: It cannot be read, or does not fit the data.
    """
    part = np.full(count, -1, dtype=np.int64)
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""))
    if tuple(field.strip() for field in next(reader, [])) != HEADER:
        raise DataError(
            f"--split-file {path} line 1 is not {','.join(HEADER)}", "dlkit data split writes such a file"
        )
    for fields in reader:
        if fields:
            row, index = _line(path, reader.line_num, fields, count)
            if part[row] >= 0:
                raise DataError(
                    f"--split-file {path} line {reader.line_num:,} names row {row:,} again",
                    "remove one of the two lines",
                )
            part[row] = index
    has_target = np.zeros(count, dtype=bool)
    has_target[known] = True
    rows = {name: np.flatnonzero((part == index) & has_target) for index, name in enumerate(NAMES)}
    return dict(checked(rows, int((part >= 0).sum())))


def _line(path: Path, number: int, fields: Sequence[str], count: int) -> tuple[int, int]:
    """Return row and split of one line of a split file."""
    where = f"--split-file {path} line {number:,}"
    if len(fields) != len(HEADER):
        raise DataError(f"{where} has {len(fields)} fields, not row,split", "for example 17,train")
    row, split = (field.strip() for field in fields)
    if not row.isdecimal() or int(row) >= count:
        raise DataError(
            f"{where}: {printable(row, 40)} is not a row; the data have rows 0 to {count - 1:,}",
            "rows are counted from 0, the line of column names left out",
        )
    if split not in NAMES:
        raise DataError(
            f"{where}: {printable(split, 40)} is not {', '.join(NAMES)}", did_you_mean(split, NAMES)
        )
    return int(row), NAMES.index(split)


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as err:
        place = f"byte {err.start:,} is 0x{err.object[err.start]:02x}"
        raise DataError(f"--split-file {path} is not UTF-8 text: {place}", "write it as UTF-8") from err


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        fault = file_error(err, path, "read --split-file")
        raise DataError(fault.message, "dlkit data split writes one") from err


def _groups(table: Table, name: str, known: np.ndarray) -> np.ndarray:
    column = table.column(name, "--group")
    _refuse_gaps(table, "--group", name, known)
    if column.kind == "text":
        return table.codes(name, known)
    return table.numbers(name, known)


def _times(table: Table, name: str, known: np.ndarray) -> np.ndarray:
    column = table.column(name, "--by-time")
    if column.kind in ("text", "boolean"):
        example = f", e.g. '{printable(column.categories[0], 40)}'" if column.categories else ""
        raise DataError(
            f"--by-time {printable(name)} has neither dates nor numbers{example}",
            "write dates as 2024-12-31 or 2024-12-31T23:59:59",
        )
    _refuse_gaps(table, "--by-time", name, known)
    return table.numbers(name, known)


def _refuse_gaps(table: Table, option: str, name: str, known: np.ndarray) -> None:
    gaps = known[table.missing(name, known)]
    if len(gaps):
        raise DataError(
            f"{option} {printable(name)} is missing in {counted(len(gaps), 'row')}, first in "
            f"{table.place(int(gaps[0]))}",
            "fill it in, or remove those rows",
        )
