"""A run: train step by step, save best and last into the run folder, stop when it is done or asked to."""

import math
import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlkit.diagnosis.findings import to_json
from dlkit.diagnosis.reading import read_run
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.watch import Watch, warning_text
from dlkit.distributed.join import Joined
from dlkit.errors import DlkitError, FullMemoryError, InterruptedRun
from dlkit.files.atomic import write_file
from dlkit.files.file_times import is_newer
from dlkit.files.history import EpochRecord, append_probes, append_record, cut_back
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import create_run
from dlkit.metrics import higher_is_better
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import parse_code, parse_spec
from dlkit.settings.texts import parse_log, parse_save_every
from dlkit.training.assemble import assemble_new
from dlkit.training.compute import hash_of_weights
from dlkit.training.divergence.guard import non_finite
from dlkit.training.divergence.recovery import stop_diverged
from dlkit.training.logs import Logs, check_logs, open_logs
from dlkit.training.loop import Clock, Position, Reading, Step, close_epoch, fit
from dlkit.training.state import RunState, checkpoint_bytes
from dlkit.training.stopping import StopRule, is_better

_SECONDS_BETWEEN_READINGS = 0.1
_STEPS_COMPARED = 3


@dataclass(kw_only=True)
class TrainRun(RunState):
    """One training run; iterate over it to train.

    Args:
        force: Remove the run that is in the folder.
        resumed: What `last` was when it was loaded; None for a new run.
        damaged: `last` is damaged, and the run was loaded from the one before it.
        stop_signal: Set it to let the run save and stop after the step under way.
        pruned: Set it at the end of an epoch to let the run end there, as a run that is done.
        messages: What happened since `pop_messages`.
        warnings: What is wrong, since `pop_warnings`.
    """

    force: bool = False
    resumed: tuple[int, int, int] | None = None
    damaged: bool = False
    stop_signal: int | None = None
    pruned: bool = False
    start_step: int = field(init=False)
    messages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    watch: Watch = field(init=False)
    _known_signal: int | None = field(init=False, default=None)
    _known_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.start_step, self._known_seconds = self.position.step, self.position.seconds
        self.watch = Watch(Recording(config=self.config.to_dict(), folder=str(self.dir.path)))

    def __iter__(self) -> Iterator[tuple[Step, Reading | None]]:
        """Train; with each step comes a reading, at most ten times a second and whenever one is asked for.

        Raises:
            DivergedError: Loss or gradients stopped being finite.
            InterruptedRun: `stop_signal` was set; everything is saved.
            DlkitError: A file cannot be written.
        """
        if self.done_reason:
            self.complete()
            return
        with self._locked():
            self._prepare_folder()
            with self._open_logs() as logs, self._full_memory_recorded():
                last_reading = 0.0
                for step in self._steps():
                    due = self._agree(last_reading)
                    self._save_step(step, logs)
                    self._compare_hidden(step)
                    done = bool(self.done_reason)
                    shown = self._close_early(step, logs) if done and step.record is None else step
                    reading = None
                    if due or self._is_read(shown):
                        reading, last_reading = self._read(shown), time.monotonic()
                        logs.reading(shown, reading, self.position.seconds)
                    yield shown, reading
                    if done or self.pruned:
                        break
                    if (number := self._signal()) is not None and self.position.step < self.total_steps:
                        self._check_finite(step)
                        self.save_last()
                        raise self._interrupted(number)
            if self.config.deterministic:
                self.messages.append(f"sha256 of the weights {hash_of_weights(self.parts.model)}")
            self._draw_and_diagnose()

    def _steps(self) -> Iterator[Step]:
        """Train step by step; a network that changes the working folder does not move the run folder."""
        folder = os.getcwd()  # noqa: PTH109 - compared with itself at each step
        for step in fit(self.parts, self.position, self.config.epochs):
            if self.parts.hidden is not None and os.getcwd() != folder:  # noqa: PTH109
                os.chdir(folder)
            yield step

    def complete(self) -> None:
        """Draw and diagnose a run that is done but was killed before it had; remove what unfinished writes left.

        Raises:
            DlkitError: Another process holds the folder, or a file cannot be written.
        """
        with self._locked():
            if (
                self._writes
                and self.dir.history.exists()
                and not is_newer(self.dir.findings, self.dir.history)
            ):
                self._read_recording()
                self._draw_and_diagnose()

    @property
    def notes(self) -> list[str]:
        """Messages for the user before training starts."""
        return self.assembly.notes

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.parts.objective.metric

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch."""
        return self.parts.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, if nothing stops it before."""
        return self.stop_rule.total_steps

    @property
    def done_reason(self) -> str:
        """Why there is nothing more to train; empty while there is."""
        if self.parts.group.size == 1:
            return self.stop_rule.reason(self.position)
        return self.stop_rule.reason(replace(self.position, seconds=self._known_seconds))

    @property
    def ended_early(self) -> bool:
        """Whether this process trained, and stopped before the last epoch was done."""
        return self.position.step > self.start_step and self.position.epoch <= self.config.epochs

    def pop_messages(self) -> list[str]:
        """Return the messages since the last call."""
        messages, self.messages = [*self.messages, *self.parts.pieces.pop_messages()], []
        return messages

    def pop_warnings(self) -> list[str]:
        """Return the warnings since the last call."""
        warnings, self.warnings = self.warnings, []
        return warnings

    def notes_on_folder(self) -> list[str]:
        """Return what may be wrong with the run folder: too little space, or a lock that others do not see."""
        needed = checkpoint_bytes(self.parts.model, self.config, self.config.epochs, self.total_steps)
        return [*self.dir.shortage(needed), *self.dir.shared()]

    @property
    def _writes(self) -> bool:
        return self.parts.group.writes

    def _locked(self) -> AbstractContextManager[None]:
        return self.dir.locked() if self._writes else nullcontext()

    @contextmanager
    def _full_memory_recorded(self) -> Iterator[None]:
        """Keep in probes.csv that memory ran out, for `inspect run`."""
        try:
            yield
        except FullMemoryError:
            if self._writes:
                append_probes(self.dir.probes, [(self.position.step + 1, "", "out_of_memory", 1.0)])
            raise

    def _agree(self, last_reading: float) -> bool:
        """Let all processes of a run know of a signal to any, and of the time; return whether a reading is due.

        Of several processes each knows after the step what all knew after the one before.
        """
        due = self._writes and time.monotonic() - last_reading >= _SECONDS_BETWEEN_READINGS
        pieces = self.parts.pieces
        here = (self.stop_signal or 0, self.position.seconds, due, pieces.splitting_rank)
        stop, seconds, reading, splits = self.parts.group.agree(here)
        pieces.report_rank(int(splits))
        self._known_seconds = max(self._known_seconds, seconds)
        self._known_signal = int(stop) or None
        return bool(reading)

    def _signal(self) -> int | None:
        """Return the signal to stop for: one that all processes know of, or the newest to a single one."""
        return self.stop_signal if self.parts.group.size == 1 else self._known_signal

    def _prepare_folder(self) -> None:
        fresh = self._writes and self._make_room()
        if self.parts.group.broadcast(fresh):
            self.save_last()
        self.resumed = None
        if not self._writes:
            return
        self.dir.restore_best()
        # The rows of an epoch under way are in the checkpoint and are written when it ends.
        done = self.position.epoch_start
        cut_back(self.dir.history, done)
        cut_back(self.dir.probes, done)
        write_file(self.dir.config, self.config.to_toml().encode())
        if self.dir.history.exists():
            self._read_recording()

    def _make_room(self) -> bool:
        """Remove or set aside what must not stay; return whether the folder then has no `last`.

        Raises:
            DlkitError: Another process has trained there meanwhile.
        """
        if self.resumed not in (None, self.dir.last_stamp()):
            raise DlkitError(
                f"{self.dir.path} has changed: another process trained there since it was loaded",
                "resume it again",
            )
        if self.force:
            self.dir.clear()
        if self.damaged and self.dir.last.exists():
            self.dir.set_last_aside()
        return not self.dir.last.exists()

    def _read_recording(self) -> None:
        recording, _ = read_run(self.dir.path)
        self.watch = Watch(replace(recording, config=self.config.to_dict()))

    def _open_logs(self) -> Logs:
        names = parse_log(self.config.log) if self._writes else ()
        return open_logs(names, self.dir, self.metric, self.position, self.config.log_every)

    def _check_finite(self, step: Step) -> None:
        """Check that no step was skipped and the weights are finite, before they are saved.

        Raises:
            DivergedError: They are not.
        """
        if self.parts.guard.skipped():
            raise stop_diverged(self, step, "step")
        networks = {self.parts.model, self.parts.validated}
        if any(map(non_finite, networks)):
            raise stop_diverged(self, step, "weights")

    def _save_step(self, step: Step, logs: Logs) -> None:
        """Write the rows and checkpoints of a step, if it has any; the network does not run meanwhile."""
        save_numbered, hidden = self._is_numbered(step), self.parts.hidden
        if step.diverged or step.record is not None or save_numbered:
            self._check_finite(step)
        if step.record is None and not save_numbered:
            return
        with nullcontext() if hidden is None else hidden.looked_at_once():
            if step.record is not None:
                self._record_epoch(step.record, step, logs)
            if save_numbered:
                self._save_numbered(step)
            if step.record is not None:
                self.save_last()  # after everything that a run resumed from it does not write again

    def _record_epoch(self, record: EpochRecord, step: Step, logs: Logs) -> None:
        """Write the rows of a whole epoch, save the best weights, and count for early stopping and plateau."""
        self._write_record(record, step, logs)
        value = record.to_row()[self.config.monitor]
        if value is None:  # the metric is not defined on these samples, as R2 where all targets are alike
            return
        self.stop_rule.early.observe(value)
        if self.config.schedule == "plateau":
            self.assembly.plateau.observe(value)

    def _write_record(self, record: EpochRecord, step: Step, logs: Logs, *, keep_best: bool = False) -> None:
        if record.val_loss is None or not math.isfinite(record.val_loss):
            raise stop_diverged(self, step, "validation")
        if self._writes:
            append_record(self.dir.history, record)
            append_probes(self.dir.probes, step.probe_rows)
        logs.epoch(record)
        row, monitor = record.to_row(), self.config.monitor
        self.warnings += map(warning_text, self.watch.observe(row, step.probe_rows))
        value, best = row[monitor], None if self.best is None else self.best[monitor]
        if best is None or (value is not None and is_better(value, best, higher_is_better(monitor))):
            self.best = row
            self.save_weights(self.dir.best, keep_previous=self.dir.best_prev if keep_best else None)

    def _close_early(self, step: Step, logs: Logs) -> Step:
        """End a run within an epoch: keep the place for resuming, then validate what there is.

        A run resumed from there comes to the bits of one that never stopped: it drops this row, and takes back the
        best weights that these displaced.
        """
        self._check_finite(step)
        self.save_last()
        closing = close_epoch(self.parts, self.position, Clock(self.position), step.lr)
        assert closing.record is not None, "a closed epoch has a record"
        self._write_record(closing.record, closing, logs, keep_best=True)
        return closing

    def _compare_hidden(self, step: Step) -> None:
        """Report, after the first steps and each epoch, what the network keeps and no checkpoint holds."""
        if self.parts.hidden is None:
            return
        if step.record is not None:  # the checkpoints have just compared it
            self.messages.extend(self.parts.hidden.warnings())
        elif step.step - self.start_step <= _STEPS_COMPARED:
            self.parts.hidden.compare()
            self.messages.extend(self.parts.hidden.warnings())

    def _is_numbered(self, step: Step) -> bool:
        """Return whether --save-every asks for a checkpoint after this step."""
        if self.config.save_every is None:
            return False
        every, by_epoch = parse_save_every(self.config.save_every)
        if by_epoch:
            return step.record is not None and step.epoch % every == 0
        return step.step % every == 0

    def _save_numbered(self, step: Step) -> None:
        self.save_weights(self.dir.numbered(step.step))
        if self.config.keep is not None and self._writes:
            self.dir.keep_newest(self.config.keep)

    def _is_read(self, step: Step) -> bool:
        """Return whether this step is read from the device whenever it comes: it ends an epoch, or is logged."""
        every = self.config.log_every
        return step.record is not None or (every is not None and step.step % every == 0)

    def _read(self, step: Step) -> Reading:
        if self.parts.guard.skipped():
            raise stop_diverged(self, step, "step")
        loss, metric = step.running.read()
        step.running.settle()
        return Reading(loss, metric, step.running.last_loss())

    def _interrupted(self, signal_number: int) -> InterruptedRun:
        name = "Ctrl-C" if signal_number == signal.SIGINT else signal.Signals(signal_number).name
        return InterruptedRun(
            signal_number,
            f"stopped by {name} after step {self.position.step}; everything is saved in {self.dir.last}",
            f"continue with dlkit train --resume {shlex.quote(str(self.dir.path))}",
        )

    def _draw_and_diagnose(self) -> None:
        """Plot the history, keep what the rules find in the whole run, and report what is wrong."""
        if not self._writes:
            return
        if self.config.plot:
            from dlkit.plotting.history.of_run import draw_run

            draw_run(self.dir)
        findings, new = self.watch.finish()
        write_file(self.dir.findings, to_json(str(self.dir.path), findings).encode())
        self.warnings += map(warning_text, new)
        if any(finding.level == "warning" for finding in findings):
            self.messages.append(f"dlkit inspect run {shlex.quote(str(self.dir.path))} says why")


def start_run(
    config: TrainConfig, out: Path | None = None, *, force: bool = False, joined: Joined | None = None
) -> TrainRun:
    """Return a new run.

    Args:
        config: The settings.
        out: The run folder; None takes the next free `runs/MODEL-DATA-NNN`.
        force: Replace the run in the folder.
        joined: The other processes that train with this one; None where it trains alone.

    Raises:
        DlkitError: The device, the data or the folder is not available; see the tree in `dlkit.errors`.
    """
    check_logs(parse_log(config.log))
    assembly = assemble_new(config, joined)
    config, code = assembly.config, parse_code(config.model)
    name = f"{config.model if code is None else code.name}-{parse_spec(config.data).name}"
    group = assembly.parts.group
    run_dir = group.broadcast(create_run(out, name, force=force) if group.writes else RunDir(Path()))
    stop_rule = StopRule(config, assembly.parts.steps_per_epoch)
    run = TrainRun(dir=run_dir, assembly=assembly, position=Position(), stop_rule=stop_rule, force=force)
    run.notes.extend(run.notes_on_folder() if group.writes else ())
    return run
