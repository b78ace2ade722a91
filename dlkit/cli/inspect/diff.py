"""dlkit inspect diff: what changed between two checkpoints."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from dlkit.cli import console
from dlkit.cli.inspect.layers import LayersOption, SortOption, TopOption, file_of, print_rows
from dlkit.inspection.layer_table import arrange, check_column, select_layers

_HELP = "A checkpoint, or a run folder for its best one."


def diff(
    a: Annotated[Path, Argument(metavar="A", help=_HELP)],
    b: Annotated[Path, Argument(metavar="B", help=_HELP)],
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
) -> None:
    """Show what changed from checkpoint A to B: settings, data, results, and the weights of each layer."""
    check_column("diff", sort)

    from dlkit.files.tensor_file import read_tensors
    from dlkit.inspection.difference import SETTING_COLUMNS, setting_rows, tensor_rows

    (first, old), (second, new) = (read_tensors(file_of(path)) for path in (a, b))
    settings = setting_rows(old, new)
    rows = {str(row["layer"]): row for row in tensor_rows(first, second)}
    chosen = arrange([rows[name] for name in select_layers(list(rows), layers)], sort, top)
    if console.mode.json:
        console.print_json(
            {"a": str(file_of(a)), "b": str(file_of(b)), "settings": settings, "tensors": chosen}
        )
        return
    if settings:
        console.print_table(
            SETTING_COLUMNS, [[row[column] for column in SETTING_COLUMNS] for row in settings]
        )
        console.print_line("")
    else:
        console.note("settings, data and results are the same")
    print_rows("diff", chosen)
