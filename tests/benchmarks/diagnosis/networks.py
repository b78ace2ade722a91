"""Networks as a user would write them, each with a mistake that `-s fault=NAME` puts in."""

from itertools import pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky": nn.LeakyReLU,
    "none": nn.Identity,
    "threshold": lambda: nn.Threshold(4.0, 0.0),
}


class Network(nn.Module):
    """Blocks and a head; `prepare` gives the inputs the shape of the first block."""

    def __init__(self, blocks: list[nn.Module], features: int, outputs: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        if fault == "bottleneck":
            middle = len(blocks) // 2
            blocks = [*blocks[:middle], Pinch(), *blocks[middle:]]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(1 if fault == "pooled_head" else features, outputs)
        with torch.no_grad():
            self._spoil_weights()

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs

    def pool(self, hidden: Tensor) -> Tensor:
        return hidden.flatten(1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self._spoil_inputs(self.prepare(inputs))
        for index, block in enumerate(self.blocks):
            if self.fault == "no_grad_block" and index == 0:
                with torch.no_grad():
                    hidden = block(hidden)
            else:
                hidden = block(hidden)
        return self._spoil_outputs(self.head(self._spoil_features(self.pool(hidden))))

    def _spoil_inputs(self, inputs: Tensor) -> Tensor:
        match self.fault:
            case "inputs_zeroed":
                return torch.zeros_like(inputs)
            case "first_sample":
                return inputs[:1].expand_as(inputs)
            case "inputs_times_100":
                return inputs * 100
            case "log_inputs":
                return inputs.log()
            case "own_norm" if self.training:
                return (inputs - inputs.mean(0)) / (inputs.std(0) + 1e-3) * 0.2 + 2
        return inputs

    def _spoil_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "detached":
                return features.detach()
            case "rounded":
                return features.round()
            case "pooled_head":
                return features.mean(1, keepdim=True)
            case "sqrt_features":
                return (features.relu() * (features > 0.5)).sqrt()
        return features

    def _spoil_outputs(self, outputs: Tensor) -> Tensor:
        match self.fault:
            case "softmax":
                return outputs.softmax(1)
            case "sigmoid_output":
                return outputs.sigmoid()
            case "outputs_times_100":
                return outputs * 100
        return outputs

    def _spoil_weights(self) -> None:
        layers = [module for module in self.modules() if isinstance(module, nn.Linear | nn.Conv2d | nn.GRU)]
        match self.fault:
            case "zero_init":
                fill(layers, weight=0.0, bias=0.0)
            case "constant_init":
                fill(layers, weight=0.05, bias=0.0)
            case "dead_biases":
                fill(layers[:-1], bias=-6.0)
            case "big_init":
                scale(layers, 10)
            case "saturated_init":
                scale(layers[:-1], 30)
            case "small_init":
                scale(layers, 0.03)
            case "frozen_blocks":
                self.blocks.requires_grad_(False)
            case "slow_batch_norm":
                for module in self.modules():
                    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                        module.momentum = 1e-5


def fill(layers: list[nn.Module], **values: float) -> None:
    for layer in layers:
        for name, parameter in layer.named_parameters():
            kind = "bias" if "bias" in name else "weight"
            if kind in values:
                parameter.fill_(values[kind])


def scale(layers: list[nn.Module], factor: float) -> None:
    for layer in layers:
        for name, parameter in layer.named_parameters():
            if "bias" not in name:
                parameter.mul_(factor)


class Pinch(nn.Module):
    """All that passes on is one number a sample."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.flatten(1).mean(1).view(-1, *[1] * (hidden.dim() - 1)).expand_as(hidden)


def norm_of(name: str, features: int) -> list[nn.Module]:
    return {"none": [], "batch": [nn.BatchNorm1d(features)], "layer": [nn.LayerNorm(features)]}[name]


class Mlp(Network):
    """Fully connected layers."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 64,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        sizes = [in_features, *[width] * depth]
        norm = "batch" if fault == "slow_batch_norm" else norm
        blocks: list[nn.Module] = [
            nn.Sequential(
                nn.Linear(inputs, outputs),
                *norm_of(norm, outputs),
                ACTIVATIONS[act](),
                *([nn.Dropout(dropout)] if dropout else []),
            )
            for inputs, outputs in pairwise(sizes)
        ]
        super().__init__(blocks, width, num_outputs, fault)

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)


class Conv(Network):
    """Three convolutions, the last two with a stride of 2, and the mean over places."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        width: int = 12,
        act: str = "relu",
        norm: str = "batch",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        sizes = [in_channels, width, 2 * width, 4 * width]
        norms = {
            "none": lambda _: [],
            "batch": lambda n: [nn.BatchNorm2d(n)],
            "layer": lambda n: [nn.GroupNorm(1, n)],
        }
        blocks: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride=1 + (index > 0), padding=1),
                *norms["batch" if fault == "slow_batch_norm" else norm](outputs),
                ACTIVATIONS[act](),
                *([nn.Dropout(dropout)] if dropout else []),
            )
            for index, (inputs, outputs) in enumerate(pairwise(sizes))
        ]
        super().__init__(blocks, 4 * width, num_outputs, fault)

    def pool(self, hidden: Tensor) -> Tensor:
        return hidden.mean((2, 3))


class Recurrent(Network):
    """A GRU over the rows of a sample, and the mean over times."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        norm = "batch" if fault == "slow_batch_norm" else norm
        after = nn.Sequential(
            nn.Linear(width, width),
            *norm_of(norm, width),
            ACTIVATIONS[act](),
            *([nn.Dropout(dropout)] if dropout else []),
        )
        super().__init__([MeanOfGru(input_shape[-1], width), after], width, num_outputs, fault)

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1, -3) if inputs.dim() == 3 else inputs.flatten(1, 2)


class MeanOfGru(nn.Module):
    """The mean over times of a GRU's states."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, width, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        states, _ = self.gru(inputs)
        return states.mean(1)


class Residual(Network):
    """Blocks whose output is added to their input, as in a transformer's feed-forward half."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 3,
        width: int = 48,
        act: str = "gelu",
        norm: str = "layer",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        norm = "batch" if fault == "slow_batch_norm" else norm
        blocks: list[nn.Module] = [nn.Linear(in_features, width)]
        blocks += [Shortcut(width, ACTIVATIONS[act], norm, dropout) for _ in range(depth)]
        super().__init__(blocks, width, num_outputs, fault)

    def prepare(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)


class Shortcut(nn.Module):
    """Norm, widen, activation, narrow; added to the input."""

    def __init__(self, width: int, act: type[nn.Module], norm: str, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *norm_of(norm, width),
            nn.Linear(width, 2 * width),
            act(),
            *([nn.Dropout(dropout)] if dropout else []),
            nn.Linear(2 * width, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.inner(hidden)
