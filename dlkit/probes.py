"""Signals of each layer at sampled steps: the gradient's norm and how far the step moved the weights."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

SAMPLES_PER_EPOCH = 20


class Probe:
    """Measures about twenty steps of each epoch, on the device.

    Args:
        model: The network; its trainable parameters are watched.
        steps_per_epoch: Steps of one epoch.
    """

    def __init__(self, model: nn.Module, steps_per_epoch: int) -> None:
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self._interval = max(1, steps_per_epoch // SAMPLES_PER_EPOCH)
        self._steps: list[int] = []
        self._values: list[Tensor] = []
        self._before: list[Tensor] = []
        self._gradients: Tensor | None = None

    def due(self, position: int) -> bool:
        """Return whether the step at this position of the epoch, from 0, is measured."""
        return position % self._interval == 0

    @torch.no_grad()
    def before_step(self) -> None:
        """Measure the gradients and copy the weights."""
        self._gradients = _norms([torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters])
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

    def close_epoch(self) -> tuple[float | None, float | None, list[tuple[int, str, str, float]]]:
        """Return what was measured since the last call; waits for the device.

        Returns:
            The mean over the samples of the whole gradient's norm, the mean of the whole update's norm over
            the weights' norm, and a row (step, layer, signal, value) for each layer and sample. Weights that
            are all zero have no ratio.
        """
        if not self._values:
            return None, None, []
        values = torch.stack(self._values).double().cpu()  # (samples, signals, layers)
        whole = values.norm(dim=2)
        whole_ratios = (whole[:, 1] / whole[:, 2])[whole[:, 2] > 0]
        rows = []
        for step, (gradients, updates, weights) in zip(self._steps, values.unbind(), strict=True):
            ratios = updates / weights
            for name, gradient, ratio in zip(self._names, gradients.tolist(), ratios.tolist(), strict=True):
                rows.append((step, name, "grad_norm", gradient))
                if math.isfinite(ratio):
                    rows.append((step, name, "update_ratio", ratio))
        self._steps, self._values = [], []
        return whole[:, 0].mean().item(), whole_ratios.mean().item() if len(whole_ratios) else None, rows

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
