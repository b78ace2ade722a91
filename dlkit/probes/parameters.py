"""Signals of each layer at sampled steps: the gradient's norm and how far the step moved the weights."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

ProbeRow = tuple[int, str, str, float]
"""A row of probes.csv: step, layer, signal, value."""

SAMPLES_PER_EPOCH = 20
_LEAST_INTERVAL = 100
_MAX_ROWS = 6_000
_MISSING = -1.0


class Probe:
    """Measures the first step of each epoch and every 100th, of long epochs about twenty steps, on the device.

    Args:
        model: The network; its trainable parameters are watched.
        steps_per_epoch: Steps of one epoch.
    """

    def __init__(self, model: nn.Module, steps_per_epoch: int) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self._interval = max(_LEAST_INTERVAL, steps_per_epoch // SAMPLES_PER_EPOCH)
        self._steps: list[int] = []
        self._values: list[Tensor] = []
        self._before: list[Tensor] = []
        self._gradients: Tensor | None = None

    def due(self, position: int) -> bool:
        """Return whether the step at this position of the epoch, from 0, is measured."""
        return position % self._interval == 0

    @torch.no_grad()
    def before_step(self) -> None:
        """Measure the gradients and copy the weights; a parameter without a gradient has a negative norm."""
        missing = torch.full((), _MISSING, device=self.parameters[0].device)
        self._gradients = torch.stack(
            [missing if p.grad is None else torch.linalg.vector_norm(p.grad) for p in self.parameters]
        )
        self._before = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Measure how far the weights have moved.

        Args:
            step: Number of the step in the run, from 1.
        """
        assert self._gradients is not None, "before_step comes first"
        weights = _norms(self._before)
        updates = _norms([now - before for now, before in zip(self.parameters, self._before, strict=True)])
        self._before = []
        self._steps.append(step)
        self._values.append(torch.stack([self._gradients, updates, weights]))

    def close_epoch(self) -> tuple[float | None, float | None, list[ProbeRow]]:
        """Return what was measured since the last call; waits for the device.

        Returns:
            The mean over the samples of the whole gradient's norm, the mean of the whole update's norm over
            the weights' norm, and the rows.
        """
        if not self._values:
            return None, None, []
        values = self._read()
        norms = [
            [math.hypot(*(max(value, 0.0) for value in signal)) for signal in sample] for sample in values
        ]
        ratios = [update / weight for _, update, weight in norms if weight > 0]
        rows = list(self._rows(values))
        self._steps, self._values = [], []
        grad_norm = math.fsum(gradient for gradient, _, _ in norms) / len(norms)
        return grad_norm, math.fsum(ratios) / len(ratios) if ratios else None, rows

    def rows(self) -> list[ProbeRow]:
        """Return rows (step, layer, signal, value) of what was measured so far; waits for the device.

        There is one for each layer, signal and sample; of a network of very many layers, for fewer samples. Weights
        that are all zero have no ratio.
        """
        return list(self._rows(self._read())) if self._values else []

    def _read(self) -> list[list[list[float]]]:
        """Return gradient, update and weights of each layer of each sample: (samples, signals, layers)."""
        found: list[list[list[float]]] = torch.stack(self._values).tolist()
        return found

    def _rows(self, values: Sequence[Sequence[Sequence[float]]]) -> Iterator[ProbeRow]:
        last = len(self._steps) - 1
        stride = max(1, len(self._names) * len(self._steps) // _MAX_ROWS)
        for index in sorted({*range(0, last + 1, stride), last}):
            yield from self._rows_of(self._steps[index], values[index], with_weights=index in (0, last))

    def _rows_of(
        self, step: int, values: Sequence[Sequence[float]], *, with_weights: bool
    ) -> Iterator[ProbeRow]:
        """Yield the rows of one sample: gradient, update and weights of each layer."""
        for name, gradient, update, weight in zip(self._names, *values, strict=True):
            yield step, name, "grad_norm", 0.0 if gradient == _MISSING else gradient
            if gradient == _MISSING:
                yield step, name, "grad_missing", 1.0
            if weight and math.isfinite(ratio := update / weight):
                yield step, name, "update_ratio", ratio
            if with_weights:
                yield step, name, "weight_norm", weight

    def forget_after(self, step: int) -> None:
        """Drop what was measured in later steps of the run: they were skipped."""
        count = sum(measured <= step for measured in self._steps)
        self._steps, self._values = self._steps[:count], self._values[:count]

    def state(self) -> dict[str, Tensor]:
        """Return what was measured in the epoch so far as tensors by name."""
        if not self._values:
            return {}
        return {"steps": torch.tensor(self._steps), "values": torch.stack(self._values)}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore what `state` returned."""
        if state:
            self._steps = state["steps"].tolist()
            self._values = list(state["values"].to(device).unbind())


def _norms(tensors: list[Tensor]) -> Tensor:
    """Return the Euclidean norm of each tensor, shape (L,)."""
    return torch.stack([torch.linalg.vector_norm(tensor) for tensor in tensors])
