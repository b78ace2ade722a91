"""Guards against numbers that are not finite: such a step is never applied, nor any after it."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from dlkit.models.context import MODULE as CONTEXT
from dlkit.training.precision import LossScale


class FiniteGuard:
    """Skips a step whose loss or gradients are not finite, and all after it, without waiting for the device.

    The flag is the fused optimizers' own `found_inf`, which a gradient scaler would set: they leave weights and
    state alone where it is 1. For the others, weights and state are remembered and put back. Once up, the flag
    stays up: until the host sees it, everything on the device stays as the last good step left it.

    Args:
        optimizer: The optimizer whose steps are guarded.
        parameters: The parameters it updates.
        max_norm: Scale gradients down to this Euclidean norm over all parameters (Pascanu et al. 2013); None leaves
            them as they are.
        model: The network, whose buffers are to be kept too; None keeps none.
        scale: The scale of the loss. A step that overflows while the scale finds its place is skipped alone.
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
        self._fused = all(group.get("fused") for group in optimizer.param_groups)
        self._parameters = parameters
        self._max_norm = max_norm
        self._scale = scale
        self.flag = torch.zeros((), device=device)
        """1 from the first step on that was skipped for good."""
        self.skip = self.flag if scale is None else torch.zeros((), device=device)
        """1 where the newest step was skipped."""
        self._overflowed = self.flag if scale is None else torch.zeros((), device=device)
        self._one = torch.ones((), device=device)
        self._skipped = torch.zeros((), device=device)
        self._one_pass = device.type in ("cpu", "cuda")
        self._buffers = None if model is None else KeptBuffers(model)
        if self._fused:
            optimizer.found_inf = self.skip  # type: ignore[attr-defined]
            optimizer.grad_scale = None  # type: ignore[attr-defined]

    def step(self, losses: Sequence[Tensor] = ()) -> None:
        """Step, unless a loss or a gradient is not finite, or one was before.

        Args:
            losses: Those that the gradients are of, scalars.
        """
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        if self._max_norm is None:
            self._check(gradients, losses)
        else:
            self._check_and_clip(gradients, losses, self._max_norm)
        if self._scale is not None:
            self._decide(self._scale)
        self._skipped.add_(self.flag)
        if self._fused:
            self._optimizer.step()
        else:
            self._step_and_put_back()
        if self._buffers is not None:
            self._buffers.keep(self.skip)

    def _check(self, gradients: list[Tensor], losses: Sequence[Tensor]) -> None:
        """Raise the flags for what is not finite; they stay up where they are."""
        if self._scale is None:
            self._look(self.flag, [*gradients, *losses])
        else:
            self._overflowed.zero_()
            self._look(self._overflowed, gradients)
            if losses:
                self._look(self.flag, list(losses))

    def _look(self, flag: Tensor, tensors: list[Tensor]) -> None:
        if self._one_pass:
            # One pass over all of them, the one that gradient scalers make; scaling by 1 leaves them alone.
            torch._amp_foreach_non_finite_check_and_unscale_(tensors, flag, self._one)
        else:
            flag.copy_(torch.maximum(flag, _any_not_finite(tensors)))

    def _decide(self, scale: LossScale) -> None:
        """Tell an overflow that a smaller scale may cure from one that none does, and adjust the scale."""
        torch.maximum(self.flag, scale.hopeless(self._overflowed), out=self.flag)
        torch.maximum(self.flag, self._overflowed, out=self.skip)
        scale.update(self._overflowed, frozen=self.flag)

    def _check_and_clip(self, gradients: list[Tensor], losses: Sequence[Tensor], max_norm: float) -> None:
        """Take one norm for both: it is finite where all gradients are, and says how much to scale by.

        Fused optimizers divide by `grad_scale` as they step, so that the gradients are not written once more.
        """
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self._check([norm], losses)
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
        skip = self.skip.bool()
        with torch.no_grad():
            for parameter, old, state in zip(self._parameters, before, states, strict=True):
                parameter.copy_(torch.where(skip, old, parameter))
                for kind, value in self._optimizer.state[parameter].items():
                    fresh = state.get(kind, torch.zeros_like(value))
                    value.copy_(torch.where(skip.to(value.device), fresh, value))

    def skipped(self) -> int:
        """Give the number of steps skipped so far, the newest ones; waits for the device."""
        return int(self._skipped.item())

    def restore_buffers(self) -> None:
        """Put the network's buffers back as they were after the last good step."""
        if self._buffers is not None:
            self._buffers.restore()


class KeptBuffers:
    """A copy of a network's buffers as they were after the last good step, kept on the device.

    The forward pass has moved batch norm's running statistics before anyone knows whether its gradients are finite.
    What the network has of its data (`context`) never changes and is left out.

    Args:
        model: The network, on its device; its buffers may be changed in place or put anew.
    """

    def __init__(self, model: nn.Module) -> None:
        self._places: dict[torch.dtype, list[tuple[nn.Module, str]]] = {}
        for path, module in model.named_modules():
            for name, buffer in module._buffers.items():
                if buffer is not None and path != CONTEXT:
                    self._places.setdefault(buffer.dtype, []).append((module, name))
        self._kept = {dtype: self._joined(dtype) for dtype in self._places}

    @torch.no_grad()
    def keep(self, flag: Tensor) -> None:
        """Take the buffers as they are now, unless the flag is up."""
        if not self._kept:
            return
        up = flag.bool()
        for dtype, kept in self._kept.items():
            newest = self._joined(dtype)
            if newest.shape == kept.shape:
                torch.where(up, kept, newest, out=kept)
            else:
                self._kept[dtype] = newest

    @torch.no_grad()
    def restore(self) -> None:
        """Put the buffers back."""
        for dtype, places in self._places.items():
            buffers = [_buffer(module, name) for module, name in places]
            parts = self._kept[dtype].split([buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))

    def _joined(self, dtype: torch.dtype) -> Tensor:
        """Give all values of a dtype one after the other: one copy is cheaper than one a buffer."""
        buffers = [_buffer(module, name) for module, name in self._places[dtype]]
        return torch.cat([buffer if buffer.ndim == 1 else buffer.reshape(-1) for buffer in buffers])


def _buffer(module: nn.Module, name: str) -> Tensor:
    buffer = module._buffers[name]
    assert buffer is not None, "a buffer that was there stays there"
    return buffer


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Say whether no value in any of the tensors is NaN or infinite; waits for the device."""
    return not _any_not_finite(list(tensors)).item()


def _any_not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Give 1.0 if a value in any of the tensors is NaN or infinite, else 0.0."""
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all().logical_not().to(torch.float32)
