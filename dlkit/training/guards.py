"""Guards against numbers that are not finite: such a step is never applied."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class FiniteGuard:
    """Skips steps whose gradients are not finite, without waiting for the device.

    The flag is the fused optimizers' own `found_inf`, which a gradient scaler would set: they leave weights and
    state alone where it is 1.

    Args:
        optimizer: A fused optimizer.
        parameters: The parameters it updates.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
        device = parameters[0].device
        self._parameters = parameters
        self._flag = torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self._skipped = torch.zeros((), device=device)
        self._one_pass = device.type in ("cpu", "cuda")
        optimizer.found_inf = self._flag  # type: ignore[attr-defined]
        optimizer.grad_scale = None  # type: ignore[attr-defined]

    def check(self) -> None:
        """Look at the gradients; call between backward and step."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._flag.zero_()
        if self._one_pass:
            # One pass over all gradients, the one that gradient scalers make; scaling by 1 leaves them alone.
            torch._amp_foreach_non_finite_check_and_unscale_(gradients, self._flag, self._one)
        else:
            self._flag.copy_(_any_not_finite(gradients))
        self._skipped.add_(self._flag)

    def skipped(self) -> int:
        """Give the number of steps skipped so far; waits for the device."""
        return int(self._skipped.item())


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Say whether no value in any of the tensors is NaN or infinite; waits for the device."""
    return not _any_not_finite(list(tensors)).item()


def _any_not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Give 1.0 if a value in any of the tensors is NaN or infinite, else 0.0."""
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all().logical_not().to(torch.float32)
