"""Loss and metric over the samples of an epoch so far, kept on the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dlkit.distributed.group import Group
from dlkit.objectives import Objective

_WIDE = 256


@dataclass
class RunningMean:
    """Loss and metric over the samples seen so far, kept on the device.

    Adding a batch launches nothing: losses, outputs and targets are kept until `fold_every` batches are there
    and then folded in with a few operations for all of them; wide outputs, of which copies cost more than
    operations, at once. Where the folds fall depends on the number of batches alone, so that a run that was stopped
    in between comes to the same bits.

    Args:
        objective: Gives the metric.
        fold_every: Batches to keep before they are folded in; 1 for wide outputs.
        rewindable: Keep them until `settle` all the same, so that the newest batches can be taken back.
        group: The processes that each take in a slice of every batch. What is read, and what is kept once it is
            folded in, is of whole batches.
    """

    objective: Objective
    fold_every: int = 16
    rewindable: bool = False
    group: Group = field(default_factory=Group)
    _sizes: list[int] = field(default_factory=list)
    _losses: list[Tensor] = field(default_factory=list)
    _metric_sums: list[Tensor] = field(default_factory=list)
    _monitored: list[Tensor] = field(default_factory=list)
    _kept: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)
    _pending: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.objective.width > _WIDE:
            self.fold_every = 1

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor, size: int | None = None) -> None:
        """Take in one batch: its mean loss, its outputs (N, K) and its targets (N,) or (N, D).

        Args:
            loss: Of the whole batch.
            outputs: Of the samples that this process has.
            targets: Theirs.
            size: Samples in the whole batch; None where this process has all of them.
        """
        size = len(targets) if size is None else size
        self._pending.append((loss.detach(), outputs.detach(), targets))
        self._sizes.append(size)
        if len(self._pending) == self.fold_every:
            self._monitored = self._folded_monitored()
            losses, metric_sums = self._folded()
            self._losses, self._metric_sums = [losses], [metric_sums]
            if self.rewindable:
                self._kept += self._pending
            self._pending.clear()

    def clear(self) -> None:
        """Forget everything, for the next epoch."""
        for kept in (self._sizes, self._losses, self._metric_sums, self._monitored):
            kept.clear()
        self._kept, self._pending = [], []

    def settle(self) -> None:
        """Let go of the batches that will not be taken back: all so far."""
        self._kept.clear()

    def rewind(self, batches: int) -> None:
        """Take back all but the first batches of the epoch.

        Args:
            batches: How many stay; no fewer than there were at the last `settle`.
        """
        whole = batches // self.fold_every
        held = [*self._kept, *self._pending]
        first_held = len(self._sizes) - len(held)
        self._sizes = self._sizes[:batches]
        self._losses = [losses[: whole * self.fold_every] for losses in self._losses if whole]
        self._metric_sums = [sums[:whole] for sums in self._metric_sums if whole]
        self._monitored = self._monitored[:whole]
        self._pending = held[whole * self.fold_every - first_held : batches - first_held]
        self._kept = []

    @property
    def samples(self) -> int:
        """Samples taken in so far."""
        return sum(self._sizes)

    def newest_losses(self, batches: int = 1) -> list[Tensor]:
        """Return the mean losses of the newest batches, on the device."""
        pending = [loss for loss, _, _ in self._pending[-batches:]]
        return pending if len(pending) == batches else [self._losses[-1][len(pending) - batches :], *pending]

    def losses(self) -> list[float]:
        """Return the mean loss of each batch so far; waits for the device."""
        return self._folded()[0].cpu().double().tolist() if self._sizes else []

    def last_loss(self) -> float:
        """Return the mean loss of the newest batch; waits for the device."""
        return self.newest_losses()[0].item()

    def read(self) -> tuple[float, float]:
        """Return the mean loss and the metric over all samples so far; waits for the device."""
        losses, metric_sums = (tensor.cpu().double() for tensor in self._folded())
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        return (torch.dot(losses, sizes) / sizes.sum()).item(), (metric_sums.sum() / sizes.sum()).item()

    def read_monitored(self) -> float | None:
        """Return the monitored metric over all samples so far; None if there is none. Waits for the device."""
        if self.objective.monitored is None:
            return None
        return self.objective.monitored_value(self._folded_monitored(), self.samples)

    def state(self) -> dict[str, Tensor]:
        """Return all of it as tensors by name; empty before the first batch."""
        if not self._sizes:
            return {}
        state = {"sizes": torch.tensor(self._sizes)}
        if self._losses:
            state |= {"losses": self._losses[0], "metric_sums": self._metric_sums[0]}
        if self._monitored:
            state["monitored_sums"] = torch.cat(self._monitored)
        if self._pending:
            losses, outputs, targets = zip(*self._pending, strict=True)
            sizes = self._sizes[-len(losses) :]
            state |= {
                "pending_losses": torch.stack(losses),
                "pending_outputs": self.group.whole(outputs, sizes),
                "pending_targets": self.group.whole(targets, sizes),
            }
        return state

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Put back what `state` gave."""
        if not state:
            return
        self._sizes = state["sizes"].tolist()
        if "losses" in state:
            self._losses = [state["losses"].to(device)]
            self._metric_sums = [state["metric_sums"].to(device)]
        if "monitored_sums" in state:
            self._monitored = self._in_folds(state["monitored_sums"].to(device))
        if "pending_losses" in state:
            losses = state["pending_losses"].to(device).unbind()
            sizes = self._sizes[-len(losses) :]
            outputs = state["pending_outputs"].to(device).split(sizes)
            targets = state["pending_targets"].to(device).split(sizes)
            self._pending = [
                (loss, preds[own], truth[own])
                for loss, preds, truth in zip(losses, outputs, targets, strict=True)
                for own in [self.group.slice_of(len(truth))]
            ]

    def _folded_monitored(self) -> list[Tensor]:
        """Return what is kept for the monitored metric, fold by fold; empty if there is none."""
        if self.objective.monitored is None or not self._pending:
            return self._monitored
        _, outputs, targets = zip(*self._pending, strict=True)
        rows = self.objective.monitored_rows(torch.cat(outputs), torch.cat(targets))
        if self.objective.monitored.terms is not None:
            return [*self._monitored, self.group.sum(rows)]
        slices = rows.split([len(part) for part in targets])
        return [*self._monitored, self.group.whole(slices, self._sizes[-len(slices) :])]

    def _in_folds(self, rows: Tensor) -> list[Tensor]:
        """Cut what was kept for the monitored metric, shape (R, S), into its folds again."""
        whole = len(self._sizes) // self.fold_every
        sizes = [1] * whole
        if self.objective.monitored is not None and self.objective.monitored.terms is None:
            starts = range(0, whole * self.fold_every, self.fold_every)
            sizes = [sum(self._sizes[start : start + self.fold_every]) for start in starts]
        return list(rows.split(sizes))

    def _folded(self) -> tuple[Tensor, Tensor]:
        """Return the losses of all batches, shape (B,), and the metric's sums, one a fold, pending ones included."""
        if not self._pending:
            return self._losses[0], self._metric_sums[0]
        losses, outputs, targets = zip(*self._pending, strict=True)
        added = self.objective.metric_sum(torch.cat(outputs), torch.cat(targets)).reshape(1)
        sums = [*self._metric_sums, self.group.sum(added)]
        return torch.cat([*self._losses, torch.stack(losses)]), torch.cat(sums)
