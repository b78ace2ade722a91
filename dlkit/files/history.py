"""One row of history.csv for each epoch, and one of probes.csv for each sampled signal: append, read, cut back."""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError, did_you_mean, file_error, printable
from dlkit.files.atomic import append_line, back_up, write_file
from dlkit.files.csv_text import csv_text
from dlkit.files.json_history import json_rows

PROBE_COLUMNS = ("step", "layer", "signal", "value")
_BEFORE_METRIC = ("epoch", "step", "seconds", "lr", "train_loss", "val_loss")
_AFTER_METRIC = ("grad_norm", "update_ratio", "samples_per_second", "memory_mib")
OWN_COLUMNS = (*_BEFORE_METRIC, *_AFTER_METRIC)


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """What one epoch came to; None is "not measured".

    Args:
        epoch: Number of the epoch, from 1.
        step: Optimizer steps taken since the start of the run.
        seconds: Wall time of the run until here.
        lr: Learning rate of the last step.
        metric: Name of the metric, e.g. `accuracy`.
        train_loss: Mean loss over the training samples as they were seen.
        val_loss: Mean loss over the validation split after the epoch.
        train_metric: The metric over the training samples as they were seen.
        val_metric: The metric over the validation split.
        monitored: Name of a metric beside that one, which --monitor asks for; empty for none.
        train_monitored: That metric over the training samples.
        val_monitored: That metric over the validation split.
        grad_norm: Mean over the sampled steps of the gradient's Euclidean norm.
        update_ratio: Mean over the sampled steps of the update's norm over the weights' norm.
        samples_per_second: Training samples a second, validation left out.
        memory_mib: Peak memory of the device in use, MiB.
    """

    epoch: int
    step: int
    seconds: float
    lr: float
    metric: str
    train_loss: float | None
    val_loss: float | None
    train_metric: float | None
    val_metric: float | None
    grad_norm: float | None
    update_ratio: float | None
    samples_per_second: float | None
    memory_mib: float | None
    monitored: str = ""
    train_monitored: float | None = None
    val_monitored: float | None = None

    def to_row(self) -> dict[str, int | float | None]:
        """Return the values by their column in history.csv."""
        monitored = {
            f"train_{self.monitored}": self.train_monitored,
            f"val_{self.monitored}": self.val_monitored,
        }
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": round(self.seconds, 3),
            "lr": self.lr,
            "train_loss": self.train_loss,
            "val_loss": self.val_loss,
            f"train_{self.metric}": self.train_metric,
            f"val_{self.metric}": self.val_metric,
            **(monitored if self.monitored else {}),
            "grad_norm": self.grad_norm,
            "update_ratio": self.update_ratio,
            "samples_per_second": None
            if self.samples_per_second is None
            else round(self.samples_per_second, 1),
            "memory_mib": None if self.memory_mib is None else round(self.memory_mib, 1),
        }


@dataclass(frozen=True)
class History:
    """A history.csv as columns: numbers by column name, None where a cell is empty."""

    columns: Mapping[str, list[float | None]]

    @property
    def metric(self) -> str | None:
        """Name of the metric beside the loss, if there is one."""
        names = [
            name.removeprefix("val_")
            for name in self.columns
            if name.startswith("val_") and name != "val_loss"
        ]
        return names[0] if names else None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def best_row(self) -> int | None:
        """Return the row with the lowest finite validation loss, the first of equals; None if there is none."""
        values = self.columns.get("val_loss", [])
        finite = [
            (value, row) for row, value in enumerate(values) if value is not None and math.isfinite(value)
        ]
        return min(finite)[1] if finite else None


def append_record(path: Path, record: EpochRecord) -> None:
    """Append one epoch to a history.csv, with the header if the file is new.

    Raises:
        DlkitError: The file cannot be written.
        DataError: The file has other columns.
    """
    row = record.to_row()
    _append(path, list(row), [[_cell(value) for value in row.values()]])


def append_probes(path: Path, rows: Iterable[tuple[int, str, str, float]]) -> None:
    """Append sampled signals to a probes.csv: step, layer, signal, value.

    Raises:
        DlkitError: The file cannot be written.
        DataError: The file has other columns.
    """
    cells = [[str(step), layer, signal, _cell(value)] for step, layer, signal, value in rows]
    _append(path, PROBE_COLUMNS, cells)


def read_history(path: Path) -> History:
    """Read a history.csv, also one that is being written: a cut-off last line is left out.

    Raises:
        DataError: The file is missing, has no row, or is no history of a training run.
    """
    return parse_history(path, *read_rows(path))


