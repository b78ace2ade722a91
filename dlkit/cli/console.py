"""Print results to stdout, and everything else to stderr."""

import contextlib
import functools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from dlkit.cli.streams import discard_stderr, result
from dlkit.cli.tables import Cell, draw_table, format_column
from dlkit.errors import DlkitError, InterruptedRun, StdoutError, file_error
from dlkit.files.json_values import finite

_TINY, _LARGE = 1e-3, 1e3
_WARNING = "warning: "


@dataclass
class Mode:
    """The output options of the current command."""

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    debug: bool = False
    rank: str = ""
    """What errors begin with in a process that leaves all else on its streams to the first of a group."""

    def reset(self) -> None:
        """Restore the defaults, for the next command of this process."""
        self.quiet = self.verbose = self.json = self.debug = False
        self.rank = ""


mode = Mode()


class _Stderr(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print; a full disk or a closed terminal behind stderr does not stop the command."""
        try:
            super().print(*objects, **options)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Stop printing and continue the work when the reader of stderr has gone."""
        self.quiet = True
        discard_stderr()


def stderr() -> Console:
    """Return the console for notes, warnings, errors and progress; a single one, so that notes appear above bars."""
    return _console_on(getattr(sys.stderr, "rich_proxied_file", sys.stderr))


@functools.lru_cache(maxsize=1)
def _console_on(file: TextIO) -> Console:
    return _Stderr(file=file, highlight=False, soft_wrap=True, emoji=False)


def note(text: str) -> None:
    """Print a note to stderr, unless --quiet; one that begins with `warning: ` is a warning."""
    if text.startswith(_WARNING):
        warn(text.removeprefix(_WARNING))
    elif not mode.quiet:
        stderr().print(_safe(text))


def detail(text: str) -> None:
    """Print a note to stderr with --verbose only."""
    if mode.verbose:
        note(text)


def warn(text: str) -> None:
    """Print a warning: something was adjusted, ignored or is missing."""
    if not mode.rank:
        stderr().print(f"[yellow]warning:[/] {_safe(text)}")


def error(err: DlkitError) -> None:
    """Print an error: a line for each fault, and its hint below it."""
    console = stderr()
    for fault in err.faults:
        label = "[yellow]interrupted:[/]" if isinstance(fault, InterruptedRun) else "[bold red]error:[/]"
        console.print(f"{label} {_safe(mode.rank + fault.message)}")
        if fault.hint:
            console.print(f"[cyan]hint:[/] {_safe(fault.hint)}")


def print_line(text: str) -> None:
    """Print one line of the result."""
    print_text(f"{text}\n")


def print_text(text: str) -> None:
    """Print text as it is; characters that the encoding of stdout lacks are escaped."""
    with _stdout_errors():
        try:
            result().write(text)
        except UnicodeEncodeError:
            encoding = result().encoding
            result().write(text.encode(encoding, "backslashreplace").decode(encoding))


def flush() -> None:
    """Flush stdout.

    Raises:
        StdoutError: It cannot be written.
    """
    with _stdout_errors():
        result().flush()


@contextlib.contextmanager
def _stdout_errors() -> Iterator[None]:
    """Report an error of stdout as one of ours; a closed pipe passes."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        message = file_error(err, Path("stdout"), "write to").message
        raise StdoutError(message, "the result could not be printed; files of a run were written") from err


def print_paths(paths: Iterable[Path]) -> None:
    """Print the paths of written files, one per line, or as JSON."""
    if mode.json:
        print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        print_line(str(path))


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print one JSON document, in a single line without `indent`; NaN and infinities become null."""
    text = json.dumps(finite(value), indent=indent, ensure_ascii=False)
    print_line("".join(char if _is_printable(char) else json.dumps(char)[1:-1] for char in text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table: drawn on a terminal, tab-separated in a pipe, a list of objects with --json.

    Args:
        columns: The header; on a narrow terminal the last are left out first.
        rows: One cell per column; None is an empty cell.
    """
    if mode.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif result().isatty():
        _draw(columns, list(rows))
    else:
        cells = list(rows)
        by_column = (format_column([row[index] for row in cells]) for index in range(len(columns)))
        for row in (columns, *zip(*by_column, strict=True)):
            print_line("\t".join(map(_exact, row)))


def print_pairs(pairs: Mapping[str, Cell]) -> None:
    """Print names and values, one pair per line, or one JSON object."""
    if mode.json:
        print_json(dict(pairs))
    elif result().isatty():
        width = max(map(len, pairs))
        for name, value in pairs.items():
            print_line(f"{name:<{width}}  {_short(value)}")
    else:
        for name, value in pairs.items():
            print_line(f"{name}\t{_exact(value)}")


def figure(value: float | None) -> str:
    """Format a loss or a metric: four decimals, one from a thousand on, significant digits when tiny."""
    if value is None:
        return "-"
    if 0 < abs(value) < _TINY:
        return f"{value:.3g}"
    return f"{value:,.1f}" if abs(value) >= _LARGE else f"{value:.4f}"


def _safe(text: str) -> str:
    """Make a message safe to show: file names may hold escape sequences for the terminal."""
    return escape("".join(char if _is_printable(char) else "\N{REPLACEMENT CHARACTER}" for char in text))


def _is_printable(char: str) -> bool:
    return char.isprintable() or char in "\n\t"


def _draw(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    console = Console(file=result(), highlight=False)
    lines = draw_table(columns, [[_clean(cell) for cell in row] for row in rows], console.width)
    for number, line in enumerate(lines):
        console.print(Text(line, style="bold" if number == 0 else ""), soft_wrap=True)


def _short(cell: Cell) -> str:
    (text,) = format_column([_clean(cell)], thousands=",")
    return text


def _clean(cell: Cell) -> Cell:
    return _exact(cell) if isinstance(cell, str | bool) else cell


def _exact(cell: Cell) -> str:
    text = "" if cell is None else str(cell).replace("\t", " ").replace("\n", " ")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
