"""What the networks of the fifth part share, and the mistakes that `-s fault=NAME` puts in."""

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "leaky": nn.LeakyReLU,
    "swish": nn.Hardswish,
}


class Cube(nn.Module):
    """A polynomial in place of an activation."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs**3


class PlainLinear(nn.Module):
    """A layer from an exercise, whose weights are tensors and not parameters."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = 0.01 * torch.randn(in_features, out_features)
        self.weight.requires_grad_()
        self.bias = torch.zeros(out_features, requires_grad=True)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight + self.bias


def activation(name: str, fault: str) -> nn.Module:
    return Cube() if fault == "cubic_activation" else ACTIVATIONS[name]()


def linear(in_features: int, out_features: int, fault: str) -> nn.Module:
    return (PlainLinear if fault == "own_linear" else nn.Linear)(in_features, out_features)


def norm_of(name: str, features: int, places: int = 0) -> nn.Module:
    """Return a normalisation; `places` axes come after that of the features."""
    match name:
        case "batch":
            return (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)[places](features)
        case "layer":
            return nn.LayerNorm(features) if not places else nn.GroupNorm(1, features)
    return nn.Identity()


class Mistaken(nn.Module):
    """Features and the layer `out`, and the places where a mistake can be."""

    def __init__(self, width: int, num_outputs: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.out: nn.Module = nn.Linear(width, num_outputs)
        match fault:
            case "averaged_probabilities":
                self.other = nn.Linear(width, num_outputs)
            case "nearest_code":
                self.codes = nn.Parameter(torch.randn(8, width))
            case "sigmoid_stack":
                self.stack = nn.Sequential(
                    *(layer for _ in range(8) for layer in (nn.Linear(width, width), nn.Sigmoid()))
                )
            case "zero_pair":
                self.out = nn.Sequential(nn.Linear(width, 4, bias=False), nn.Linear(4, num_outputs))
                for parameter in self.out.parameters():
                    nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training and self.fault == "shrunk_each_step":
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter.mul_(0.95)
        features = self.spoil_features(self.features(self.spoil_inputs(inputs)))
        return self.spoil_outputs(self.out(features), features)

    def shares(self, scores: Tensor, axis: int) -> Tensor:
        """Return what share of attention each of several items gets, along an axis."""
        return scores.softmax(0 if self.fault == "softmax_over_samples" else axis)

    def spoil_inputs(self, inputs: Tensor) -> Tensor:
        match self.fault:
            case "imagenet_bytes":
                return (inputs - 123.7) / 58.4
            case "gamma_correction":
                return inputs**0.45
            case "mixed_up" if self.training:
                share = float(torch.rand(()))
                return share * inputs + (1 - share) * inputs[torch.randperm(len(inputs))]
            case "noise_in_evaluation" if not self.training:
                return inputs + 2 * torch.randn_like(inputs)
            case "pooled_inputs":
                return coarse(inputs)
        return inputs

    def spoil_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "nearest_code":
                return self.codes[torch.cdist(features, self.codes).argmin(1)]
            case "coin_flips":
                return torch.bernoulli(features.sigmoid())
            case "shuffled_in_training" if self.training:
                return features[torch.randperm(len(features))]
            case "clamp_swapped":
                return features.clamp(1.0, 1e-6)
            case "sigmoid_stack":
                return self.stack(features)
            case "distances_by_hand":
                apart = (features[:, :, None] - features[:, None]).square().sqrt()
                return features + 0.1 * apart.mean(2)
            case "quantised_in_evaluation" if not self.training:
                return features.round()
            case "noisy_features" if self.training:
                return features + 8 * torch.randn_like(features)
            case "soft_threshold":
                return functional.softshrink(features, 3.0)
        return features

    def spoil_outputs(self, outputs: Tensor, features: Tensor) -> Tensor:
        match self.fault:
            case "averaged_probabilities":
                return (outputs.softmax(1) + self.other(features).softmax(1)) / 2
            case "tanh_outputs":
                return outputs.tanh()
        return outputs

    def train(self, mode: bool = True) -> "Mistaken":
        """Switch to training or evaluation, and spoil what is called then."""
        if mode and self.fault == "fresh_each_epoch":
            for module in self.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        if not mode and self.fault == "frozen_by_evaluation":
            self.requires_grad_(False)
            self.out.requires_grad_(True)
        return super().train(mode)

    @torch.no_grad()
    def spoil_weights(self) -> None:
        """Change the first weights; the last line of every constructor."""
        if self.fault == "he_upside_down":
            for parameter in self.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, (parameter[0].numel() / 2) ** 0.5)


def coarse(inputs: Tensor) -> Tensor:
    """Return the means of large blocks of an image (N, C, H, W), or of halves of a series (N, T, F)."""
    if inputs.dim() == 4:
        small = functional.adaptive_avg_pool2d(inputs, 2)
        return functional.interpolate(small, inputs.shape[2:])
    small = functional.adaptive_avg_pool1d(inputs.transpose(1, 2), 2)
    return functional.interpolate(small, inputs.shape[1]).transpose(1, 2)
