"""What a run records of its data: of the whole at its start, and of a batch where it is measured."""

from collections.abc import Iterator, Set

import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.inputs import Inputs
from dlkit.objectives import Objective, best_constant_loss
from dlkit.probes.layers import Signal, spread_signals
from dlkit.training.signals.samples import sample_signals, skill_of

_TARGETS = 4096
SIMPLE = 384
"""Samples of each part that simple methods are tried on."""
_INPUTS_READ = 64
_TINY = 1e-30


@torch.no_grad()
def data_signals(
    train: Batches,
    val: Batches,
    objective: Objective,
    width: int,
    received: tuple[Tensor, Tensor] | None = None,
) -> Iterator[Signal]:
    """Yield what is known of the targets, the loss of the best constant answer, and what simple methods make of them.

    Waits for the device.

    Args:
        train: The training data.
        val: Those of validation.
        objective: The loss.
        width: Outputs of the network.
        received: What the network's first layer receives of `some_samples` of both; None if it is these.
    """
    yield "", "val_samples", val.num_samples
    targets = train.some_targets(_TARGETS)
    yield "", "samples", train.num_samples
    yield "", "constant_loss", best_constant_loss(objective, targets, width)
    if objective.metric == "accuracy":
        shares = _shares(targets, width)
        yield "", "classes", width
        yield "", "whole_label_share", shares.max()
        yield "", "whole_label_entropy", _entropy(shares)
    else:
        yield "", "whole_target_variance", targets.float().var(0, correction=0).mean()
        numbers = targets.float().reshape(len(targets), -1)
        distances = (numbers - numbers.median(0).values).abs()
        yield "", "whole_target_max", _furthest(distances, numbers.std(0, correction=0))
        yield "", "whole_target_tail", _furthest(distances, distances.median(0).values)
    if (std := train.stored_std) is not None:
        yield "", "stored_std", std
    for name, batches in (("missing", train), ("val_missing", val)):
        if share := batches.missing(SIMPLE):
            yield "", name, share
    known, asked = train.some_samples(SIMPLE), val.some_samples(SIMPLE)
    if known is not None and asked is not None:
        yield from sample_signals(known, asked, width)
        if received is not None:
            yield "", "received_skill", skill_of((received[0], known[1]), (received[1], asked[1]), width)


def _furthest(distances: Tensor, units: Tensor) -> Tensor:
    """Return the largest of some distances from the median, in units of each column; 0 where a unit is 0."""
    return torch.where(units > 0, distances.amax(0) / units.clamp_min(_TINY), 0.0).max()


def batch_signals(
    inputs: Inputs, targets: Tensor, outputs: Tensor, codes: Set[int] = frozenset()
) -> Iterator[Signal]:
    """Yield statistics of one batch: its inputs, its targets, and what the network made of it.

    Args:
        inputs: As the network takes them.
        targets: What it is to answer.
        outputs: What it answers.
        codes: Features that are codes, which have no mean and spread.
    """
    named = {"": inputs} if isinstance(inputs, Tensor) else inputs
    for name, whole in named.items():
        values = whole[:_INPUTS_READ].reshape(len(whole[:_INPUTS_READ]), -1)
        if not values.numel() or values.is_complex():
            continue
        low, high = values.amin(0), values.amax(0)
        if len(values) > 1:
            yield name, "input_constant", (low == high).float().mean()
        if values.is_floating_point():
            kept = [place for place in range(values.shape[1]) if place not in codes] if codes else []
            if kept or not codes:
                yield from spread_signals(name, "input", (values[:, kept] if codes else values).float())
            yield name, "input_max", torch.maximum(-low.min(), high.max())
    outputs = outputs.float()
    yield "", "output_min", outputs.min()
    yield "", "output_max", outputs.max()
    yield from spread_signals("", "output", outputs)
    if _is_classes(targets, outputs):
        width = outputs.shape[1]
        shares = _shares(targets, width)
        yield "", "label_share", shares.max()
        yield "", "label_entropy", _entropy(shares)
        yield "", "predicted_share", _shares(outputs.argmax(1), width).max()
        yield "", "output_sum_error", (outputs.sum(1) - 1).abs().max()
    elif targets.is_floating_point():
        yield "", "target_variance", targets.float().var(0, correction=0).mean()


def _is_classes(targets: Tensor, outputs: Tensor) -> bool:
    return targets.ndim == 1 and not targets.is_floating_point() and outputs.ndim == 2


def _shares(classes: Tensor, width: int) -> Tensor:
    """Return the share of each of K classes, shape (K,), without waiting for the device."""
    counts = torch.zeros(width, device=classes.device)
    counts.scatter_add_(0, classes, torch.ones_like(classes, dtype=counts.dtype))
    return counts / len(classes)


def _entropy(shares: Tensor) -> Tensor:
    return -(shares * shares.clamp_min(_TINY).log()).sum()
