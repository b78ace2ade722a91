"""A configuration in, a run folder out: assembles the parts, saves best and last, stops when told to."""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit.atomic import write_file
from dlkit.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from dlkit.config import TrainConfig
from dlkit.data.batches import Batches
from dlkit.data.datasets import DataSet, load_dataset
from dlkit.device import device_label, pick_device, pick_threads, random_state, restore_random_state, seed_all
from dlkit.errors import CheckpointError, DivergedError, InterruptedRun
from dlkit.history import EpochRecord, append_probes, append_record, cut_back, read_history
from dlkit.models.build import build_model, restore_model
from dlkit.objectives import RunningMean, build_objective
from dlkit.probes import Probe
from dlkit.run_dir import RunDir, clear_run, create_run
from dlkit.training.guards import FiniteGuard, all_finite
from dlkit.training.loop import Parts, Position, Step, fit
from dlkit.training.optimizers import build_optimizer, optimizer_state, restore_optimizer
from dlkit.training.schedules import build_schedule

_SECONDS_BETWEEN_READINGS = 0.1
_EVAL_BATCH_FACTOR = 4


@dataclass(frozen=True)
class Reading:
    """What the device says of the epoch so far.

    Args:
        loss: Mean loss.
        metric: The metric.
        last_loss: Loss of the newest batch.
    """

    loss: float
    metric: float
    last_loss: float


