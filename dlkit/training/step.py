"""One optimizer step: forward, backward, accumulation, clipping, the guard against NaN, and the weight average."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.distributed.batch_norm import SharedBuffers, is_synchronised, separate
from dlkit.distributed.group import Group
from dlkit.errors import ConfigError, printable
from dlkit.inputs import Inputs, rows_of
from dlkit.models.hidden_state import GROUP, HiddenState, set_buffer
from dlkit.objectives import Objective
from dlkit.probes.parameters import Probe
from dlkit.running_mean import RunningMean
from dlkit.torch_compat import lerp_all
from dlkit.training.compute import seed_step
from dlkit.training.divergence.guard import FiniteGuard
from dlkit.training.memory import Pieces
from dlkit.training.precision import LossScale
from dlkit.training.signals.recorder import Signals

Batch = tuple[Inputs, Tensor]

_EMA_STEPS = "steps"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that training uses: the network, its data and what changes its weights.

    Args:
        model: The network, on the device.
        train: Training batches.
        val: Validation batches.
        objective: Loss and metric.
        optimizer: Over the trainable parameters.
        schedule: Maps the step, from 0, to the learning rate.
        guard: Takes the optimizer's steps, but skips those with NaN or infinity.
        probe: Measures some steps of each epoch.
        signals: Measures layers, batches and losses at few steps.
        running: Loss and metric of the epoch so far.
        pieces: Splits batches that do not fit into memory.
        device: Where all of it is.
        forward: Passes inputs through the network in the precision of the run.
        scale: The loss scale of fp16; None for the other precisions.
        l1: Weight of the L1 penalty.
        accumulate: Batches in a step.
        ema: The average of the weights, if there is one.
        hidden: What the network keeps beside its weights, if it is the user's own.
        random: Whether a forward pass may draw random numbers; each step then begins with its own seed.
        group: The processes that train together, each on its slice of every batch.
        coupled: The network as training calls it, whose gradients are means over the group; None in one process.
        buffers: Keeps the buffers of the network alike in all processes; None in one.
    """

    model: nn.Module
    train: Batches
    val: Batches
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: Callable[[int], float]
    guard: FiniteGuard
    probe: Probe
    signals: Signals
    running: RunningMean
    pieces: Pieces
    device: torch.device
    forward: Callable[[nn.Module, Inputs], Tensor]
    scale: LossScale | None = None
    l1: float = 0.0
    accumulate: int = 1
    ema: "WeightAverage | None" = None
    hidden: HiddenState | None = None
    random: bool = True
    group: Group = field(default_factory=Group)
    coupled: nn.Module | None = None
    buffers: SharedBuffers | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return -(-len(self.train) // self.accumulate)

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept as best: the average of the weights where there is one."""
        if self.ema is None:
            return self.model
        network = self.ema.network()
        if self.hidden is not None:
            self.hidden.copy_to(network, self.device)
        return network

    def hidden_state(self) -> dict[str, Tensor]:
        """Return what checkpoints hold of the network beside its weights, as tensors by name."""
        if self.hidden is None:
            return {}
        return {f"{GROUP}.{name}": tensor for name, tensor in self.hidden.tensors().items()}

    def predict(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Return the outputs for N samples, shape (N, K), without gradients to come, in pieces if memory runs out.

        Raises:
            DlkitError: Not even one sample fits, or torch refuses a setting.
        """
        samples = len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))

        def attempt() -> Tensor:
            pieces = self.pieces.split("val", samples)
            if len(pieces) == 1:
                return self.forward(model, inputs)
            return torch.cat([self.forward(model, rows_of(inputs, *piece)) for piece in pieces])

        return self.pieces.retry("val", inputs, samples, attempt)


