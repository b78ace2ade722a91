"""A run: trains, saves best and last into its folder, stops when it is done or told to."""

import math
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dlkit.data.kinds import load_dataset
from dlkit.errors import DlkitError, InterruptedRun
from dlkit.files.atomic import write_file
from dlkit.files.checkpoint import check_named, load_checkpoint, save_checkpoint
from dlkit.files.history import EpochRecord, append_probes, append_record, cut_back, read_history
from dlkit.files.run_dir import RunDir, clear_run, create_run
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import parse_code, parse_spec
from dlkit.settings.texts import parse_duration, parse_log, parse_save_every, parse_threads
from dlkit.training.assemble import Assembly, assemble, assemble_new, prepare_device, total_steps
from dlkit.training.determinism import hash_of_weights
from dlkit.training.divergence import Scene, Where, stop_diverged
from dlkit.training.early_stopping import EarlyStopping, is_better
from dlkit.training.guards import all_finite
from dlkit.training.logs import Logs, check_logs, open_logs
from dlkit.training.loop import Clock, Position, Reading, Step, close_epoch, fit
from dlkit.training.restore import changed_settings, check_progress, newest_state, restore_checked
from dlkit.training.resuming import changes_since, hardware, resume_schedule
from dlkit.training.room import checkpoint_bytes
from dlkit.training.state import parts_state
from dlkit.training.threads import resume_threads

_SECONDS_BETWEEN_READINGS = 0.1


