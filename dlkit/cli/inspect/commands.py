"""dlkit inspect: the contents of a checkpoint, and statistics of its layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.inspect.lr import lr
from dlkit.cli.inspect.nan import nan
from dlkit.cli.options import (
    BatchesOption,
    Checkpoint,
    DataOption,
    DeviceOption,
    SplitOption,
    TargetOption,
    add_command,
    command_group,
)
from dlkit.cli.own_code import ModelOption, check_named, check_options, load_checkpoints
from dlkit.errors import CheckpointError, ConfigError, did_you_mean, printable
from dlkit.files.run_dir import RunDir
from dlkit.inspection.contents import TENSOR_COLUMNS, read_contents
from dlkit.inspection.layer_table import COLUMNS, Row, arrange, check_column, select_layers, to_csv
from dlkit.plotting.figure_file import FIGURE_SUFFIXES
from dlkit.settings.catalogue import DATA
from dlkit.settings.checks import check_device
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import parse_arguments, resolve
from dlkit.settings.spec import parse_code

if TYPE_CHECKING:
    from torch import Tensor

    from dlkit.files.checkpoint import Checkpoint as LoadedCheckpoint
    from dlkit.files.description import DataDescription
    from dlkit.inspection.subject import Subject

_SPLITS = ("train", "val", "test", "all")
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

app = command_group("inspect", "Look inside: checkpoints, networks, weights, gradients, activations.")


def show(path: Checkpoint) -> None:
    """Show the metadata and tensors of a checkpoint or any safetensors file, from its header alone."""
    contents = read_contents(_file_of(path))
    if console.mode.json:
        console.print_json(contents.to_dict())
        return
    console.print_pairs(contents.to_pairs())
    console.print_line("")
    console.print_table(TENSOR_COLUMNS, [(printable(row[0]), *row[1:]) for row in contents.tensor_rows()])


def model(
    subject: Annotated[
        str, Argument(metavar="CKPT|MODEL", help="A checkpoint, a run folder, or a model name.")
    ],
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    data: DataOption = None,
    target: TargetOption = None,
    code: ModelOption = None,
) -> None:
    """List a model's layers with their output shapes, parameters and FLOPs for one sample."""
    path = Path(subject)
    by_name = subject in MODELS or parse_code(subject) is not None
    if by_name:
        given = {"model": subject, "data": data, "target": target}
        typed = {name: value for name, value in given.items() if value is not None}
        config = resolve(typed, parse_arguments(arguments or []))
        check_named(config, typed)
    elif arguments or data is not None or target is not None:
        raise ConfigError(
            "-s, --data and --target are for a model name; a checkpoint has its own",
            did_you_mean(subject, MODELS) or f"the models are {', '.join(MODELS)}",
        )
    elif not path.exists() and subject == path.stem:
        raise CheckpointError(
            f"{subject} is neither a checkpoint nor a model",
            did_you_mean(subject, MODELS) or f"the models are {', '.join(MODELS)}",
        )

    named = None if by_name else check_options(code, None)

    from dlkit.inputs import zeros
    from dlkit.inspection.summary import summarise
    from dlkit.models.build import build_model, restore_model

    if by_name:
        description, context = _data_of(config)
        network = build_model(config.model, description, config.arguments, context)
    else:
        (checkpoint,) = load_checkpoints([path], named)
        description, network = checkpoint.description, restore_model(checkpoint)
    shape = "x".join(map(str, description.input_shape))
    console.note(f"{subject} on {printable(description.name)}, one sample of {shape}")
    _print_rows("model", summarise(network, zeros(description)))


def weights(
    path: Checkpoint,
    out: OutOption = None,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    model: ModelOption = None,
) -> None:
    """Show statistics of a checkpoint's weights, one row per tensor."""
    _check("weights", path, out, sort)
    code = check_options(model, None)

    from dlkit.inspection.weights import weight_rows, weight_tensors
    from dlkit.models.build import restore_model

    (checkpoint,) = load_checkpoints([path], code)
    found = weight_tensors(restore_model(checkpoint))
    chosen = {name: found[name] for name in select_layers(list(found), layers)}
    _print_or_write("weights", checkpoint, arrange(weight_rows(chosen), sort, top), chosen, out, "")


