"""What checkpoints hold of a run: collected, saved, checked and restored.

A checkpoint that verifies is as it was written; who wrote it is another question. So what it says of a run is checked
before any of it is used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.device import random_state, restore_random_state
from dlkit.errors import CheckpointError, printable
from dlkit.files.checkpoint import Checkpoint, save_checkpoint
from dlkit.files.description import DataDescription
from dlkit.files.run_dir import RunDir
from dlkit.models.extra_state import weights_of
from dlkit.models.hidden_state import GROUP as HIDDEN
from dlkit.models.hidden_state import restore_hidden
from dlkit.settings.config import TrainConfig
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.settings.texts import parse_save_every
from dlkit.training.assemble import Assembly, seed_rank
from dlkit.training.loop import Position
from dlkit.training.optimizers import optimizer_state, restore_optimizer
from dlkit.training.schedules import Plateau
from dlkit.training.step import Parts
from dlkit.training.stopping import StopRule

_BESIDE_WEIGHTS = 64 * 2**10  # random numbers, settings, checksums
_MAX_THREADS = 1024
_MAX_PROCESSES = 2**20
_MAX_COUNT = 2**53
_NUMPY_WORDS = 624
_SECONDS = ("seconds", "train_seconds")
_OF_ANY_LENGTH = {"random.python_gauss"}
_OPTIONAL = ("optimizer.", "scale.")  # before the first step; in another precision
_OF_A_DEVICE = ("random.cuda", "random.mps")


@dataclass(kw_only=True)
class RunState:
    """A run as it stands: everything that its checkpoints hold.

    Args:
        dir: The run folder.
        assembly: Settings, data, and what the loop trains.
        position: Where the run stands.
        stop_rule: Knows when it ends, and counts for early stopping.
        best: The row of history.csv of the best epoch; None before the first.
        changes: Settings that were changed when it was resumed, in words.
    """

    dir: RunDir
    assembly: Assembly
    position: Position
    stop_rule: StopRule
    best: Mapping[str, Any] | None = None
    changes: Sequence[str] = ()

    @property
    def config(self) -> TrainConfig:
        """The settings."""
        return self.assembly.config

    @property
    def parts(self) -> Parts:
        """What the loop trains."""
        return self.assembly.parts

    @property
    def description(self) -> DataDescription:
        """The data."""
        return self.assembly.dataset.description

    def save_last(self) -> None:
        """Save everything that resuming needs, and keep the file before it as `last.prev`."""
        within_epoch = self.position.batch > 0
        extras = parts_state(self.parts, within_epoch=within_epoch)  # of all processes
        extras |= _of_ranks(self.parts)
        self._save(self.dir.last, self.parts.model, extras=extras, keep_previous=self.dir.last_prev)

    def save_weights(self, path: Path, keep_previous: Path | None = None) -> None:
        """Save the validated weights alone, as `best` and the numbered checkpoints hold them."""
        self._save(path, self.parts.validated, keep_previous=keep_previous)

    def _save(
        self,
        path: Path,
        model: nn.Module,
        *,
        extras: Mapping[str, Tensor] | None = None,
        keep_previous: Path | None = None,
    ) -> None:
        if not self.parts.group.writes:
            return
        early = self.stop_rule.early
        save_checkpoint(
            path,
            weights_of(model),
            config=self.config,
            description=self.description,
            progress={
                "position": asdict(self.position),
                "best": self.best,
                "changes": list(self.changes),
                "threads": torch.get_num_threads(),
                "processes": self.parts.group.size,
                "device": hardware(self.parts.device),
                "schedule_steps": self.assembly.schedule_steps,
                "early_stopping": {"best": early.best, "bad_epochs": early.bad_epochs},
                "plateau": asdict(self.assembly.plateau),
            },
            extras={**(extras or {}), **self.parts.hidden_state()},
            keep_previous=keep_previous,
        )


def checkpoint_bytes(model: nn.Module, config: TrainConfig, epochs: int, steps: int) -> int:
    """Estimate the disk space for best, last, the one before it, the one written beside them, and those kept.

    Args:
        model: The network.
        config: Says which optimizer, and which checkpoints are kept.
        epochs: Epochs of the whole run.
        steps: Steps of the whole run.
    """
    weights: int = _BESIDE_WEIGHTS + sum(value.nbytes for value in weights_of(model).values())
    last = weights * (1 + OPTIMIZERS[config.optimizer].moments + (config.ema is not None))
    kept = 0
    if config.save_every is not None:
        every, by_epoch = parse_save_every(config.save_every)
        kept = (epochs if by_epoch else steps) // every
        kept = kept if config.keep is None else min(kept, config.keep + 1)
    return weights * (1 + kept) + 3 * last


def hardware(device: torch.device) -> str:
    """Return the name of what computes, as far as its bits may differ from another's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def parts_state(parts: Parts, *, within_epoch: bool) -> dict[str, Tensor]:
    """Return what resuming needs beside the weights, by `<group>.<name>`.

    Args:
        parts: What the loop trains.
        within_epoch: Whether an epoch is under way, so that its sums are needed too.
    """
    groups: dict[str, Mapping[str, Tensor]] = {
        "optimizer": optimizer_state(parts.optimizer, parts.model),
        "random": random_state(parts.device),
    }
    if parts.ema is not None:
        groups["ema"] = parts.ema.state()
    groups["memory"] = parts.pieces.state()
    if parts.scale is not None:
        groups["scale"] = parts.scale.state()
    if within_epoch:
        groups |= {
            "running": parts.running.state(),
            "probe": parts.probe.state(),
            "signals": parts.signals.state(),
        }
    return {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}


