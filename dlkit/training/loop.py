"""The loop over epochs and steps, and nothing else."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor, nn

from dlkit.device import peak_memory_mib
from dlkit.evaluation.evaluate import running_scores
from dlkit.files.history import EpochRecord
from dlkit.inputs import Inputs
from dlkit.probes.parameters import ProbeRow
from dlkit.running_mean import RunningMean
from dlkit.torch_compat import is_lost_process
from dlkit.training.own_faults import raise_own_fault
from dlkit.training.step import Batch, Parts, train_step


@dataclass
class Position:
    """Where a run stands, as it is saved and resumed.

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
    """Loss and metric of the epoch so far, read from the device.

    Args:
        loss: Mean loss.
        metric: The metric.
        last_loss: Loss of the newest batch.
    """

    loss: float
    metric: float
    last_loss: float


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
        parts: What to train, with which data.
        position: Where to begin; kept up to date, so that the caller can save at any yield.
        epochs: The last epoch.

    Yields:
        The step; the last one of an epoch carries the epoch's record, validation included. If a step of the epoch
        was skipped, the last one is marked as diverged instead, and nothing follows it.
    """
    while position.epoch <= epochs:
        if position.batch == 0:
            parts.running.clear()
        parts.model.train()
        clock = Clock(position)
        lr = parts.schedule(position.step)
        for batches in _batches_of_steps(parts, position):
            lr = _set_lr(parts.optimizer, parts.schedule(position.step))
            probed = parts.signals.due(position.step) or parts.probe.due(position.batch // parts.accumulate)
            try:
                sizes = [parts.train.size_of(position.batch + index) for index in range(len(batches))]
                train_step(parts, batches, position.step, probed=probed, sizes=sizes)
            except Exception as err:
                if is_lost_process(err):
                    raise
                raise_own_fault(err, parts, batches)
                raise
            position.batch += len(batches)
            position.step += 1
            clock.tick(training=True)
            if position.batch < len(parts.train):
                yield _step(parts, position, lr)
                clock.tick(training=True)
        if parts.guard.skipped():
            yield replace(_step(parts, position, lr), diverged=True)
            return
        closing = close_epoch(parts, position, clock, lr)
        position.next_epoch()
        yield closing


def _batches_of_steps(parts: Parts, position: Position) -> Iterator[list[Batch]]:
    """Yield the batches that make one step together, from the position on."""
    batches = parts.train.shuffled(position.epoch, position.batch)
    while group := list(islice(batches, parts.accumulate - position.batch % parts.accumulate)):
        yield group


def _step(parts: Parts, position: Position, lr: float) -> Step:
    return Step(position.epoch, position.step - position.epoch_start, position.step, lr, parts.running)


def close_epoch(parts: Parts, position: Position, clock: Clock, lr: float) -> Step:
    """Validate, and return the newest step with the record of its epoch."""
    train_loss, train_metric = parts.running.read()
    train_monitored = _defined(parts.running.read_monitored())
    clock.tick(training=True)
    train_seconds = position.train_seconds
    val = running_scores(
        parts.validated,
        parts.val.in_order(),
        parts.objective,
        _watched(parts, position),
        group=parts.group,
        sizes=map(parts.val.size_of, range(len(parts.val))),
    )
    val_loss, val_metric = val.read()
    grad_norm, update_ratio, rows = parts.probe.close_epoch()
    rows += parts.signals.close_epoch(parts.running, position.step, position.epoch_start)
    rows += parts.pieces.rows(position.step)
    clock.tick(training=False)
    monitored = parts.objective.monitored
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
        monitored="" if monitored is None else monitored.name,
        train_monitored=train_monitored,
        val_monitored=_defined(val.read_monitored()),
    )
    return replace(_step(parts, position, lr), record=record, probe_rows=rows)


def _watched(parts: Parts, position: Position) -> Callable[[nn.Module, Inputs], Tensor]:
    """Return the forward pass of a validation, which records the layers for its first samples."""
    return parts.signals.watching_validation(parts.predict, position.epoch, position.step, parts.validated)


def _defined(value: float | None) -> float | None:
    """Return a metric, or None where it is not defined, as R2 is of targets that are all alike."""
    return value if value is not None and math.isfinite(value) else None


def _set_lr(optimizer: torch.optim.Optimizer, lr: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = lr
    return lr
