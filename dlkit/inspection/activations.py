"""Statistics of layer outputs over real batches: one row per layer that computes something."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dlkit.inputs import Inputs, call
from dlkit.inspection.distribution import quantiles, sample_rows, stable_rank
from dlkit.inspection.layer_table import Row, in_order
from dlkit.inspection.mode import as_in_training
from dlkit.inspection.tally import merge, read_tallies, shape_text, tally
from dlkit.torch_compat import is_transformed

_RELU_LIKE = (nn.ReLU, nn.ReLU6, nn.Hardswish)
# Beyond these outputs less than about a tenth of the slope at zero is left (sigmoid: 0.03 * 0.97 / 0.25;
# tanh: 1 - 0.97**2).
_SATURATES: Mapping[type[nn.Module], tuple[float, float]] = {
    nn.Tanh: (-0.97, 0.97),
    nn.Sigmoid: (0.03, 0.97),
    nn.Hardsigmoid: (0.03, 0.97),
}
_IDENTITY_LAYERS = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@dataclass
class _Layer:
    """Running statistics of one layer's outputs, on the device.

    `sample` are some of the outputs, one column a unit, shape (N, U).
    """

    shape: tuple[int, ...]
    tally: Tensor
    count: int
    alive: Tensor | None
    saturated: Tensor | None
    sample: Tensor
    outputs: list[Tensor] = field(default_factory=list)

    def add(self, other: "_Layer") -> None:
        """Add the outputs of another batch."""
        self.tally = merge(self.tally, other.tally)
        self.count += other.count
        self.sample = sample_rows(torch.cat([self.sample, other.sample]))
        if self.alive is not None and other.alive is not None:
            self.alive |= other.alive
        if self.saturated is not None and other.saturated is not None:
            self.saturated += other.saturated
        self.outputs += other.outputs

    def share(self) -> Tensor:
        """Return the share of dead units, or of saturated outputs, a scalar."""
        if self.alive is not None:
            return 1 - self.alive.float().mean()
        if self.saturated is not None:
            return self.saturated / self.count
        return torch.zeros((), device=self.tally.device)


class ActivationRecorder:
    """Records the outputs of a model's layers while batches pass through it.

    A layer that is called again within one pass gets a row for each call, named `name`, `name:2` and so on.
    Layers that return their input unchanged (flattening, dropout in evaluation) get none.

    Args:
        keep_outputs: Keep the outputs themselves, not only their statistics.
    """

    def __init__(self, *, keep_outputs: bool = False) -> None:
        self._keep = keep_outputs
        self._layers: dict[str, _Layer] = {}
        self._calls: Counter[str] = Counter()

    @torch.no_grad()
    def watch(self, model: nn.Module, batches: Sequence[tuple[Inputs, Tensor]]) -> None:
        """Pass batches through a model and record; the model is left as it was.

        Args:
            model: The model.
            batches: Inputs on the model's device, and targets, which are ignored.
        """
        hooks = [
            module.register_forward_hook(self._hook(name))
            for name, module in model.named_modules()
            if not any(module.children())
        ]
        try:
            with as_in_training(model):
                for inputs, _ in batches:
                    self._calls.clear()
                    call(model, inputs)
        finally:
            for hook in hooks:
                hook.remove()

    def rows(self) -> list[Row]:
        """Return the statistics of each layer's outputs, in the order in which the layers first ran.

        `dead` is the share of units of a ReLU that were zero in every sample; for images a unit is a channel.
        `saturated` is the share of outputs at the flat ends of a tanh or a sigmoid.
        """
        layers = list(self._layers.values())
        statistics = read_tallies([layer.tally for layer in layers], [layer.count for layer in layers])
        shares = torch.stack([layer.share() for layer in layers]).tolist() if layers else []
        return [
            in_order(
                "acts",
                {
                    "layer": name,
                    "shape": shape_text(layer.shape),
                    **row,
                    **quantiles(layer.sample.flatten().float().cpu()),
                    "stable_rank": stable_rank(layer.sample),
                    "dead": share if layer.alive is not None else None,
                    "saturated": share if layer.saturated is not None else None,
                },
            )
            for (name, layer), row, share in zip(self._layers.items(), statistics, shares, strict=True)
        ]

    def samples(self) -> dict[str, Tensor]:
        """Return some of the outputs, by layer, one column a unit, shape (N, U)."""
        return {name: layer.sample for name, layer in self._layers.items()}

    def outputs(self) -> dict[str, Tensor]:
        """Return the outputs that were kept, by layer, shape (N, ...)."""
        return {name: torch.cat(layer.outputs) for name, layer in self._layers.items() if layer.outputs}

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not isinstance(output, Tensor) or is_transformed(output):
                return
            if _returns_input(module, inputs, output):
                return
            self._calls[name] += 1
            call = name if self._calls[name] == 1 else f"{name}:{self._calls[name]}"
            observed = _observe(module, output)
            if self._keep:
                observed.outputs.append(output.clone())
            if call in self._layers:
                self._layers[call].add(observed)
            else:
                self._layers[call] = observed

        return record


def _observe(module: nn.Module, output: Tensor) -> _Layer:
    counted = tally(output)
    alive = saturated = None
    unit = 1 if output.ndim > 3 else output.ndim - 1
    units = (
        output.detach().movedim(unit, -1).reshape(-1, output.shape[unit])
        if output.ndim
        else output.reshape(1, 1)
    )
    if isinstance(module, _RELU_LIKE):
        alive = (units != 0).any(0).to(counted.device)
    if ends := _SATURATES.get(type(module)):
        saturated = ((output < ends[0]) | (output > ends[1])).sum().float().to(counted.device)
    return _Layer(
        tuple(output.shape[1:]), counted, output.numel(), alive, saturated, sample_rows(units).clone()
    )


def _returns_input(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> bool:
    """Return whether a layer returns its input unchanged; an in-place layer returns the same memory, changed."""
    if isinstance(module, _IDENTITY_LAYERS):
        return True
    same = bool(inputs) and isinstance(inputs[0], Tensor) and inputs[0].data_ptr() == output.data_ptr()
    return same and not getattr(module, "inplace", False)
