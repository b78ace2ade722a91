"""dlkit in float64, so that nothing but a mistake shows between runs."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from dlkit import torch_compat
from dlkit.models import build, own
from dlkit.training import assemble, precision


def in_double(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda *args, **options: build(*args, **options).double()


def calling_in_double(call: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def widened(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.double() if tensor.is_floating_point() else tensor

    def called(model: nn.Module, inputs: object) -> torch.Tensor:
        if isinstance(inputs, Mapping):
            return call(model, {name: widened(tensor) for name, tensor in inputs.items()})
        assert isinstance(inputs, torch.Tensor)
        return call(model, widened(inputs))

    return called


def patch() -> None:
    """Let networks be built in float64, and get inputs in it; the private kernels take float32 alone."""
    torch_compat.USE_PRIVATE = False
    assemble.build_model = build.build_model = in_double(build.build_model)
    precision.call = calling_in_double(precision.call)
    own.call = calling_in_double(own.call)
