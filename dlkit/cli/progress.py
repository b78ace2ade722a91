"""What training shows while it runs: bars on a terminal, a plain line per epoch elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dlkit.cli import console
from dlkit.cli.tables import fitting

if TYPE_CHECKING:
    from dlkit.training.loop import Reading, Step
    from dlkit.training.run import TrainRun

_SECONDS_BETWEEN_LINES = 60.0
_WIDE = 110
_WIDE_BAR, _NARROW_BAR = 24, 10
_BLANKS = 4  # between the columns of a bar


class Display(Protocol):
    """Something that shows how training goes."""

    def update(self, step: "Step", reading: "Reading | None") -> None:
        """Show a step; a reading comes with it at most ten times a second."""


@contextmanager
def show_progress(run: "TrainRun") -> Iterator[Display]:
    """Show the bars on a terminal, plain lines elsewhere, nothing with --quiet."""
    if console.mode.quiet:
        yield _Silent()
    elif console.stderr().is_terminal and not console.stderr().is_dumb_terminal:
        bars = _Bars(run)
        with bars.progress:
            yield bars
    else:
        yield _Lines(run)


class _Silent:
    def update(self, step: "Step", reading: "Reading | None") -> None:
        """Show nothing."""


class _Lines:
    """One line an epoch, at least one a minute, and one every --log-every steps."""

    def __init__(self, run: "TrainRun") -> None:
        self._run = run
        self._speed = _Speed(run)
        self._last_line = time.monotonic()

    def update(self, step: "Step", reading: "Reading | None") -> None:
        if reading is None:
            return
        left = self._speed.seconds_left(step.step)
        now = time.monotonic()
        if line := _requested_line(self._run, step, reading):
            console.note(line)
        elif step.record is None and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            console.note(
                f"epoch {step.epoch}/{self._run.config.epochs} step {step.in_epoch}/{self._run.steps_per_epoch} "
                f"loss {console.figure(reading.loss)} {self._run.metric} {console.figure(reading.metric)} "
                f"{left:.0f} s left"
            )
        elif step.record is None:
            return
        if step.record is not None:
            console.note("  ".join(_epoch_pieces(self._run, step)))
        self._last_line = now


class _Bars:
    """An epoch bar and a batch bar, with the newest figures beside them."""

    def __init__(self, run: "TrainRun") -> None:
        self._run = run
        self._speed = _Speed(run)
        self._bar_width = _WIDE_BAR if console.stderr().width >= _WIDE else _NARROW_BAR
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=self._bar_width),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[figures]}"),
            console=console.stderr(),
            refresh_per_second=10,
        )
        done = run.start_step // run.steps_per_epoch
        self._epochs = self.progress.add_task("epoch", total=run.config.epochs, completed=done, figures="")
        self._batches = self.progress.add_task("batch", total=run.steps_per_epoch, figures="")

    def update(self, step: "Step", reading: "Reading | None") -> None:
        if reading is None:
            return
        width = console.stderr().width
        if line := _requested_line(self._run, step, reading):
            self.progress.console.print(line)
        if step.record is not None:
            self.progress.console.print(fitting(_epoch_pieces(self._run, step), width))
        pieces = (
            "",
            f"loss {console.figure(reading.loss)}",
            f"{self._run.metric} {console.figure(reading.metric)}",
            f"{self._speed.samples_per_second(step.step):,.0f} samples/s",
            f"lr {step.lr:.3g}",
        )
        counts = 2 * len(str(max(self._run.steps_per_epoch, self._run.config.epochs))) + 1
        room = width - len("epoch") - self._bar_width - counts - len("0:00:00") - _BLANKS
        self.progress.update(
            self._batches, completed=step.in_epoch, figures=fitting(pieces, room + 2).removeprefix("  ")
        )
        self.progress.update(self._epochs, completed=step.step / self._run.steps_per_epoch)


class _Speed:
    """How fast it goes, since the first step that was shown: the step before it pays for what torch loads late."""

    def __init__(self, run: "TrainRun") -> None:
        self._run = run
        self._first: tuple[int, float] | None = None

    def samples_per_second(self, step: int) -> float:
        config = self._run.config
        steps, seconds = self._since_first(step)
        return steps * config.batch_size * config.accumulate / seconds

    def seconds_left(self, step: int) -> float:
        steps, seconds = self._since_first(step)
        return (self._run.total_steps - step) * seconds / max(1, steps)

    def _since_first(self, step: int) -> tuple[int, float]:
        now = time.monotonic()
        if self._first is None:
            self._first = (step, now)
        first_step, start = self._first
        return step - first_step, max(1e-9, now - start)


def _requested_line(run: "TrainRun", step: "Step", reading: "Reading") -> str:
    """Return the line that --log-every requests at this step, as tutorials print it; empty at others."""
    every = run.config.log_every
    if every is None or step.step % every:
        return ""
    place = f"epoch {step.epoch} [{step.in_epoch}/{run.steps_per_epoch}]"
    return f"{place} step {step.step} loss {console.figure(reading.last_loss)}"


def _epoch_pieces(run: "TrainRun", step: "Step") -> tuple[str, ...]:
    """Return the figures of an epoch, those most wanted first."""
    record = step.record
    assert record is not None, "only the last step of an epoch has a line"
    return (
        f"epoch {record.epoch}/{run.config.epochs}",
        f"loss {console.figure(record.train_loss)}",
        f"{run.metric} {console.figure(record.train_metric)}",
        f"val loss {console.figure(record.val_loss)}",
        f"val {run.metric} {console.figure(record.val_metric)}",
        f"lr {record.lr:.3g}",
        f"{record.samples_per_second or 0:,.0f} samples/s",
    )
