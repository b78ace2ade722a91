"""dlkit inspect grads: statistics of the gradients over real batches."""

from dlkit.cli.inspect.layers import (
    LayersOption,
    OutOption,
    SortOption,
    TopOption,
    check_asked,
    open_on,
    print_or_write,
)
from dlkit.cli.options import BatchesOption, Checkpoint, DataOption, DeviceOption, SplitOption
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.inspection.layer_table import arrange, select_layers


def grads(
    path: Checkpoint,
    out: OutOption = None,
    batches: BatchesOption = 1,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    split: SplitOption = "train",
    device: DeviceOption = "auto",
    data: DataOption = None,
    model: ModelOption = None,
) -> None:
    """Show statistics of the gradients over real batches, one row per parameter."""
    check_asked("grads", path, out, sort, split, device)
    code = check_options(model, data)

    from dlkit.inspection.gradients import compute_gradients, gradient_rows

    (checkpoint,) = load_checkpoints([path], code)
    subject, source = open_on(checkpoint, data, split, batches, device)
    names = [name for name, parameter in subject.model.named_parameters() if parameter.requires_grad]
    chosen_names = select_layers(names, layers)
    found = compute_gradients(subject.model, subject.batches, subject.loss_fn)
    chosen = {name: found[name] for name in chosen_names}
    print_or_write(
        "grads", checkpoint, arrange(gradient_rows(subject.model, chosen), sort, top), chosen, out, source
    )
