"""Guards against numbers that are not finite: such a step is never applied."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from dlkit.training.precision import LossScale


class FiniteGuard:
    """Skips steps whose gradients are not finite, without waiting for the device.

    The flag is the fused optimizers' own `found_inf`, which a gradient scaler would set: they leave weights and
    state alone where it is 1. For the others, weights and state are remembered and put back.

    Args:
        optimizer: The optimizer whose steps are guarded.
        parameters: The parameters it updates.
        max_norm: Scale gradients down to this Euclidean norm over all parameters (Pascanu et al. 2013); None leaves
            them as they are.
        scale: The scale of the loss, which steps on; a step that it lets overflow is skipped but not counted.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        max_norm: float | None = None,
        scale: LossScale | None = None,
    ) -> None:
        device = parameters[0].device
        self._optimizer = optimizer
        self._fused = all(group.get("fused") for group in optimizer.param_groups)
        self._parameters = parameters
        self._max_norm = max_norm
        self._scale = scale
        self._flag = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self._skipped = torch.zeros((), device=device)
        self._one_pass = device.type in ("cpu", "cuda")
        if self._fused:
            optimizer.found_inf = self._flag  # type: ignore[attr-defined]
            optimizer.grad_scale = None  # type: ignore[attr-defined]

    def step(self) -> None:
        """Step, unless a gradient is not finite."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._max_norm is None:
            self._check(gradients)
        else:
            self._check_and_clip(gradients, self._max_norm)
        self._skipped.add_(self._flag if self._scale is None else self._scale.hopeless(self._flag))
        if self._fused:
            self._optimizer.step()
        else:
            self._step_and_put_back()
        if self._scale is not None:
            self._scale.update(self._flag)

    def _check(self, gradients: list[Tensor]) -> None:
        self._flag.zero_()
        if self._one_pass:
            # One pass over all gradients, the one that gradient scalers make; scaling by 1 leaves them alone.
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, self._flag, self._one)
        else:
            self._flag.copy_(_any_not_finite(gradients))

    def _check_and_clip(self, gradients: list[Tensor], max_norm: float) -> None:
        """Take one norm for both: it is finite where all gradients are, and says how much to scale by.

        Fused optimizers divide by `grad_scale` as they step, so that the gradients are not written once more.
        """
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self._flag.copy_(norm.isfinite().logical_not_())
        scale = (norm / max_norm).clamp_min_(1.0)
        if self._fused:
            self._optimizer.grad_scale = scale  # type: ignore[attr-defined]
        else:
            torch._foreach_div_(gradients, scale)

    def _step_and_put_back(self) -> None:
        before = [parameter.detach().clone() for parameter in self._parameters]
        states = [
            {kind: value.clone() for kind, value in self._optimizer.state.get(parameter, {}).items()}
            for parameter in self._parameters
        ]
        self._optimizer.step()
        skip = self._flag.bool()
        with torch.no_grad():
            for parameter, old, state in zip(self._parameters, before, states, strict=True):
                parameter.copy_(torch.where(skip, old, parameter))
                for kind, value in self._optimizer.state[parameter].items():
                    fresh = state.get(kind, torch.zeros_like(value))
                    value.copy_(torch.where(skip.to(value.device), fresh, value))

    def skipped(self) -> int:
        """Give the number of steps skipped so far; waits for the device."""
        return int(self._skipped.item())


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Say whether no value in any of the tensors is NaN or infinite; waits for the device."""
    return not _any_not_finite(list(tensors)).item()


def _any_not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Give 1.0 if a value in any of the tensors is NaN or infinite, else 0.0."""
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all().logical_not().to(torch.float32)