def train_step(
    parts: Parts, batches: Sequence[Batch], step: int, *, probed: bool, sizes: Sequence[int] | None = None
) -> None:
    """Take one optimizer step on the mean loss over some batches.

    Args:
        parts: What is trained; `running` counts the batches.
        batches: Inputs and targets on the device.
        step: Steps of the run before this one.
        probed: Measure this step.
        sizes: Samples in the whole batches, of which these are slices; None where they are whole.

    Raises:
        DlkitError: Memory ran out, or torch refuses a setting.
    """
    sizes = [len(targets) for _, targets in batches] if sizes is None else sizes
    if parts.random:
        seed_step(parts.device, parts.train.seed, step, parts.group.rank)
    measured = probed and parts.signals.due(step)
    watched = parts.signals.watching(parts.forward, step + 1) if measured else parts.forward
    results = forward_backward(replace(parts, forward=watched) if measured else parts, batches, sizes)
    if measured:
        parts.signals.measure(parts, batches[0], results[0], step + 1)
    for (loss, outputs), (_, targets), size in zip(results, batches, sizes, strict=True):
        parts.running.add(loss, outputs, targets, size)
    with parts.pieces.error_context("the optimizer's step", "a smaller network, or --optimizer sgd"):
        parameters = parts.probe.parameters
        if parts.scale is not None:
            parts.scale.unscale(parameters)
        if parts.l1:
            _add_l1(parameters, parts.l1)
        if probed:
            parts.probe.before_step()
        parts.guard.step(parts.running.newest_losses(len(batches)))
        if probed:
            parts.probe.after_step(step + 1)
        if parts.ema is not None:
            parts.ema.update(parts.guard.skip)


def alone(parts: Parts) -> Parts:
    """Return the same parts for this process alone, with whole batches; all processes of a group call it together."""
    if parts.group.size == 1:
        return parts
    running = RunningMean(parts.objective, parts.running.fold_every, rewindable=True)
    running.restore(parts.running.state(), parts.device)
    separate(parts.model)
    return replace(
        parts,
        group=Group(),
        coupled=None,
        buffers=None,
        train=parts.train.whole(),
        val=parts.val.whole(),
        running=running,
    )


@dataclass(kw_only=True)
class _Attempt:
    """What a step has come to, which starts anew when memory runs out.

    Args:
        samples: Of the step, a process; the gradients of the processes are averaged.
        losses: For each batch so far its mean loss, in several processes this one's part of it.
        adding: The gradients of all processes are being added up.
    """

    samples: float
    losses: list[Tensor] = field(default_factory=list)
    adding: bool = False


