"""dlkit inspect acts: statistics of the outputs of each layer over real batches."""

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


def acts(
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
    """Show statistics of each layer's outputs over real batches, including dead and saturated units."""
    check_asked("acts", path, out, sort, split, device)
    code = check_options(model, data)

    from dlkit.inspection.activations import ActivationRecorder

    (checkpoint,) = load_checkpoints([path], code)
    subject, source = open_on(checkpoint, data, split, batches, device)
    recorder = ActivationRecorder(keep_outputs=out is not None and out.suffix.lower() == ".safetensors")
    recorder.watch(subject.model, subject.batches)
    rows = {str(row["layer"]): row for row in recorder.rows()}
    chosen = [rows[name] for name in select_layers(list(rows), layers)]
    shown = arrange(chosen, sort, top)
    print_or_write("acts", checkpoint, shown, recorder.outputs(), out, source, recorder.samples())
