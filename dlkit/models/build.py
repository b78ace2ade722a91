"""Networks by name, sized from the description of the data, and their weights from a checkpoint."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.device import seeded
from dlkit.errors import CheckpointError, ConfigError, did_you_mean, printable
from dlkit.files.checkpoint import Checkpoint, check_named
from dlkit.files.description import DataDescription
from dlkit.models.context import PREFIX, context_in
from dlkit.models.extra_state import is_extra, weights_of
from dlkit.models.hidden_state import GROUP as HIDDEN
from dlkit.models.hidden_state import restore_hidden
from dlkit.models.own import build_own
from dlkit.settings.models import MODELS
from dlkit.settings.spec import parse_code
from dlkit.user_code import running

_MOST_SHOWN = 4


def build_model(
    name: str,
    description: DataDescription,
    arguments: Mapping[str, Any],
    context: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Build a network for the data described.

    Args:
        name: A name in the catalogue, or `file.py:Name`; that file is run.
        description: Gives the shape of one sample and the number of outputs.
        arguments: The network's own arguments, resolved.
        context: What the network needs of the data for ever, by name; most need nothing.

    Raises:
        CheckpointError: There is no such network (the catalogue was asked before training, so the name comes
            from a checkpoint).
        ConfigError: The network cannot take samples of this shape, or is the user's own and at fault.
        MissingError: It needs torchvision, which cannot be imported.
    """
    if code := parse_code(name):
        return build_own(code, description, arguments)
    if name not in MODELS:
        raise CheckpointError(
            f"the checkpoint's network {name} is not built in", did_you_mean(name, MODELS) or "update dlkit"
        )
    if description.named_inputs and not MODELS[name].reads:
        raise ConfigError(
            f"MODEL {name} takes one input; {description.name} has {', '.join(description.named_inputs)}",
            f"{description.kind} takes them",
        )
    return MODELS[name].build(description, arguments, context or {})


def restore_model(checkpoint: Checkpoint, device: torch.device | None = None) -> nn.Module:
    """Build the network of a checkpoint and give it its weights, and its hidden state if it is the user's own.

    Names, shapes and dtypes are compared with a network that takes no memory before one is made; one of the user's
    own is made at once, since its constructor may do anything.

    Args:
        checkpoint: Says which network and holds the weights.
        device: Where it goes; None is the CPU.

    Raises:
        CheckpointError: There is no such network, it is the user's own and was not named, or the weights are
            another's; the first differences are reported.
        MissingError: It needs torchvision, which cannot be imported.
    """
    check_named(checkpoint)
    shown = printable(checkpoint.config.model_name)
    context = context_in(checkpoint.weights)
    try:
        own = parse_code(checkpoint.model) is not None
        with torch.device("cpu" if own else "meta"), seeded(checkpoint.config.seed) if own else nullcontext():
            model = build_model(checkpoint.model, checkpoint.description, checkpoint.arguments, context)
            expected = weights_of(model)
    except (ConfigError, TypeError, ValueError, KeyError, RuntimeError, AttributeError) as err:
        raise CheckpointError(
            f"{checkpoint.path}: {shown} cannot be built from its description: {printable(str(err), limit=400)}",
            "the code is not what it was in training"
            if parse_code(checkpoint.model)
            else "the file was written by another version of dlkit, or is not one of its checkpoints",
        ) from err
    if found := _differences(expected, checkpoint.weights):
        more = [f"and {len(found) - _MOST_SHOWN} more"] if len(found) > _MOST_SHOWN else []
        raise CheckpointError(
            f"{checkpoint.path} does not hold the weights of {shown}: {', '.join([*found[:_MOST_SHOWN], *more])}",
            "the weights of another network, or of another dlkit",
        )
    if not own:
        model = build_model(checkpoint.model, checkpoint.description, checkpoint.arguments, context)
    model.load_state_dict(dict(checkpoint.weights), strict=False)  # compared above; extra states come below
    model.to(device or "cpu")
    _restore_hidden(model, checkpoint, device or torch.device("cpu"))
    return model


def _restore_hidden(model: nn.Module, checkpoint: Checkpoint, device: torch.device) -> None:
    """Restore what a network of the user's own keeps beside its weights."""
    prefix = f"{HIDDEN}."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint.extras.items()
        if name.startswith(prefix)
    }
    if not state or checkpoint.code is None:
        return
    try:
        with running(checkpoint.code, f"MODEL {checkpoint.code.short}: set_extra_state", CheckpointError):
            restore_hidden(model, state, device)
    except CheckpointError as err:
        raise CheckpointError(
            f"{checkpoint.path} holds state that {checkpoint.code.short} does not take: {err.message}",
            "the code is not what it was in training",
        ) from err


def load_matching(model: nn.Module, checkpoint: Checkpoint) -> str:
    """Return a network the weights of a checkpoint that have its names and shapes, and say which.

    Args:
        model: Changed in place.
        checkpoint: Holds the weights; may be of another network.

    Returns:
        A line that counts what was taken and lists what was left as it was and what has another shape.

    Raises:
        CheckpointError: It is of another network: no weight of two or more dimensions fits. Biases and statistics
            of the same length are in any two networks.
    """
    expected = {name: own for name, own in weights_of(model).items() if not name.startswith(PREFIX)}
    found = {name: other for name, other in checkpoint.weights.items() if not name.startswith(PREFIX)}
    taken = {
        name: found[name] for name in expected if name in found and found[name].shape == expected[name].shape
    }
    mismatched = [
        f"{name} {tuple(found[name].shape)}" for name in expected if name in found and name not in taken
    ]
    if not any(tensor.ndim >= 2 for tensor in taken.values()):
        raise CheckpointError(
            f"--init {checkpoint.path} has no weights that fit the network",
            f"it holds {printable(checkpoint.config.model_name)} with {', '.join(map(printable, list(found)[:4]))}",
        )
    model.load_state_dict(taken, strict=False)
    missing = [name for name in expected if name not in found]
    extra = [printable(name) for name in found if name not in expected]
    parts = [f"--init took {len(taken)} of {len(expected)} tensors from {checkpoint.path}"]
    for words, names in (
        ("of another shape there", mismatched),
        ("not there", missing),
        ("not used", extra),
    ):
        if names:
            parts.append(f"{words}: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}")
    return "; ".join(parts)


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Describe each tensor that is missing, extra, or of another shape or dtype."""
    lines = [
        f"missing {name} {tuple(tensor.shape)}" for name, tensor in expected.items() if name not in found
    ]
    lines += [f"extra {printable(name)} {tuple(found[name].shape)}" for name in found if name not in expected]
    for name, tensor in expected.items():
        other = found.get(name)
        if other is None or is_extra(name):
            continue
        if other.shape != tensor.shape:
            lines.append(f"{name} {tuple(other.shape)} instead of {tuple(tensor.shape)}")
        elif other.dtype != tensor.dtype:
            lines.append(f"{name} {other.dtype} instead of {tensor.dtype}".replace("torch.", ""))
    return lines
