"""dlkit data split: write down which rows train, validate and test."""

from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.data.settings import data_config
from dlkit.cli.help import HelpAllOption
from dlkit.cli.settings import with_settings
from dlkit.errors import ConfigError
from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.kinds import data_kinds
from dlkit.settings.spec import parse_spec

_SETTINGS = frozenset(
    (
        "target",
        *TABLE_SETTINGS,
        "bands",
        "layout",
        "task",
        "val",
        "test",
        "stratify",
        "group",
        "by_time",
        "folds",
        "fold",
        "coords",
        "split_by_block",
        "seed",
    )
)


@with_settings(_SETTINGS)
def split(
    context: Context,
    spec: Annotated[str, Argument(metavar="SPEC", help="A table, or any other data.")],
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="FILE", help="The .csv file to write. Default: stdout.")
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace the file in --out.")] = False,
    help_all: HelpAllOption = False,  # noqa: ARG001 - its callback acts on it
    **settings: Any,
) -> None:
    """Write which row belongs to which split, for train --split-file; rows are counted from 0."""
    config = data_config(context, spec, settings, _faults_of(out, force=force))
    from dlkit.data.tables.splits import splits_csv
    from dlkit.files.atomic import write_file

    with show_preparing():
        rows, total = data_kinds()[parse_spec(config.data).kind].splits(config)
    counts = ", ".join(f"{len(members):,} {name}" for name, members in rows.items())
    console.note(f"{config.data} has {total:,} rows: {counts}")
    content = splits_csv(rows)
    if out is None:
        console.print_text(content)
    else:
        write_file(out, content.encode())
        console.print_paths([out])


def _faults_of(out: Path | None, *, force: bool) -> list[ConfigError]:
    """Find what keeps a file from being written."""
    if out is None:
        return []
    if out.suffix.lower() != ".csv":
        return [ConfigError(f"--out {out} does not end in .csv", "for example -o split.csv")]
    if out.exists() and not force:
        return [ConfigError(f"--out {out} already exists", "choose another name, or --force to replace it")]
    return []
