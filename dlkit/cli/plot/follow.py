"""dlkit plot --term and --follow: curves in the terminal, drawn again while a run trains."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from dlkit.cli import streams
from dlkit.errors import DataError
from dlkit.files.run_dir import RunDir
from dlkit.files.run_lock import is_held

_SECONDS_BETWEEN_LOOKS = 0.5
_STYLES = {"train": "cyan", "val": "bold yellow", "": "default"}
_RUNS = ("bold blue", "bold yellow", "bold magenta", "bold green", "bold red", "bold cyan", "bold white")


def print_drawing(
    lines: Sequence[Sequence[tuple[str, str]]], names: Mapping[str, str], *, again: bool
) -> None:
    """Print lines of pieces, each in the colour of what it belongs to, and the names of those.

    Args:
        lines: As `PlotKind.write` returns them.
        names: What the pieces belong to.
        again: Clear the screen first.
    """
    console = Console(file=streams.result(), highlight=False, soft_wrap=True)
    if again:
        console.control(Control(ControlType.CLEAR, ControlType.HOME))
    shown = {series for line in lines for _, series in line}
    legend = [(f"\N{BLACK SQUARE} {name}   ", series) for series, name in names.items() if series in shown]
    for line in [*lines, legend]:
        console.print(Text.assemble(*((piece, _style(series)) for piece, series in line)))


def follow_runs(histories: Sequence[Path], draw: Callable[[], None]) -> None:
    """Draw, and again whenever a history has changed, until no run is in training any more.

    Args:
        histories: Files in run folders.
        draw: Draws them.
    """
    seen = _changes(histories)
    draw()
    training = True
    while training:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        training = any(is_held(RunDir(path.parent).lock) for path in histories)
        if (now := _changes(histories)) != seen:
            seen = now
            draw()


def _changes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    try:
        return [(stat.st_mtime_ns, stat.st_size) for stat in (path.stat() for path in paths)]
    except FileNotFoundError as err:
        raise DataError(f"{err.filename} is gone") from err


def _style(series: str) -> str:
    return _RUNS[int(series) % len(_RUNS)] if series.isdigit() else _STYLES[series]
