"""--log: readings and epochs for TensorBoard, and as lines of JSON."""

import importlib.util
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from dlkit.errors import DataError, MissingError, file_error
from dlkit.files.atomic import write_file
from dlkit.files.history import EpochRecord
from dlkit.files.run_dir import RunDir
from dlkit.training.loop import Position, Reading, Step

_SHARE_OF_TIME = 1e-3
_WORDS = {"mae": "MAE"}
_FLUSH_SECONDS = 10


class Log(Protocol):
    """Something that records readings and epochs."""

    def reading(self, step: Step, reading: Reading, seconds: float) -> None:
        """Record a reading within an epoch, or at its end."""

    def epoch(self, record: EpochRecord) -> None:
        """Record an epoch."""

    def close(self) -> None:
        """Write what is buffered."""


class Logs(AbstractContextManager["Logs"]):
    """The logs of a run. Nothing is read from the device for them: they take what the display reads anyway.

    Without --log-every, readings further apart as the run gets longer are enough: a tenth of a second, then a
    thousandth of the run's time.

    Args:
        logs: Where it all goes.
        every: --log-every, whose steps alone are taken; None takes any.
    """

    def __init__(self, logs: Sequence[Log], every: int | None = None) -> None:
        self._logs = logs
        self._every = every
        self._next_seconds = 0.0

    def reading(self, step: Step, reading: Reading, seconds: float) -> None:
        """Record a reading, if it is due or closes an epoch."""
        if step.record is None:
            if self._every is None and seconds < self._next_seconds:
                return
            if self._every is not None and step.step % self._every:
                return
        self._next_seconds = seconds * (1 + _SHARE_OF_TIME)
        for log in self._logs:
            log.reading(step, reading, seconds)

    def epoch(self, record: EpochRecord) -> None:
        """Record an epoch."""
        for log in self._logs:
            log.epoch(record)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for log in self._logs:
            log.close()


class JsonLines:
    """One JSON object a line: `"kind": "step"` for a reading, `"kind": "epoch"` for an epoch.

    Args:
        path: The file; appended to.
        metric: Name of the metric.

    Raises:
        DlkitError: It cannot be opened.
    """

    def __init__(self, path: Path, metric: str) -> None:
        self._path = path
        self._metric = metric
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise file_error(err, path, "open") from err

    def reading(self, step: Step, reading: Reading, seconds: float) -> None:
        """Write a line."""
        line = {"kind": "step", "epoch": step.epoch, "step": step.step, "seconds": round(seconds, 3)}
        newest = {"lr": step.lr, "batch_loss": reading.last_loss}
        self._write({**line, **newest, "train_loss": reading.loss, f"train_{self._metric}": reading.metric})

    def epoch(self, record: EpochRecord) -> None:
        """Write a line."""
        self._write({"kind": "epoch", **record.to_row()})

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, values: Mapping[str, Any]) -> None:
        numbers = {name: _finite(value) for name, value in values.items()}
        line = memoryview(f"{json.dumps(numbers)}\n".encode())
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as err:
            raise file_error(err, self._path, "append to", needed=len(line)) from err


