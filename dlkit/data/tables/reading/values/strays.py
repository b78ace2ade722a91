"""Texts that keep a column from being numbers, once all of its rows were seen: each of them, and what they are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dlkit.data.tables.reading.values.around import is_code, shape_of
from dlkit.data.tables.reading.values.columns import MOST_OTHERS, ColumnReader, Odd
from dlkit.errors import counted, printable

_MOST_UNITS = 5


def all_strays(reader: ColumnReader, codes: np.ndarray) -> Odd | None:
    """Return what is odd about a column, with all texts in it that are no numbers.

    Where codes such as 2A032 are among whole numbers the fault is `code`; too many texts to name are `many`.

    Args:
        reader: Has seen all rows.
        codes: Of its texts, shape (N,); -1 where missing.
    """
    odd = reader.odd
    if odd is not None and odd.fault == "units" and reader.kind == "text" and not reader.hashed:
        return replace(odd, more=_units(reader.categories, codes))
    if odd is not None and odd.fault == "date" and reader.kind == "text" and not reader.hashed:
        places = [reader.categories[text] for text in (odd.text, *odd.more) if text in reader.categories]
        return replace(odd, rows=int(np.isin(codes, places).sum()))
    if odd is None or odd.fault != "word" or reader.kind != "text" or reader.hashed:
        return odd
    texts = list(reader.categories)
    strange = np.isnan(reader.written.read_each(texts)) & ~reader.written.is_missing(texts)
    if 2 * strange.sum() > len(texts):  # among words, as true and false
        return odd
    others = [texts[place] for place in np.flatnonzero(strange).tolist() if texts[place] != odd.text]
    more = tuple(others) if len(others) < MOST_OTHERS else ()
    decimals = any("." in text for text, odd in zip(texts, strange.tolist(), strict=True) if not odd)
    if not decimals and any(map(is_code, (odd.text, *others))):
        return replace(odd, fault="code", more=more)
    return replace(odd, fault="word" if len(others) < MOST_OTHERS else "many", more=more)


def _units(texts: Iterable[str], codes: np.ndarray) -> tuple[str, ...]:
    """Return the units of numbers, each with how many rows have it, the most frequent first."""
    found: Counter[str] = Counter()
    for text, count in zip(texts, np.bincount(codes[codes >= 0]).tolist(), strict=False):
        if (shape := shape_of(text)) is not None:
            found[printable(f"{shape.before} {shape.after}".strip(), 20) or "none"] += count
    return tuple(f"{unit} in {counted(count, 'row')}" for unit, count in found.most_common(_MOST_UNITS))
