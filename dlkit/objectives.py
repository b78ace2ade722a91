"""Loss and running metric per task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.errors import ConfigError


@dataclass(frozen=True)
class Objective:
    """What is minimised, and the metric shown beside it.

    Args:
        loss: Maps outputs (N, K) and targets, (N,) or (N, D), to the mean loss, a scalar.
        metric: Name of the metric.
        metric_sum: Maps outputs and targets to the sum of the metric over the samples, a scalar.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    metric: str
    metric_sum: Callable[[Tensor, Tensor], Tensor]


def build_objective(
    task: str, loss: str = "auto", *, label_smoothing: float = 0.0, weights: Tensor | None = None
) -> Objective:
    """Choose loss and metric.

    Args:
        task: `classification` (accuracy) or `regression` (mean absolute error).
        loss: `auto` (cross-entropy for classes, mse for numbers), `cross-entropy`, `mse`, `l1`, `huber` or `bce`;
            on classes all but the first compare with one-hot targets.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016), for cross-entropy.
        weights: One weight a class or an output, shape (K,), on the device of the outputs; None weighs all alike.
            They are scaled to a mean of 1, and the loss is the mean over the samples, so that it does not depend on
            which samples make a batch (torch's own divides by the weights that happen to be in it).

    Raises:
        ConfigError: The loss does not fit the task.
    """
    classes = task == "classification"
    if not classes and loss in ("cross-entropy", "bce"):
        raise ConfigError(f"--loss {loss} takes classes; the target is a number", "mse, l1 or huber fit it")
    if weights is not None:
        weights = weights / weights.mean()
    if classes and loss in ("auto", "cross-entropy"):
        return Objective(_cross_entropy(label_smoothing, weights), "accuracy", _count_correct)
    elementwise = _ELEMENTWISE["mse" if loss == "auto" else loss]

    def mean_loss(outputs: Tensor, targets: Tensor) -> Tensor:
        truth = F.one_hot(targets, outputs.shape[1]) if classes else targets.reshape(outputs.shape)
        if weights is None:
            return elementwise(outputs, truth.to(outputs.dtype), reduction="mean")
        losses = elementwise(outputs, truth.to(outputs.dtype), reduction="none")
        return (losses * weights).mean()

    if classes:
        return Objective(mean_loss, "accuracy", _count_correct)
    return Objective(mean_loss, "mae", _sum_absolute_errors)


@dataclass
class RunningMean:
    """Loss and metric over the samples seen so far, kept on the device.

    Adding a batch launches nothing: losses, outputs and targets are kept until `fold_every` batches are there
    and then folded in with a few operations for all of them. Where the folds fall depends on the number of
    batches alone, so that a run that was stopped in between comes to the same bits.

    Args:
        objective: Gives the metric.
        fold_every: Batches to keep before they are folded in.
    """

    objective: Objective
    fold_every: int = 16
    _sizes: list[int] = field(default_factory=list)
    _losses: list[Tensor] = field(default_factory=list)
    _metric_sums: list[Tensor] = field(default_factory=list)
    _pending: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """Take in one batch: its mean loss, its outputs (N, K) and its targets (N,) or (N, D)."""
        self._pending.append((loss.detach(), outputs.detach(), targets))
        self._sizes.append(len(targets))
        if len(self._pending) == self.fold_every:
            losses, metric_sums = self._folded()
            self._losses, self._metric_sums = [losses], [metric_sums]
            self._pending.clear()

    def clear(self) -> None:
        """Forget everything, for the next epoch."""
        self._sizes, self._losses, self._metric_sums, self._pending = [], [], [], []

    @property
    def samples(self) -> int:
        """Samples taken in so far."""
        return sum(self._sizes)

    def last_loss(self) -> float:
        """Give the mean loss of the newest batch; waits for the device."""
        return self._pending[-1][0].item() if self._pending else self._losses[-1][-1].item()

    def read(self) -> tuple[float, float]:
        """Give the mean loss and the metric over all samples so far; waits for the device."""
        losses, metric_sums = (tensor.cpu().double() for tensor in self._folded())
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        return (torch.dot(losses, sizes) / sizes.sum()).item(), (metric_sums.sum() / sizes.sum()).item()

    def state(self) -> dict[str, Tensor]:
        """Give all of it as tensors by name; empty before the first batch."""
        if not self._sizes:
            return {}
        state = {"sizes": torch.tensor(self._sizes)}
        if self._losses:
            state |= {"losses": self._losses[0], "metric_sums": self._metric_sums[0]}
        if self._pending:
            losses, outputs, targets = zip(*self._pending, strict=True)
            state |= {
                "pending_losses": torch.stack(losses),
                "pending_outputs": torch.cat(outputs),
                "pending_targets": torch.cat(targets),
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
        if "pending_losses" in state:
            losses = state["pending_losses"].to(device).unbind()
            sizes = self._sizes[-len(losses) :]
            outputs = state["pending_outputs"].to(device).split(sizes)
            targets = state["pending_targets"].to(device).split(sizes)
            self._pending = list(zip(losses, outputs, targets, strict=True))

    def _folded(self) -> tuple[Tensor, Tensor]:
        """Give the losses of all batches, shape (B,), and the metric's sums, one a fold, pending ones included."""
        if not self._pending:
            return self._losses[0], self._metric_sums[0]
        losses, outputs, targets = zip(*self._pending, strict=True)
        added = self.objective.metric_sum(torch.cat(outputs), torch.cat(targets)).reshape(1)
        return torch.cat([*self._losses, torch.stack(losses)]), torch.cat([*self._metric_sums, added])


_ELEMENTWISE: Mapping[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy_with_logits,
}


def _cross_entropy(label_smoothing: float, weights: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    if not label_smoothing and weights is None:
        return F.cross_entropy

    def mean_loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=label_smoothing)
        total = F.cross_entropy(outputs, targets, weights, reduction="sum", label_smoothing=label_smoothing)
        return total / len(targets)

    return mean_loss


def _count_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).sum()


def _sum_absolute_errors(outputs: Tensor, targets: Tensor) -> Tensor:
    errors = (outputs - targets.reshape(outputs.shape)).abs()
    return errors.reshape(len(outputs), -1).mean(1).sum()
