"""Gradients of a model over real batches: one row per parameter."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlkit.inputs import Inputs, call
from dlkit.inspection.distribution import distribution_cells
from dlkit.inspection.layer_table import Row, in_order
from dlkit.inspection.mode import as_in_training
from dlkit.inspection.tally import read_tallies, shape_text, tally

LossFunction = Callable[[Tensor, Tensor], Tensor]


def compute_gradients(
    model: nn.Module, batches: Sequence[tuple[Inputs, Tensor]], loss_fn: LossFunction
) -> dict[str, Tensor]:
    """Compute the gradients of the mean loss over the samples of all batches.

    Args:
        model: Left unchanged, including its `.grad`.
        batches: Inputs and targets on the model's device.
        loss_fn: Maps outputs and targets to the mean loss, a scalar.

    Returns:
        The gradient of each trainable parameter by name, in the order of the model; zeros if the loss does not
        depend on it.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    sums = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    samples = sum(len(targets) for _, targets in batches)
    with as_in_training(model):
        for inputs, targets in batches:
            loss = loss_fn(call(model, inputs), targets) * (len(targets) / samples)
            gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
            for total, gradient in zip(sums.values(), gradients, strict=True):
                if gradient is not None:
                    total += gradient
    return sums


def gradient_rows(model: nn.Module, gradients: dict[str, Tensor]) -> list[Row]:
    """Return the statistics of each gradient, and its norm divided by that of the weights.

    Args:
        model: The model of the gradients.
        gradients: By parameter name.
    """
    weights = dict(model.named_parameters())
    tensors = [*gradients.values(), *(weights[name] for name in gradients)]
    statistics = read_tallies([tally(tensor) for tensor in tensors], [tensor.numel() for tensor in tensors])
    of_gradients, of_weights = statistics[: len(gradients)], statistics[len(gradients) :]
    spreads = distribution_cells(list(gradients.values()))
    rows: list[Row] = []
    for name, row, weight, spread in zip(gradients, of_gradients, of_weights, spreads, strict=True):
        norm, weight_norm = row["norm"], weight["norm"]
        ratio = (
            norm / weight_norm
            if isinstance(norm, float) and isinstance(weight_norm, float) and weight_norm
            else None
        )
        shape = shape_text(gradients[name].shape)
        cells = {"layer": name, "shape": shape, **row, **spread, "grad_to_weight": ratio}
        rows.append(in_order("grads", cells))
    return rows
