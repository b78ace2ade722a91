"""Summary of a model: layers, output shapes, parameters and FLOPs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlkit.inputs import Inputs, call
from dlkit.inspection.layer_table import Row
from dlkit.inspection.mode import kept_modes
from dlkit.inspection.tally import shape_text


def summarise(model: nn.Module, sample: Inputs) -> list[Row]:
    """Pass one sample through a model and return a row for each layer, in the order in which they ran.

    A layer is a module without children, or one with parameters of its own; layers that did not run come last, and
    only if they have parameters. FLOPs are those of one sample's forward pass in matrix products, convolutions and
    attention, a multiplication and an addition counting two, as torch counts them; normalisation, activations
    and pooling are not counted.

    Args:
        model: On the CPU; its mode is restored.
        sample: Inputs of one sample.

    Returns:
        The rows; the last is the `total`, which counts shared parameters once.
    """
    layers = {name: module for name, module in model.named_modules() if _is_layer(module)}
    shapes: dict[str, str] = {}
    hooks = [module.register_forward_hook(_record_shape(shapes, name)) for name, module in layers.items()]
    counter = FlopCounterMode(display=False)
    try:
        with kept_modes(model), torch.no_grad(), counter:
            output = call(model.eval(), sample)
    finally:
        for hook in hooks:
            hook.remove()
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    never_ran = [name for name in layers if name not in shapes and _own_parameters(layers[name])]
    rows: list[Row] = [
        {
            "layer": name or type(model).__name__,
            "type": type(layers[name]).__name__,
            "output": shapes.get(name),
            "parameters": _own_parameters(layers[name]),
            "flops": _own_flops(model, name, flops),
        }
        for name in (*shapes, *never_ran)
    ]
    total = sum(parameter.numel() for parameter in model.parameters())
    whole = {"layer": "total", "type": type(model).__name__, "output": shape_text(output.shape[1:])}
    return [*rows, {**whole, "parameters": total, "flops": counter.get_total_flops()}]


def _is_layer(module: nn.Module) -> bool:
    return not any(True for _ in module.children()) or _own_parameters(module) > 0


def _own_parameters(module: nn.Module) -> int:
    """Count the parameters of a module without those of its children."""
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _record_shape(
    shapes: dict[str, str], name: str
) -> Callable[[nn.Module, tuple[Tensor, ...], object], None]:
    def record(_module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        shapes[name] = shape_text(output.shape[1:]) if isinstance(output, Tensor) else ""

    return record


def _own_flops(model: nn.Module, name: str, flops: dict[str, int]) -> int:
    """Return the FLOPs of a layer without those of its children."""
    module = model.get_submodule(name)
    path = f"{type(model).__name__}.{name}".rstrip(".")  # as the counter names it
    parts = sum(flops.get(f"{path}.{part}", 0) for part, _ in module.named_children())
    return flops.get(path, 0) - parts