def _of_ranks(parts: Parts) -> dict[str, Tensor]:
    """Return what differs between processes that run code of the user's own, by `rank<N>.<group>.<name>`.

    What it draws from Python's, NumPy's and torch's generators, and what it keeps beside its weights. The first
    process's are under the names that those of a single one have.
    """
    if parts.hidden is None or parts.group.size == 1:
        return {}
    own = {f"random.{name}": state for name, state in random_state(parts.device).items()}
    own |= {name: tensor.cpu() for name, tensor in parts.hidden_state().items()}
    _, *others = parts.group.gather(own)
    return {
        f"{rank_name(rank)}.{name}": state
        for rank, states in enumerate(others, 1)
        for name, state in states.items()
    }


def rank_name(rank: int) -> str:
    """Return the group of a process's own state in a checkpoint."""
    return f"rank{rank}"


def restore_parts(parts: Parts, state: Mapping[str, Tensor]) -> None:
    """Restore what `parts_state` returned.

    Raises:
        CheckpointError: The state is of another network.
    """
    restore_optimizer(parts.optimizer, parts.model, _group(state, "optimizer"))
    if parts.ema is not None:
        parts.ema.restore(_group(state, "ema"))
    parts.pieces.restore(_group(state, "memory"))
    if parts.scale is not None:
        parts.scale.restore(_group(state, "scale"))
    parts.running.restore(_group(state, "running"), parts.device)
    parts.probe.restore(_group(state, "probe"), parts.device)
    parts.signals.restore(_group(state, "signals"))
    restore_random_state(_group(state, "random"), parts.device)


def check_progress(checkpoint: Checkpoint, metric: str | None = None) -> None:
    """Refuse a position, counters or a best epoch that no run can have.

    Args:
        checkpoint: The one to resume from.
        metric: Name of the run's metric, once it is known.

    Raises:
        CheckpointError: Something is missing, of another kind or out of range.
    """
    with _checking(checkpoint):
        progress = checkpoint.metadata["progress"]
        position, best = progress["position"], progress["best"]
        counts = position.keys() - set(_SECONDS)
        _require(position.keys() == vars(Position()).keys(), "position")
        _require(all(_is_count(position[name]) for name in counts), "position")
        _require(position["epoch"] >= 1 and position["epoch_start"] <= position["step"], "position")
        _require(all(_is_number(position[name]) and position[name] >= 0 for name in _SECONDS), "position")
        names = (checkpoint.metadata["versions"]["torch"], progress.get("device", ""))
        _require(all(isinstance(name, str) for name in names), "versions")
        _require(1 <= _count_of(progress, "processes") <= _MAX_PROCESSES, "processes")
        _require(_is_count(progress["threads"]) and 1 <= progress["threads"] <= _MAX_THREADS, "threads")
        if best is not None:
            shown = ["epoch", "step", "val_loss"]
            shown += [] if metric is None else [f"val_{metric}"]
            _require(all(_is_number(best[name]) for name in shown), "best")
            monitored = best[checkpoint.config.monitor]  # None where the metric is not defined
            _require(monitored is None or _is_number(monitored), "best")
        for counter in (progress["early_stopping"], progress["plateau"]):
            _require(_is_count(counter["bad_epochs"]), "counters")
            _require(counter["best"] is None or _is_number(counter["best"]), "counters")
        changes = progress.get("changes", [])
        _require(isinstance(changes, list) and all(isinstance(text, str) for text in changes), "changes")
        _require(progress["early_stopping"].keys() == {"best", "bad_epochs"}, "counters")
        _require(progress["plateau"].keys() == vars(Plateau()).keys(), "counters")
        _require(_is_number(progress["plateau"]["factor"]), "counters")