class TensorBoard:
    """Scalars over steps: `Loss/train` and `Accuracy/train` at readings, `Loss/val` and the like after each epoch.

    Args:
        folder: The run folder, so that `tensorboard --logdir runs` finds it.
        metric: Name of the metric.
        first_step: Step to continue from; what an earlier process wrote from there on is purged.

    Raises:
        DlkitError: The file cannot be opened.
    """

    def __init__(self, folder: Path, metric: str, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        self._word = _WORDS.get(metric, metric.capitalize())
        try:
            self._writer = SummaryWriter(
                str(folder), purge_step=first_step or None, flush_secs=_FLUSH_SECONDS
            )
        except OSError as err:
            raise file_error(err, folder, "write events into") from err

    def reading(self, step: Step, reading: Reading, seconds: float) -> None:  # noqa: ARG002 - the clock is its own
        """Write the newest batch's loss, the epoch's metric so far, and the rate."""
        values = {
            "Loss/train": reading.last_loss,
            f"{self._word}/train": reading.metric,
            "Optimizer/lr": step.lr,
        }
        self._add(values, step.step)

    def epoch(self, record: EpochRecord) -> None:
        """Write the results of the epoch."""
        values = {
            "Loss/val": record.val_loss,
            f"{self._word}/val": record.val_metric,
            "Loss/train_epoch": record.train_loss,
            f"{self._word}/train_epoch": record.train_metric,
            "Optimizer/grad_norm": record.grad_norm,
            "Optimizer/update_ratio": record.update_ratio,
            "Machine/samples_per_second": record.samples_per_second,
            "Machine/memory_mib": record.memory_mib,
        }
        if record.monitored:
            word = _WORDS.get(record.monitored, record.monitored.capitalize())
            values |= {f"{word}/val": record.val_monitored, f"{word}/train_epoch": record.train_monitored}
        self._add(values, record.step)

    def close(self) -> None:
        """Write what is buffered and close the file."""
        try:
            self._writer.close()
        except OSError as err:
            raise file_error(err, self._folder, "write events into") from err

    def _add(self, values: Mapping[str, float | None], step: int) -> None:
        try:
            for tag, value in values.items():
                if value is not None:
                    self._writer.add_scalar(tag, value, step)
        except OSError as err:
            raise file_error(err, self._folder, "write events into") from err


def _finite(value: Any) -> Any:
    """Put None in the place of NaN and infinities, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_logs(names: Sequence[str], *, has_tensorboard: bool | None = None) -> None:
    """Check that what the logs need is installed.

    Args:
        names: Of `tensorboard` and `jsonl`.
        has_tensorboard: Whether the package is here; None looks.

    Raises:
        MissingError: It is not.
    """
    if has_tensorboard is None:
        has_tensorboard = importlib.util.find_spec("tensorboard") is not None
    if "tensorboard" in names and not has_tensorboard:
        raise MissingError(
            "--log tensorboard needs the package tensorboard, which is not installed",
            "pip install 'dlkit[tensorboard]'; --log jsonl needs no package",
        )


def open_logs(
    names: Sequence[str], run_dir: RunDir, metric: str, position: Position, every: int | None = None
) -> Logs:
    """Open the logs of a run that is at a position; later steps in them are dropped.

    Raises:
        DlkitError: A file cannot be written.
        DataError: log.jsonl is another program's.
    """
    logs: list[Log] = []
    if "jsonl" in names:
        cut_back_lines(run_dir.log_lines, position)
        logs.append(JsonLines(run_dir.log_lines, metric))
    if "tensorboard" in names:
        logs.append(TensorBoard(run_dir.path, metric, position.step + 1 if position.step else 0))
    return Logs(logs, every)


def cut_back_lines(path: Path, position: Position) -> None:
    """Drop the lines past a position and a last line that was cut off.

    Raises:
        DataError: The file cannot be read or is none that dlkit wrote.
        DlkitError: It cannot be written.
    """
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as err:
        raise DataError(f"cannot read {path}: {err.strerror}") from err
    whole, _, _ = before.rpartition(b"\n")
    lines = whole.splitlines(keepends=True) if whole else []
    kept = b"".join(line for number, line in enumerate(lines, 1) if _is_before(line, number, path, position))
    if kept and not kept.endswith(b"\n"):
        kept += b"\n"
    if kept != before:
        write_file(path, kept)


def _is_before(line: bytes, number: int, path: Path, position: Position) -> bool:
    """Return whether a line belongs to a step or an epoch that is done."""
    try:
        values = json.loads(line)
        kind, epoch, step = values["kind"], int(values["epoch"]), int(values["step"])
    except (ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{path} line {number} is not a line that dlkit wrote", "move the file away to continue"
        ) from err
    return epoch < position.epoch if kind == "epoch" else step <= position.step
