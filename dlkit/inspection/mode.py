"""The mode of a model during inspection: as in training, but deterministic."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """Restore the training or evaluation mode of every module of a model."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextlib.contextmanager
def as_in_training(model: nn.Module) -> Iterator[None]:
    """Let batch norm use the statistics of the batch, as in training, and switch dropout off.

    With its running statistics, batch norm would show gradients that no training step had: early in training
    they differ much from those of a batch. Dropout is off so that results are reproducible. The model is left
    unchanged, including running statistics.
    """
    norms = [module for module in model.modules() if isinstance(module, _BATCH_NORMS)]
    kept = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    deterministic = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        with kept_modes(model), contextlib.chdir("."):  # a network of the user's own may change it
            model.eval()
            for norm in norms:
                norm.train()
            yield
    finally:
        torch.backends.cudnn.deterministic = deterministic
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
