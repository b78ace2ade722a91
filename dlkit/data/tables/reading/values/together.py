"""Many columns of plain numbers judged and converted at once, which pays where each has few rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.files.wide import WideBatch
from dlkit.data.tables.reading.values.arrow import as_array
from dlkit.data.tables.reading.values.columns import ColumnReader, first_exponent, first_padded
from dlkit.data.tables.reading.values.numbers import Written

T = TypeVar("T")
_CELLS = 2**14


def judge_together(
    sample: Mapping[str, pa.Array], names: Sequence[str], written: Written, codes: Mapping[str, float]
) -> dict[str, ColumnReader]:
    """Return how those columns are to be read whose first rows are all plain numbers, by name.

    Args:
        sample: The texts of the first rows, by column.
        names: The columns that may be judged.
        written: How numbers are written.
        codes: Numbers that stand for a missing value.
    """

    def judge(names: Sequence[str]) -> dict[str, ColumnReader] | None:
        joined = _joined(sample, names)
        numbers = written.read(joined)
        if numbers is None:
            return None
        values = as_array(numbers).reshape(len(names), -1)
        empty = np.isnan(values).all(1)
        digits = (np.isnan(values) | (values == np.floor(values))).all(1) & ~empty
        if digits.any():
            whole = as_array(pc.match_substring_regex(joined, r"^\s*\d+\s*$").cast(pa.int8()), 1)
            digits &= whole.reshape(values.shape).all(1).astype(bool)
        if (digits.any() and first_padded(joined) is not None) or first_exponent(joined) is not None:
            return None
        return {
            name: ColumnReader(
                name, "number", written, codes=codes, digits=bool(digits[i]), empty=bool(empty[i])
            )
            for i, name in enumerate(names)
        }

    return _together(names, sample, judge)


def convert_together(
    readers: Mapping[str, ColumnReader], batch: Mapping[str, pa.Array]
) -> dict[str, np.ndarray]:
    """Return the numbers of those columns that can be converted together, shape (N,) each, by name.

    Args:
        readers: How the columns are to be read.
        batch: The texts of the same rows of each.
    """
    alike: dict[int, list[str]] = {}
    for name, reader in readers.items():
        if (
            reader.kind == "number"
            and reader.exact
            and not reader.written.censored
            and not reader.written.typed
        ):
            alike.setdefault(id(reader.written), []).append(name)

    def convert(names: Sequence[str]) -> dict[str, np.ndarray] | None:
        joined = _joined(batch, names)
        if not pa.types.is_string(joined.type):
            return None
        numbers = readers[names[0]].written.read(joined)
        digits = any(readers[name].digits for name in names)
        named = digits and (first_padded(joined) is not None or first_exponent(joined) is not None)
        if numbers is None or named:
            return None
        values = as_array(numbers).reshape(len(names), -1)
        for typed, code in readers[names[0]].codes.items():
            found = values == code
            for place in np.flatnonzero(found.any(1)).tolist():
                emptied = readers[names[place]].emptied
                emptied[typed] = emptied.get(typed, 0) + int(found[place].sum())
            values = np.where(found, np.nan, values)
        return dict(zip(names, values, strict=True))

    converted: dict[str, np.ndarray] = {}
    for names in alike.values():
        converted |= _together(names, batch, convert)
    return converted


def _together(
    names: Sequence[str],
    batch: Mapping[str, pa.Array],
    act: Callable[[Sequence[str]], dict[str, T] | None],
) -> dict[str, T]:
    """Act on columns in groups, halved where the act fails; a column that it fails for alone is left out."""
    rows = len(batch[names[0]]) if names else 0
    size = _CELLS // max(rows, 1)
    found: dict[str, T] = {}
    groups = [names[first : first + size] for first in range(0, len(names), size)] if size > 1 else []
    while groups:
        group = groups.pop()
        if (part := act(group)) is not None:
            found |= part
        elif len(group) > 1:
            groups += [group[: len(group) // 2], group[len(group) // 2 :]]
    return found


def _joined(batch: Mapping[str, pa.Array], names: Sequence[str]) -> pa.Array:
    if isinstance(batch, WideBatch):
        return batch.joined(names)
    return pa.concat_arrays([batch[name] for name in names])
