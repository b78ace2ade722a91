"""Where tables come from: a delimited or parquet file, plain or compressed, a pipe, or what was prepared before."""

import contextlib
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, cast

from dlkit.data.preparing import one_at_a_time
from dlkit.data.tables.kind import TABLE_SUFFIXES, table_suffixes
from dlkit.data.tables.reading.files.commands import from_to
from dlkit.data.tables.reading.files.delimited import DelimitedFile, NotForArrowError
from dlkit.data.tables.reading.files.encodings import foreign_encoding, wide_encoding
from dlkit.data.tables.reading.files.faults import rewritten
from dlkit.data.tables.reading.files.header import is_ragged, read_header
from dlkit.data.tables.reading.files.opening import as_utf8, opened, sha256_of, spooled
from dlkit.data.tables.reading.files.parquet import ParquetFile
from dlkit.data.tables.reading.files.repeats import without_repeats
from dlkit.data.tables.reading.files.surroundings import geo_eas_names, is_blank_separated
from dlkit.data.tables.reading.files.wide import WIDE_COLUMNS, WideFile
from dlkit.data.tables.reading.notes import notes_of, refuse_idle
from dlkit.data.tables.reading.options import Asked, TableOptions
from dlkit.data.tables.reading.prepared import (
    GrowingColumns,
    is_prepared,
    keep_table,
    kept_table,
    prepared_folder,
    prepared_place,
)
from dlkit.data.tables.reading.values.columns import ColumnReader, not_of_kind
from dlkit.data.tables.reading.values.judging import plan_columns, units_below
from dlkit.data.tables.reading.values.strays import all_strays
from dlkit.data.tables.reading.values.together import convert_together
from dlkit.data.tables.table import Progress, Stray, Table
from dlkit.errors import DataError, did_you_mean, file_error, printable

PREPARED_FROM_BYTES = 32 * 2**20
_HEAD_BYTES = 2**16


def read_table(
    spec: str,
    *,
    options: TableOptions | None = None,
    kinds: Mapping[str, str] | None = None,
    orders: Mapping[str, str] | None = None,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Table:
    """Read a table from a .csv, .tsv or .parquet file, plain or compressed, or CSV from standard input.

    A large file is read piece by piece into a prepared file, which later runs map into memory.

    Args:
        spec: A path, or `-` for standard input.
        options: How it is to be read.
        kinds: Kinds of columns that a trained network needs, by name; the others are judged by their first rows.
        orders: What came first in the dates that it was trained on, `%d` or `%m`, by column.
        stdin: What `-` reads; the process's own by default.
        progress: Called now and then with the bytes read and their number.

    Raises:
        DataError: It is missing, no table, or faulty; the message has line and fix.
    """
    asked = Asked(options or TableOptions(), kinds or {}, orders or {})
    if spec == "-":
        with spooled(stdin or sys.stdin.buffer) as copy, as_utf8(copy, "standard input") as (file, note, way):
            return _Reading(file, "standard input", ".csv", asked, progress, note=note, way=way).table()
    path = Path(spec).expanduser()
    suffix, packed = table_suffixes(path)
    if not suffix:
        raise DataError(
            f"{printable(spec, 200)} does not end in {', '.join(TABLE_SUFFIXES)}",
            "name the file by its content",
        )
    source = printable(spec, 200)
    try:
        kept_as = path if path.is_file() else None  # a named pipe cannot be read twice
        if kept_as is not None and (kept := kept_table(kept_as, source, asked)):
            return kept
        with opened(path, source, packed) as (file, note, way):
            return _Reading(file, source, suffix, asked, progress, kept_as, note, way).table()
    except OSError as err:
        raise unreadable(err, path) from err


def peek_names(source: str, options: TableOptions) -> tuple[str, ...]:
    """Return the names of a file's columns without reading its rows; none where they cannot be seen beforehand.

    Names that do not fit the rows are not returned either: that is reported where the rows are read.

    Args:
        source: A path, or `-` for standard input.
        options: How it is to be read.

    Raises:
        DataError: It is missing, or begins with no line of names.
    """
    path = Path(source).expanduser()
    suffix, packed = table_suffixes(path)
    try:
        if source != "-":
            path.stat()
        if source == "-" or packed or suffix not in (".csv", ".tsv") or not path.is_file():
            return ()
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES)
            if (
                wide_encoding(start)
                or foreign_encoding(cast("BinaryIO", file))[0]
                or is_blank_separated(start)
                or geo_eas_names(start)
            ):
                return ()
            file.seek(0)
            named = printable(source, 200)
            delimiter = "\t" if suffix == ".tsv" else None
            header = read_header(cast("BinaryIO", file), named, delimiter, named=options.header)
            return () if is_ragged(cast("BinaryIO", file), header) else header.names
    except OSError as err:
        raise unreadable(err, path) from err


