"""An exponential average of a network's weights."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

STEPS = "steps"


class WeightAverage:
    """Keeps the weights' exponential moving average (Polyak and Juditsky 1992) while a network trains.

    The decay rises to its value as (1 + n) / (10 + n) over the steps n, so that the average forgets the weights it
    started from (the rule of TensorFlow's ExponentialMovingAverage with `num_updates`). Buffers, such as batch
    norm's running statistics, are the network's newest.

    Args:
        model: The network that is trained.
        decay: In (0, 1); 0.999 averages over about a thousand steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self._averaged_model = copy.deepcopy(model).requires_grad_(False)
        self._newest = [parameter.detach() for parameter in model.parameters()]
        self._averaged = [parameter.detach() for parameter in self._averaged_model.parameters()]
        self._decay = decay
        self._steps = 0

    def update(self, skip: Tensor) -> None:
        """Take in the weights after a step.

        Args:
            skip: 1 where the step was skipped, so that the average stays as it is; else 0. A scalar on the device.
        """
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps)) if self._steps else 0.0
        self._steps += 1
        weight = torch.rsub(skip, 1 - decay, alpha=1 - decay)
        torch._foreach_lerp_(self._averaged, self._newest, [weight] * len(self._newest))

    def forget(self, steps: int) -> None:
        """Count the newest steps as not taken: they were skipped."""
        self._steps -= steps

    def network(self) -> nn.Module:
        """Give the network with the averaged weights and the newest buffers."""
        for averaged, newest in zip(self._averaged_model.buffers(), self._model.buffers(), strict=True):
            averaged.copy_(newest)
        return self._averaged_model

    def state(self) -> dict[str, Tensor]:
        """Give the average and its count of steps as tensors by name."""
        return {**dict(self._averaged_model.named_parameters()), STEPS: torch.tensor(self._steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        self._steps = int(state[STEPS].item())
        for name, parameter in self._averaged_model.named_parameters():
            parameter.copy_(state[name])
