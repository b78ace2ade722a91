"""Weights, and all that resuming needs, to safetensors and back."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit import __version__
from dlkit.atomic import OPS, FileOps
from dlkit.config import TrainConfig
from dlkit.description import DataDescription
from dlkit.errors import CheckpointError, ConfigError
from dlkit.tensor_file import read_tensors, write_tensors

RESERVED = "dlkit."


@dataclass(frozen=True)
class Checkpoint:
    """A network's weights and what they are of.

    Args:
        path: Where it was read from.
        metadata: All that stands beside the tensors.
        weights: By their `state_dict` names.
        extras: What only resuming needs, names without the reserved prefix.
        config: The settings it was trained with.
        description: The data it was trained on.
    """

    path: Path
    metadata: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    extras: Mapping[str, Tensor]
    config: TrainConfig
    description: DataDescription

    @property
    def model(self) -> str:
        """Name of the network."""
        return self.config.model

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The network's own arguments."""
        return self.config.arguments


def checkpoint_path(path: Path) -> Path:
    """Give the checkpoint that a path names: a run folder stands for its best one."""
    return path / "best.safetensors" if path.is_dir() else path


def save_checkpoint(
    path: Path,
    weights: Mapping[str, Tensor],
    *,
    config: TrainConfig,
    description: DataDescription,
    progress: Mapping[str, Any],
    extras: Mapping[str, Tensor] | None = None,
    keep_previous: Path | None = None,
    ops: FileOps = OPS,
) -> None:
    """Write a checkpoint; a kill leaves the old one or the new one.

    Args:
        path: The file.
        weights: The network's `state_dict`.
        config: The settings.
        description: The data.
        progress: Epoch, step, metrics and counters, as JSON values.
        extras: Tensors that only resuming needs; stored under a reserved prefix.
        keep_previous: Where the checkpoint that stood at `path` stays.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: It cannot be written.
        CheckpointError: A weight's name begins with the reserved prefix.
    """
    if taken := [name for name in weights if name.startswith(RESERVED)]:
        raise CheckpointError(
            f"the weight {taken[0]} cannot be saved: names under {RESERVED} are dlkit's own"
        )
    tensors = {**weights, **{RESERVED + name: tensor for name, tensor in (extras or {}).items()}}
    metadata = {
        "config": config.to_dict(),
        "description": description.to_dict(),
        "progress": progress,
        "versions": {
            "dlkit": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }
    write_tensors(path, tensors, metadata, keep_previous=keep_previous, ops=ops)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint after checking every byte; nothing in it is ever run.

    Args:
        path: The file, or a run folder for its best one.

    Raises:
        CheckpointError: It is missing, damaged or not one of dlkit's.
    """
    path = checkpoint_path(path)
    tensors, metadata = read_tensors(path)
    try:
        stored = dict(metadata["config"])
        stored["arguments"] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored["arguments"].items()
        }
        config = TrainConfig(**stored)
        description = DataDescription.from_dict(metadata["description"])
    except (KeyError, TypeError, ValueError, ConfigError) as err:
        raise CheckpointError(
            f"{path} holds tensors but no network of dlkit's",
            "name best.safetensors or last.safetensors of a run",
        ) from err
    return Checkpoint(
        path=path,
        metadata=metadata,
        weights={name: tensor for name, tensor in tensors.items() if not name.startswith(RESERVED)},
        extras={
            name.removeprefix(RESERVED): tensor
            for name, tensor in tensors.items()
            if name.startswith(RESERVED)
        },
        config=config,
        description=description,
    )