def unreadable(err: OSError, path: Path) -> DataError:
    """Return the error of a table that cannot be opened, with the file that may have been meant."""
    fault = file_error(err, path, "read")
    with contextlib.suppress(OSError):
        beside = [
            other.name for other in path.parent.iterdir() if other.is_file() and other.name != path.name
        ]
        return DataError(fault.message, did_you_mean(path.name, beside) or fault.hint)
    return DataError(fault.message, fault.hint)


@dataclass(frozen=True)
class _Reading:
    """One file that is being read: it can be read more than once, and has no path if it came through a pipe."""

    file: BinaryIO
    source: str
    suffix: str
    asked: Asked
    progress: Progress | None
    path: Path | None = None
    note: str = ""
    way: str = ""

    def table(self) -> Table:
        """Return the table: the prepared one where there is one, else a newly read one."""
        size = self.file.seek(0, 2)
        if size < PREPARED_FROM_BYTES:
            return self._read(size, None)
        if self.path is None:
            return self._prepared(size)
        with one_at_a_time(prepared_place(self.path, self.asked)):
            return kept_table(self.path, self.source, self.asked) or self._prepared(size)

    def _prepared(self, size: int) -> Table:
        """Return the prepared table, read anew unless there is one of this very content."""
        if (self.path is None or is_prepared(self.path, self.asked)) and (
            kept := kept_table(self.path, self.source, self.asked, sha256_of(self.file))
        ):
            return kept
        with tempfile.TemporaryFile(dir=prepared_folder(), buffering=0) as store:
            table = self._read(size, cast("IO[bytes]", store))
            keep_table(table, self.path, self.asked)
        kept = kept_table(self.path, self.source, self.asked, table.fingerprint)
        assert kept is not None, "it was written a moment ago"
        return kept

    def _read(self, size: int, store: IO[bytes] | None) -> Table:
        if self.suffix == ".parquet":
            if self.asked.options.header is False:
                raise DataError(
                    f"--no-header: {self.source} is a parquet file, whose columns always have names",
                    "leave it out",
                )
            parquet = ParquetFile(self.file, self.source)
            return self._table(parquet, parquet.readers(exact=store is None), size, store)
        delimiter = "\t" if self.suffix == ".tsv" else None
        named = self.asked.options.header
        self.file.seek(0)
        header = read_header(self.file, self.source, delimiter, named=named)
        with without_repeats(self.file, self.source, header) as (file, note, blank):
            make = partial(DelimitedFile, source=self.source, delimiter=delimiter, named=named, blank=blank)
            delimited = make(file)
            delimited.notes += [note] if note else []
            try:
                table = self._delimited(_narrow_or_wide(delimited), size, store)
            except NotForArrowError as err:
                with rewritten(file, self.source, delimited.header, plain=err.plain) as copy:
                    clean = _narrow_or_wide(make(copy, notes=delimited.notes))
                    table = self._delimited(clean, size, store)
                    return replace(table, fingerprint=sha256_of(self.file))
            return replace(table, fingerprint=sha256_of(self.file)) if blank else table

    def _delimited(self, file: DelimitedFile, size: int, store: IO[bytes] | None) -> Table:
        sample = file.sample()
        readers = plan_columns(
            sample,
            self.asked.kinds,
            self.asked.orders,
            exact=store is None or isinstance(file, WideFile),
            options=self.asked.options,
        )
        judged = (
            plan_columns(sample, {}, {}, exact=True, options=TableOptions()) if self.asked.kinds else readers
        )
        if units := units_below(sample, judged):
            if self.asked.options.header is False or isinstance(file, WideFile):
                raise _units_error(self.source, file.first_line, units, named=self.asked.options.header)
            file.skip(units)
            return self._delimited(file, size, store)
        return self._table(file, readers, size, store)

    def _table(
        self,
        file: DelimitedFile | ParquetFile,
        readers: dict[str, ColumnReader],
        size: int,
        store: IO[bytes] | None,
    ) -> Table:
        growing = GrowingColumns(store, file.most_rows)
        rows, turned = self._fill(file, readers, growing, size)
        while turned:  # a second time for columns that turned out to be of another kind than their first rows
            readers.update(turned)
            _, turned = self._fill(file, turned, growing, 0)
        if not self.asked.kinds:
            refuse_idle(self.source, readers, self.asked.options)
        lines = file.lines(rows)
        dialect = file.dialect(self.way)
        columns, arrays = {}, growing.arrays()
        for name, reader in readers.items():
            stray = None
            if (odd := all_strays(reader, arrays[name])) is not None:
                line = odd.row + file.first_line if lines is None else int(lines[odd.row])
                stray = Stray(line, odd.text, odd.fault, odd.more, odd.rows, dialect)
            columns[name] = replace(reader.column(stray), given=name in self.asked.options.kinds)
        notes = (
            *filter(None, (self.note,)),
            *file.notes,
            *notes_of(self.source, readers, self.asked.options, dialect),
        )
        in_lines = file.place == "line"
        return Table(
            self.source,
            columns,
            arrays,
            file.fingerprint(),
            lines,
            notes,
            in_lines,
            file.first_line,
            dialect,
        )

    def _fill(
        self,
        file: DelimitedFile | ParquetFile,
        readers: Mapping[str, ColumnReader],
        growing: GrowingColumns,
        size: int,
    ) -> tuple[int, dict[str, ColumnReader]]:
        """Read columns; return the number of rows and the columns that are of another kind."""
        rows = 0
        turned: dict[str, ColumnReader] = {}
        for done, batch in file.batches(readers):
            together = convert_together(readers, batch)
            for name, reader in readers.items():
                found = turned.get(name) or together.get(name)
                found = reader.convert(batch[name], rows) if found is None else found
                if not isinstance(found, ColumnReader):
                    growing.add(name, found)
                elif found.forced and found.odd is not None and found.odd.fault != "order":
                    raise not_of_kind(f"{self.source} {file.place} {file.line_of(found.odd.row):,}", found)
                elif name not in turned:
                    turned[name] = found
                    growing.drop(name)
            rows += len(next(iter(batch.values())))
            if self.progress is not None and size:
                self.progress(min(done, size), size)
        for name, reader in readers.items():
            if name not in turned and (text := reader.undecided()):
                turned[name] = text
                growing.drop(name)
        return rows, turned


def _narrow_or_wide(file: DelimitedFile) -> DelimitedFile:
    return WideFile(file) if len(file.header.names) >= WIDE_COLUMNS else file


def _units_error(source: str, first: int, units: int, *, named: bool | None) -> DataError:
    """Return the error of some lines with units in place of numbers."""
    last = first + units - 1
    lines = f"line {first:,} to {last:,}" if units > 1 else f"line {first:,}"
    return DataError(
        f"{source} {lines} seems to have names or units instead of numbers",
        "leave out --no-header if they are the names of the columns"
        if named is False
        else f"sed {first},{last}d {from_to(source)} takes {'them' if units > 1 else 'it'} out",
    )
