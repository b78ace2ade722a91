"""Arrow arrays from Python and as numpy's; Arrow's own ways would import pandas, which takes half a second."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def strings(texts: Sequence[str]) -> pa.Array:
    """Return an Arrow array of texts."""
    data = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(b"".join(data)))


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
