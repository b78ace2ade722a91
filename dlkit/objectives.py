"""Loss and metric per task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.metrics import Metric, count_correct, sum_absolute_errors


@dataclass(frozen=True)
class Objective:
    """What is minimised, and the metric shown beside it.

    Args:
        loss: Maps outputs (N, K) and targets, (N,) or (N, D, ...), to the mean loss, a scalar.
        metric: Name of the metric.
        metric_sum: Maps outputs and targets to the sum of the metric over the samples, a scalar.
        predictions: Maps outputs to probabilities, shape (N, K), or to numbers in the target's own unit.
        monitored: A metric beside that one, which --monitor asks for; None for most runs.
        width: K, the outputs of a sample.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    metric: str
    metric_sum: Callable[[Tensor, Tensor], Tensor]
    predictions: Callable[[Tensor], Tensor] = torch.Tensor.detach
    monitored: Metric | None = None
    width: int = 1

    def monitored_rows(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return what is kept of N samples for the monitored metric, in float64 where the device has it.

        Returns:
            The sums of its terms, shape (1, S); without terms predictions and targets, float32, shape (N, P + D).
        """
        assert self.monitored is not None, "there is one"
        preds = self.predictions(outputs)
        if self.monitored.terms is None:
            return torch.cat([preds.flatten(1), targets.reshape(len(targets), -1)], dim=1).float()
        double = torch.float32 if outputs.device.type == "mps" else torch.float64
        truth = targets.to(double) if targets.is_floating_point() else targets
        terms: Tensor = self.monitored.terms(preds.to(double), truth)
        return terms.reshape(len(targets), -1).to(double).sum(0, keepdim=True)

    def monitored_value(self, rows: Sequence[Tensor], samples: int) -> float:
        """Return the monitored metric of all that was kept; waits for the device."""
        assert self.monitored is not None, "there is one"
        kept = torch.cat(list(rows)).cpu().numpy()
        if self.monitored.terms is not None:
            return float(self.monitored.value(kept.astype("float64").sum(0), samples))
        assert self.monitored.score is not None, "a metric has terms or a score"
        classes = "classification" in self.monitored.tasks
        width = kept.shape[1] - 1 if classes else kept.shape[1] // 2
        targets = kept[:, width].astype("int64") if classes else kept[:, width:]
        return self.monitored.score(kept[:, :width], targets)


def build_objective(
    description: DataDescription,
    loss: str = "auto",
    *,
    device: torch.device | None = None,
    label_smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Objective:
    """Choose loss and metric.

    Args:
        description: Says whether the targets are classes (metric: accuracy) or numbers (mean absolute error), and
            how numbers are scaled: the loss is taken of scaled numbers, the metric of those in their own unit.
        loss: `auto` (cross-entropy for classes, mse for numbers), `cross-entropy`, `mse`, `l1`, `huber`, `bce`, or
            `log1p` (mse of sign(x) log(1 + |x|), for numbers in their own unit); on classes all but the first
            compare with one-hot targets.
        device: Where outputs and targets will be; None is the CPU.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016), for cross-entropy.
        weights: One weight a class or an output, shape (K,), on the device; None weighs all alike. A sample weighs
            what its class does, and the loss is the mean over the samples of weight times loss, so that it does not
            depend on which samples make a batch (torch's own divides by the weights that happen to be in it). For
            numbers the loss is the mean over the outputs of weight times error.

    Raises:
        ConfigError: The loss does not fit the task.
    """
    classes, width = description.task == "classification", description.num_outputs
    if not classes and loss in ("cross-entropy", "bce"):
        raise ConfigError(f"--loss {loss} takes classes; the target is a number", "mse, l1 or huber fit it")
    if classes and loss == "log1p":
        raise ConfigError("--loss log1p takes numbers; the target is a class", "cross-entropy fits it")
    if classes and loss in ("auto", "cross-entropy"):
        loss_fn = _cross_entropy(label_smoothing, weights)
        return Objective(loss_fn, "accuracy", count_correct, _probabilities, width=width)
    elementwise = _ELEMENTWISE["mse" if loss == "auto" else loss]
    scale, shift = _target_scaling(description, device)

    def mean_loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if classes:
            truth = F.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
        else:
            outputs = _shaped(outputs, description)
            truth = targets.reshape(outputs.shape)
            if loss == "log1p":
                outputs, truth = _log1p(numbers(outputs)), _log1p(truth)
            else:
                truth = (truth - shift) / scale
            truth = truth.to(outputs.dtype)
        if weights is None:
            return elementwise(outputs, truth, reduction="mean")
        by_place = (
            weights[targets].unsqueeze(1) if classes else weights.reshape(-1, *([1] * (outputs.ndim - 2)))
        )
        return (elementwise(outputs, truth, reduction="none") * by_place).mean()

    def numbers(outputs: Tensor) -> Tensor:
        return _shaped(outputs, description) * scale + shift

    if classes:
        return Objective(mean_loss, "accuracy", count_correct, _probabilities, width=width)
    return Objective(
        mean_loss,
        "mae",
        lambda outputs, targets: sum_absolute_errors(numbers(outputs), targets),
        numbers,
        width=width,
    )


@torch.no_grad()
def best_constant_loss(objective: Objective, targets: Tensor, width: int) -> float:
    """Return the lowest loss without looking at the inputs; that of a guess where all targets are alike.

    Args:
        objective: The loss.
        targets: Classes, shape (N,), or numbers, shape (N,) or (N, D, ...).
        width: K, the outputs of a sample.
    """
    if objective.metric != "accuracy":
        numbers = targets.float()
        mean = numbers.mean(0, keepdim=True).expand_as(numbers)
        zero = objective.predictions(torch.zeros_like(mean))
        unit = objective.predictions(torch.ones_like(mean)) - zero
        return max(objective.loss((mean - zero) / unit, targets).item(), 1e-12)
    counts = torch.bincount(targets, minlength=width).float()
    alike = torch.full_like(counts, 1 / len(counts))
    shares = torch.where((counts > 0).sum() > 1, counts / counts.sum(), alike)
    shares = shares.clamp(1e-6, 1 - 1e-6)
    # The best is the log shares for cross-entropy, the log odds for bce, the shares for mse, the median for l1; equal
    # shares where the loss weighs classes by their frequency.
    answers = (shares.log(), shares.logit(), shares, shares.round(), alike.log())
    losses = [objective.loss(answer.expand(len(targets), -1), targets) for answer in answers]
    lowest: float = min(torch.stack(losses).tolist())
    return lowest


_ELEMENTWISE: Mapping[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy_with_logits,
    "log1p": F.mse_loss,
}


def _cross_entropy(label_smoothing: float, weights: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    if not label_smoothing and weights is None:
        return F.cross_entropy

    def mean_loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if weights is None:
            return F.cross_entropy(outputs, targets, label_smoothing=label_smoothing)
        losses = F.cross_entropy(outputs, targets, reduction="none", label_smoothing=label_smoothing)
        return (losses * weights[targets]).mean()

    return mean_loss


def _log1p(values: Tensor) -> Tensor:
    return values.sign() * values.abs().log1p()


def _probabilities(outputs: Tensor) -> Tensor:
    return outputs.softmax(1)


def _shaped(outputs: Tensor, description: DataDescription) -> Tensor:
    """Return outputs the shape of targets of several axes, for which a network may give them flat."""
    several = len(description.target_shape) > 1
    return outputs.reshape(-1, *description.target_shape) if several else outputs


def _target_scaling(
    description: DataDescription, device: torch.device | None
) -> tuple[Tensor | float, Tensor | float]:
    """Return factor and offset from what a network gives to the target's own unit, shape (D, 1, ...) or plain."""
    scaling = description.target_scaling
    if scaling is None:
        return 1.0, 0.0
    factors = [scaling.scale * std for std in scaling.std]
    offsets = [scaling.scale * mean for mean in scaling.mean]
    if len(factors) == 1:
        return factors[0], offsets[0]
    shape = (-1, *([1] * (len(description.target_shape) - 1)))
    both = torch.tensor([factors, offsets], device=device)
    return both[0].view(shape), both[1].view(shape)
