"""Tables as text: numbers of four significant digits, and what fits the width of a terminal."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

Cell = str | int | float | None

_DIGITS, _FEWER_DIGITS = 4, 3
_GAP = 2
_NARROWEST_NAME = 14
_NARROWEST_PROSE = 28
_INDENT = 4
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def format_number(value: float, digits: int = _DIGITS) -> str:
    """Format a number with some significant digits, and never fewer than stand before its point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = _exponent(value, digits)
    if not -4 < exponent < 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def format_column(cells: Sequence[Cell], digits: int = _DIGITS, *, thousands: str = "") -> list[str]:
    """Format the cells of a column; numbers of about one size have the same decimals, trailing zeros included.

    Args:
        cells: Texts are kept, None is empty.
        digits: Significant digits of the largest number.
        thousands: What stands between the thousands of whole numbers.
    """
    floats = [cell for cell in cells if isinstance(cell, float) and math.isfinite(cell) and cell != 0]
    exponents = [_exponent(value, digits) for value in floats]
    decimals = None
    if floats and max(exponents) < 6 and min(exponents) > -4 and max(exponents) - min(exponents) < digits:
        decimals = max(0, digits - 1 - max(exponents), 1 - min(exponents))

    def formatted(cell: Cell) -> str:
        if isinstance(cell, float):
            shared = decimals is not None and math.isfinite(cell)
            return f"{cell:.{decimals}f}" if shared else format_number(cell, digits)
        if isinstance(cell, int) and not isinstance(cell, bool):
            return f"{cell:,}".replace(",", thousands)
        return "" if cell is None else str(cell)

    return [formatted(cell) for cell in cells]


def draw_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], width: int) -> Iterator[str]:
    """Yield the lines of a table that fits a width, its header first.

    What does not fit is made narrower in this order: numbers have fewer digits, names lose their middle, and sentences
    stand below their row, behind the name of their column; then columns are left out from the right, which the last
    line says. A number is never broken.

    Args:
        columns: The header.
        rows: One cell a column.
        width: In characters.
    """
    table = [_Column(name, [row[index] for row in rows]) for index, name in enumerate(columns)]
    left_out: list[str] = []
    if _total(table) > width:
        for column in table:
            column.shorten_numbers()
    if (spare := width - _total(table, prose=_NARROWEST_PROSE)) >= 0:
        _share(spare, [column for column in table if column.is_prose])
        below: list[_Column] = []
    else:
        below = [column for column in table if column.is_prose]
        table = [column for column in table if not column.is_prose]
    while (excess := _total(table) - width) > 0:
        if excess <= sum(column.slack for column in table):
            _shorten_names(table, excess)
        elif len(table) > 1:
            left_out.append(table.pop().name)
        else:
            table[0].shorten(width)
    yield "  ".join(column.header() for column in table).rstrip()
    for index in range(len(rows)):
        yield from _row_lines(table, index)
        for column in below:
            yield from textwrap.wrap(
                f"{column.name}: {column.texts[index]}" if column.texts[index] else "",
                max(width, 20),
                initial_indent=" " * _INDENT,
                subsequent_indent=" " * (_INDENT + 2),
            )
    if left_out:
        names = ", ".join(reversed(left_out))
        yield from textwrap.wrap(f"({names}: too wide for this terminal; --json prints all)", max(width, 20))


class _Column:
    """A column: its cells as text, and how narrow it may become."""

    def __init__(self, name: str, cells: Sequence[Cell]) -> None:
        self.name = self._header = name
        self._cells = cells
        self.is_numeric = all(isinstance(cell, int | float | None) for cell in cells)
        self.texts = self._whole = format_column(cells, thousands=",")
        self.width = self._natural_width()
        self.is_prose = self.width > _NARROWEST_PROSE and any(text.count(" ") > 2 for text in self.texts)

    @property
    def slack(self) -> int:
        """How many characters its names can lose."""
        return 0 if self.is_numeric else max(0, self.width - _NARROWEST_NAME)

    def shorten_numbers(self) -> None:
        """Leave one digit less."""
        self.texts = self._whole = format_column(self._cells, _FEWER_DIGITS, thousands=",")
        self.width = self._natural_width()

    def shorten(self, width: int) -> None:
        """Replace the middle of names that are longer."""
        self.width = width
        self.texts = [_shortened(text, width) for text in self._whole]
        self._header = _shortened(self.name, width)

    def header(self) -> str:
        """Return its name, as wide as its cells."""
        return self._padded(self._header)

    def lines(self, index: int) -> list[str]:
        """Return the lines of a cell; only sentences have several."""
        text = self.texts[index]
        return (textwrap.wrap(text, self.width) if self.is_prose else [text]) or [""]

    def line(self, lines: Sequence[str], number: int) -> str:
        """Return one of these lines, as wide as the column; empty after the last."""
        return self._padded(lines[number] if number < len(lines) else "")

    def _padded(self, text: str) -> str:
        blank = " " * (self.width - cell_len(text))
        return blank + text if self.is_numeric else text + blank

    def _natural_width(self) -> int:
        return max(map(cell_len, [self.name, *self.texts]))


def _row_lines(table: Sequence[_Column], index: int) -> Iterator[str]:
    cells = [column.lines(index) for column in table]
    for number in range(max(map(len, cells), default=0)):
        pieces = [column.line(lines, number) for column, lines in zip(table, cells, strict=True)]
        yield "  ".join(pieces).rstrip()


def _total(table: Sequence[_Column], prose: int | None = None) -> int:
    widths = [prose if prose is not None and column.is_prose else column.width for column in table]
    return sum(widths) + _GAP * (len(table) - 1)


def _share(spare: int, columns: Sequence[_Column]) -> None:
    """Give columns of sentences the width that is left, beyond the least that they need."""
    wanted = sorted(columns, key=lambda column: column.width)
    for place, column in enumerate(wanted):
        part = min(column.width - _NARROWEST_PROSE, spare // (len(wanted) - place))
        spare -= part
        column.width = _NARROWEST_PROSE + part


def _shorten_names(table: Sequence[_Column], excess: int) -> None:
    """Shorten the widest names first, by as much as is in excess."""
    while excess > 0:
        widest = max(table, key=lambda column: column.slack)
        others = [column.slack for column in table if column is not widest]
        step = min(excess, max(1, widest.slack - max(others, default=0)))
        widest.shorten(widest.width - step)
        excess -= step


def _shortened(text: str, width: int) -> str:
    """Replace the middle of a name; its last part, after a point or a slash, is kept where there is room."""
    if len(text) <= width:
        return text
    last = max(text.rfind("."), text.rfind("/")) + 1
    tail = len(text) - last if 0 < len(text) - last <= width // 2 else (width - 1) // 2
    return f"{text[: width - 1 - tail]}{_ELLIPSIS}{text[len(text) - tail :]}"


def _exponent(value: float, digits: int) -> int:
    """Return the power of ten of a number once it is rounded to some digits."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def fitting(pieces: Sequence[str], width: int) -> str:
    """Join the first pieces that fit a width, two blanks between them; the first is always there."""
    line, *rest = pieces
    for piece in rest:
        if len(line) + 2 + len(piece) > width:
            break
        line += f"  {piece}"
    return line
