"""The columns of a parquet file, batch by batch; the one place that needs pyarrow."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from dlkit.data.tables.rows import Plan
from dlkit.errors import DataError, MissingError, printable

_BATCH_ROWS = 65_536


class ParquetColumns:
    """A parquet file that is being read.

    Args:
        file: Open for reading bytes, at its beginning.
        source: What it is called in messages.

    Raises:
        MissingError: pyarrow is not installed.
        DataError: It is no parquet file, has no rows, or a column holds neither numbers, truths, dates nor texts.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as err:
            raise MissingError(
                f"{printable(source, 200)}: reading parquet needs pyarrow, which is not installed",
                "pip install 'dlkit[parquet]'; or write the table as CSV",
            ) from err
        self._arrow = pa
        self._source = source
        try:
            self._file = parquet.ParquetFile(file)
        except (pa.ArrowException, OSError) as err:
            raise self._unreadable(err) from err
        self.num_rows: int = self._file.metadata.num_rows
        if not self.num_rows:
            raise DataError(f"{printable(source, 200)} has columns and no rows")
        names = self._file.schema_arrow.names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{printable(source, 200)} has two columns {printable(twice)}", "rename one of them"
            )
        self._kinds = {field.name: self._kind(field) for field in self._file.schema_arrow}

    def plans(self, *, exact: bool) -> dict[str, Plan]:
        """Say how each column is read.

        Args:
            exact: Keep all numbers in float64.
        """
        return {name: Plan(kind, exact=exact or kind == "date") for name, kind in self._kinds.items()}

    def batches(self) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
        """Give the values of each column, float64 or texts, and the number of each row, from 0.

        Raises:
            DataError: The file is damaged.
        """
        before = 0
        try:
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS):
                columns = {name: self._values(name, batch.column(name)) for name in self._kinds}
                yield columns, np.arange(before, before + len(batch))
                before += len(batch)
        except (self._arrow.ArrowException, OSError) as err:
            raise self._unreadable(err) from err

    def _values(self, name: str, array: Any) -> np.ndarray:
        kind = self._kinds[name]
        if kind == "text":
            texts = np.asarray(array.to_pylist(), dtype=object)
            texts[array.is_null().to_numpy(zero_copy_only=False)] = np.nan
            return texts
        if kind == "date":
            array = array.cast(self._arrow.timestamp("us")).cast(self._arrow.int64())
        if self._arrow.types.is_boolean(array.type):
            array = array.cast(self._arrow.int8())
        values = array.cast(self._arrow.float64(), safe=False).to_numpy(zero_copy_only=False)
        numbers = np.array(values, dtype=np.float64)
        numbers[array.is_null().to_numpy(zero_copy_only=False)] = np.nan
        return numbers / 1e6 if kind == "date" else numbers

    def _kind(self, field: Any) -> str:
        types = self._arrow.types
        found = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_boolean(found):
            return "boolean"
        if (
            types.is_integer(found)
            or types.is_floating(found)
            or types.is_decimal(found)
            or types.is_null(found)
        ):
            return "number"
        if types.is_timestamp(found) or types.is_date(found):
            return "date"
        if types.is_string(found) or types.is_large_string(found):
            return "text"
        raise DataError(
            f"{printable(self._source, 200)}: column {printable(field.name)} holds {printable(str(found))}, which is "
            "neither number, truth, date nor text",
            "leave that column out when the file is written",
        )

    def _unreadable(self, err: Exception) -> DataError:
        return DataError(
            f"{printable(self._source, 200)} is no whole parquet file: {printable(str(err).splitlines()[0], 120)}",
            "write it anew",
        )
