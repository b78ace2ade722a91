"""Signals of each layer's outputs in one forward pass: mean, spread, zeros, dead units, saturation."""

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from dlkit.torch_compat import is_transformed, without_functions

Signal = tuple[str, str, Tensor | float]
"""Layer, signal and value; a tensor is a scalar on the device, but for `act_rank`, of which `rank_of` makes one."""

RECTIFIERS = frozenset({"relu", "relu_", "relu6", "ReLU", "ReLU6"})
"""Functions and modules whose units are dead where they are zero for every sample."""
SATURATES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("tanh", "tanh_", "Tanh"), (-0.97, 0.97)),
    **dict.fromkeys(("sigmoid", "sigmoid_", "Sigmoid", "Hardsigmoid", "hardsigmoid"), (0.03, 0.97)),
}
"""Outputs beyond which less than about a tenth of the slope at zero is left (sigmoid: 0.03 * 0.97 / 0.25)."""
_UNCHANGED = frozenset(
    {"Flatten", "Unflatten", "Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"}
)
_RECURRENT = frozenset({"RNN", "LSTM", "GRU"})  # with their states, of which the outputs are the last layer's
_PROBABILITIES = frozenset({"Sigmoid", "LogSigmoid", "Softmax", "Softmax2d", "LogSoftmax", "Softmin"})
"""Activations that may be computed for others to read, beside what the loss takes."""
_ACTIVATIONS = "torch.nn.modules.activation"
_MAX_CALLS = 4
_MAX_VALUES = 2**16
_MAX_UNITS, _MAX_SAMPLES = 64, 128
_MATRIX = 2  # axes of its parameter
_RANK, _TINY = 1e-4, 1e-30


