"""What goes into a network: one tensor, or several by name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.files.description import DataDescription

Inputs = Tensor | Mapping[str, Tensor]


def call(model: nn.Module, inputs: Inputs) -> Any:
    """Pass inputs through a network: one as it is, several by keyword."""
    return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)


def rows_of(inputs: Inputs, start: int, stop: int) -> Inputs:
    """Return the samples from `start` up to, not including, `stop`."""
    if isinstance(inputs, Tensor):
        return inputs[start:stop]
    return {name: tensor[start:stop] for name, tensor in inputs.items()}


def zeros(description: DataDescription, samples: int = 1) -> Inputs:
    """Return samples of zeros of the described shapes."""
    if not description.named_inputs:
        return torch.zeros(samples, *description.input_shape, dtype=getattr(torch, description.input_dtype))
    return {
        name: torch.zeros(samples, *shape, dtype=getattr(torch, dtype))
        for name, (dtype, shape) in description.named_inputs.items()
    }
