"""Texts that keep a column from being numbers, once all of its rows were seen: each of them, and what they are."""

from dataclasses import replace

import numpy as np

from dlkit.data.tables.reading.values.around import is_code
from dlkit.data.tables.reading.values.columns import MOST_OTHERS, ColumnReader, Odd


def all_strays(reader: ColumnReader) -> Odd | None:
    """Return what is odd about a column, with all texts in it that are no numbers.

    Where codes such as 2A032 are among them the fault is `code`; where there are too many to name it is `many`.

    Args:
        reader: Has seen all rows.
    """
    odd = reader.odd
    if odd is None or odd.fault != "word" or reader.kind != "text" or reader.hashed:
        return odd
    texts = list(reader.categories)
    strange = np.isnan(reader.written.read_each(texts)) & ~reader.written.is_missing(texts)
    if 2 * strange.sum() > len(texts):  # among words, as true and false
        return odd
    others = [texts[place] for place in np.flatnonzero(strange).tolist() if texts[place] != odd.text]
    if any(map(is_code, (odd.text, *others))):
        return replace(odd, fault="code", more=())
    return (
        replace(odd, more=tuple(others)) if len(others) < MOST_OTHERS else replace(odd, fault="many", more=())
    )
