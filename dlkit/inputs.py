"""What goes into a network: one tensor, or several by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import ConfigError, instance_of
from dlkit.files.description import DataDescription

Inputs = Tensor | Mapping[str, Tensor]

RETURN_HINT = "return only the outputs, real numbers before any softmax"


def call(model: nn.Module, inputs: Inputs) -> Tensor:
    """Pass inputs through a network: one as it is, several by keyword.

    Raises:
        ConfigError: It returns anything but one tensor of real numbers.
    """
    outputs = call_unchecked(model, inputs)
    if isinstance(outputs, Tensor) and outputs.is_floating_point():
        return outputs
    mode = "while training" if model.training else "in evaluation mode"
    raise ConfigError(f"{forward_of(model)} returns {kind_of_outputs(outputs)} {mode}", RETURN_HINT)


def call_unchecked(model: nn.Module, inputs: Inputs) -> Any:
    """Pass inputs through a network, whatever it returns."""
    return model(inputs) if isinstance(inputs, Tensor) else model(**inputs)


def kind_of_outputs(outputs: object) -> str:
    """Return a description of outputs that are not one tensor of real numbers."""
    if not isinstance(outputs, Tensor):
        return f"{instance_of(outputs)}, not one tensor,"
    return f"numbers of {outputs.dtype}".replace("torch.", "")


def forward_of(model: nn.Module) -> str:
    """Return the name of a network's `forward` and the line where it begins, as far as it is written in Python."""
    code = getattr(getattr(type(model), "forward", None), "__code__", None)
    place = f" ({Path(code.co_filename).name} line {code.co_firstlineno})" if code else ""
    return f"{type(model).__name__}.forward{place}"


def rows_of(inputs: Inputs, start: int, stop: int) -> Inputs:
    """Return the samples from `start` up to, not including, `stop`."""
    return changed(inputs, lambda tensor: tensor[start:stop])


def on_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Return inputs on a device."""
    return changed(inputs, lambda tensor: tensor.to(device))


def tensors_of(inputs: Inputs) -> list[Tensor]:
    """Return the tensors, in the order of their names where they have some."""
    return [inputs] if isinstance(inputs, Tensor) else list(inputs.values())


def changed(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Return inputs with each tensor changed by a function."""
    if isinstance(inputs, Tensor):
        return change(inputs)
    return {name: change(tensor) for name, tensor in inputs.items()}


def zeros(description: DataDescription, samples: int = 1) -> Inputs:
    """Return samples of zeros of the described shapes."""
    if not description.named_inputs:
        return torch.zeros(samples, *description.input_shape, dtype=getattr(torch, description.input_dtype))
    return {
        name: torch.zeros(samples, *shape, dtype=getattr(torch, dtype))
        for name, (dtype, shape) in description.named_inputs.items()
    }
