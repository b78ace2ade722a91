"""What is printed and where: results to stdout, everything else to stderr."""

import contextlib
import functools
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dlkit.errors import DlkitError, file_error

Cell = str | int | float | None

_TINY, _LARGE = 1e-3, 1e3


@dataclass
class Mode:
    """How this command was asked to speak."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    debug: bool = False

    def reset(self) -> None:
        """Go back to speaking plainly, for the next command of this process."""
        self.quiet = self.verbose = self.json = self.debug = False


mode = Mode()


class _Stderr(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print; a log on a full disk or a terminal that has gone is no reason to stop either."""
        try:
            super().print(*objects, **options)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Fall silent and go on: whoever read the notes has gone, the work has not."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def stderr() -> Console:
    """Give the console for notes, warnings, errors and progress: one alone, so that notes stand above the bars."""
    return _console_on(getattr(sys.stderr, "rich_proxied_file", sys.stderr))


@functools.lru_cache(maxsize=1)
def _console_on(file: TextIO) -> Console:
    return _Stderr(file=file, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Say something worth knowing, unless --quiet."""
    if not mode.quiet:
        stderr().print(_shown(text))


def detail(text: str) -> None:
    """Say something only --verbose asks for."""
    if mode.verbose:
        note(text)


def warn(text: str) -> None:
    """Say that something was adjusted, ignored or found wanting."""
    stderr().print(f"[yellow]warning:[/] {_shown(text)}")


def error(err: DlkitError) -> None:
    """Tell a mistake: a line for each fault, and the hint below it."""
    console = stderr()
    for fault in err.faults:
        console.print(f"[bold red]error:[/] {_shown(fault.message)}")
        if fault.hint:
            console.print(f"[cyan]hint:[/] {_shown(fault.hint)}")


def print_line(text: str) -> None:
    """Print one line of the result."""
    print_text(f"{text}\n")


def print_text(text: str) -> None:
    """Print a text that ends its own lines; letters that the encoding of stdout does not have are escaped."""
    with _told():
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def flush() -> None:
    """Let nothing of the result be held back.

    Raises:
        StdoutError: It cannot be written.
    """
    with _told():
        sys.stdout.flush()


class StdoutError(DlkitError):
    """The result cannot be written, and what is left of it should not be tried again."""


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        told = file_error(err, Path("stdout"), "write to")
        raise StdoutError(told.message, "the result is not written; the files of a run are") from err


def print_paths(paths: Iterable[Path]) -> None:
    """Print the paths of what was written, one a line, or as JSON."""
    if mode.json:
        print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        print_line(str(path))


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinities become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False)
    print_line("".join(sign if _is_harmless(sign) else json.dumps(sign)[1:-1] for sign in text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "") -> None:
    """Print a table: drawn on a terminal, tab-separated in a pipe, a list of objects with --json.

    Args:
        columns: The header.
        rows: One cell a column; None is an empty cell.
        title: A line above the table, on a terminal only.
    """
    if mode.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif sys.stdout.isatty():
        _draw(columns, list(rows), title)
    else:
        for row in (columns, *rows):
            print_line("\t".join(_exact(cell) for cell in row))


def print_pairs(pairs: Mapping[str, Cell]) -> None:
    """Print names and values, a line each, or one JSON object."""
    if mode.json:
        print_json(dict(pairs))
    elif sys.stdout.isatty():
        width = max(map(len, pairs))
        for name, value in pairs.items():
            print_line(f"{name:<{width}}  {_short(value)}")
    else:
        for name, value in pairs.items():
            print_line(f"{name}\t{_exact(value)}")


def figure(value: float | None) -> str:
    """Write a loss or a metric: four decimals, one from a thousand on, significant digits where it is tiny."""
    if value is None:
        return "-"
    if 0 < abs(value) < _TINY:
        return f"{value:.3g}"
    return f"{value:,.1f}" if abs(value) >= _LARGE else f"{value:.4f}"


def _shown(text: str) -> str:
    """Make a message safe to show: names of files may steer a terminal too."""
    return escape("".join(sign if _is_harmless(sign) else "\N{REPLACEMENT CHARACTER}" for sign in text))


def _is_harmless(sign: str) -> bool:
    return sign.isprintable() or sign in "\n\t"


def _draw(columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str) -> None:
    table = Table(
        title=escape(title) or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(escape(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(_short(cell)) for cell in row))
    Console(file=sys.stdout, highlight=False).print(table)


def _short(cell: Cell) -> str:
    if isinstance(cell, float) and math.isfinite(cell):
        return f"{cell:.4g}" if cell == 0 or 1e-3 <= abs(cell) < 1e6 else f"{cell:.2e}"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return _exact(cell)


def _exact(cell: Cell) -> str:
    text = "" if cell is None else str(cell).replace("\t", " ").replace("\n", " ")
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
