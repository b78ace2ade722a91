"""Delimited files of very many columns: Arrow spends 20 microseconds on each column of each batch, csv none."""

import contextlib
import gc
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from dlkit.data.tables.reading.files.delimited import DelimitedFile
from dlkit.data.tables.reading.files.opening import sha256_of
from dlkit.data.tables.reading.values.arrow import strings
from dlkit.data.tables.reading.values.columns import ColumnReader
from dlkit.errors import DataError

WIDE_COLUMNS = 5_000
_CELLS_AT_ONCE = 2**22


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Pause the search for garbage, which takes a fifth of the time among the objects of 100,000 columns."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class WideBatch(Mapping[str, pa.Array]):
    """The texts of some rows, column after column in one array.

    Args:
        places: Which column is the first, the second and so on, by name.
        texts: Shape (C * N,).
        count: The number of rows, N.
    """

    def __init__(self, places: Mapping[str, int], texts: pa.Array, count: int) -> None:
        self._places, self._texts, self._count = places, texts, count

    def __getitem__(self, name: str) -> pa.Array:
        return self._texts.slice(self._places[name] * self._count, self._count)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def joined(self, names: Sequence[str]) -> pa.Array:
        """Return the texts of some columns, one after the other."""
        first, last = self._places[names[0]], self._places[names[-1]]
        if last - first + 1 == len(names):
            return self._texts.slice(first * self._count, len(names) * self._count)
        return pa.concat_arrays([self[name] for name in names])


class WideFile(DelimitedFile):
    """A delimited text file of very many columns, read by Python's csv module.

    Args:
        file: The file as it was opened, with its header.
    """

    def __init__(self, file: DelimitedFile) -> None:
        vars(self).update(vars(file))
        self._first: tuple[int, WideBatch] | None = None
        self._lines: list[int] = []

    def sample(self) -> WideBatch:
        """Return the texts of the first rows.

        Raises:
            DataError: There are none, or they cannot be read.
        """
        self._begun = self._blocks()
        self._first = next(self._begun, None)
        if self._first is None:
            raise self._without_rows()
        return self._first[1]

    def batches(self, readers: Mapping[str, ColumnReader]) -> Iterator[tuple[int, WideBatch]]:  # noqa: ARG002 - all are read
        """Yield the texts of all columns, null where a field is empty, and how many bytes are read.

        Raises:
            DataError: The file is at fault; the message has the line.
        """
        if self._first is None:
            yield from self._blocks()
        else:
            first, self._first = self._first, None
            yield first
            yield from self._begun

    def fingerprint(self) -> str:
        """Return the SHA-256 over the content."""
        return sha256_of(self._file)

    def lines(self, rows: int) -> np.ndarray | None:
        """Return the line that each row begins in, shape (N,); None where they follow one another."""
        found = np.array(self._lines[:rows])
        return None if np.array_equal(found, np.arange(self.first_line, self.first_line + rows)) else found

    def _blocks(self) -> Iterator[tuple[int, WideBatch]]:
        places = {name: place for place, name in enumerate(self.header.names)}
        rows_at_once = max(1, _CELLS_AT_ONCE // len(places))
        found = self._records()
        try:
            while numbered := list(itertools.islice(found, rows_at_once)):
                lines, rows = zip(*numbered, strict=True)
                self._lines += lines
                if any(len(row) != len(places) for row in rows):
                    raise DataError(f"{self._source} has lines of different lengths")
                texts = strings(list(itertools.chain.from_iterable(zip(*rows, strict=True))), empty=True)
                if not np.frombuffer(texts.buffers()[2], np.uint8).all():
                    raise DataError(f"{self._source} has a NUL")
                yield self._file.tell(), WideBatch(places, texts, len(rows))
        except (UnicodeDecodeError, DataError) as err:
            raise self._fault() or err from err
