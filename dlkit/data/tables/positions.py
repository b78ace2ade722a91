"""Positions in one column of texts, as WKT writes points: recognised, and divided into two columns by a command."""

import re
from dataclasses import dataclass

from dlkit.data.tables.blocks import guess_coordinates
from dlkit.data.tables.reading.files.commands import by_pandas, other_file
from dlkit.data.tables.table import Column, Table, in_shell
from dlkit.errors import DataError, printable

_NUMBER = r"([-+]?[.0-9][-+.0-9eE]*)"
_WKT = re.compile(
    rf"(?:SRID=\d+;)?\s*(?:MULTI)?POINT\s*[ZM]{{0,2}}\s*\(+\s*{_NUMBER}(?:\s+{_NUMBER})+\s*\)+", re.IGNORECASE
)
_EMPTY = re.compile(r"(?:SRID=\d+;)?\s*POINT\s*[ZM]{0,2}\s*EMPTY", re.IGNORECASE)
_GEOJSON = re.compile(rf"\{{.*\bcoordinates\W+{_NUMBER}\s*,\s*{_NUMBER}.*\}}")
_PAIR = re.compile(rf"[(\[]?\s*{_NUMBER}\s*[,;]\s*{_NUMBER}\s*[)\]]?")
_LON_FIRST = re.compile(r"(?:.*[^a-z])?(?:lon|lng|long|longitude)[^a-z]+lat.*", re.IGNORECASE)
_DIVIDED = r"d[{names}] = d.pop(sys.argv[3]).str.extract(r'{number}\s*[ ,;]\s*{number}')"


@dataclass(frozen=True)
class Position:
    """A column whose texts are positions.

    Args:
        column: Its name.
        names: Of the two columns that it becomes, in the order of its numbers.
        coords: Likewise, the one to the east first.
        command: What writes a copy of the file that has them in its place.
        table: The file that the command writes.
    """

    column: str
    names: tuple[str, str]
    coords: tuple[str, str]
    command: str
    table: str

    @property
    def cure(self) -> str:
        """What to do, as a hint."""
        x, y = self.names
        return (
            f"to divide {printable(self.column)} into {x} and {y}: {self.command}; then --data {self.table}"
        )

    def error(self, source: str) -> DataError:
        """Return the error of a column that would be lost as texts, each for itself."""
        name = printable(self.column)
        return DataError(
            f"{source}: column {name} has positions, two numbers in one text",
            f"{self.cure}; --kinds {in_shell(f'{name}=text')} takes it as texts",
        )


def position_in(table: Table, column: Column) -> Position | None:
    """Return how a column of positions is divided: WKT or GeoJSON points, or pairs such as (47.1, 8.5); else None."""
    texts = column.categories
    if column.kind != "text" or column.given or not texts:
        return None
    if all(_WKT.fullmatch(text) or _EMPTY.fullmatch(text) or _GEOJSON.fullmatch(text) for text in texts):
        names = ("x", "y")
    elif _are_pairs(texts):
        names = _names_of_pairs(column.name, texts)
    else:
        return None
    if set(names) & set(table.names):
        names = (f"{names[0]}_divided", f"{names[1]}_divided")
    code = _DIVIDED.format(names=list(names), number=_NUMBER)
    command = by_pandas(table.source, table.dialect, code, column.name)
    coords = names[::-1] if names[0].startswith("lat") else names
    return Position(column.name, names, coords, command, other_file(table.source))


def find_position(table: Table) -> Position | None:
    """Return how the only column of positions in a table is divided; None where it has none, or several."""
    found = [position for column in table.columns.values() if (position := position_in(table, column))]
    return found[0] if len(found) == 1 else None


def told_by(table: Table) -> str:
    """Return which columns, by their names, tell the position as well; empty where none do."""
    return " and ".join(map(printable, guess_coordinates(table.names) or ()))


def _are_pairs(texts: tuple[str, ...]) -> bool:
    """Return whether texts are pairs of numbers with decimals, with a comma between."""
    found = (_PAIR.fullmatch(text.strip()) for text in texts)
    return len(texts) > 1 and all(
        match and "." in match[1] and "." in match[2] and _is_number(match[1]) and _is_number(match[2])
        for match in found
    )


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text) is not None


def _names_of_pairs(column: str, texts: tuple[str, ...]) -> tuple[str, str]:
    """Return what the numbers of pairs are: latitude first where they may be degrees, as maps show them."""
    pairs = [match.groups() for text in texts if (match := _PAIR.fullmatch(text.strip()))]
    first, second = (max(abs(float(pair[place])) for pair in pairs) for place in (0, 1))
    if max(first, second) > 180:
        return "x", "y"
    return ("lon", "lat") if first > 90 or _LON_FIRST.fullmatch(column) else ("lat", "lon")
