"""Outputs and scores of a network on a split."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.distributed.group import Group
from dlkit.inputs import Inputs, call
from dlkit.objectives import Objective
from dlkit.running_mean import RunningMean


@torch.inference_mode()
def mean_scores(
    model: nn.Module,
    batches: Iterable[tuple[Inputs, Tensor]],
    objective: Objective,
    forward: Callable[[nn.Module, Inputs], Tensor] = call,
) -> tuple[float, float]:
    """Return the mean loss and the metric over batches, in evaluation mode; see `running_scores`."""
    return running_scores(model, batches, objective, forward).read()


@torch.inference_mode()
def running_scores(
    model: nn.Module,
    batches: Iterable[tuple[Inputs, Tensor]],
    objective: Objective,
    forward: Callable[[nn.Module, Inputs], Tensor] = call,
    *,
    group: Group | None = None,
    sizes: Iterable[int] | None = None,
) -> RunningMean:
    """Return loss and metrics over batches, in evaluation mode.

    Args:
        model: Left in evaluation mode.
        batches: Inputs and targets on the model's device.
        objective: Loss and metric.
        forward: Passes inputs through the network.
        group: The processes that share each batch; None where this one has all of it.
        sizes: Samples in each whole batch, where it is shared.
    """
    model.eval()
    group = group or Group()
    running = RunningMean(objective, group=group)
    counts: Iterable[int | None] = repeat(None) if sizes is None else sizes
    with contextlib.chdir("."):  # which a network of the user's own may change
        for (inputs, targets), size in zip(batches, counts):  # noqa: B905 - without end
            outputs = forward(model, inputs)
            loss = group.mean_loss(objective.loss(outputs, targets), len(targets) if size is None else size)
            running.add(loss, outputs, targets, size)
    return running


@torch.inference_mode()
def predict(model: nn.Module, batches: Iterable[tuple[Inputs, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return all outputs, shape (N, K), and all targets, shape (N,) or (N, D), in main memory.

    Args:
        model: Left in evaluation mode.
        batches: Inputs and targets on the model's device.
    """
    model.eval()
    with contextlib.chdir("."):  # which a network of the user's own may change
        pairs = [(call(model, inputs), targets) for inputs, targets in batches]
    outputs, targets = zip(*pairs, strict=True)
    joined = torch.cat(outputs).cpu()
    # NumPy has no bfloat16.
    return joined.to(torch.promote_types(joined.dtype, torch.float32)), torch.cat(targets).cpu()


@torch.inference_mode()
def predict_draws(model: nn.Module, draws: Sequence[Batches]) -> Tensor:
    """Return all outputs of each of M random draws of the same samples, shape (M, N, K), in main memory.

    Args:
        model: Left in evaluation mode.
        draws: The batches of each draw.
    """
    return torch.stack([predict(model, batches.in_order())[0] for batches in draws])
