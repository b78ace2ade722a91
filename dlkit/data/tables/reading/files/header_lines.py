"""Names of columns that stand in several lines, as pandas and spreadsheets write them, joined: x_mean, x_std."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from dlkit.data.tables.reading.files.fields import is_number

_MOST_LINES = 4
_UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?")  # what pandas reads where a level is empty


def join_names(
    names: Sequence[str], rows: Sequence[Sequence[str]], above: Sequence[str]
) -> tuple[tuple[str, ...], int]:
    """Return names that come again joined with those in the lines below, or in the line above.

    Args:
        names: In the first line that has one for each column.
        rows: The fields of the next lines.
        above: The fields of the line above; none where it is the first of the file.

    Returns:
        The names, and how many of the next lines have some.
    """
    joined, below = _joined_below(names, rows)
    return (joined, below) if below or not above else (_joined_above(names, above), 0)


def _joined_below(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], int]:
    """Return names joined with those in the lines below, the last of which may have the names of the index alone."""
    again = {name for name, count in Counter(names).items() if count > 1 and name}
    lines, index = [list(names)], None
    for row, following in itertools.pairwise([*rows[: _MOST_LINES + 1], []] if again else []):
        fields = [field.strip() for field in row]
        if len(fields) != len(names):
            break
        if _names_index(fields, lines[-1]):
            index = fields
            break
        numbers = any(map(is_number, fields)) and not _names_index(following, fields)
        if _are_distinct(_joined(lines)) or numbers:
            break
        lines.append(fields)
    joined, count = _joined(lines), len(lines) - 1 + (index is not None)
    if index is not None:
        wide = _width(index) or 1
        joined[:wide] = index[:wide]
    below = [row for row in rows[count:] if len(row) == len(names)]
    columns = zip(names, zip(*below, strict=True), strict=False)
    measured = any(
        name in again and 2 * sum(map(is_number, fields)) > len(fields) for name, fields in columns
    )
    if not count or not measured or not _are_distinct(joined):
        return tuple(names), 0
    return tuple(name or f"Unnamed: {place}" * (place > 0) for place, name in enumerate(joined)), count


def _joined_above(names: Sequence[str], above: Sequence[str]) -> tuple[str, ...]:
    """Return names that come again joined with those above, each of which is for all columns up to the next."""
    filled: list[str] = []
    for name in above:
        filled.append(name.strip() or (filled[-1] if filled else ""))
    joined = _joined([filled, names]) if len(above) == len(names) else []
    return tuple(joined if joined and not _are_distinct(names) and _are_distinct(joined) else names)


def _joined(lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        "_".join(name for name in column if name and not _UNNAMED.fullmatch(name))
        for column in zip(*lines, strict=True)
    ]


def _are_distinct(names: Sequence[str]) -> bool:
    given = list(filter(None, names))
    return len(set(given)) == len(given)


def _names_index(fields: Sequence[str], above: Sequence[str]) -> bool:
    """Return whether a line has nothing but names in front, where columns have names above."""
    wide = _width(fields)
    return (
        2 * wide < len(fields)
        and len(fields) == len(above)
        and not any(map(is_number, fields[:wide]))
        and all(above[wide or 1 :])
    )


def _width(fields: Sequence[str]) -> int:
    """Return how many fields there are up to the last that is not empty."""
    return max((place + 1 for place, field in enumerate(fields) if field.strip()), default=0)
