"""All that a run's parts remember, as tensors by name, and back."""

from collections.abc import Mapping

from torch import Tensor

from dlkit.device import random_state, restore_random_state
from dlkit.training.loop import Parts
from dlkit.training.optimizers import optimizer_state, restore_optimizer


def parts_state(parts: Parts, *, within_epoch: bool) -> dict[str, Tensor]:
    """Give what resuming needs beside the weights, by `<group>.<name>`.

    Args:
        parts: What the loop turns.
        within_epoch: Whether an epoch is under way, so that its sums are needed too.
    """
    groups: dict[str, Mapping[str, Tensor]] = {
        "optimizer": optimizer_state(parts.optimizer, parts.model),
        "random": random_state(parts.device),
    }
    if parts.ema is not None:
        groups["ema"] = parts.ema.state()
    groups["memory"] = parts.passes.state()
    if parts.passes.scale is not None:
        groups["scale"] = parts.passes.scale.state()
    if within_epoch:
        groups |= {"running": parts.running.state(), "probe": parts.probe.state()}
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def restore_parts(parts: Parts, state: Mapping[str, Tensor]) -> None:
    """Put back what `parts_state` gave.

    Raises:
        CheckpointError: The state is of another network.
    """
    restore_optimizer(parts.optimizer, parts.model, _group(state, "optimizer"))
    if parts.ema is not None:
        parts.ema.restore(_group(state, "ema"))
    parts.passes.restore(_group(state, "memory"))
    if parts.passes.scale is not None:
        parts.passes.scale.restore(_group(state, "scale"))
    parts.running.restore(_group(state, "running"), parts.device)
    parts.probe.restore(_group(state, "probe"), parts.device)
    restore_random_state(_group(state, "random"), parts.device)


def _group(state: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    prefix = f"{group}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
