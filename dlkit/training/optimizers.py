"""Optimizers by name, their state by parameter name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import CheckpointError
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.torch_compat import light_optimizer

Groups = list[dict[str, Any]]


def build_optimizer(
    model: nn.Module, name: str, *, lr: float, momentum: float, nesterov: bool = False, weight_decay: float
) -> torch.optim.Optimizer:
    """Make an optimizer over the trainable parameters, fused where torch has it so.

    Biases and the parameters of normalisation layers, all that have fewer than two dimensions, are not decayed.

    Args:
        model: Its parameters lie on the device already.
        name: A name in `OPTIMIZERS`.
        lr: Learning rate.
        momentum: Of sgd; the others are made without.
        nesterov: Nesterov's momentum, for sgd.
        weight_decay: Decoupled for adamw (Loshchilov and Hutter 2019), an L2 penalty for the others.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trainable if parameter.ndim >= 2 or not weight_decay]
    others = [parameter for parameter in trainable if parameter.ndim < 2 and weight_decay]
    parts = ((decayed, weight_decay), (others, 0.0))
    groups: Groups = [{"params": part, "weight_decay": decay} for part, decay in parts if part]
    return OPTIMIZERS[name].build(groups, lr=lr, momentum=momentum, nesterov=nesterov)


def build_sgd(groups: Groups, *, lr: float, momentum: float, nesterov: bool) -> torch.optim.Optimizer:
    """Build SGD with momentum, which starts at zero."""
    sgd = light_optimizer(torch.optim.SGD)(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)
    if momentum:
        _start_momentum(sgd)
    return sgd


def build_adam(groups: Groups, *, lr: float, **_: Any) -> torch.optim.Optimizer:
    """Build Adam."""
    return light_optimizer(torch.optim.Adam)(groups, lr=lr, fused=True)


def build_adamw(groups: Groups, *, lr: float, **_: Any) -> torch.optim.Optimizer:
    """Build AdamW."""
    return light_optimizer(torch.optim.AdamW)(groups, lr=lr, fused=True)


def build_rmsprop(groups: Groups, *, lr: float, **_: Any) -> torch.optim.Optimizer:
    """Build RMSprop."""
    return light_optimizer(torch.optim.RMSprop)(groups, lr=lr, foreach=True)


def build_adagrad(groups: Groups, *, lr: float, **_: Any) -> torch.optim.Optimizer:
    """Build Adagrad, fused on the CPU, which alone has it so."""
    on_cpu = groups[0]["params"][0].device.type == "cpu"
    return light_optimizer(torch.optim.Adagrad)(groups, lr=lr, fused=on_cpu, foreach=not on_cpu)


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the optimizer's tensors by `<kind>.<parameter name>`."""
    return {
        f"{kind}.{name}": value
        for name, parameter in model.named_parameters()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, state: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_state` gave.

    Raises:
        CheckpointError: The state is of other parameters.
    """
    parameters = dict(model.named_parameters())
    for key, value in state.items():
        kind, _, name = key.partition(".")
        if name not in parameters:
            raise CheckpointError(f"the optimizer's state is of another network: it has the parameter {name}")
        parameter = parameters[name]
        fused = all(group.get("fused") for group in optimizer.param_groups)
        device = torch.device("cpu") if kind == "step" and not fused else parameter.device
        optimizer.state[parameter][kind] = value.to(device, copy=True)


def _start_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Start the momentum at zero.

    The first step is the same as torch's own; but were it skipped for a gradient that is not finite, torch would
    go on from memory that nobody wrote.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(
                parameter, memory_format=torch.preserve_format
            )
