"""dlkit inspect updates: how far the steps of a run moved each layer."""

from dlkit.cli import console
from dlkit.cli.inspect.layers import LayersOption, OutOption, SortOption, TopOption, check_asked, print_rows
from dlkit.cli.options import Checkpoint
from dlkit.inspection.layer_table import COLUMNS, arrange, select_layers, to_csv


def updates(
    path: Checkpoint,
    out: OutOption = None,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
) -> None:
    """Show how far the steps of a run moved each layer: norm of the update / norm of the weights."""
    check_asked("updates", path, out, sort)

    from dlkit.inspection.updates import read_updates, update_rows

    found, notes = read_updates(path)
    for note in notes:
        console.note(note)
    chosen = {layer: found[layer] for layer in select_layers(list(found), layers)}
    rows = arrange(update_rows(chosen), sort, top)
    if out is None:
        print_rows("updates", rows)
        return
    if out.suffix.lower() == ".csv":
        from dlkit.files.atomic import write_file

        write_file(out, to_csv(COLUMNS["updates"], rows))
    else:
        from dlkit.errors import printable
        from dlkit.plotting.figure_file import save_figure
        from dlkit.plotting.layers.updates import plot_updates

        shown = {str(row["layer"]): chosen[str(row["layer"])] for row in rows}
        save_figure(plot_updates(shown, title=f"updates of {printable(str(path))}"), out)
    console.print_paths([out])