def forward_backward(
    parts: Parts, batches: Sequence[Batch], sizes: Sequence[int] | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Compute the gradients of the mean loss over all samples of some batches.

    Each batch counts by its share of the samples. So does each piece of a batch that does not fit into memory: the
    gradients are those of whole batches, but batch norm sees a piece at a time, and dropout draws for each. Where
    several processes have slices of a batch, the gradients are added up with the last piece of the last batch; each
    process splits its own slice if it must, for the others need not know.

    Returns:
        For each batch the mean loss, of whole batches a scalar, and the outputs, shape (N, K).

    Raises:
        DlkitError: Not even the smallest pieces fit, another process waits already, or torch refuses a setting.
    """
    sizes = [len(targets) for _, targets in batches] if sizes is None else sizes
    tried = _Attempt(samples=sum(sizes) / parts.group.size)
    alone = parts.group.size == 1

    def attempt() -> list[tuple[Tensor, Tensor]]:
        for parameter in parts.probe.parameters:
            parameter.grad = None
        tried.losses.clear()
        last = len(batches) - 1
        outputs = [
            _batch_backward(parts, *batch, size, tried, last=index == last)
            for index, (batch, size) in enumerate(zip(batches, sizes, strict=True))
        ]
        return list(zip(tried.losses, outputs, strict=True))

    def repeatable() -> bool:
        return alone or not (tried.adding or is_synchronised(parts.model))

    inputs, targets = batches[0]
    return parts.pieces.retry("train", inputs, len(targets), attempt, repeatable=repeatable)


def _batch_backward(
    parts: Parts, inputs: Inputs, targets: Tensor, size: int, tried: _Attempt, *, last: bool
) -> Tensor:
    pieces = parts.pieces.split("train", len(targets))
    if len(pieces) == 1:
        return _piece_backward(parts, inputs, targets, size, tried, first=True, last=last)
    outputs = [
        _piece_backward(
            parts,
            rows_of(inputs, start, stop),
            targets[start:stop],
            size,
            tried,
            first=start == 0,
            last=last and stop == len(targets),
        )
        for start, stop in pieces
    ]
    return torch.cat(outputs)


def _piece_backward(
    parts: Parts, inputs: Inputs, targets: Tensor, size: int, tried: _Attempt, *, first: bool, last: bool
) -> Tensor:
    network = parts.model if parts.coupled is None else parts.coupled
    with nullcontext() if last else parts.group.uncoupled(network):
        outputs = parts.forward(network, inputs)
        loss = parts.objective.loss(outputs, targets)
        of_batch = _part_of(loss.detach(), len(targets) / size)
        if first:
            tried.losses.append(of_batch)
        else:
            tried.losses[-1] += of_batch
        if last:
            tried.adding = True
            for whole in tried.losses:
                parts.group.carry(whole, 1.0)
            if parts.buffers is not None:
                parts.buffers.carry()
        weighted = _part_of(loss, len(targets) / tried.samples)
        (weighted if parts.scale is None else weighted * parts.scale.scale).backward()
    return outputs.detach()


def _part_of(loss: Tensor, share: float) -> Tensor:
    return loss if share == 1.0 else loss * share


@torch.no_grad()
def _add_l1(parameters: Sequence[nn.Parameter], weight: float) -> None:
    """Add the gradient of weight * sum |w| over the weight matrices, which is weight * sign(w)."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.ndim >= 2:
            parameter.grad.add_(parameter.sign(), alpha=weight)


class WeightAverage:
    """Keeps the weights' exponential moving average (Polyak and Juditsky 1992) while a network trains.

    The first step sets the average to the weights after it; then the decay rises to its value as (1 + n) / (10 + n)
    over the n earlier steps (the rule of TensorFlow's ExponentialMovingAverage with `num_updates`). Buffers, such as
    batch norm's running statistics, are the network's newest.

    Args:
        model: The network that is trained.
        decay: In (0, 1); 0.999 averages over about a thousand steps.

    Raises:
        ConfigError: The network cannot be copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self._averaged_model = _copied(model).requires_grad_(False)
        self._newest = [parameter.detach() for parameter in model.parameters()]
        self._averaged = [parameter.detach() for parameter in self._averaged_model.parameters()]
        self._decay = decay
        self._steps = 0

    def update(self, skip: Tensor) -> None:
        """Update the average with the weights after a step.

        Args:
            skip: 1 where the step was skipped, so that the average stays as it is; else 0. A scalar on the device.
        """
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps)) if self._steps else 0.0
        self._steps += 1
        weight = torch.rsub(skip, 1 - decay, alpha=1 - decay)
        lerp_all(self._averaged, self._newest, weight)

    def forget(self, steps: int) -> None:
        """Subtract the newest steps from the count: they were skipped."""
        self._steps -= steps

    def network(self) -> nn.Module:
        """Return the network with the averaged weights and the newest buffers."""
        for name, buffer in self._model.named_buffers():
            set_buffer(self._averaged_model, name, buffer)
        return self._averaged_model

    def state(self) -> dict[str, Tensor]:
        """Return the average and its count of steps as tensors by name."""
        return {**dict(self._averaged_model.named_parameters()), _EMA_STEPS: torch.tensor(self._steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self._steps = int(state[_EMA_STEPS].item())
        for name, parameter in self._averaged_model.named_parameters():
            parameter.copy_(state[name])


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as err:
        raise ConfigError(
            f"--ema needs a copy of {type(model).__name__}, which cannot be copied: {type(err).__name__}: "
            f"{printable(' '.join(str(err).split()), 200)}",
            "leave --ema out, or create that part outside the network",
        ) from err