def restore_checked(parts: Parts, checkpoint: Checkpoint) -> None:
    """Restore the state of the run's parts, once it is known to fit them.

    Raises:
        CheckpointError: A tensor is missing, or of another shape or kind than the run's own.
    """
    check_progress(checkpoint, parts.objective.metric)
    position = checkpoint.metadata["progress"]["position"]
    own = _group(checkpoint.extras, rank_name(parts.group.rank))
    state = {**checkpoint.extras, **own}
    with _checking(checkpoint):
        _require(position["batch"] <= len(parts.train), "position")
        fresh = parts_state(parts, within_epoch=False)
        for name, tensor in fresh.items():
            if name in state and name not in _OF_ANY_LENGTH:
                _require(state[name].shape == tensor.shape and state[name].dtype == tensor.dtype, name)
            _require(name in state or name in _OF_A_DEVICE or name.startswith(_OPTIONAL), f"no {name}")
        _check_numpy(state["random.numpy"])
        _check_optimizer(checkpoint.config, parts.model, state)
        if parts.hidden is not None:
            parts.hidden.restored(_group(state, HIDDEN))
            if own:
                restore_hidden(parts.model, _group(own, HIDDEN), parts.device)
        restore_parts(parts, state)  # after all that draws random numbers
        if parts.group.rank and not own:
            seed_rank(checkpoint.config.seed, parts.group.rank)
        if position["batch"]:
            parts.running.read()
            parts.running.read_monitored()
        probed = parts.probe.state()
        layers = len(parts.probe.parameters)
        _require(not probed or probed["values"].shape == (*probed["steps"].shape, 3, layers), "probe.values")


@contextmanager
def _checking(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn any error about what a checkpoint says into one line about the checkpoint."""
    try:
        yield
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as err:
        what = next(iter(str(err).splitlines()), "")
        raise CheckpointError(
            f"{checkpoint.path} holds no state that this run can resume from: {printable(what, limit=120)}",
            "it was written by another version of dlkit, or by another program",
        ) from err


def _require(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"{printable(what)} does not fit")


def _count_of(progress: Mapping[str, Any], name: str) -> int:
    value = progress.get(name, 1)  # older checkpoints have none
    return value if type(value) is int else 0


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _MAX_COUNT and math.isfinite(value)


def _check_numpy(state: Tensor) -> None:
    """Check NumPy's generator, which does not check itself: out of bounds it would read beyond its memory."""
    *words, position, has_gauss = state.tolist()
    in_range = all(0 <= word < 2**32 for word in words)
    _require(in_range and 0 <= position <= _NUMPY_WORDS and has_gauss in (0, 1), "random.numpy")


def _check_optimizer(config: TrainConfig, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Check that the optimizer's tensors are those that it keeps, of the parameter's shape or a count of steps."""
    parameters = dict(model.named_parameters())
    found: dict[str, set[str]] = {}
    for key, tensor in state.items():
        group, _, rest = key.partition(".")
        kind, _, name = rest.partition(".")
        if group == "optimizer":
            _require(name in parameters, key)
            like = torch.tensor(0.0) if kind == "step" else parameters[name]
            _require(tensor.shape == like.shape and tensor.dtype == like.dtype, key)
            found.setdefault(name, set()).add(kind)
    kinds = set(OPTIMIZERS[config.optimizer].state)
    for name, its in found.items():
        _require(its == kinds, f"optimizer.*.{name}")


def _group(state: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    prefix = f"{group}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
