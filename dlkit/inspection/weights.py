"""Weights of a model: one row per tensor."""

from torch import Tensor, nn

from dlkit.inspection.distribution import distribution_cells
from dlkit.inspection.layer_table import Row, in_order
from dlkit.inspection.tally import read_tallies, shape_text, tally
from dlkit.models.extra_state import weights_of


def weight_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and running statistics of a model, in its own order, without counters."""
    return {name: tensor for name, tensor in weights_of(model).items() if tensor.is_floating_point()}


def weight_rows(tensors: dict[str, Tensor]) -> list[Row]:
    """Return the statistics of each tensor."""
    statistics = read_tallies(
        [tally(tensor) for tensor in tensors.values()], [tensor.numel() for tensor in tensors.values()]
    )
    spreads = distribution_cells(list(tensors.values()))
    return [
        in_order("weights", {"layer": name, "shape": shape_text(tensor.shape), **row, **spread})
        for (name, tensor), row, spread in zip(tensors.items(), statistics, spreads, strict=True)
    ]