class TrainRun:
    """One training run; iterate over it to train.

    Args:
        config: The settings.
        run_dir: The folder, made already.
        assembly: The data and what the loop turns.
        position: Where to begin.
        progress: What the run knew when it was saved; empty for a new one.
        force: Remove the run that is in the folder.
        resumed: What `last` was when it was loaded; None for a new run.
        damaged: `last` is damaged, and what it was loaded from is the one before it.
    """

    def __init__(
        self,
        config: TrainConfig,
        run_dir: RunDir,
        assembly: Assembly,
        position: Position,
        *,
        progress: Mapping[str, Any],
        force: bool = False,
        resumed: tuple[int, int, int] | None = None,
        damaged: bool = False,
    ) -> None:
        self.config = config
        self.dir = run_dir
        self.notes = assembly.notes
        self.parts = assembly.parts
        self.best: Mapping[str, Any] | None = progress.get("best")
        self.steps_per_epoch = assembly.parts.steps_per_epoch
        self.metric = assembly.parts.objective.metric
        self.start_step = position.step
        self.stop_signal: int | None = None
        self._description = assembly.dataset.description
        self._plateau = assembly.plateau
        self._schedule_steps = assembly.schedule_steps
        self._position = position
        self._force = force
        self._resumed = resumed
        self._damaged = damaged
        self._last_reading = 0.0
        self._early = EarlyStopping(
            config.patience, config.min_delta, config.higher_is_better, **progress.get("early_stopping", {})
        )
        self._max_seconds = math.inf if config.max_time is None else parse_duration(config.max_time)
        self._logs = Logs(())
        self._news: list[str] = []
        self._save_every = (0, False) if config.save_every is None else parse_save_every(config.save_every)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, if nothing stops it before."""
        return total_steps(self.config, self.steps_per_epoch)

    def take_news(self) -> list[str]:
        """Give what should be said since the last call."""
        news, self._news = [*self._news, *self.parts.passes.take_news()], []
        return news

    @property
    def ended_early(self) -> bool:
        """Whether this process trained, and stopped before the last epoch was done."""
        return self._position.step > self.start_step and self._position.epoch <= self.config.epochs

    def notes_on_folder(self) -> list[str]:
        """Say what may be wrong with the place of the run: too little room, or a lock that others do not see."""
        needed = checkpoint_bytes(self.parts.model, self.config, self.config.epochs, self.total_steps)
        return [*self.dir.shortage(needed), *self.dir.shared()]

    @property
    def why_done(self) -> str:
        """Why there is nothing more to train; empty while there is."""
        if self._early.should_stop:
            delta = self.config.min_delta
            better = f"better by more than {delta:g}" if delta else "better"
            return (
                f"{self.config.monitor} has not got {better} for {self._early.bad_epochs} epochs (--patience)"
            )
        if self._position.step >= self.total_steps:
            limit = "--max-steps" if self._position.epoch <= self.config.epochs else "--epochs"
            return f"the run has its {self._position.step} steps ({limit})"
        if self._position.seconds >= self._max_seconds:
            return f"the run has had its time (--max-time {self.config.max_time})"
        return ""

    def __iter__(self) -> Iterator[tuple[Step, Reading | None]]:
        """Train; with each step comes a reading, at most ten times a second and whenever one is asked for.

        Raises:
            DivergedError: Loss or gradients stopped being finite.
            InterruptedRun: `stop_signal` was set; everything is saved.
            DlkitError: A file cannot be written.
        """
        with self.dir.locked():
            if self.why_done:
                return
            self._open_files()
            with self._open_logs() as self._logs:
                for step in fit(self.parts, self._position, self.config.epochs):
                    why = self._after_step(step)
                    closing = self._close_early(step) if why and step.record is None else step
                    yield closing, self._logged(closing) if self._reading_due(closing) else None
                    if why:
                        break
                    if self.stop_signal is not None and self._position.step < self.total_steps:
                        self._stop(self.stop_signal, step)
            if self.config.deterministic:
                self._news.append(f"sha256 of the weights {hash_of_weights(self.parts.model)}")
            if self.config.plot:
                self._draw()

    def _open_files(self) -> None:
        if self._resumed not in (None, self.dir.last_stamp()):
            raise DlkitError(
                f"{self.dir.path} has gone on meanwhile: another process trained there", "resume it once more"
            )
        if self._force:
            clear_run(self.dir)
        if self._damaged and self.dir.last.exists():
            self.dir.set_last_aside()
        if not self.dir.last.exists():
            self._save_last()
        self.dir.restore_best()
        # The rows of an epoch under way are in the checkpoint and are written when it ends.
        done = self._position.epoch_start
        cut_back(self.dir.history, done)
        cut_back(self.dir.probes, done)
        write_file(self.dir.config, self.config.to_toml().encode())
        self._resumed = None

    def _open_logs(self) -> Logs:
        names = parse_log(self.config.log)
        return open_logs(names, self.dir, self.metric, self._position, self.config.log_every)

    def _logged(self, step: Step) -> Reading:
        reading = self._read(step)
        self._logs.reading(step, reading, self._position.seconds)
        return reading

    def _after_step(self, step: Step) -> str:
        """Save what is due after a step, and say why training ends with it, if it does."""
        if step.diverged:
            self._read(step)
        if step.record is not None:
            self._close_epoch(step.record, step)
        number, by_epoch = self._save_every
        count = step.epoch if by_epoch else step.step
        if number and count % number == 0 and (step.record is not None or not by_epoch):
            self._save_numbered(step)
        if step.record is not None:
            self._save_last()  # after all that a run that goes on from it would not write again
        return self.why_done

    def _close_early(self, step: Step) -> Step:
        """End a run within an epoch: keep the place for resuming, then validate what there is.

        A run that goes on from there comes to the bits of one that never stopped: it drops this row, and takes back
        the best weights that these displaced.
        """
        self._read(step)
        self._check_weights(step)
        self._save_last()
        closing = close_epoch(self.parts, self._position, Clock(self._position), step.lr)
        assert closing.record is not None, "a closed epoch has a record"
        self._write_record(closing.record, closing, keep_best=True)
        return closing

    def _reading_due(self, step: Step) -> bool:
        every = self.config.log_every
        if step.record is not None or step.diverged or (every is not None and step.step % every == 0):
            return True
        return time.monotonic() - self._last_reading >= _SECONDS_BETWEEN_READINGS

    def _read(self, step: Step) -> Reading:
        self._last_reading = time.monotonic()
        if self.parts.guard.skipped():
            self._diverged(step, "step")
        loss, metric = step.running.read()
        step.running.settle()
        return Reading(loss, metric, step.running.last_loss())

    def _check_weights(self, step: Step) -> None:
        networks = [self.parts.model] if self.parts.ema is None else [self.parts.model, self.parts.validated]
        if not all(all_finite(network.state_dict().values()) for network in networks):
            self._diverged(step, "weights")

    def _diverged(self, step: Step, where: Where) -> None:
        scene = Scene(
            config=self.config,
            run_dir=self.dir,
            parts=self.parts,
            position=self._position,
            description=self._description,
            best=self.best,
            save_last=self._save_last,
        )
        raise stop_diverged(scene, step, where)

    def _close_epoch(self, record: EpochRecord, step: Step) -> None:
        self._read(step)
        self._check_weights(step)
        self._write_record(record, step)
        value = record.to_row()[self.config.monitor]
        assert value is not None, "a record of a closed epoch has its losses and metrics"
        self._early.observe(value)
        if self.config.schedule == "plateau":
            self._plateau.observe(value)

    def _write_record(self, record: EpochRecord, step: Step, *, keep_best: bool = False) -> None:
        if record.val_loss is None or not math.isfinite(record.val_loss):
            self._diverged(step, "validation")
        append_record(self.dir.history, record)
        append_probes(self.dir.probes, step.probe_rows)
        self._logs.epoch(record)
        row, monitor = record.to_row(), self.config.monitor
        if self.best is None or is_better(
            row[monitor] or 0.0, self.best[monitor], self.config.higher_is_better
        ):
            self.best = row
            self._save(self.dir.best, keep_previous=self.dir.best_prev if keep_best else None)

    def _save_last(self) -> None:
        self._save(self.dir.last, full=True, keep_previous=self.dir.last_prev)

    def _save_numbered(self, step: Step) -> None:
        self._read(step)
        self._check_weights(step)
        self._save(self.dir.numbered(step.step))
        if self.config.keep is not None:
            self.dir.keep_newest(self.config.keep)

    def _save(self, path: Path, *, full: bool = False, keep_previous: Path | None = None) -> None:
        """Save a checkpoint: the validated weights, or everything that resuming needs."""
        early = {"best": self._early.best, "bad_epochs": self._early.bad_epochs}
        save_checkpoint(
            path,
            (self.parts.model if full else self.parts.validated).state_dict(),
            config=self.config,
            description=self._description,
            progress={
                "position": asdict(self._position),
                "best": self.best,
                "threads": torch.get_num_threads(),
                "device": hardware(self.parts.device),
                "schedule_steps": self._schedule_steps,
                "early_stopping": early,
                "plateau": asdict(self._plateau),
            },
            extras=parts_state(self.parts, within_epoch=self._position.batch > 0) if full else None,
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
    """Make a new run.

    Args:
        config: The settings.
        out: The run folder; None takes the next free `runs/MODEL-DATA-NNN`.
        force: Replace the run in the folder.

    Raises:
        DlkitError: The device, the data or the folder cannot be had; see the tree in `dlkit.errors`.
    """
    check_logs(parse_log(config.log))
    assembly = assemble_new(config)
    config, code = assembly.config, parse_code(config.model)
    name = f"{config.model if code is None else code.name}-{parse_spec(config.data).name}"
    run_dir = create_run(out, name, force=force)
    run = TrainRun(config, run_dir, assembly, Position(), progress={}, force=force)
    run.notes.extend(run.notes_on_folder())
    return run


def resume_run(config: TrainConfig, run_dir: RunDir, named: Container[str] = ()) -> TrainRun:
    """Take up a run where it stopped.

    Args:
        config: The run's settings with what the user changed.
        run_dir: Its folder.
        named: Settings that the command line names; only if `model` or `data` is among them, code of the user's
            own is run for it.

    Raises:
        CheckpointError: Neither `last` nor `last.prev` can be used.
        DlkitError: The device or the data cannot be had.
    """
    check_logs(parse_log(config.log))
    device = prepare_device(config)
    stamp = run_dir.last_stamp()
    checkpoint, notes = newest_state(run_dir, parse_code(config.model) if "model" in named else None)
    damaged = checkpoint.path != run_dir.last
    check_named(checkpoint)
    check_progress(checkpoint)
    progress = checkpoint.metadata["progress"]
    notes += resume_threads(parse_threads(config.threads), progress["threads"])
    context = context_in(checkpoint.weights)
    dataset = load_dataset(config, checkpoint.description, context, named="data" in named)
    assembly = assemble(config, dataset, restore_model(checkpoint).to(device), device, notes)
    restore_checked(assembly.parts, checkpoint)
    notes.extend(changed_settings(run_dir, checkpoint))
    for name, value in progress["plateau"].items():
        setattr(assembly.plateau, name, value)
    position = Position(**progress["position"])
    assembly = resume_schedule(assembly, config, checkpoint, position)
    notes.extend(changes_since(checkpoint, device))
    run = TrainRun(config, run_dir, assembly, position, progress=progress, resumed=stamp, damaged=damaged)
    if not run.why_done:
        notes.extend(run.notes_on_folder())
    if damaged and run_dir.last.exists() and not run.why_done:
        notes.append(f"the damaged file is kept as {run_dir.last_corrupt}")
    if run.why_done:
        notes.append(f"nothing to do: {run.why_done}; raise it to go on")
        if run_dir.best.exists():  # of a run that ended within an epoch, `last` does not know it
            best = load_checkpoint(run_dir.best)
            check_progress(best, run.metric)
            run.best = best.metadata["progress"]["best"]
    return run
