"""dlkit inspect weights: statistics of the weights."""

from dlkit.cli.inspect.layers import (
    LayersOption,
    OutOption,
    SortOption,
    TopOption,
    check_asked,
    print_or_write,
)
from dlkit.cli.options import Checkpoint
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.inspection.layer_table import arrange, select_layers


def weights(
    path: Checkpoint,
    out: OutOption = None,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    model: ModelOption = None,
) -> None:
    """Show statistics of a checkpoint's weights, one row per tensor."""
    check_asked("weights", path, out, sort)
    code = check_options(model, None)

    from dlkit.inspection.weights import weight_rows, weight_tensors
    from dlkit.models.build import restore_model

    (checkpoint,) = load_checkpoints([path], code)
    found = weight_tensors(restore_model(checkpoint))
    chosen = {name: found[name] for name in select_layers(list(found), layers)}
    print_or_write("weights", checkpoint, arrange(weight_rows(chosen), sort, top), chosen, out, "")
