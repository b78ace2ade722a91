"""dlkit inspect grads: statistics of the gradients over real batches, or a check of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from dlkit.cli import console
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

if TYPE_CHECKING:
    from dlkit.inspection.layer_table import Row

CheckOption = Annotated[
    bool,
    Option("--check", help="Compare autograd with finite differences in float64, over the first batch."),
]

_NAMED, _NOT_MET = 4, 6


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
    check: CheckOption = False,
) -> None:
    """Show statistics of the gradients over real batches, one row per parameter; --check verifies them."""
    kind = "check" if check else "grads"
    check_asked(kind, path, out, sort, split, device)
    code = check_options(model, data)

    from dlkit.inspection.gradient_check import check_gradients
    from dlkit.inspection.gradients import compute_gradients, gradient_rows

    (checkpoint,) = load_checkpoints([path], code)
    where = "cpu" if check and device == "auto" else device
    subject, source = open_on(checkpoint, data, split, batches, where)
    names = [name for name, parameter in subject.model.named_parameters() if parameter.requires_grad]
    chosen_names = select_layers(names, layers)
    if check:
        rows = check_gradients(subject.model, *subject.batches[0], subject.loss_fn, chosen_names)
        print_or_write(kind, checkpoint, arrange(rows, sort, top), {}, out, source)
        _judge(rows)
        return
    found = compute_gradients(subject.model, subject.batches, subject.loss_fn)
    chosen = {name: found[name] for name in chosen_names}
    print_or_write(
        "grads", checkpoint, arrange(gradient_rows(subject.model, chosen), sort, top), chosen, out, source
    )


def _judge(rows: "Sequence[Row]") -> None:
    """Warn of the gradients that are wrong, and exit with 6 if there are any."""
    wrong = [str(row["layer"]) for row in rows if row["verdict"] == "wrong"]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        console.warn(
            f"the gradient of {', '.join(wrong[:_NAMED])}{more} is not the slope of the loss: look for detach(), "
            ".data, no_grad, a backward() of your own"
        )
        raise Exit(_NOT_MET)
