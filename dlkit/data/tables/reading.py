"""Where tables come from: a delimited file, a parquet file, standard input, or what was prepared of one before."""

import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from dlkit.data.tables.delimited import Delimited, Header
from dlkit.data.tables.prepared_tables import FileRows, MemoryRows, Rows, keep_table, kept_table
from dlkit.data.tables.rows import Plan, Reader, Turned, plan_columns
from dlkit.data.tables.table import Column, Progress, Table
from dlkit.errors import DataError, did_you_mean, file_error, printable

PREPARED_FROM_BYTES = 32 * 2**20
_COPY_BYTES = 2**20
_TYPES = (".csv", ".tsv", ".parquet")
_DELIMITER_WORDS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(
    spec: str,
    *,
    kinds: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Table:
    """Read a table from a .csv, .tsv or .parquet file, or CSV from standard input.

    A large file is read piece by piece into a prepared file, which later runs map into memory.

    Args:
        spec: A path, or `-` for standard input.
        kinds: Kinds of columns that are known already, by name; the others are told by what stands in them.
        stdin: What `-` reads; the process's own by default.
        progress: Called now and then with the bytes read and their number.

    Raises:
        DataError: It is missing, no table, or faulty; told with line and cure.
        MissingError: It is a parquet file and pyarrow is not installed.
    """
    kinds = kinds or {}
    if spec == "-":
        with _spooled(stdin or sys.stdin.buffer) as file:
            return _Reading(file, "standard input", None, kinds, progress).table()
    path = Path(spec).expanduser()
    suffix = path.suffix.lower()
    if suffix not in _TYPES:
        raise DataError(
            f"{printable(spec, 200)} does not end in {', '.join(_TYPES)}", "name the file by what is in it"
        )
    if suffix == ".parquet":
        return _open_parquet(path, spec, kinds, progress)
    delimiter = "\t" if suffix == ".tsv" else None
    try:
        with path.open("rb") as opened:
            if path.is_file():
                return _Reading(cast("BinaryIO", opened), spec, delimiter, kinds, progress, path).table()
            with _spooled(cast("BinaryIO", opened)) as file:  # a named pipe cannot be read twice
                return _Reading(file, spec, delimiter, kinds, progress).table()
    except OSError as err:
        raise unreadable(err, path) from err


def _open_parquet(path: Path, source: str, kinds: Mapping[str, str], progress: Progress | None) -> Table:
    try:
        with path.open("rb") as opened:
            return _ParquetReading(cast("BinaryIO", opened), source, None, kinds, progress, path).table()
    except OSError as err:
        raise unreadable(err, path) from err


def peek_names(source: str) -> tuple[str, ...]:
    """Give the names of a file's columns without reading its rows; none where they cannot be seen beforehand.

    Raises:
        DataError: It is missing, or begins with no line of names.
    """
    path = Path(source).expanduser()
    if source == "-" or path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
        return ()
    try:
        with path.open("rb") as file:
            delimiter = "\t" if path.suffix.lower() == ".tsv" else None
            return Delimited(cast("BinaryIO", file), source, delimiter).header.names
    except OSError as err:
        raise unreadable(err, path) from err


def unreadable(err: OSError, path: Path) -> DataError:
    """Say why a table cannot be opened, and which file may have been meant."""
    told = file_error(err, path, "read")
    with contextlib.suppress(OSError):
        beside = [
            other.name for other in path.parent.iterdir() if other.is_file() and other.name != path.name
        ]
        return DataError(told.message, did_you_mean(path.name, beside) or told.hint)
    return DataError(told.message, told.hint)


@dataclass(frozen=True)
class _Reading:
    """One delimited file that is being read.

    Args:
        file: Can be read more than once.
        source: What it is called in messages.
        delimiter: What stands between fields; None finds it in the header.
        kinds: Kinds of columns that are known already.
        progress: Called with the bytes read and their number.
        path: Where it lies; None for what came through a pipe.
    """

    file: BinaryIO
    source: str
    delimiter: str | None
    kinds: Mapping[str, str]
    progress: Progress | None
    path: Path | None = None

    def table(self) -> Table:
        """Give the table: the prepared one where there is one, else a newly read one."""
        size = self.file.seek(0, 2)
        if size < PREPARED_FROM_BYTES:
            return self._read_until_settled(MemoryRows, self._fingerprint(), size)
        if self.path is not None and (kept := kept_table(self.path, self.source, self.kinds)):
            return kept
        fingerprint = self._fingerprint()
        if kept := kept_table(self.path, self.source, self.kinds, fingerprint):
            return kept
        with contextlib.ExitStack() as files:
            table = self._read_until_settled(lambda: FileRows(files), fingerprint, size)
            keep_table(table, self.path, self.kinds)
        kept = kept_table(self.path, self.source, self.kinds, fingerprint)
        assert kept is not None, "it was written a moment ago"
        return kept

    def _tell(self, done: int, size: int) -> None:
        """Say how far a large file is read; a small one is read before any one asks."""
        if self.progress is not None and size >= PREPARED_FROM_BYTES:
            self.progress(min(done, size), size)

    def _fingerprint(self) -> str:
        self.file.seek(0)
        digest = hashlib.sha256()
        while piece := self.file.read(_COPY_BYTES):
            digest.update(piece)
        return digest.hexdigest()

    def _read_until_settled(self, make: Callable[[], Rows], fingerprint: str, size: int) -> Table:
        plans: dict[str, Plan] = {}
        while True:
            rows = make()
            try:
                return self._read(plans, rows, fingerprint, size)
            except Turned as turned:
                plans.update(turned.plans)

    def _read(self, known: Mapping[str, Plan], rows: Rows, fingerprint: str, size: int) -> Table:
        self.file.seek(0)
        content = Delimited(self.file, self.source, self.delimiter)
        header = content.header
        reader: Reader | None = None
        lines: list[np.ndarray] = []
        for block in content.blocks():
            if reader is None:
                exact = size < PREPARED_FROM_BYTES
                plans = plan_columns(header, block, self.kinds, self.source, exact=exact)
                reader = Reader(header, {**plans, **known}, self.source)
            rows.add(reader.read(block))
            lines.append(block.lines)
            self._tell(self.file.tell(), size)
        if reader is None:
            raise DataError(
                f"{self.source} has a line of column names and no rows", "export the table anew, rows and all"
            )
        notes = []
        if header.delimiter in _DELIMITER_WORDS and self.delimiter is None:
            notes.append(f"{self.source} has {_DELIMITER_WORDS[header.delimiter]} between its columns")
        return Table(
            self.source,
            _columns(reader),
            rows.blocks(),
            fingerprint,
            _odd_lines(lines),
            tuple(notes),
        )


@dataclass(frozen=True)
class _ParquetReading(_Reading):
    """One parquet file that is being read."""

    def _read(self, known: Mapping[str, Plan], rows: Rows, fingerprint: str, size: int) -> Table:
        from dlkit.data.tables.parquet import ParquetColumns

        self.file.seek(0)
        content = ParquetColumns(self.file, self.source)
        plans = content.plans(exact=size < PREPARED_FROM_BYTES)
        reader = Reader(Header(tuple(plans), ","), {**plans, **known}, self.source)
        for columns, numbers in content.batches():
            rows.add(reader.take(columns, numbers))
            self._tell(int(numbers[-1]) * size // content.num_rows, size)
        return Table(self.source, _columns(reader), rows.blocks(), fingerprint, in_lines=False)


def _columns(reader: Reader) -> dict[str, Column]:
    counts: dict[str, int] = {}
    columns = {}
    for name, plan in reader.plans.items():
        index = counts.setdefault(plan.block, 0)
        counts[plan.block] += 1
        categories = tuple(reader.categories.get(name, ()))
        columns[name] = Column(name, plan.kind, plan.block, index, categories, plan.hashed, plan.stray)
    return columns


def _odd_lines(lots: list[np.ndarray]) -> np.ndarray | None:
    """Give the line of each row; None where row i stands in line i + 2, as in most files."""
    before = 0
    for lot in lots:
        if not np.array_equal(lot, np.arange(before + 2, before + 2 + len(lot))):
            return np.concatenate(lots)
        before += len(lot)
    return None


@contextlib.contextmanager
def _spooled(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give what a stream holds as a file that can be read more than once."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file)
        yield cast("BinaryIO", file)
