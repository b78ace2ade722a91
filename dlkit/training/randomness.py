"""Random numbers of a step, such as dropout's: a function of the seed and the step alone."""

import torch
from torch import nn

_MASK = 2**64 - 1
_DRAWS = (
    nn.modules.dropout._DropoutNd,
    nn.RReLU,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.MultiheadAttention,
    nn.RNNBase,
)


def may_draw(model: nn.Module) -> bool:
    """Say whether a forward pass may draw random numbers: in dropout and its kin, or in code of others' own."""
    return any(_may_draw(module) for module in model.modules())


def _may_draw(module: nn.Module) -> bool:
    home = type(module).__module__
    if home.startswith("torch.nn.modules."):
        return isinstance(module, _DRAWS)
    return not home.startswith("dlkit.models.")


def seed_step(device: torch.device, seed: int, step: int) -> None:
    """Seed torch's generators for a step, so that it can be taken again by itself.

    Args:
        device: Where the network computes; its generator is seeded as well as the CPU's.
        seed: The run's seed.
        step: Steps of the run that are done.
    """
    mixed = _mix(seed * 0x9E3779B97F4A7C15 + step)
    torch.default_generator.manual_seed(mixed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(mixed)
    elif device.type == "mps":
        torch.mps.manual_seed(mixed)


def _mix(number: int) -> int:
    """Spread a number over 64 bits: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
