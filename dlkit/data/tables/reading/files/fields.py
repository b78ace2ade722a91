"""Fields of lines of text: what stands between them, and whether a line of them is values or names."""

import csv
import io
import itertools
import math
import re
from collections.abc import Sequence

DELIMITERS = (",", ";", "\t", "|")

_FEWEST_COUNTED = 3  # names as 1990, 1991, 1992 count
_MANY_COUNTED = 10


def are_values(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first line of a table seems to be a row as the others.

    Names may be numbers: those that count, as years and wavelengths do, and those beyond the numbers of their column.

    Args:
        names: The fields of the first line.
        rows: Fields of the next rows.
    """
    columns = list(zip(*(row for row in rows if len(row) == len(names)), strict=True)) or [()] * len(names)
    pairs = [(name, column) for name, column in zip(names, columns, strict=True) if name]
    numbers = [(float(name), column) for name, column in pairs if is_number(name)]
    texts = len(pairs) > len(numbers)
    repeated = (name in column for name, column in pairs if not is_number(name))
    if not numbers:
        return texts and all(repeated)
    if any(repeated):
        return True
    within = sum(_is_within(number, column) for number, column in numbers)
    counted = do_count([number for number, _ in numbers])
    if texts:
        return not counted and within > len(numbers) / 2
    decimals = any("." in field for _, column in numbers for field in column)
    return not (counted and (decimals or len(numbers) >= _MANY_COUNTED))


def delimiter_of(text: str) -> str:
    """Return what stands between the fields of the first line: what gives most of them, but for decimal commas."""
    best = max(DELIMITERS, key=lambda sign: len(split_line(text, sign)))
    others = [sign for sign in DELIMITERS[1:] if sign in text]
    if best == "," and others and re.sub(r"\d,\d", "", text).count(",") == 0:
        return max(others, key=lambda sign: len(split_line(text, sign)))
    return best


def split_line(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line."""
    reader = csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        return next(reader, [""])
    except csv.Error:  # a field of more than 131,072 letters: it stands somewhere else
        return [line]


def is_number(text: str) -> bool:
    """Return whether a text is a finite number as Python writes it."""
    if text[:1].isalpha():
        return False
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_within(number: float, column: Sequence[str]) -> bool:
    values = [float(field) for field in column if is_number(field)]
    return bool(values) and min(values) <= number <= max(values)


def do_count(numbers: Sequence[float]) -> bool:
    """Return whether numbers rise in equal steps."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    return (
        len(numbers) >= _FEWEST_COUNTED
        and steps[0] > 0
        and all(math.isclose(step, steps[0], rel_tol=1e-3) for step in steps)
    )
