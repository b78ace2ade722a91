"""A parquet file as batches of columns."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.files.opening import sha256_of
from dlkit.data.tables.reading.values.columns import ColumnReader
from dlkit.errors import DataError, printable

_ROWS = 65_536


class ParquetFile:
    """A parquet file.

    Args:
        file: Can be read more than once.
        source: What it is called in messages.

    Raises:
        DataError: It is no parquet file, has no rows, or a column holds neither numbers, truths, dates nor texts.
    """

    place = "row"
    first_line = 0

    def __init__(self, file: BinaryIO, source: str) -> None:
        from pyarrow import parquet

        self._source, self._stream = source, file
        file.seek(0)
        try:
            self._file = parquet.ParquetFile(file)
        except (pa.ArrowException, OSError) as err:
            raise self._unreadable(err) from err
        self.most_rows: int = self._file.metadata.num_rows
        self.notes: list[str] = []
        self._size = os.fstat(file.fileno()).st_size
        if not self.most_rows:
            raise DataError(f"{source} has columns and no rows")
        kinds = {field.name: _parquet_kind(field.type) for field in self._file.schema_arrow}
        self._kinds = {name: kind for name, kind in kinds.items() if kind}
        for field in self._file.schema_arrow:
            if field.name not in self._kinds:
                self.notes.append(
                    f"column {printable(field.name)} is left out: it holds {printable(str(field.type))}"
                )
        if not self._kinds:
            raise DataError(f"{source} has no column of numbers, booleans, dates or texts", "add one")
        names = self._file.schema_arrow.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{source} has two columns {printable(twice)}", "rename one of them")

    def readers(self, *, exact: bool) -> dict[str, ColumnReader]:
        """Return how each column is read.

        Args:
            exact: Keep all numbers in float64.
        """
        return {name: ColumnReader(name, kind, exact=exact) for name, kind in self._kinds.items()}

    def batches(self, readers: Mapping[str, ColumnReader]) -> Iterator[tuple[int, Mapping[str, pa.Array]]]:
        """Yield the values of some columns, float64 or texts, and how many bytes are read, about.

        Raises:
            DataError: The file is damaged.
        """
        rows = 0
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS, columns=list(readers)):
                rows += len(batch)
                values = {name: _values(reader.kind, batch.column(name)) for name, reader in readers.items()}
                yield rows * self._size // self.most_rows, values
        except (pa.ArrowException, OSError) as err:
            raise self._unreadable(err) from err

    def fingerprint(self) -> str:
        """Return the SHA-256 over the file."""
        return sha256_of(self._stream)

    def lines(self, rows: int) -> None:
        """Return None: rows stand in no lines."""

    def dialect(self, way: str = "") -> str:
        """Return nothing: pandas needs no arguments."""
        return way

    def line_of(self, row: int) -> int:
        """Return the number of a row, from 0."""
        return row

    def _unreadable(self, err: Exception) -> DataError:
        return DataError(
            f"{self._source} is not a complete parquet file: {printable(str(err).splitlines()[0], 120)}",
            "write it again",
        )


def _values(kind: str, array: Any) -> pa.Array:
    """Return a column of a parquet file as texts or float64, null where one is missing."""
    if kind == "text":
        return array if pa.types.is_dictionary(array.type) else array.cast(pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if kind == "date":
        micros = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pc.divide(micros.cast(pa.float64(), safe=False), 1e6)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    return array.cast(pa.float64(), safe=False)


def _parquet_kind(found: Any) -> str:
    """Return the kind of a column by its type in a parquet file; empty where it is none that a table may have."""
    types = pa.types
    found = found.value_type if types.is_dictionary(found) else found
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_null)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    if types.is_boolean(found):
        return "boolean"
    if any(is_one(found) for is_one in numbers):
        return "number"
    if types.is_timestamp(found) or types.is_date(found):
        return "date"
    return "text" if any(is_one(found) for is_one in texts) else ""
