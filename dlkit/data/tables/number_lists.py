"""Columns whose texts are many numbers each, as the pixels of an image: recognised, and made an array by a command."""

import math
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from dlkit.data.tables.own_split import part_column, parts_of
from dlkit.data.tables.reading.files.commands import read_by_pandas
from dlkit.data.tables.table import Column, Table
from dlkit.errors import DataError, printable

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LIST = re.compile(rf"[\[(]?\s*{_NUMBER}(?:(?:\s*[,;]\s*|\s+){_NUMBER})+\s*[\])]?")
_FEWEST, _FEWEST_PIXELS = 8, 64
_TEXTS_SEEN, _FEWEST_TEXTS = 50, 2
_ARRAYS = (
    "d = d.dropna(subset=[n, *t]); y = np.array(d[t].to_numpy().tolist()); "
    r"x = np.array(d[n].str.strip('[]() ').str.split(r'[,;\s]+', regex=True).tolist(), 'float32')"
)
_BY_PARTS = "**{a + '_' + q: v[p == q] for q in {*p} & {*m.values()} for a, v in (('x', x), ('y', y))}"


def numbers_each(column: Column) -> int:
    """Return how many numbers each text of a column holds; 0 where they hold few, or something else."""
    texts = column.categories[:_TEXTS_SEEN]
    if column.kind != "text" or column.given or len(texts) < _FEWEST_TEXTS:
        return 0
    if not all(_LIST.fullmatch(text.strip()) for text in texts):
        return 0
    counts = {len(re.findall(_NUMBER, text)) for text in texts}
    return counts.pop() if len(counts) == 1 and min(counts) >= _FEWEST else 0


def refuse_lists(table: Table, features: Iterable[str], targets: Sequence[str]) -> None:
    """Refuse a column of texts of many numbers each, which would be lost as texts.

    Args:
        table: The table.
        features: The columns to learn from.
        targets: The columns to predict; without one the message has no command.

    Raises:
        DataError: There is one; the command of its hint writes arrays of the numbers and the target.
    """
    for name in features:
        if count := numbers_each(table.column(name)):
            raise DataError(
                f"{table.source}: column {printable(name)} has {count:,} numbers in each text, as "
                f"'{printable(table.column(name).categories[0], 40)}'",
                _hint(table, name, count, targets),
            )


def _hint(table: Table, name: str, count: int, targets: Sequence[str]) -> str:
    if not targets:
        return "with --target the command is named that makes arrays of them"
    side, made = math.isqrt(count), f"{re.sub(r'[.].*', '', Path(table.source).name) or 'table'}.npz"
    square = count >= _FEWEST_PIXELS and side * side == count
    own = part_column(table, (name, *targets))
    read = (
        f"d = {read_by_pandas(table.source, table.dialect)}; {_ARRAYS}"
        + f".reshape(-1, {side}, {side})" * square
    )
    if own is None:
        code = f"n, *t = sys.argv[3:]; {read}; np.savez(sys.argv[2], x=x, y=y)"
    else:
        parts = f"m = {parts_of(table.columns[own].categories)}; p = d[o].map(m).to_numpy()"
        code = f"o, n, *t = sys.argv[3:]; {read}; {parts}; np.savez(sys.argv[2], {_BY_PARTS})"
    words = filter(None, (table.source, made, own, name, *targets))
    return (
        f"arrays of them{f', as images of {side} x {side}' * square}: python -c "
        f'"import sys, numpy as np, pandas as pd; {code}" {" ".join(map(shlex.quote, words))}; then --data '
        f"{shlex.quote(made)} without --target"
    )
