"""The epoch and step loop, nothing else."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from dlkit.data.batches import Batches
from dlkit.device import peak_memory_mib
from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.history import EpochRecord
from dlkit.objectives import Objective, RunningMean
from dlkit.probes import Probe
from dlkit.training.average import WeightAverage
from dlkit.training.guards import FiniteGuard
from dlkit.training.memory import Passes
from dlkit.training.randomness import seed_step

ProbeRow = tuple[int, str, str, float]


@dataclass
class Position:
    """Where a run stands; what is saved and where it goes on.

    Args:
        epoch: The epoch under way, from 1.
        batch: Its batches that are done.
        step: Optimizer steps of the whole run that are done.
        epoch_start: Steps that were done when the epoch began.
        seconds: Wall time of the run.
        train_seconds: Time spent training in the epoch under way.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    epoch_start: int = 0
    seconds: float = 0.0
    train_seconds: float = 0.0

    def next_epoch(self) -> None:
        """Move to the beginning of the next epoch."""
        self.epoch, self.batch, self.train_seconds = self.epoch + 1, 0, 0.0
        self.epoch_start = self.step


@dataclass(frozen=True)
class Step:
    """One optimizer step, and the epoch it closes, if it does.

    Args:
        epoch: Its epoch, from 1.
        in_epoch: Its number in the epoch, from 1.
        step: Its number in the run, from 1.
        lr: Its learning rate.
        running: Loss and metric of the epoch so far, on the device.
        record: The epoch's row of history.csv, if this step closes it.
        probe_rows: The epoch's rows of probes.csv, likewise.
        diverged: A loss or gradient was not finite, in this step or before it; it is the last one.
    """

    epoch: int
    in_epoch: int
    step: int
    lr: float
    running: RunningMean
    record: EpochRecord | None = None
    probe_rows: Sequence[ProbeRow] = ()
    diverged: bool = False


@dataclass(frozen=True)
class Reading:
    """What the device says of the epoch so far.

    Args:
        loss: Mean loss.
        metric: The metric.
        last_loss: Loss of the newest batch.
    """

    loss: float
    metric: float
    last_loss: float


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the loop turns: the network, its data and what changes its weights.

    Where `random` is true, each step begins with random numbers of its own; else the network draws none.
    """

    model: nn.Module
    train: Batches
    val: Batches
    objective: Objective
    optimizer: torch.optim.Optimizer
    schedule: Callable[[int], float]
    guard: FiniteGuard
    probe: Probe
    running: RunningMean
    passes: Passes
    device: torch.device
    l1: float = 0.0
    accumulate: int = 1
    ema: WeightAverage | None = None
    random: bool = True

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return -(-len(self.train) // self.accumulate)

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept as best: the average of the weights where there is one."""
        return self.model if self.ema is None else self.ema.network()


class Clock:
    """Adds the time since the last tick to the run's, and to the epoch's training time."""

    def __init__(self, position: Position) -> None:
        self._position = position
        self._last = time.perf_counter()

    def tick(self, *, training: bool) -> None:
        """Count the time since the last tick, as training or as something else."""
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        self._position.seconds += passed
        if training:
            self._position.train_seconds += passed


def fit(parts: Parts, position: Position, epochs: int) -> Iterator[Step]:
    """Train, and yield after every optimizer step without waiting for the device.

    Args:
        parts: What to train, on what, with what.
        position: Where to begin; kept up to date, so that the caller can save at any yield.
        epochs: The last epoch.

    Yields:
        The step; the last one of an epoch carries the epoch's record, with the validation done. Where a step of
        the epoch was skipped, the last one says so instead, and nothing comes after it.
    """
    while position.epoch <= epochs:
        if position.batch == 0:
            parts.running.clear()
        parts.model.train()
        last_batch = len(parts.train)
        clock = Clock(position)
        lr = parts.schedule(position.step)
        for inputs, targets in parts.train.shuffled(position.epoch, position.batch):
            first = position.batch % parts.accumulate == 0
            if first:
                if parts.random:
                    seed_step(parts.device, parts.train.seed, position.step)
                lr = _set_lr(parts.optimizer, parts.schedule(position.step))
                for parameter in parts.probe.parameters:
                    parameter.grad = None
            share = _share(parts, position.batch)
            loss, outputs = parts.passes.backward(inputs, targets, share=share, first=first)
            parts.running.add(loss, outputs, targets)
            position.batch += 1
            if position.batch % parts.accumulate and position.batch < last_batch:
                continue
            with parts.passes.told("the optimizer's step"):
                _step(parts, position)
            clock.tick(training=True)
            if position.batch < last_batch:
                yield Step(
                    position.epoch, position.step - position.epoch_start, position.step, lr, parts.running
                )
                clock.tick(training=True)
        if parts.guard.skipped():
            in_epoch = position.step - position.epoch_start
            yield Step(position.epoch, in_epoch, position.step, lr, parts.running, diverged=True)
            return
        closing = close_epoch(parts, position, clock, lr)
        position.next_epoch()
        yield closing


def _share(parts: Parts, batch: int) -> float:
    """Give a batch's share of the mean over all batches that make one step."""
    if parts.accumulate == 1:
        return 1.0
    first = batch - batch % parts.accumulate
    whole = parts.train.samples_in(first, min(first + parts.accumulate, len(parts.train)))
    return parts.train.samples_in(batch, batch + 1) / whole


def _step(parts: Parts, position: Position) -> None:
    """Change the weights by what the gradients say, and measure it at sampled steps."""
    parameters = parts.probe.parameters
    if parts.passes.scale is not None:
        parts.passes.scale.unscale(parameters)
    if parts.l1:
        _add_l1(parameters, parts.l1)
    sampled = parts.probe.due((position.batch - 1) // parts.accumulate)
    if sampled:
        parts.probe.before_step()
    batches = (position.batch - 1) % parts.accumulate + 1
    parts.guard.step(parts.running.newest_losses(batches))
    position.step += 1
    if sampled:
        parts.probe.after_step(position.step)
    if parts.ema is not None:
        parts.ema.update(parts.guard.skip)


def close_epoch(parts: Parts, position: Position, clock: Clock, lr: float) -> Step:
    """Read the epoch's sums and validate."""
    train_loss, train_metric = parts.running.read()
    clock.tick(training=True)
    train_seconds = position.train_seconds
    forward = parts.passes.outputs
    val_loss, val_metric = mean_scores(parts.validated, parts.val.in_order(), parts.objective, forward)
    grad_norm, update_ratio, rows = parts.probe.close_epoch()
    clock.tick(training=False)
    record = EpochRecord(
        epoch=position.epoch,
        step=position.step,
        seconds=position.seconds,
        lr=lr,
        metric=parts.objective.metric,
        train_loss=train_loss,
        val_loss=val_loss,
        train_metric=train_metric,
        val_metric=val_metric,
        grad_norm=grad_norm,
        update_ratio=update_ratio,
        samples_per_second=parts.running.samples / train_seconds if train_seconds else None,
        memory_mib=peak_memory_mib(parts.device),
    )
    in_epoch = position.step - position.epoch_start
    return Step(position.epoch, in_epoch, position.step, lr, parts.running, record, rows)


def _set_lr(optimizer: torch.optim.Optimizer, lr: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr


@torch.no_grad()
def _add_l1(parameters: Sequence[nn.Parameter], weight: float) -> None:
    """Add the gradient of weight * sum |w| over the weight matrices, which is weight * sign(w)."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.ndim >= 2:
            parameter.grad.add_(parameter.sign(), alpha=weight)