def grads(
    path: Checkpoint,
    out: OutOption = None,
    batches: BatchesOption = 1,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    split: SplitOption = "train",
    device: DeviceOption = "auto",
    data: DataOption = None,
    model: ModelOption = None,
) -> None:
    """Show statistics of the gradients over real batches, one row per parameter."""
    _check("grads", path, out, sort, split, device)
    code = check_options(model, data)

    from dlkit.inspection.gradients import compute_gradients, gradient_rows

    (checkpoint,) = load_checkpoints([path], code)
    subject, source = _open(checkpoint, data, split, batches, device)
    names = [name for name, parameter in subject.model.named_parameters() if parameter.requires_grad]
    chosen_names = select_layers(names, layers)
    found = compute_gradients(subject.model, subject.batches, subject.loss_fn)
    chosen = {name: found[name] for name in chosen_names}
    _print_or_write(
        "grads", checkpoint, arrange(gradient_rows(subject.model, chosen), sort, top), chosen, out, source
    )


def acts(
    path: Checkpoint,
    out: OutOption = None,
    batches: BatchesOption = 1,
    layers: LayersOption = None,
    sort: SortOption = None,
    top: TopOption = None,
    split: SplitOption = "train",
    device: DeviceOption = "auto",
    data: DataOption = None,
    model: ModelOption = None,
) -> None:
    """Show statistics of each layer's outputs over real batches, including dead and saturated units."""
    _check("acts", path, out, sort, split, device)
    code = check_options(model, data)

    from dlkit.inspection.activations import ActivationRecorder

    (checkpoint,) = load_checkpoints([path], code)
    subject, source = _open(checkpoint, data, split, batches, device)
    recorder = ActivationRecorder(keep_outputs=out is not None and out.suffix.lower() == ".safetensors")
    recorder.watch(subject.model, subject.batches)
    rows = {str(row["layer"]): row for row in recorder.rows()}
    chosen = [rows[name] for name in select_layers(list(rows), layers)]
    _print_or_write("acts", checkpoint, arrange(chosen, sort, top), recorder.outputs(), out, source)


for function in (show, model, weights, grads, acts, lr, nan):
    add_command(app, function.__name__, function)


def _file_of(path: Path) -> Path:
    return RunDir(path).best if path.is_dir() else path


def _check(
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
    if out is not None and out.suffix.lower() not in _SUFFIXES:
        faults.append(
            ConfigError(
                f"-o {out} does not end in {', '.join(_SUFFIXES)}",
                did_you_mean(out.suffix.lower(), _SUFFIXES) or f"for example -o {kind}.csv",
            )
        )
    elif out is not None and _is_of_a_run(out, _file_of(path)):
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


def _data_of(config: TrainConfig) -> tuple["DataDescription", Mapping[str, "Tensor"]]:
    """Return the description and context of the data; those in the catalogue are not loaded."""
    from dlkit.files.description import DataDescription

    entry = DATA.get(config.data)
    if entry is None or not entry.input_shape:
        from dlkit.data.kinds import load_dataset

        with show_preparing():
            dataset = load_dataset(config)
        return dataset.description, dataset.context
    description = DataDescription(
        name=config.data,
        task=entry.task,
        input_shape=entry.input_shape,
        class_names=entry.class_names,
        split_sizes={},
    )
    return description, {}


def _open(
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


def _print_or_write(
    kind: str,
    checkpoint: "LoadedCheckpoint",
    rows: Sequence[Row],
    tensors: Mapping[str, "Tensor"],
    out: Path | None,
    source: str,
) -> None:
    """Print the rows, or write them, their tensors or a plot."""
    if out is None:
        _print_rows(kind, rows)
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
        from dlkit.plotting.figure_file import save_figure
        from dlkit.plotting.layers import plot_layers

        over = f", {source}" if source else ""
        save_figure(
            plot_layers(rows, title=f"{kind} of {printable(checkpoint.config.model_name)}{over}"), out
        )
    console.print_paths([out])


def _print_rows(kind: str, rows: Sequence[Row]) -> None:
    columns = COLUMNS[kind]
    console.print_table(columns, [[row[column] for column in columns] for row in rows])
