"""What the tables of layers share: their options, the checks before torch loads, printing and writing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.files.run_dir import RunDir
from dlkit.inspection.layer_table import COLUMNS, Row, check_column, to_csv
from dlkit.plotting.figure_file import FIGURE_SUFFIXES
from dlkit.settings.checks import check_device

if TYPE_CHECKING:
    from torch import Tensor

    from dlkit.files.checkpoint import Checkpoint as LoadedCheckpoint
    from dlkit.inspection.subject import Subject

_SPLITS = ("train", "val", "test", "all")
_WRITES: Mapping[str, tuple[str, ...]] = {
    "updates": (".csv", *FIGURE_SUFFIXES),
    "check": (".csv",),
}
_SUFFIXES = (".csv", ".safetensors", *FIGURE_SUFFIXES)

OutOption = Annotated[
    Path | None,
    Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Write instead of printing: .csv for statistics, .safetensors for tensors, .png, .svg or .pdf for a plot.",
    ),
]
LayersOption = Annotated[
    str | None,
    Option("--layers", metavar="GLOB", help="Only layers whose name matches, for example '*.weight'."),
]
SortOption = Annotated[
    str | None, Option("--sort", metavar="COLUMN", help="Sort by a column, largest first.")
]
TopOption = Annotated[int | None, Option("--top", min=1, metavar="N", help="Only the first N rows.")]


def file_of(path: Path) -> Path:
    """Return a checkpoint's file; a run folder stands for its best one."""
    return RunDir(path).best if path.is_dir() else path


def check_asked(
    kind: str, path: Path, out: Path | None, sort: str | None, split: str = "train", device: str = "auto"
) -> None:
    """Check all options at once, before torch is imported."""
    faults = list(check_device(device))
    try:
        check_column(kind, sort)
    except ConfigError as err:
        faults.append(err)
    if split not in _SPLITS:
        faults.append(
            ConfigError(
                f"--split {split} is not known; choose from {', '.join(_SPLITS)}",
                did_you_mean(split, _SPLITS),
            )
        )
    suffixes = _WRITES.get(kind, _SUFFIXES)
    if out is not None and out.suffix.lower() not in suffixes:
        faults.append(
            ConfigError(
                f"-o {out} does not end in {', '.join(suffixes)}",
                did_you_mean(out.suffix.lower(), suffixes) or f"for example -o {kind}.csv",
            )
        )
    elif out is not None and _is_of_a_run(out, file_of(path)):
        faults.append(
            ConfigError(
                f"-o {out} would overwrite a file of a run", f"choose another name, e.g. {kind}{out.suffix}"
            )
        )
    if faults:
        raise ConfigError.of(faults)


def _is_of_a_run(out: Path, checkpoint: Path) -> bool:
    if not out.exists():
        return False
    run = RunDir(out.parent)
    is_run = run.best.exists() or run.last.exists()
    files = [checkpoint, *(run.files() if is_run else [])]
    return any(file.exists() and file.samefile(out) for file in files)


def open_on(
    checkpoint: "LoadedCheckpoint", data: str | None, split: str, batches: int, device: str
) -> tuple["Subject", str]:
    """Return the model of a checkpoint with batches, and a text that describes the batches."""
    from dlkit.device import device_label, pick_device
    from dlkit.inspection.subject import open_subject

    where = pick_device(device)
    with show_preparing():
        subject = open_subject(checkpoint, split, batches, where, data)
    count = len(subject.batches)
    source = (
        f"{subject.num_samples:,} samples ({count} batch{'es' if count > 1 else ''}) "
        f"of {printable(data or checkpoint.description.name)} {split}"
    )
    console.note(f"{source}, on {device_label(where)}")
    if count < batches:
        console.warn(f"--batches {batches}: the {split} split has only {count}")
    return subject, source


def print_or_write(
    kind: str,
    checkpoint: "LoadedCheckpoint",
    rows: Sequence[Row],
    tensors: Mapping[str, "Tensor"],
    out: Path | None,
    source: str,
    samples: Mapping[str, "Tensor"] | None = None,
) -> None:
    """Print the rows, or write them, their tensors or a plot.

    Args:
        kind: The table, a key of `COLUMNS`.
        checkpoint: What was inspected.
        rows: Its layers.
        tensors: By layer, for a file of tensors.
        out: The file; None prints.
        source: What the rows are over; empty for the weights themselves.
        samples: Values by layer, for histograms; None takes the tensors.
    """
    if out is None:
        print_rows(kind, rows)
        return
    suffix = out.suffix.lower()
    if suffix == ".csv":
        from dlkit.files.atomic import write_file

        write_file(out, to_csv(COLUMNS[kind], rows))
    elif suffix == ".safetensors":
        from dlkit.files.tensor_file import write_tensors

        metadata: dict[str, Any] = {"inspected": kind, "checkpoint": str(checkpoint.path), "over": source}
        write_tensors(out, {str(row["layer"]): tensors[str(row["layer"])] for row in rows}, metadata)
    else:
        from dlkit.inspection.distribution import sample_values
        from dlkit.plotting.figure_file import save_figure
        from dlkit.plotting.layers.statistics import plot_layers

        over = f", {source}" if source else ""
        title = f"{kind} of {printable(checkpoint.config.model_name)}{over}"
        values = {name: sample_values(tensor).numpy() for name, tensor in (samples or tensors).items()}
        save_figure(plot_layers(rows, title=title, values=values), out)
    console.print_paths([out])


def print_rows(kind: str, rows: Sequence[Row]) -> None:
    """Print rows with the columns of their table."""
    columns = COLUMNS[kind]
    console.print_table(columns, [[row[column] for column in columns] for row in rows])
