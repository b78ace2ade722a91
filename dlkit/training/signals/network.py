"""What a network does with a few samples: which inputs each answer depends on, and whether gradients fit the loss."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from dlkit.inputs import Inputs, rows_of
from dlkit.probes.layers import Signal

Forward = Callable[[nn.Module, Inputs], Tensor]

_SAMPLES = 16
_STEP = 1e-3  # times the weights: small beside their curvature, large beside the rounding of float32
_SWAPPED, _POSITIONS = 8, 64
_TINY, _LEAST_CHANGE, _LEAST_SLOPE = 1e-30, 1e-6, 1e-2


def network_signals(model: nn.Module, forward: Forward, inputs: Inputs, outputs: Tensor) -> Iterator[Signal]:
    """Yield how far outputs depend on other samples, whether they are straight in the inputs, and which inputs count.

    Args:
        model: The network, in evaluation mode.
        forward: Passes inputs through it.
        inputs: Some samples.
        outputs: What it makes of them.
    """
    half = min(len(outputs) // 2, _SAMPLES)
    if half < 2:
        return
    outputs = outputs.float()[: 2 * half]
    size = outputs.std(correction=0) + outputs.abs().mean() + _TINY
    alone = forward(model, rows_of(inputs, half, 2 * half)).float()
    yield "", "batch_dependence", (alone - outputs[half:]).abs().max() / size
    again = forward(model, rows_of(inputs, half, 2 * half)).float()
    yield "", "evaluation_noise", (again - alone).abs().max() / size
    if not isinstance(inputs, Tensor):
        return
    if not inputs.is_floating_point():
        if inputs.ndim == 2:
            yield "", "inputs_used", _swaps_that_matter(model, forward, inputs[: min(half, _SWAPPED)])
        return
    middle = (inputs[:half] + inputs[half : 2 * half]) / 2
    bend = forward(model, middle).float() - (outputs[:half] + outputs[half:]) / 2
    yield "", "curvature", bend.square().mean().sqrt() / (outputs.std(0, correction=0).mean() + _TINY)
    varied = inputs.amax(0) > inputs.amin(0)
    used = _slopes(model, forward, inputs[: 2 * half]) > 0
    yield "", "inputs_used", (used & varied).sum() / varied.sum().clamp_min(1)


def slope_signals(
    model: nn.Module, forward: Forward, loss: Callable[[Tensor], Tensor], inputs: Inputs
) -> Iterator[Signal]:
    """Yield how much the loss changes along the gradient, as a share of what the gradient says: 1 if it is right.

    Each parameter moves along its own gradient, by a share of its size, and is set back exactly.

    Args:
        model: The network, in evaluation mode.
        forward: Passes inputs through it.
        loss: Maps outputs to the mean loss.
        inputs: Some samples.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        value = loss(forward(model, inputs))
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    moved = [
        (weight, slope) for weight, slope in zip(parameters, gradients, strict=True) if slope is not None
    ]
    kept = [weight.detach().clone() for weight, _ in moved]
    sizes = [torch.linalg.vector_norm(weight) for weight in kept]
    norms = [torch.linalg.vector_norm(slope) for _, slope in moved]
    try:
        losses = []
        for sign in (_STEP, -_STEP):
            for (weight, slope), start, size, norm in zip(moved, kept, sizes, norms, strict=True):
                weight.copy_(start + slope * (sign * size / (norm + _TINY)))
            losses.append(loss(forward(model, inputs)))
    finally:
        for (weight, _), start in zip(moved, kept, strict=True):
            weight.copy_(start)
    expected = torch.stack([size * norm for size, norm in zip(sizes, norms, strict=True)]).sum()
    measured = (losses[0] - losses[1]) / (2 * _STEP)
    seen = torch.maximum(expected, measured.abs()) > _LEAST_SLOPE * value.abs()
    yield "", "slope", torch.where(seen, measured / (expected + _TINY), 1.0)


class _ReceivedError(Exception):
    """Ends a forward pass with what the first layer was to take."""

    def __init__(self, values: object) -> None:
        super().__init__()
        self.values = values


def received_by_first(model: nn.Module, forward: Forward, inputs: Inputs) -> Tensor | None:
    """Return what the first layer that has parameters receives; None if that is the inputs, or not a row a sample.

    Args:
        model: The network, in evaluation mode.
        forward: Passes inputs through it.
        inputs: N samples.
    """

    def stop(module: nn.Module, received: tuple[object, ...]) -> None:
        if received and not any(True for _ in module.children()) and any(True for _ in module.parameters()):
            raise _ReceivedError(received[0])

    handle = register_module_forward_pre_hook(stop)
    try:
        forward(model, inputs)
    except _ReceivedError as stopped:
        values = stopped.values
    else:
        return None
    finally:
        handle.remove()
    if not isinstance(inputs, Tensor) or not isinstance(values, Tensor) or not values.is_floating_point():
        return None
    return None if len(values) != len(inputs) or values.data_ptr() == inputs.data_ptr() else values


def _swaps_that_matter(model: nn.Module, forward: Forward, codes: Tensor) -> Tensor:
    """Return the share of positions where outputs change with the code of another sample, of those where codes vary."""
    varied = torch.nonzero(codes.amax(0) > codes.amin(0))[:, 0][:_POSITIONS]
    if not len(varied):
        return torch.ones(())
    swapped = codes.repeat(len(varied), 1, 1)  # (positions, samples, length)
    places = torch.arange(len(varied), device=codes.device)
    swapped[places, :, varied] = codes.roll(1, 0)[:, varied].T
    outputs = forward(model, swapped.flatten(0, 1)).float().unflatten(0, swapped.shape[:2])
    changes = (outputs - forward(model, codes).float()).abs().flatten(1).amax(1)
    share: Tensor = (changes > _LEAST_CHANGE * outputs.abs().max()).float().mean()
    return share


def _slopes(model: nn.Module, forward: Forward, inputs: Tensor) -> Tensor:
    """Return the largest slope of the outputs by each feature, without its sign, in the shape of a sample."""
    with (
        torch.enable_grad(),
        torch.backends.cudnn.flags(enabled=False),
    ):  # its recurrent layers differ in training
        leaf = inputs.detach().clone().requires_grad_()
        outputs = forward(model, leaf).float()
        weights = torch.arange(1, outputs.numel() + 1, device=outputs.device).cos().view_as(outputs)
        if not outputs.requires_grad:
            return torch.zeros_like(inputs[0])
        weighted = (outputs * weights).sum()  # with grad_outputs, torch imports sympy for half a second
        (slopes,) = torch.autograd.grad(weighted, leaf, allow_unused=True)
    return torch.zeros_like(inputs[0]) if slopes is None else slopes.abs().amax(0)