class LayerProbe:
    """Watches forward passes of a network, its own functions included: `F.relu` is seen like `nn.ReLU`.

    Nothing is changed and nothing waits for the device. A layer that runs again within a pass gets rows for each of
    its first calls, named `name`, `name:2` and so on.

    Args:
        model: The network.
        find_dead: Follow the units of rectifiers over all passes, for `finish`.
        find_faults: Report parameters that the network uses but does not have, passes without gradients, activations
            whose result nothing uses, and what the first layer receives; to be finished after the backward pass.
        functions: Look at each call of a function of torch too.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        find_dead: bool = False,
        find_faults: bool = False,
        functions: bool = True,
    ) -> None:
        self._names = {module: name for name, module in model.named_modules()}
        self._parameters = {id(parameter) for parameter in model.parameters()}
        self._find_dead = find_dead
        self._find_faults = find_faults
        self._functions = functions
        self._open: list[tuple[str, bool]] = []
        self._calls: Counter[str] = Counter()
        self._highest: dict[str, Tensor] = {}
        self._faults: dict[tuple[str, str], float] = {}
        self._signals: list[Signal] = []
        self._unused: set[str] = set()
        self._has_first = False
        self._passes = 0
        self.found_functions = False
        """Whether the network calls activation functions itself, so that its layers are not all that is to be seen."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record a forward pass; statistics are those of the first pass that is watched to its end."""
        self._calls.clear()
        self._open.clear()
        if not self._passes:
            self._signals.clear()
        with contextlib.ExitStack() as stack:
            stack.callback(register_module_forward_pre_hook(self._enter).remove)
            stack.callback(register_module_forward_hook(self._leave).remove)
            if self._functions:
                stack.enter_context(_Functions(self._called))
            yield
        self._passes += 1

    def finish(self) -> list[Signal]:
        """Return what was recorded; dead units are those that were zero in all passes."""
        dead: list[Signal] = [
            (layer, "dead", (highest == 0).float().mean()) for layer, highest in self._highest.items()
        ]
        faults: list[Signal] = [(layer, fault, value) for (layer, fault), value in self._faults.items()]
        unused: list[Signal] = [(layer, "unused", 1.0) for layer in sorted(self._unused) if self._passes]
        return [*self._signals, *dead, *faults, *unused]

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        name = self._names.get(module)
        if name is None:
            name = _joined(self._scope, type(module).__name__)
            if self._open and any(True for _ in module.parameters()):
                self._fault(self._kept_in(module) or name, "unregistered")
        self._open.append((name, _is_layer(module)))
        if self._find_faults and not self._has_first and _is_layer(module):
            self._look_at_first(name, module, inputs)

    def _look_at_first(self, layer: str, module: nn.Module, inputs: Any) -> None:
        """Measure what the first layer with parameters receives, unless it normalises its inputs or they are codes."""
        dimensions = [parameter.ndim for parameter in module.parameters()]
        self._has_first = bool(dimensions)
        received = inputs[0] if isinstance(inputs, tuple) and inputs else None
        if max(dimensions, default=0) < _MATRIX or not isinstance(received, Tensor):
            return
        if received.is_floating_point() and received.numel() and not is_transformed(received):
            with torch.no_grad(), without_functions():
                self._signals += spread_signals(layer, "received", _some(received.detach()))

    def _leave(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        name, is_layer = self._open.pop() if self._open else ("", False)
        kind = type(module).__name__
        if not torch.is_grad_enabled():
            self._fault(name, "no_grad")
        if self._find_faults and type(module).__module__ == _ACTIVATIONS and kind not in _PROBABILITIES:
            self._follow(name, output)
        if is_layer and kind not in _UNCHANGED:
            self._record(name, kind, output)

    def _follow(self, layer: str, output: Any) -> None:
        """Take an activation for unused until the backward pass brings its result a gradient."""
        if isinstance(output, Tensor) and output.requires_grad:
            self._unused.add(layer)
            output.register_hook(lambda _gradient: self._unused.discard(layer))

    def _called(self, function: str, arguments: Sequence[Any], output: Any) -> None:
        """Take in a call of one of torch's functions; those within torch's own layers are the layer's."""
        if not self._open or self._open[-1][1]:
            return
        name = _joined(self._scope, function.rstrip("_"))
        for argument in arguments:
            if not isinstance(argument, Tensor) or id(argument) in self._parameters:
                continue
            if isinstance(argument, nn.Parameter):
                self._fault(self._kept_in(argument) or name, "unregistered")
            elif argument.requires_grad and argument.is_leaf and (kept := self._kept_in(argument)):
                self._fault(kept, "unregistered")
        if function == "detach" and arguments[0].requires_grad:
            self._fault(self._scope, "detached")
        if function in RECTIFIERS or function in SATURATES:
            self.found_functions = True
            self._record(name, function, output)

    @property
    def _scope(self) -> str:
        """Name of the module whose code runs; empty for the network itself."""
        return self._open[-1][0] if self._open else ""

    def _kept_in(self, thing: nn.Module | Tensor) -> str:
        """Return the attribute that is or holds, in a list or dictionary, what the network lacks; empty without one."""
        if not self._find_faults:
            return ""
        for module, name in self._names.items():
            for attribute, value in vars(module).items():
                if value is thing or (not attribute.startswith("_") and _holds(value, thing)):
                    return _joined(_joined("self", name) if name else "self", attribute)
        return ""

    def _fault(self, layer: str, fault: str) -> None:
        if self._find_faults:
            self._faults[layer, fault] = 1.0

    @torch.no_grad()
    def _record(self, name: str, kind: str, output: Any) -> None:
        if kind in _RECURRENT and isinstance(output, tuple) and output:
            output = output[0]
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return
        if not output.numel() or not output.ndim or is_transformed(output):
            return
        self._calls[name] += 1
        if self._calls[name] > _MAX_CALLS:
            return
        layer = name if self._calls[name] == 1 else f"{name}:{self._calls[name]}"
        with without_functions():
            self._measure(layer, kind, output)

    def _measure(self, layer: str, kind: str, output: Tensor) -> None:
        values = output.detach()
        if self._find_dead and kind in RECTIFIERS:
            self._add_highest(layer, values)
        if self._passes:
            return
        few = _some(values)
        self._signals += spread_signals(layer, "act", few)
        if self._find_faults and few.ndim in (2, 4):
            units = _some_units(few)
            self._signals.append((layer, "act_rank", units))
            self._signals.append((layer, "act_spread", _share_of_spread(units)))
        if kind in RECTIFIERS:
            self._signals.append((layer, "zeros", (few == 0).float().mean()))
        if ends := SATURATES.get(kind):
            middle, reach = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
            self._signals.append((layer, "saturated", ((few - middle).abs() > reach).float().mean()))

    def _add_highest(self, layer: str, values: Tensor) -> None:
        """Keep the highest output of each unit, which is a channel in images, else an element of the last axis."""
        highest = values.amax(0)
        if highest.ndim > 1:
            highest = highest.flatten(1).amax(1) if values.ndim > 3 else highest.flatten(0, -2).amax(0)
        before = self._highest.get(layer)
        self._highest[layer] = (
            highest if before is None or before.shape != highest.shape else torch.maximum(before, highest)
        )


class _Functions(TorchFunctionMode):
    """Context that passes each call of a function of torch on, with its result."""

    def __init__(self, called: Callable[[str, Sequence[Any], Any], None]) -> None:
        super().__init__()
        self._report = called

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self._report(getattr(func, "__name__", ""), args, output)
        return output


def spread_signals(layer: str, what: str, values: Tensor) -> list[Signal]:
    """Return mean and root mean square of some values; `std_of` makes their standard deviation of it.

    Not torch.var, which takes thirty times as long on a CPU.
    """
    norm = torch.linalg.vector_norm(values) / math.sqrt(values.numel())
    return [(layer, f"{what}_mean", values.mean()), (layer, f"{what}_rms", norm)]


def _some_units(values: Tensor) -> Tensor:
    """Return what some units, the second axis, give for some samples, shape (units, samples)."""
    return values.transpose(0, 1).flatten(1)[:_MAX_UNITS, :_MAX_SAMPLES].clone()


def _share_of_spread(units: Tensor) -> Tensor:
    """Return what share of the size of outputs differs from sample to sample."""
    spread = units - units.mean(1, keepdim=True)
    share: Tensor = torch.linalg.vector_norm(spread) / torch.linalg.vector_norm(units).clamp_min(_TINY)
    return share


def rank_of(units: Tensor) -> Tensor:
    """Return in how many directions units vary over samples, from the values of `act_rank`; waits for the device."""
    units = units.nan_to_num(0.0, 0.0, 0.0)
    units = units / units.abs().amax().clamp_min(_TINY)
    spectrum = torch.linalg.svdvals(units - units.mean(1, keepdim=True))
    return torch.count_nonzero(spectrum > _RANK * spectrum.amax())


def std_of(mean: float, rms: float) -> float:
    """Return the standard deviation."""
    return math.sqrt(max(0.0, rms**2 - mean**2)) if math.isfinite(rms) else rms


def _is_layer(module: nn.Module) -> bool:
    """Return whether a module is one of torch's own that computes, not a container or the user's code."""
    return not any(True for _ in module.children()) and type(module).__module__.startswith("torch.nn")


def _some(values: Tensor) -> Tensor:
    """Return the values of the first samples, as float32: some ten thousand are enough."""
    per_sample = max(1, values.numel() // max(1, len(values)))
    return values[: max(1, _MAX_VALUES // per_sample)].float()


def _holds(value: Any, thing: object, depth: int = 3) -> bool:
    """Return whether something is in a list, tuple or dictionary, or in one inside it."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return (
        isinstance(value, list | tuple)
        and depth > 0
        and any(each is thing or _holds(each, thing, depth - 1) for each in value)
    )


def _joined(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
