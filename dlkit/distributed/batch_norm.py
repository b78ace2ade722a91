"""Batch norm, and other buffers that training changes, in several processes that each see a slice of a batch."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's own name
from torch.nn.modules.batchnorm import _BatchNorm

from dlkit.distributed.group import Group

_CONTEXT = "context"


def has_batch_norm(model: nn.Module) -> bool:
    """Return whether a network has batch norm."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def synchronise(model: nn.Module, group: Group, device: torch.device) -> None:
    """Let every batch norm of a network see the whole batch, in place; its parameters and buffers stay.

    On CUDA it is torch's `SyncBatchNorm`, which no CPU has.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm) and device.type == "cuda":
                synced = nn.SyncBatchNorm.convert_sync_batchnorm(child, group.data)
                setattr(module, name, synced)
            elif isinstance(child, _BatchNorm):
                setattr(module, name, _with_state(SharedBatchNorm(child, group), child))


def is_synchronised(model: nn.Module) -> bool:
    """Return whether any batch norm of a network sees the whole batch of several processes."""
    return any(isinstance(module, SharedBatchNorm | nn.SyncBatchNorm) for module in model.modules())


def separate(model: nn.Module) -> None:
    """Let every batch norm of a network see what this process gives it and no more, in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, SharedBatchNorm | nn.SyncBatchNorm):
                setattr(module, name, _with_state(SharedBatchNorm(child, Group()), child))


def _with_state(module: _BatchNorm, plain: _BatchNorm) -> _BatchNorm:
    for name, value in (*plain._parameters.items(), *plain._buffers.items()):
        setattr(module, name, value)
    return module.train(plain.training)


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the samples of all processes.

    Args:
        plain: What it takes the place of.
        group: The processes.
    """

    def __init__(self, plain: _BatchNorm, group: Group) -> None:
        super().__init__(
            plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats
        )
        self._group = group

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalise inputs, shape (N, C, ...), by mean and variance of the whole batch."""
        if not self.training:
            return super().forward(inputs)
        with torch.no_grad():
            mean, var, count = _moments(inputs, self._group)
            if self.running_mean is not None and self.running_var is not None:
                self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
                momentum = self.momentum
                if momentum is None:
                    momentum = 1.0 / float(self.num_batches_tracked)  # type: ignore[arg-type]
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
                self.running_var.lerp_((var * count / (count - 1)).to(self.running_var.dtype), momentum)
        outputs: Tensor = _Normalise.apply(
            inputs, self.weight, self.bias, mean, var, self.eps, count, self._group
        )
        return outputs

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Take any number of axes; torch's own has checked none of them yet."""


def _moments(inputs: Tensor, group: Group) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and variance of each channel over the samples of all processes, and how many values they are of.

    Chan, Golub and LeVeque 1983: the moments of parts, put together.
    """
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    values = inputs if inputs.dtype == torch.float64 else inputs.float()
    var, mean = torch.var_mean(values, axes, correction=0)
    own = torch.cat([mean.new_full((1,), inputs.numel() / inputs.shape[1]), mean, var])
    counts, means, variances = group.each(own).split([1, len(mean), len(mean)], dim=1)
    count = counts.sum()
    whole = (counts * means).sum(0) / count
    spread = (counts * (variances + (means - whole).square())).sum(0) / count
    return whole, spread, count


class _Normalise(torch.autograd.Function):
    """Normalise by given moments, with the gradients that flow through the moments of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        eps: float,
        count: Tensor,
        group: Group,
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, mean, (var + eps).rsqrt(), count)
        ctx.eps, ctx.group = eps, group
        return F.batch_norm(inputs, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        inputs, weight, mean, scale, count = ctx.saved_tensors
        wanted = [True, True, True]
        found, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grad, inputs, weight, None, None, mean, scale, True, ctx.eps, wanted
        )
        if weight is None:
            of_bias = grad.sum([axis for axis in range(grad.ndim) if axis != 1])
            of_weight = ((inputs - _along(mean, inputs)) * _along(scale, inputs) * grad).sum(
                [axis for axis in range(grad.ndim) if axis != 1]
            )
        # What torch returns is for the moments of this process's samples; the difference is linear in the inputs.
        own = inputs.numel() / inputs.shape[1]
        whole_bias, whole_weight = (ctx.group.sum(torch.stack([of_bias, of_weight])) / count).unbind()
        factor = scale if weight is None else scale * weight
        slope = factor * scale * (of_weight / own - whole_weight)
        offset = factor * (of_bias / own - whole_bias) - slope * mean
        found.addcmul_(inputs, _along(slope, inputs)).add_(_along(offset, inputs))
        return (
            found,
            None if weight is None else of_weight,
            None if weight is None else of_bias,
            *[None] * 5,
        )


def _along(channels: Tensor, inputs: Tensor) -> Tensor:
    """Return one value a channel, shape (C,), in the shape that fits inputs (N, C, ...)."""
    return channels.to(inputs.dtype).view(1, -1, *[1] * (inputs.ndim - 2))


class SharedBuffers:
    """Keeps what training changes in the buffers of a network alike in all processes.

    Running statistics of batch norm that sees a process's own samples are averaged. Other buffers, which networks of
    the user's own have, become those of the first process.

    Args:
        model: The network.
        group: The processes.
        own: It is of the user's own.
    """

    def __init__(self, model: nn.Module, group: Group, *, own: bool) -> None:
        self._group = group
        self._modules = [
            module
            for path, module in model.named_modules()
            if path != _CONTEXT
            and not isinstance(module, SharedBatchNorm | nn.SyncBatchNorm)
            and (own or isinstance(module, _BatchNorm))
        ]

    def carry(self) -> None:
        """Bring them together with the gradients of the backward pass to come, the last of a step."""
        for module in self._modules:
            for buffer in module.buffers(recurse=False):
                if not isinstance(module, _BatchNorm):
                    if buffer.layout == torch.strided:
                        self._group.carry(buffer, 1.0 if self._group.writes else 0.0)
                elif buffer.is_floating_point():  # the count of batches is that of all processes
                    self._group.carry(buffer, 1 / self._group.size)
