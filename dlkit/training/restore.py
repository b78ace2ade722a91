"""What a checkpoint says of where a run stands, held against the run before anything of it is believed.

A checkpoint that verifies is as it was written; who wrote it is another question.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.checkpoint import Checkpoint, load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import read_config_file
from dlkit.settings.spec import CodeSpec
from dlkit.training.loop import Parts, Position
from dlkit.training.optimizers import build_optimizer
from dlkit.training.schedules import Plateau
from dlkit.training.state import parts_state, restore_parts

_MAX_THREADS = 1024
_MAX_COUNT = 2**53
_NUMPY_WORDS = 624
_SECONDS = ("seconds", "train_seconds")
_OF_ANY_LENGTH = {"random.python_gauss"}
_NOT_ALWAYS = ("optimizer.", "scale.")  # before the first step; in another precision
_OF_A_DEVICE = ("random.cuda", "random.mps")


def newest_state(run_dir: RunDir, code: CodeSpec | None = None) -> tuple[Checkpoint, list[str]]:
    """Load `last`, or `last.prev` where `last` is damaged.

    Args:
        run_dir: The run.
        code: The network of the user's own that the command line names.

    Returns:
        The checkpoint, and what should be said of it.

    Raises:
        CheckpointError: Neither can be used.
    """
    try:
        checkpoint = _load_state(run_dir.last, code)
        return checkpoint, list(checkpoint.notes)
    except CheckpointError as err:
        if not run_dir.last_prev.exists():
            raise
        checkpoint = _load_state(run_dir.last_prev, code)
        return checkpoint, [f"{err.message}; going on from {run_dir.last_prev}", *checkpoint.notes]


def _load_state(path: Path, code: CodeSpec | None) -> Checkpoint:
    checkpoint = load_checkpoint(path, code)
    if "random.torch" not in checkpoint.extras:
        raise CheckpointError(
            f"{path} holds weights but no state to go on from", "best.safetensors is not made for --resume"
        )
    return checkpoint


def check_progress(checkpoint: Checkpoint, metric: str | None = None) -> None:
    """Refuse a place in the run, counters or a best epoch that no run can have.

    Args:
        checkpoint: The one to go on from.
        metric: Name of the run's metric, once it is known.

    Raises:
        CheckpointError: Something is missing, of another kind or out of range.
    """
    with _refusing(checkpoint):
        progress = checkpoint.metadata["progress"]
        position, best = progress["position"], progress["best"]
        counts = position.keys() - set(_SECONDS)
        _hold(position.keys() == vars(Position()).keys(), "position")
        _hold(all(_is_count(position[name]) for name in counts), "position")
        _hold(position["epoch"] >= 1 and position["epoch_start"] <= position["step"], "position")
        _hold(all(_is_number(position[name]) and position[name] >= 0 for name in _SECONDS), "position")
        told = (checkpoint.metadata["versions"]["torch"], progress.get("device", ""))
        _hold(all(isinstance(text, str) for text in told), "versions")
        _hold(_is_count(progress["threads"]) and 1 <= progress["threads"] <= _MAX_THREADS, "threads")
        if best is not None:
            shown = ["epoch", "step", "val_loss", checkpoint.config.monitor]
            shown += [] if metric is None else [f"val_{metric}"]
            _hold(all(_is_number(best[name]) for name in shown), "best")
        for counter in (progress["early_stopping"], progress["plateau"]):
            _hold(_is_count(counter["bad_epochs"]), "counters")
            _hold(counter["best"] is None or _is_number(counter["best"]), "counters")
        _hold(progress["early_stopping"].keys() == {"best", "bad_epochs"}, "counters")
        _hold(progress["plateau"].keys() == vars(Plateau()).keys(), "counters")
        _hold(_is_number(progress["plateau"]["factor"]), "counters")


def restore_checked(parts: Parts, checkpoint: Checkpoint) -> None:
    """Put back what the run's parts remembered, once it is known to fit them.

    Raises:
        CheckpointError: A tensor is missing, or of another shape or kind than the run's own.
    """
    check_progress(checkpoint, parts.objective.metric)
    state, position = checkpoint.extras, checkpoint.metadata["progress"]["position"]
    with _refusing(checkpoint):
        _hold(position["batch"] <= len(parts.train), "position")
        fresh = parts_state(parts, within_epoch=False)
        for name, tensor in fresh.items():
            if name in state and name not in _OF_ANY_LENGTH:
                _hold(state[name].shape == tensor.shape and state[name].dtype == tensor.dtype, name)
            _hold(name in state or name in _OF_A_DEVICE or name.startswith(_NOT_ALWAYS), f"no {name}")
        _check_numpy(state["random.numpy"])
        _check_optimizer(checkpoint.config, parts.model, state)
        restore_parts(parts, state)  # after all that draws random numbers
        if position["batch"]:
            parts.running.read()
        probed = parts.probe.state()
        layers = len(parts.probe.parameters)
        _hold(not probed or probed["values"].shape == (len(probed["steps"]), 3, layers), "probe.values")


def changed_settings(run_dir: RunDir, checkpoint: Checkpoint) -> list[str]:
    """Say where config.toml, which is for people to read, differs from the settings that the run goes on with."""
    try:
        written, faults = read_config_file(run_dir.config)
    except ConfigError:
        return [f"{run_dir.config} cannot be read; it is written anew from the checkpoint"]
    stored = checkpoint.config.to_dict()
    names = [name for name, value in written.items() if name != "arguments" and value != stored.get(name)]
    if not names and not faults:
        return []
    shown = ", ".join(f"{name} ({printable(str(written[name]))})" for name in names[:4]) or "it"
    return [f"{run_dir.config} is not what the run goes by: {shown}; the settings in {checkpoint.path} count"]


@contextmanager
def _refusing(checkpoint: Checkpoint) -> Iterator[None]:
    """Turn whatever goes wrong with what a checkpoint says into one line about the checkpoint."""
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
            f"{checkpoint.path} holds no state that this run can go on from: {printable(what, limit=120)}",
            "it was written by another version of dlkit, or by another program",
        ) from err


def _hold(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"{printable(what)} does not fit")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _MAX_COUNT and math.isfinite(value)


def _check_numpy(state: Tensor) -> None:
    """Hold NumPy's generator to its bounds, which it does not check itself: it would read beyond its memory."""
    *words, position, has_gauss = state.tolist()
    in_range = all(0 <= word < 2**32 for word in words)
    _hold(in_range and 0 <= position <= _NUMPY_WORDS and has_gauss in (0, 1), "random.numpy")


def _check_optimizer(config: TrainConfig, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Hold the optimizer's tensors to the kinds that it keeps, of the parameter's shape or a count of steps."""
    parameters = dict(model.named_parameters())
    found: dict[str, set[str]] = {}
    for key, tensor in state.items():
        group, _, rest = key.partition(".")
        kind, _, name = rest.partition(".")
        if group == "optimizer":
            _hold(name in parameters, key)
            like = torch.tensor(0.0) if kind == "step" else parameters[name]
            _hold(tensor.shape == like.shape and tensor.dtype == like.dtype, key)
            found.setdefault(name, set()).add(kind)
    kinds = _kinds(config)
    for name, its in found.items():
        _hold(its == kinds, f"optimizer.*.{name}")


def _kinds(config: TrainConfig) -> set[str]:
    """Give the kinds of tensors that an optimizer keeps for a parameter, by a step of one like it on one number."""
    model = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer(
        model, config.optimizer, lr=config.lr, momentum=config.momentum, weight_decay=0.0
    )
    model.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    return {kind for kind, value in optimizer.state[model.weight].items() if isinstance(value, Tensor)}
