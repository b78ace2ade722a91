"""Arrow arrays from Python and as numpy's; Arrow's own ways would import pandas, which takes half a second."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def strings(texts: Sequence[str], *, empty: bool = False) -> pa.Array:
    """Return an Arrow array of texts.

    Args:
        texts: The texts.
        empty: Empty ones are null.
    """
    joined = "".join(texts)
    if joined.isascii():
        lengths, data = np.fromiter(map(len, texts), np.int32, len(texts)), joined.encode()
    else:
        parts = [text.encode() for text in texts]
        lengths, data = np.fromiter(map(len, parts), np.int32, len(texts)), b"".join(parts)
    offsets = np.append(np.int32(0), np.cumsum(lengths, dtype=np.int32))
    valid = pa.py_buffer(np.packbits(lengths > 0, bitorder="little")) if empty else None
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data), valid)


def as_array(values: Any, missing: float = np.nan) -> np.ndarray:
    """Return an Arrow array of numbers as numpy's, filled where null."""
    valid, data = values.buffers()
    here = slice(values.offset, values.offset + len(values))
    array: np.ndarray = np.frombuffer(data, np.dtype(str(values.type)))[here] if data else np.zeros(0)
    if not values.null_count:
        return array
    present = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[here]
    return np.where(present, array, np.array(missing, array.dtype))


def coded(values: pa.Array) -> tuple[list[str], np.ndarray]:
    """Return the different texts, shape (K,), and which of them each row has, shape (N,), -1 where it is empty."""
    array = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    texts = [text.lstrip(" ") for text in array.dictionary.to_pylist()]
    return texts, as_array(array.indices, -1)
