"""The optimizers: what builds each, its learning rate, and the tensors that it keeps for a parameter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlkit.settings.deferred import deferred

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class OptimizerRecord:
    """One optimizer.

    Args:
        name: As --optimizer is typed.
        build: Builds it over groups of parameters, given lr, momentum and nesterov; `deferred`.
        lr: The learning rate where another optimizer's recipe is overridden; None keeps the recipe's.
        settings: Settings that it alone takes.
        state: Names of the tensors that it keeps for a parameter; `step` is a count, the others have its shape.
    """

    name: str
    build: "Callable[..., torch.optim.Optimizer]"
    lr: float | None = None
    settings: tuple[str, ...] = ()
    state: tuple[str, ...] = ()

    @property
    def moments(self) -> int:
        """Tensors of the parameter's shape."""
        return len(set(self.state) - {"step"})


def _builder(name: str) -> Callable[..., Any]:
    return deferred(f"dlkit.training.optimizers:{name}")


_ADAM = ("step", "exp_avg", "exp_avg_sq")
_RECORDS = (
    OptimizerRecord(
        name="sgd",
        build=_builder("build_sgd"),
        settings=("momentum", "nesterov"),
        state=("momentum_buffer",),
    ),
    OptimizerRecord(name="adam", build=_builder("build_adam"), lr=1e-3, state=_ADAM),
    OptimizerRecord(name="adamw", build=_builder("build_adamw"), lr=1e-3, state=_ADAM),
    OptimizerRecord(name="rmsprop", build=_builder("build_rmsprop"), lr=1e-3, state=("step", "square_avg")),
    OptimizerRecord(name="adagrad", build=_builder("build_adagrad"), state=("step", "sum")),
)

OPTIMIZERS: dict[str, OptimizerRecord] = {record.name: record for record in _RECORDS}
