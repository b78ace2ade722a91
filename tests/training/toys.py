"""Small data and small parts, so that the loop can be tested without a run folder."""

from typing import Any

import torch
from descriptions import OF_CLASSES
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.data.dataset import TensorSplit
from dlkit.objectives import build_objective
from dlkit.probes.parameters import Probe
from dlkit.running_mean import RunningMean
from dlkit.training.divergence.guard import FiniteGuard
from dlkit.training.loop import Position, Step, fit
from dlkit.training.memory import Pieces
from dlkit.training.optimizers import build_optimizer
from dlkit.training.precision import Forward
from dlkit.training.schedules import build_schedule
from dlkit.training.signals.recorder import Signals
from dlkit.training.step import Parts

CPU = torch.device("cpu")


def make_split(inputs: Tensor, targets: Tensor) -> TensorSplit:
    """A split of all samples, not normalised."""
    return TensorSplit(inputs, targets, torch.arange(len(targets)), None)


def make_blobs(samples: int = 60, seed: int = 0) -> TensorSplit:
    """Three far-apart clouds of points in four dimensions, shape (N, 4), one a class."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(samples) % 3
    centres = 4 * torch.eye(3, 4)
    return make_split(centres[targets] + torch.randn(samples, 4, generator=generator), targets)


def make_network(seed: int = 0) -> nn.Module:
    """A network for `make_blobs`."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))


def make_parts(
    split: TensorSplit,
    model: nn.Module,
    *,
    val: TensorSplit | None = None,
    optimizer: str | torch.optim.Optimizer = "sgd",
    lr: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    batch_size: int = 16,
    seed: int = 0,
    grad_clip: float | None = None,
    **others: Any,
) -> Parts:
    """All that `fit` needs, on the CPU."""
    train = Batches(split, batch_size, CPU, seed)
    objective = build_objective(OF_CLASSES)
    chosen = (
        build_optimizer(model, optimizer, lr=lr, momentum=momentum, weight_decay=weight_decay)
        if isinstance(optimizer, str)
        else optimizer
    )
    parts: dict[str, Any] = {
        "model": model,
        "train": train,
        "val": Batches(val or split, batch_size, CPU),
        "objective": objective,
        "optimizer": chosen,
        "schedule": build_schedule("none", lr, total_steps=1, steps_per_epoch=1),
        "guard": FiniteGuard(chosen, list(model.parameters()), grad_clip),
        "probe": Probe(model, len(train)),
        "signals": Signals(model, others.get("objective", objective)),
        "running": RunningMean(objective, train.chunk),
        "pieces": Pieces(model, CPU),
        "forward": Forward(),
        "device": CPU,
        "l1": l1,
    }
    return Parts(**{**parts, **others})


class InDouble(nn.Module):
    """Computes in float64, so that nothing but a wrong share of a batch shows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_network().double()

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.inner(inputs.double())
        return outputs


def gradients(parts: Parts) -> list[list[Tensor]]:
    """Return the gradients of each step of an epoch."""
    return [
        [parameter.grad.clone() for parameter in parts.model.parameters()] for _ in fit(parts, Position(), 1)
    ]


def train(parts: Parts, epochs: int) -> list[Step]:
    """Train to the end and give every step."""
    return list(fit(parts, Position(), epochs))
