"""Random numbers of a step, such as dropout's: a function of the seed and the step alone."""

import torch

_MASK = 2**64 - 1


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