class TrainRun:
    """One training run; iterate over it to train.

    Args:
        config: The settings.
        run_dir: The folder, made already.
        dataset: The data, split and normalised.
        parts: What the loop turns.
        position: Where to begin.
        notes: What the user should know before it starts.
        best: Metrics of the best epoch so far.
        force: Remove the run that is in the folder.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: RunDir,
        dataset: DataSet,
        parts: Parts,
        position: Position,
        *,
        notes: list[str],
        best: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> None:
        self.config = config
        self.dir = run_dir
        self.notes = notes
        self.best = best
        self.steps_per_epoch = len(parts.train)
        self.metric = parts.objective.metric
        self.start_step = position.step
        self.stop_signal: int | None = None
        self._dataset = dataset
        self.parts = parts
        self._position = position
        self._force = force
        self._last_reading = 0.0

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.config.epochs * self.steps_per_epoch

    def __iter__(self) -> Iterator[tuple[Step, Reading | None]]:
        """Train; with each step comes a reading, at most ten times a second and whenever one is asked for.

        Raises:
            DivergedError: Loss or gradients stopped being finite.
            InterruptedRun: `stop_signal` was set; everything is saved.
            DlkitError: A file cannot be written.
        """
        with self.dir.locked():
            if self._position.epoch > self.config.epochs:
                return
            self._open_files()
            for step in fit(self.parts, self._position, self.config.epochs):
                reading = self._read(step) if self._reading_due(step) else None
                if step.record is not None:
                    self._close_epoch(step.record, step)
                yield step, reading
                if self.stop_signal is not None and self._position.step < self.total_steps:
                    self._stop(self.stop_signal, step)
            if self.config.plot:
                self._draw()

    def _open_files(self) -> None:
        if self._force:
            clear_run(self.dir)
        if not self.dir.last.exists():
            self._save_last()
        cut_back(self.dir.history, self._position.step)
        # The rows of the epoch under way are in the checkpoint and are written when it ends.
        cut_back(self.dir.probes, self._position.step - self._position.batch)
        write_file(self.dir.config, self.config.to_toml().encode())

    def _reading_due(self, step: Step) -> bool:
        every = self.config.log_every
        if step.record is not None or (every is not None and step.step % every == 0):
            return True
        return time.monotonic() - self._last_reading >= _SECONDS_BETWEEN_READINGS

    def _read(self, step: Step) -> Reading:
        self._last_reading = time.monotonic()
        loss, metric = step.running.read()
        if self.parts.guard.skipped():
            self._diverged(step, "the gradients are")
        if not math.isfinite(loss):
            self._diverged(step, "the loss is")
        return Reading(loss, metric, step.running.last_loss())

    def _check_weights(self, step: Step) -> None:
        if not all_finite(self.parts.model.state_dict().values()):
            self._diverged(step, "the weights are")

    def _diverged(self, step: Step, what: str) -> None:
        lr = self.config.lr / 10
        raise DivergedError(
            f"training diverged in epoch {step.epoch}, by step {step.step}: {what} not finite; "
            f"the last good state is {self.dir.last}",
            f"go on from there with dlkit train --resume {self.dir.path} --lr {lr:g}",
        )

    def _close_epoch(self, record: EpochRecord, step: Step) -> None:
        self._check_weights(step)
        if record.val_loss is None or not math.isfinite(record.val_loss):
            self._diverged(step, "the validation loss is")
        append_record(self.dir.history, record)
        append_probes(self.dir.probes, step.probe_rows)
        if self.best is None or record.val_loss < self.best["val_loss"]:
            self.best = record.to_row()
            self._save(self.dir.best)
        self._save_last()

    def _save_last(self) -> None:
        parts, device = self.parts, self.parts.device
        groups: dict[str, Mapping[str, Tensor]] = {
            "optimizer": optimizer_state(parts.optimizer, parts.model),
            "random": random_state(device),
        }
        if self._position.batch:
            groups |= {"running": parts.running.state(), "probe": parts.probe.state()}
        extras = {
            f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()
        }
        self._save(self.dir.last, extras=extras, keep_previous=self.dir.last_prev)

    def _save(
        self, path: Path, extras: Mapping[str, Tensor] | None = None, keep_previous: Path | None = None
    ) -> None:
        progress = {"position": asdict(self._position), "best": self.best, "threads": torch.get_num_threads()}
        save_checkpoint(
            path,
            self.parts.model.state_dict(),
            config=self.config,
            description=self._dataset.description,
            progress=progress,
            extras=extras,
            keep_previous=keep_previous,
        )

    def _stop(self, signal_number: int, step: Step) -> None:
        self._read(step)
        self._check_weights(step)
        self._save_last()
        name = {2: "Ctrl-C", 15: "SIGTERM"}.get(signal_number, f"signal {signal_number}")
        raise InterruptedRun(
            signal_number,
            f"stopped by {name} after step {self._position.step}; all is saved in {self.dir.last}",
            f"go on with dlkit train --resume {self.dir.path}",
        )

    def _draw(self) -> None:
        from dlkit.plotting.curves import plot_history
        from dlkit.plotting.figure_file import save_figure

        save_figure(plot_history([read_history(self.dir.history)], [self.dir.path.name]), self.dir.curves)


def start_run(config: TrainConfig, out: Path | None = None, *, force: bool = False) -> TrainRun:
    """Assemble a new run.

    Args:
        config: The settings.
        out: The run folder; None takes the next free `runs/MODEL-DATA-NNN`.
        force: Replace the run in the folder.

    Raises:
        DlkitError: The device, the data or the folder cannot be had; see the tree in `dlkit.errors`.
    """
    device = pick_device(config.device)
    seed_all(config.seed)
    dataset = load_dataset(config)
    model = build_model(config.model, dataset.description, config.arguments).to(device)
    if device.type == "cpu":
        torch.set_num_threads(pick_threads(model, config.batch_size))
    run_dir = create_run(out, f"{config.model}-{config.data}", force=force)
    parts = _assemble(config, dataset, model, device)
    return TrainRun(
        config,
        run_dir,
        dataset,
        parts,
        Position(),
        notes=[
            _plan(config, dataset, model, device),
            *run_dir.shortage(_checkpoint_bytes(model, config.optimizer)),
        ],
        force=force,
    )


def resume_run(config: TrainConfig, run_dir: RunDir) -> TrainRun:
    """Assemble a run that goes on where it stopped.

    Args:
        config: The run's settings with what the user changed.
        run_dir: Its folder.

    Raises:
        CheckpointError: Neither `last` nor `last.prev` can be used.
        DlkitError: The device or the data cannot be had.
    """
    device = pick_device(config.device)
    checkpoint, notes = _newest(run_dir)
    progress = checkpoint.metadata["progress"]
    if progress["threads"] != torch.get_num_threads():
        torch.set_num_threads(progress["threads"])
        notes.append(f"using {progress['threads']} threads, as the run did so far")
    dataset = load_dataset(config, checkpoint.description)
    model = restore_model(checkpoint).to(device)
    parts = _assemble(config, dataset, model, device)
    restore_optimizer(parts.optimizer, model, _group(checkpoint, "optimizer"))
    parts.running.restore(_group(checkpoint, "running"), device)
    parts.probe.restore(_group(checkpoint, "probe"), device)
    restore_random_state(_group(checkpoint, "random"), device)
    position = Position(**progress["position"])
    if config.schedule != "none" and config.epochs != checkpoint.config.epochs:
        notes.append(f"the {config.schedule} schedule now spans {config.epochs} epochs")
    if position.epoch > config.epochs:
        notes.append(f"the run has {position.epoch - 1} epochs already; --epochs N with a larger N goes on")
    notes.append(_plan(config, dataset, model, device))
    return TrainRun(config, run_dir, dataset, parts, position, notes=notes, best=progress["best"])


def _assemble(config: TrainConfig, dataset: DataSet, model: torch.nn.Module, device: torch.device) -> Parts:
    train = Batches(dataset.split("train"), config.batch_size, device, config.seed)
    objective = build_objective(dataset.description.task, config.loss)
    optimizer = build_optimizer(
        model, config.optimizer, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay
    )
    return Parts(
        model=model,
        train=train,
        val=Batches(dataset.split("val"), config.batch_size * _EVAL_BATCH_FACTOR, device),
        objective=objective,
        optimizer=optimizer,
        schedule=build_schedule(config.schedule, config.lr, config.epochs * len(train)),
        guard=FiniteGuard(
            optimizer, [parameter for parameter in model.parameters() if parameter.requires_grad]
        ),
        probe=Probe(model, len(train)),
        running=RunningMean(objective, train.chunk),
        device=device,
        l1=config.l1,
    )


def _plan(config: TrainConfig, dataset: DataSet, model: torch.nn.Module, device: torch.device) -> str:
    count = sum(parameter.numel() for parameter in model.parameters())
    sizes = dataset.description.split_sizes
    return (
        f"{config.model} ({count:,} parameters) on {config.data} ({sizes['train']:,} train, {sizes['val']:,} val, "
        f"{sizes['test']:,} test), {config.optimizer} at lr {config.lr:g}, batch {config.batch_size}, "
        f"on {device_label(device)}"
    )


def _checkpoint_bytes(model: torch.nn.Module, optimizer: str) -> int:
    """Estimate the room for best, last, the one before it, and the one that is written beside them."""
    weights: int = sum(value.nbytes for value in model.state_dict().values())
    states = 1 if optimizer == "sgd" else 2
    return weights * (1 + 3 * (1 + states))


def _newest(run_dir: RunDir) -> tuple[Checkpoint, list[str]]:
    """Load `last`, or `last.prev` where `last` is damaged; a damaged file is kept under another name."""
    try:
        return _load_state(run_dir.last), []
    except CheckpointError as err:
        if not run_dir.last_prev.exists():
            raise
        checkpoint = _load_state(run_dir.last_prev)
        notes = [f"{err.message}; going on from {run_dir.last_prev}"]
        if run_dir.last.exists():
            aside = run_dir.last_corrupt
            run_dir.last.replace(aside)
            notes.append(f"the damaged file is now {aside}")
        return checkpoint, notes


def _load_state(path: Path) -> Checkpoint:
    checkpoint = load_checkpoint(path)
    if not _group(checkpoint, "random"):
        raise CheckpointError(
            f"{path} holds weights but no state to go on from", "best.safetensors is not made for --resume"
        )
    return checkpoint


def _group(checkpoint: Checkpoint, group: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{group}."): tensor
        for name, tensor in checkpoint.extras.items()
        if name.startswith(f"{group}.")
    }
