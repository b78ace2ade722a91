"""How much room on the disk a run will need."""

from torch import nn

from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import parse_save_every

_MOMENTS = {"adam": 2, "adamw": 2}  # of the weights' size each; one for the other optimizers
_BESIDE_WEIGHTS = 64 * 2**10  # random numbers, settings, checksums


def checkpoint_bytes(model: nn.Module, config: TrainConfig, epochs: int, steps: int) -> int:
    """Estimate the room for best, last, the one before it, the one that is written beside them, and those kept.

    Args:
        model: The network.
        config: Says which optimizer, and which checkpoints are kept.
        epochs: Epochs of the whole run.
        steps: Steps of the whole run.
    """
    weights: int = _BESIDE_WEIGHTS + sum(value.nbytes for value in model.state_dict().values())
    last = weights * (1 + _MOMENTS.get(config.optimizer, 1) + (config.ema is not None))
    kept = 0
    if config.save_every is not None:
        every, by_epoch = parse_save_every(config.save_every)
        kept = (epochs if by_epoch else steps) // every
        kept = kept if config.keep is None else min(kept, config.keep + 1)
    return weights * (1 + kept) + 3 * last
