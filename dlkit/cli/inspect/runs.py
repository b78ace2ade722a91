"""dlkit inspect runs: a table of the runs in a folder."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.errors import ConfigError, did_you_mean
from dlkit.inspection.runs import RunRow, list_runs

_COLUMNS = tuple(field.name for field in fields(RunRow))


def runs(
    folder: Annotated[Path, Argument(metavar="DIR", help="A folder with runs in it, at any depth.")] = Path(
        "runs"
    ),
    sort: Annotated[
        str | None, Option("--sort", metavar="COL", help="Sort by this column, the lowest first.")
    ] = None,
) -> None:
    """List runs: how each ended, how far it got, its best epoch, and the settings in which they differ."""
    if sort is not None and sort not in _COLUMNS:
        raise ConfigError(
            f"--sort {sort} is not a column; choose from {', '.join(_COLUMNS)}", did_you_mean(sort, _COLUMNS)
        )
    rows = list_runs(folder)
    if sort is not None:
        rows.sort(key=lambda row: _key(getattr(row, sort)))
    if not rows:
        console.note(f"no runs in {folder}")
    console.print_table(_COLUMNS, [list(asdict(row).values()) for row in rows])


def _key(value: str | float | None) -> tuple[bool, bool, float, str]:
    """Sort numbers before texts, and what is missing last."""
    if isinstance(value, str):
        return False, True, 0.0, value
    return value is None, False, value or 0.0, ""
