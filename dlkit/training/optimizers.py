"""Optimizers by name, their state by parameter name."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlkit.errors import CheckpointError


def build_optimizer(
    model: nn.Module, name: str, *, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Make a fused optimizer over the trainable parameters.

    Biases and the parameters of normalisation layers, all that have fewer than two dimensions, are not decayed.

    Args:
        model: Its parameters lie on the device already.
        name: `sgd`, `adam` or `adamw`.
        lr: Learning rate.
        momentum: Of sgd; the others have none.
        weight_decay: L2 penalty for sgd and adam, decoupled decay for adamw (Loshchilov and Hutter 2019).
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        sgd = torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)
        if momentum:
            _start_momentum(sgd)
        return sgd
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(groups, lr=lr, fused=True)


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Give the optimizer's tensors by `<kind>.<parameter name>`."""
    return {
        f"{kind}.{name}": value
        for name, parameter in model.named_parameters()
        for kind, value in optimizer.state.get(parameter, {}).items()
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
        optimizer.state[parameter][kind] = value.to(parameter.device, copy=True)


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
