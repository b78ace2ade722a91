"""dlkit data: what data sets there are, getting one, and what is in it."""

import math
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.bars import show_download, show_preparing
from dlkit.cli.data.check import check
from dlkit.cli.data.settings import DATA_SETTINGS, data_config
from dlkit.cli.data.split import split
from dlkit.cli.help import HelpAllOption
from dlkit.cli.options import add_command, command_group
from dlkit.cli.settings import with_settings
from dlkit.errors import ConfigError, DataError, did_you_mean
from dlkit.settings.catalogue import DATA
from dlkit.settings.kinds import Summary, data_kinds
from dlkit.settings.spec import parse_spec

_MIB = 2**20
_TARGET_BYTES = 8
_IMAGES = 60

app = command_group("data", "What data there are: list, get, show, check, split.")


def list_data() -> None:
    """List the built-in data sets, and which are downloaded."""
    from dlkit.data.home import prepared_path

    rows: list[tuple[str | int | float, ...]] = []
    for name, entry in DATA.items():
        path = prepared_path(name)
        present = path.is_file()
        pixels = math.prod(entry.input_shape)
        size = path.stat().st_size if present else (pixels + _TARGET_BYTES) * entry.samples
        here = "embedded" if entry.embedded else "yes" if present else "no"
        shape = "x".join(map(str, entry.input_shape))
        rows.append((name, entry.task, entry.samples, shape, round(size / _MIB, 1), entry.licence, here))
    console.print_table(("name", "task", "samples", "shape", "size_mib", "licence", "here"), rows)


def get(
    name: Annotated[str, Argument(metavar="NAME", help="mnist, fashion-mnist, kmnist or cifar10.")],
    from_dir: Annotated[
        Path | None,
        Option(
            "--from",
            metavar="DIR",
            help="Read the published files from a folder instead of downloading them.",
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        Option("--mirror", metavar="URL", help="The URL to download from; file names are appended to it."),
    ] = None,
    force: Annotated[
        bool, Option("--force", "-f", help="Prepare it again even if it is already there.")
    ] = False,
) -> None:
    """Download a data set, check it, and prepare it for training.

    Prints the path of the prepared file. An interrupted download is resumed.
    """
    if name not in DATA:
        raise ConfigError(
            f"NAME {name} is not known; choose from {', '.join(DATA)}", did_you_mean(name, DATA)
        )
    if from_dir is not None and mirror is not None:
        raise ConfigError(
            "--from and --mirror cannot be used together",
            "--from DIR uses local files, so nothing is downloaded",
        )
    from dlkit.data.builtin.get import get as get_data

    if DATA[name].embedded:
        console.note(f"{name} comes with the installed packages, so there is nothing to download")
        console.print_paths([])
        return
    with show_download(name) as progress:
        path = get_data(
            name, mirror=mirror, from_dir=from_dir, force=force, progress=progress, note=console.note
        )
    console.print_paths([path])


@with_settings(DATA_SETTINGS)
def show(
    context: Context,
    spec: Annotated[str, Argument(metavar="SPEC", help="Data as --data takes them.")],
    out: Annotated[
        Path | None, Option("--out", "-o", help="Draw samples into this .png, .svg or .pdf file.")
    ] = None,
    help_all: HelpAllOption = False,  # noqa: ARG001 - its callback acts on it
    **settings: Any,
) -> None:
    """Show the splits, shapes, ranges and class counts of a data set, or the columns of a table."""
    from dlkit.data.home import prepared_path
    from dlkit.plotting.figure_file import figure_format

    found = parse_spec(spec, "SPEC")
    if out is not None:
        figure_format(out)
    if found.built_in and not DATA[found.name].embedded and not prepared_path(spec).exists():
        raise DataError(
            f"{spec} is not downloaded yet",
            f"dlkit data get {spec} downloads it; add --from DIR for local files",
        )
    config = data_config(context, spec, settings)
    with show_preparing():
        summary = data_kinds()[found.kind].describe(config)
    for text in summary.notes:
        console.note(text)
    facts = dict(summary.facts)
    if out is not None:
        _draw(spec, summary, out)
        facts["figure"] = str(out)
    if console.mode.json:
        listed = [dict(zip(summary.columns, row, strict=True)) for row in summary.rows]
        console.print_json({**facts, summary.listing: listed})
        return
    console.print_pairs({name: _cell(value) for name, value in facts.items()})
    if summary.rows:
        console.print_line("")
        console.print_table(summary.columns, summary.rows)


add_command(app, "ls", list_data)
add_command(app, "get", get)
add_command(app, "show", show)
add_command(app, "split", split)
add_command(app, "check", check)


def _draw(spec: str, summary: Summary, out: Path) -> None:
    """Draw the first training samples of each class, one class a column where there are ten."""
    dataset = summary.dataset
    draw = None if dataset is None else data_kinds()[dataset.description.kind].draw
    if dataset is None or draw is None:
        raise ConfigError(f"-o draws images; {spec} has none", "leave -o out to see it as a table")
    from dlkit.plotting.figure_file import save_figure
    from dlkit.plotting.samples import plot_samples

    images, names = draw(dataset, _IMAGES)
    save_figure(plot_samples(images.numpy(), names), out)


def _cell(value: Any) -> str | int | float | None:
    if not isinstance(value, list):
        single: str | int | float | None = value
        return single
    separator = "x" if all(isinstance(item, int) for item in value) else ","
    return separator.join(f"{item:.4g}" if isinstance(item, float) else str(item) for item in value)
