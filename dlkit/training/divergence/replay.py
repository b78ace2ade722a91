"""Replay a batch layer by layer: where does the first NaN or infinity come from?"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.inputs import Inputs, call
from dlkit.training.divergence.guard import non_finite

_NEAR_OVERFLOW = 0.1  # of the range of a dtype: what is computed from such a number may overflow
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class TensorStats:
    """Counts and range of the values of some tensors.

    Args:
        non_finite: How many of their values are NaN or infinite.
        largest: The largest magnitude of the others; 0 where there are none.
        dtype: Of the first of them; empty where there was none.
    """

    non_finite: int = 0
    largest: float = 0.0
    dtype: str = ""

    @property
    def overflowed_float16(self) -> bool:
        """Whether values left the range of float16, 65,504, while others came near it."""
        end = torch.finfo(torch.float16).max
        return self.dtype == "float16" and self.non_finite > 0 and self.largest > _NEAR_OVERFLOW * end


@dataclass
class LayerCall:
    """One call of a layer.

    Args:
        layer: Its name in the network.
        kind: Its class.
        inputs: Its inputs.
        outputs: Its outputs.
        gradient: The gradient of the loss by its outputs; None where none came.
    """

    layer: str
    kind: str
    inputs: TensorStats
    outputs: TensorStats = TensorStats()
    gradient: TensorStats | None = None


@dataclass(frozen=True)
class Finding:
    """Where the first NaN or infinity came from.

    Args:
        cause: `weights`, `inputs`, `targets`, `forward`, `loss`, `backward`, or `none` where all is finite.
        message: In words.
        layer: The layer or the parameter; empty where it is neither.
        fp16_overflow: Numbers left the range of float16.
    """

    cause: str
    message: str
    layer: str = ""
    fp16_overflow: bool = False


@dataclass
class Replay:
    """What the replay of a batch showed.

    Args:
        weights: Names of parameters and buffers that were not finite before.
        bad_inputs: Places in the batch of samples whose inputs are not finite.
        bad_targets: Likewise for targets.
        loss: The mean loss.
        calls: Each call of a layer without layers in it, in order.
        gradients: Names of parameters whose gradient is not finite.
        batch: Which of the step's batches it was, from 0.
    """

    weights: Sequence[str]
    bad_inputs: Sequence[int]
    bad_targets: Sequence[int]
    calls: list[LayerCall]
    loss: float = 0.0
    gradients: Sequence[str] = ()
    batch: int = 0
    first_forward: Finding | None = None
    first_backward: Finding | None = None

    @property
    def finding(self) -> Finding:
        """The first NaN or infinity, in the order of computing."""
        if self.weights:
            return Finding("weights", f"the weights are not finite: {_some(self.weights)}", self.weights[0])
        for cause, places in (("inputs", self.bad_inputs), ("targets", self.bad_targets)):
            if places:
                samples = "1 sample of the batch has" if len(places) == 1 else f"{len(places)} samples have"
                return Finding(cause, f"{samples} {cause} that are not finite")
        if self.first_forward is not None:
            return self.first_forward
        if not torch.tensor(self.loss).isfinite():
            largest = self.calls[-1].outputs.largest if self.calls else 0.0
            return Finding("loss", f"the loss is {self.loss:g}, of outputs up to {largest:.3g}")
        if self.first_backward is not None:
            words = f"everything is finite up to the loss; {self.first_backward.message}"
            return dataclasses.replace(self.first_backward, message=words)
        if self.gradients:
            name = self.gradients[0]
            return Finding("backward", f"everything is finite except the gradient of {name}", name)
        return Finding("none", "all numbers are finite when the batch is replayed")


def replay(
    model: nn.Module,
    batches: Sequence[tuple[Inputs, Tensor]],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    *,
    training: bool = True,
    forward: Callable[[nn.Module, Inputs], Tensor] = call,
) -> Replay:
    """Pass the batches of a step through a network, forward and backward, up to the first that fails.

    Args:
        model: Changed: its gradients, its mode, in training its running statistics.
        batches: Inputs and targets on the model's device; those that make one step together.
        loss_fn: Maps outputs and targets to the mean loss, a scalar.
        training: In training mode and with gradients; else as in validation.
        forward: Passes inputs through the network.
    """
    weights = non_finite(model)
    samples = sum(len(targets) for _, targets in batches)
    model.train(training).zero_grad(set_to_none=True)
    for index, (inputs, targets) in enumerate(batches):
        seen = Replay(weights, _bad_samples(inputs), _bad_samples(targets), [], batch=index)
        with torch.set_grad_enabled(training), _Recorder(model, seen):
            outputs = forward(model, inputs)
            loss = loss_fn(outputs, targets)
            if training:
                (loss * (len(targets) / samples)).backward()
        seen.loss = loss.item()
        seen.gradients = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and not parameter.grad.isfinite().all()
        ]
        if seen.finding.cause != "none":
            break
    return seen


class _Recorder:
    """Context that records what passes through the layers of a network."""

    def __init__(self, model: nn.Module, seen: Replay) -> None:
        self._model, self._seen = model, seen
        self._open: list[LayerCall] = []

    def __enter__(self) -> None:
        self._hooks = []
        for name, module in self._model.named_modules():
            self._hooks.append(module.register_forward_pre_hook(self._before(name), with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._after))

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        def record(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
            layer = LayerCall(name or "the network", type(module).__name__, _measure([inputs, named]))
            if layer.inputs.non_finite:
                self._found(layer, layer.inputs, "the first NaN or infinity was produced before layer {}")
            self._open.append(layer)

        return record

    def _after(self, module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        layer = self._open.pop()
        layer.outputs = _measure(output)
        if not any(module.children()):
            self._seen.calls.append(layer)
        if layer.outputs.non_finite:
            reach = f", from inputs up to {layer.inputs.largest:.3g}"
            self._found(layer, layer.outputs, "layer {} produced the first NaN or infinity" + reach)
        for tensor in _tensors(output):
            if tensor.requires_grad:
                tensor.register_hook(self._gradient_of(layer))

    def _found(self, layer: LayerCall, seen: TensorStats, what: str) -> None:
        if self._seen.first_forward is None:
            overflow = seen.overflowed_float16
            words = what.format(_called(layer)) + _beyond(overflow)
            self._seen.first_forward = Finding("forward", words, layer.layer, overflow)

    def _gradient_of(self, layer: LayerCall) -> Callable[[Tensor], None]:
        def record(gradient: Tensor) -> None:
            layer.gradient = _measure(gradient)
            if layer.gradient.non_finite and self._seen.first_backward is None:
                overflow = layer.gradient.overflowed_float16
                words = f"the first gradient that is not finite reaches layer {_called(layer)}"
                self._seen.first_backward = Finding(
                    "backward", words + _beyond(overflow), layer.layer, overflow
                )

        return record


def _called(layer: LayerCall) -> str:
    return f"{layer.layer} ({layer.kind})"


def _beyond(overflow: bool) -> str:
    return ", beyond the 65,504 of float16" if overflow else ""


def _measure(value: Any) -> TensorStats:
    """Measure all tensors of floating point within a value."""
    tensors = list(_tensors(value))
    if not tensors:
        return TensorStats()
    finite = [torch.where(tensor.isfinite(), tensor, 0).abs() for tensor in tensors]
    return TensorStats(
        sum(int((~tensor.isfinite()).sum().item()) for tensor in tensors),
        max(tensor.max().item() if tensor.numel() else 0.0 for tensor in finite),
        str(tensors[0].dtype).removeprefix("torch."),
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of floating point within tuples, lists and mappings."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)


def _bad_samples(value: Inputs) -> list[int]:
    """Return the places of samples with NaN or infinity."""
    bad: set[int] = set()
    for tensor in _tensors(value):
        finite = tensor.isfinite().reshape(len(tensor), -1).all(1)
        bad |= set((~finite).nonzero()[:, 0].tolist())
    return sorted(bad)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
