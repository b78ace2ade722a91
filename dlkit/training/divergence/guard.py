"""Guard against NaN and infinity: a step with such a loss or gradient is never applied, nor any after it."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from dlkit.models.context import MODULE as CONTEXT
from dlkit.models.extra_state import weights_of
from dlkit.torch_compat import any_non_finite, raise_flag, step_unless, total_norm
from dlkit.training.precision import LossScale


class FiniteGuard:
    """Skips a step whose loss or gradients are not finite, and all after it, without waiting for the device.

    A flag on the device decides. Once up, it stays up: until the host reads it, everything on the device stays as
    the last good step left it.

    Args:
        optimizer: The optimizer whose steps are guarded.
        parameters: The parameters it updates.
        max_norm: Scale gradients down to this Euclidean norm over all parameters (Pascanu et al. 2013); None leaves
            them as they are.
        model: The network, whose buffers are kept too; None keeps none.
        scale: The loss scale. A step that overflows at a scale above 1 is skipped alone.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        max_norm: float | None = None,
        model: nn.Module | None = None,
        scale: LossScale | None = None,
    ) -> None:
        device = parameters[0].device
        self._optimizer = optimizer
        self._parameters = parameters
        self._max_norm = max_norm
        self._scale = scale
        self.flag = torch.zeros((), device=device)
        """1 from the first step on that was skipped for good."""
        self.skip = self.flag if scale is None else torch.zeros((), device=device)
        """1 where the newest step was skipped."""
        self._overflowed = self.flag if scale is None else torch.zeros((), device=device)
        self._skipped = torch.zeros((), device=device)
        self._buffers = None if model is None else KeptBuffers(model)

    def step(self, losses: Sequence[Tensor] = ()) -> None:
        """Clip the gradients and step, unless a loss or a gradient is not finite, or one was before.

        Args:
            losses: Those that the gradients are of, scalars.
        """
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        divisor = None
        if self._max_norm is not None:
            norm = total_norm(gradients)  # finite if all gradients are
            gradients, divisor = [norm], (norm / self._max_norm).clamp_min_(1.0)
        self._check(gradients, losses)
        self._skipped.add_(self.flag)
        step_unless(self._optimizer, self._parameters, self.skip, divisor)
        if self._buffers is not None:
            self._buffers.keep(self.skip)

    def _check(self, gradients: Sequence[Tensor], losses: Sequence[Tensor]) -> None:
        """Raise the flags for what is not finite; with a loss scale, gradients may overflow while it is above 1."""
        if self._scale is None:
            raise_flag(self.flag, [*gradients, *losses])
            return
        self._overflowed.zero_()
        raise_flag(self._overflowed, gradients)
        if losses:
            raise_flag(self.flag, losses)
        torch.maximum(self.flag, self._scale.overflow_at_smallest(self._overflowed), out=self.flag)
        torch.maximum(self.flag, self._overflowed, out=self.skip)
        self._scale.update(self._overflowed, frozen=self.flag)

    def skipped(self) -> int:
        """Return the number of steps skipped so far, the newest ones; waits for the device."""
        return int(self._skipped.item())

    def restore_buffers(self) -> None:
        """Restore the network's buffers as they were after the last good step."""
        if self._buffers is not None:
            self._buffers.restore()


class KeptBuffers:
    """A copy of a network's buffers as they were after the last good step, kept on the device.

    The forward pass has moved batch norm's running statistics before anyone knows whether its gradients are finite.
    What the network has of its data (`context`) never changes and is left out.

    Args:
        model: The network, on its device; its buffers may be changed in place or assigned anew.
    """

    def __init__(self, model: nn.Module) -> None:
        self._places: dict[torch.dtype, list[tuple[nn.Module, str]]] = {}
        for path, module in model.named_modules():
            if path != CONTEXT:
                for name, buffer in module.named_buffers(recurse=False):
                    if buffer.layout != torch.strided:
                        continue
                    self._places.setdefault(buffer.dtype, []).append((module, name))
        self._kept = {dtype: self._joined(dtype) for dtype in self._places}

    @torch.no_grad()
    def keep(self, skip: Tensor) -> None:
        """Copy the buffers as they are now, unless the flag is 1."""
        if not self._kept:
            return
        skipped = skip.bool()
        for dtype, kept in self._kept.items():
            newest = self._joined(dtype)
            if newest.shape == kept.shape:
                torch.where(skipped, kept, newest, out=kept)
            else:
                self._kept[dtype] = newest

    @torch.no_grad()
    def restore(self) -> None:
        """Copy the kept values back."""
        for dtype in self._places:
            buffers = self._buffers(dtype)
            parts = self._kept[dtype].split([buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))

    def _buffers(self, dtype: torch.dtype) -> list[Tensor]:
        return [getattr(module, name) for module, name in self._places[dtype]]

    def _joined(self, dtype: torch.dtype) -> Tensor:
        """Return all values of a dtype in one tensor: one copy is cheaper than one for each buffer."""
        return torch.cat(
            [buffer if buffer.ndim == 1 else buffer.reshape(-1) for buffer in self._buffers(dtype)]
        )


def non_finite(model: nn.Module) -> list[str]:
    """Return the names of a network's tensors that training has broken; waits for the device.

    Parameters and running statistics must be finite. Other buffers may hold infinities, as a mask for attention
    does, but no NaN.
    """
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False) if "running_" not in name}
    found = weights_of(model)
    sound = [
        (~tensor.isnan() if name in buffers else tensor.isfinite()).all() for name, tensor in found.items()
    ]
    return [name for name, each in zip(found, torch.stack(sound).tolist(), strict=True) if not each]


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Return whether no value in any of the tensors is NaN or infinite; waits for the device."""
    return not any_non_finite(list(tensors)).item()
