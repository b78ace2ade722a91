"""The state a network is looked at in: as in training, but without anything random."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """Put every part of a network back into the mode, training or evaluation, that it was in."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextlib.contextmanager
def as_in_training(model: nn.Module) -> Iterator[None]:
    """Let batch norm use the statistics of the batch, as the optimizer sees it, and dropout drop nothing.

    With its running statistics, batch norm would show gradients that no step ever had: early in training they
    are far from those of a batch. Dropout and its kin are off so that two looks show the same. The network is
    left as it was found, running statistics included.
    """
    norms = [module for module in model.modules() if isinstance(module, _BATCH_NORMS)]
    kept = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    deterministic = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        with kept_modes(model):
            model.eval()
            for norm in norms:
                norm.train()
            yield
    finally:
        torch.backends.cudnn.deterministic = deterministic
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
