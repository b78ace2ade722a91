"""Weights, and all that resuming needs, to safetensors and back."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit import __version__
from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.description import DataDescription
from dlkit.files.json_values import finite
from dlkit.files.tensor_file import read_tensors, write_tensors
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve, stored_settings
from dlkit.settings.spec import CodeSpec, parse_code
from dlkit.user_code import source_digest

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
        code: The network's code, where it is the user's own and the command line names it.
        notes: Messages for the user about it.
    """

    path: Path
    metadata: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    extras: Mapping[str, Tensor]
    config: TrainConfig
    description: DataDescription
    code: CodeSpec | None = None
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Name of the network."""
        return self.config.model

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The network's own arguments."""
        return self.config.arguments


def checkpoint_path(path: Path) -> Path:
    """Return the checkpoint that a path names: a run folder stands for its best one."""
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

    Raises:
        DlkitError: It cannot be written.
        CheckpointError: A weight's name begins with the reserved prefix.
    """
    if taken := [name for name in weights if name.startswith(RESERVED)]:
        raise CheckpointError(
            f"the weight {taken[0]} cannot be saved: names under {RESERVED} are dlkit's own"
        )
    tensors = {**weights, **{RESERVED + name: tensor for name, tensor in (extras or {}).items()}}
    code = parse_code(config.model)
    metadata = {
        **(
            {"code": {"file": str(code.path), "name": code.name, "sha256": source_digest(code)}}
            if code
            else {}
        ),
        "config": config.to_dict(),
        "description": description.to_dict(),
        "progress": finite(progress),
        "versions": {
            "dlkit": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
    }
    write_tensors(path, tensors, metadata, keep_previous=keep_previous)


def load_checkpoint(path: Path, code: CodeSpec | None = None) -> Checkpoint:
    """Read a checkpoint after checking every byte; nothing in it is ever run.

    Args:
        path: The file, or a run folder for its best one.
        code: The code that the command line names for a network of the user's own; it may have moved since.

    Raises:
        CheckpointError: It is missing, damaged or not one of dlkit's.
    """
    path = checkpoint_path(path)
    tensors, metadata = read_tensors(path)
    try:
        config = resolve({}, {}, stored_settings(metadata["config"]))
        description = DataDescription.from_dict(metadata["description"])
        progress = dict(metadata["progress"])
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as err:
        raise CheckpointError(
            f"{path} holds tensors but no network that this dlkit knows: {printable(str(err), limit=200)}",
            "name best.safetensors or last.safetensors of a run, or update dlkit",
        ) from err
    checkpoint = Checkpoint(
        path=path,
        metadata={**metadata, "progress": progress},
        weights={name: tensor for name, tensor in tensors.items() if not name.startswith(RESERVED)},
        extras={
            name.removeprefix(RESERVED): tensor
            for name, tensor in tensors.items()
            if name.startswith(RESERVED)
        },
        config=config,
        description=description,
    )
    if code is None or parse_code(config.model) is None:
        return checkpoint
    config = replace(config, model=str(code))
    return replace(checkpoint, config=config, code=code, notes=_changes(checkpoint, code))


def check_named(checkpoint: Checkpoint) -> None:
    """Check that a network of the user's own was named by the command line.

    Raises:
        CheckpointError: It was not.
    """
    stored = parse_code(checkpoint.model)
    if stored is not None and checkpoint.code is None:
        shown = printable(str(stored), limit=300)
        raise CheckpointError(
            f"{checkpoint.path} holds {printable(stored.short)}, a network of your own; a checkpoint never runs code "
            "by itself",
            f"name the code: --model {shown}, or dlkit train {shown} --resume RUN to continue",
        )


def _changes(checkpoint: Checkpoint, code: CodeSpec) -> tuple[str, ...]:
    """Return a note if the code is another than it was in training."""
    stored = checkpoint.metadata.get("code")
    before = stored.get("sha256") if isinstance(stored, Mapping) else None
    if before == source_digest(code):
        return ()
    return (f"{code.path} has changed since {checkpoint.path} was trained with it",)