def parse_history(path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]) -> History:
    """Make a history of what `read_rows` gave.

    Raises:
        DataError: There is no row, or they are not of a training run.
    """
    if "epoch" not in header or not {"train_loss", "val_loss"} & set(header):
        missing = [name for name in ("epoch", "train_loss", "val_loss") if name not in header]
        raise DataError(
            f"{path} is not a history.csv: it has no column {', '.join(missing)}; its columns are {_listed(header)}",
            did_you_mean(missing[0], header) or "dlkit train writes one into its run folder",
        )
    if not rows:
        raise DataError(f"{path} has no epochs yet", "a row is written when an epoch ends")
    columns: dict[str, list[float | None]] = {name: [] for name in header}
    for line, row in rows:
        for name, cell in zip(header, row, strict=True):
            try:
                columns[name].append(float(cell) if cell else None)
            except ValueError:
                raise DataError(
                    f"{path} line {line}: {printable(name)} is '{printable(cell)}', not a number"
                ) from None
    return History(columns)


def read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a CSV's header and its rows with their line numbers, without a last line that was cut off; or those of JSON.

    Raises:
        DataError: The file is missing or empty, no text, repeats a column, or has a row of another length.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as err:
        raise DataError(f"no file at {path}", "history.csv is in the run folder") from err
    except UnicodeDecodeError as err:
        raise DataError(f"{path} is not text: byte {err.start} is not UTF-8") from err
    except OSError as err:
        raise _unreadable(err, path) from err
    if text.lstrip()[:1] in ("{", "["):
        return json_rows(text, path)
    mark = _delimiter(text)
    if mark == "\t":  # a table that a command printed into a pipe: an empty line ends it
        text = re.sub(r"(\n)\r?\n.*", r"\1", text, flags=re.DOTALL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as err:
        raise DataError(f"{path} line {reader.line_num} is not CSV: {err}") from err
    if not lines:
        raise DataError(f"{path} is empty")
    header = lines[0][1]
    if len(set(header)) != len(header):
        raise DataError(f"{path} names a column twice: {_listed(header)}")
    rows = lines[1:]
    if rows and not text.endswith(("\n", "\r")):
        rows.pop()
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path} line {line} has {len(row)} cells; the header has {len(header)}")
    return header, rows


def cut_back(path: Path, step: int) -> None:
    """Drop the rows past a step, repeated headers and a cut-off last line.

    The file as it was before is kept in `<name>.bak`, or `<name>.bak-2` where there is one already.

    Raises:
        DataError: The file is not a history.csv or probes.csv that dlkit wrote.
        DlkitError: It cannot be written.
    """
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as err:
        raise _unreadable(err, path) from err
    if b"\n" not in before:
        if before:
            back_up(path, before)
            write_file(path, b"")
        return
    header, rows = read_rows(path)
    if not is_ours(header):
        raise DataError(
            f"{path} is not a file that this run wrote: its columns are {_listed(header)}",
            "move it away to continue",
        )
    column = header.index("step")
    kept = [row for _, row in rows if row[column].isdecimal() and int(row[column]) <= step]
    text = csv_text([header, *kept])
    if text.encode() != before:
        back_up(path, before)
        write_file(path, text.encode())


def _delimiter(text: str) -> str:
    """Return what separates the cells: a comma, or a tab or semicolon where the header has no comma."""
    header = text.lstrip().partition("\n")[0]
    return next((mark for mark in "\t;" if mark in header and "," not in header), ",")


def _unreadable(err: OSError, path: Path) -> DataError:
    error = file_error(err, path, "read")
    return DataError(error.message, error.hint)


def is_ours(header: Sequence[str]) -> bool:
    """Return whether a header is that of a history.csv or probes.csv that dlkit wrote."""
    if tuple(header) == PROBE_COLUMNS:
        return True
    before, after = len(_BEFORE_METRIC), len(_AFTER_METRIC)
    metrics = header[before:-after]
    names = [name.partition("_")[2] for name in metrics[::2]]
    return (
        tuple(header[:before]) == _BEFORE_METRIC
        and tuple(header[-after:]) == _AFTER_METRIC
        and bool(names)
        and list(metrics) == [f"{split}_{name}" for name in names for split in ("train", "val")]
    )


def _append(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    found = _header_line(path)
    if not found:
        rows = [header, *rows]
    elif found != list(header):
        raise DataError(
            f"{path} has the columns {_listed(found)}; this run writes {', '.join(header)}",
            "move the file away to continue",
        )
    append_line(path, csv_text(rows))


def _header_line(path: Path) -> list[str]:
    """Return the columns of a CSV; none where there is no file, or an empty one."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return next(csv.reader(file), [])
    except FileNotFoundError:
        return []
    except csv.Error as err:
        raise DataError(f"{path} line 1 is not CSV: {err}") from err
    except OSError as err:
        raise file_error(err, path, "append to") from err


def _listed(names: Sequence[str]) -> str:
    return printable(", ".join(names), limit=200)


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
