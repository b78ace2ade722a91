"""Histories of very many rows: read in one go, and thinned to what a figure can show."""

from dataclasses import replace
from pathlib import Path

from dlkit.files.history import History, is_ours

_LARGE_BYTES = 4 * 2**20
_MANY_ROWS = 30_000
_STRETCHES = 1_500
"""More than a figure has pixels from left to right."""
_FARTHEST = 1e100


def read_large(path: Path) -> History | None:
    """Read a large history.csv that dlkit wrote; None for anything else, which is read with all checks.

    Without the checks it takes a twentieth of the time: a file with a fault is not read here but there.
    """
    try:
        if path.stat().st_size < _LARGE_BYTES:
            return None
        text = path.read_bytes()
    except OSError:
        return None
    header = text[: text.find(b"\n")].decode(errors="replace").rstrip("\r").split(",")
    if not is_ours(header):
        return None
    import pyarrow as pa
    from pyarrow import csv

    whole_lines = pa.py_buffer(memoryview(text)[: text.rfind(b"\n") + 1])
    options = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.float64()), null_values=[""])
    try:
        table = csv.read_csv(pa.BufferReader(whole_lines), convert_options=options)
    except pa.ArrowInvalid:
        return None
    return History({name: table[name].to_numpy().tolist() for name in header}) if len(table) else None


def thinned(history: History) -> History:
    """Return the rows that a figure can show: the best, and the smallest and largest of each column in each stretch."""
    if len(history) <= _MANY_ROWS:
        return history
    import numpy as np

    size = -(-len(history) // _STRETCHES)
    firsts = np.arange(0, len(history), size)
    rows = {0, len(history) - 1, history.best_row() or 0}
    for column in history.columns.values():
        for sign in (-1, 1):
            values = np.full(len(firsts) * size, np.inf)
            values[: len(history)] = np.array(column, dtype=float) * sign
            values[~(np.abs(values) <= _FARTHEST)] = np.inf
            rows.update((firsts + values.reshape(-1, size).argmin(axis=1)).tolist())
    kept = sorted(rows)
    columns = {name: [column[row] for row in kept] for name, column in history.columns.items()}
    return replace(history, columns=columns)
