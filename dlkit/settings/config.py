"""TrainConfig: every setting of a training run with its default, its allowed values and its help text."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dlkit.errors import ConfigError
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.kinds import ARRAY_LAYOUTS, FOLDER_LAYOUTS
from dlkit.settings.models import MODELS
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.settings.spec import parse_code
from dlkit.settings.texts import parse_normalize

DATA_PANEL, OPTIMISE_PANEL, STOP_PANEL = "Data", "Optimise", "Stop and save"
COMPUTE_PANEL, WATCH_PANEL = "Compute", "Watch"
TABLE_PANEL, SPATIAL_PANEL = "Tables", "Points (spatial)"
SCHEDULES = ("none", "step", "exponential", "cosine", "plateau", "cyclic", "onecycle", "polynomial")
LAYOUTS = ("auto", *FOLDER_LAYOUTS, *ARRAY_LAYOUTS)
CENSORED = ("half", "value", "drop")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def _setting(
    default: Any,
    help: str,  # noqa: A002 - the name that Typer and argparse use
    *,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Collection[str] = (),
    hint: str = "",
    panel: str | None = None,
    short: str | None = None,
) -> Any:
    """Declare one setting: its default, help text, allowed values, and the help panel of its option."""
    checks = {"low": low, "above": above, "below": below, "choices": choices, "hint": hint}
    return dataclasses.field(
        default=default, metadata={"help": help, "panel": panel, "short": short, **checks}
    )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training run, resolved and checked; see `resolve`."""

    model: str = _setting(
        "",
        "mlp, cnn, spatial, pbpk, a torchvision network, or file.py:Class.",
        choices=MODELS,
        hint="for example dlkit train mlp; --resume RUN continues a run",
    )
    arguments: Mapping[str, ArgumentValue] = dataclasses.field(default_factory=dict)
    data: str = _setting(
        "",
        "A built-in data set, .csv, .csv.gz, .tsv, .parquet, .npz, .npy, an image folder, file.py:function or -.",
        short="-d",
    )
    epochs: int = _setting(10, "Passes over the training split.", low=1)
    lr: float = _setting(0.01, "Learning rate.", above=0, hint="0.01 suits sgd, 0.001 adam and adamw")
    batch_size: int = _setting(64, "Batch size: samples per step.", low=1, short="-b")
    optimizer: str = _setting(
        "sgd", f"{', '.join([*OPTIMIZERS][:-1])} or {[*OPTIMIZERS][-1]}.", choices=OPTIMIZERS
    )
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps.")

    target: str | None = _setting(None, "The column to predict.", panel=DATA_PANEL)
    features: str | None = _setting(
        None, "The feature columns: A,B,C; by default all others.", panel=DATA_PANEL
    )
    decimal: str | None = _setting(
        None,
        "Decimal separator of a table: , or . (detected where possible).",
        panel=TABLE_PANEL,
    )
    thousands: str | None = _setting(
        None,
        "Thousands separator of a table: , . ' or a space (detected where possible).",
        panel=TABLE_PANEL,
    )
    bands: str | None = _setting(
        None,
        "The bands of images to use, by number from 1 or by name: 4,3,2.",
        panel=DATA_PANEL,
    )
    layout: str = _setting(
        "auto",
        "Layout of the data: classes or splits (image folders); nchw, nhwc, nhw, ntf or nft (axes of arrays).",
        choices=LAYOUTS,
        panel=DATA_PANEL,
    )
    missing: str | None = _setting(
        None,
        "Codes for missing values: -999,NA,age=99; in addition to empty fields and the usual words.",
        panel=TABLE_PANEL,
    )
    censored: str | None = _setting(
        None,
        "What values like <0.05 become: half (of the limit), value (the limit) or drop (missing).",
        choices=CENSORED,
        panel=TABLE_PANEL,
    )
    dayfirst: bool | None = _setting(
        None, "Read dates with the day before the month where both readings are possible.", panel=TABLE_PANEL
    )
    monthfirst: bool | None = _setting(
        None, "Read dates with the month before the day where both readings are possible.", panel=TABLE_PANEL
    )
    header: bool | None = _setting(
        None,
        "Whether the first line of a table has the names of the columns; without it they are c0, c1, ... "
        "Default: refuse a first line that looks like values.",
        panel=TABLE_PANEL,
    )
    kinds: str | None = _setting(
        None,
        "Kinds of columns that are not what they seem: zip=text,width=number; number, boolean, date or text.",
        panel=TABLE_PANEL,
    )
    task: str = _setting(
        "auto",
        "auto (by the target), classification or regression.",
        choices=("auto", "classification", "regression"),
        panel=DATA_PANEL,
    )
    val: float = _setting(
        0.1,
        "Validation fraction: the part of the training samples kept for validation.",
        above=0,
        below=1,
        hint="0.1 keeps 10 % of the training samples for validation",
        panel=DATA_PANEL,
    )
    test: float = _setting(
        0.1,
        "Fraction kept for testing if the source has no test split.",
        above=0,
        below=1,
        hint="0.1 keeps 10 %",
        panel=DATA_PANEL,
    )
    stratify: bool | None = _setting(
        None,
        "Keep the proportions of the classes, or of the deciles of a numeric target, in every split. "
        "Default: for classes.",
        panel=DATA_PANEL,
    )
    group: str | None = _setting(
        None,
        "A column whose groups are never divided between splits, e.g. patient; for an image folder: series, by the "
        "file names.",
        panel=DATA_PANEL,
    )
    by_time: str | None = _setting(
        None, "A time column: train on the oldest rows, test on the newest.", panel=DATA_PANEL
    )
    split_file: str | None = _setting(
        None, "Read the splits from a CSV file of row,split; see dlkit data split.", panel=DATA_PANEL
    )
    folds: int | None = _setting(
        None, "Split the rows into K folds, one of which is the test split.", low=2, panel=DATA_PANEL
    )
    fold: int | None = _setting(None, "The fold that is the test split: 1 to K.", low=1, panel=DATA_PANEL)
    limit: int | None = _setting(None, "Use only the first N training samples.", low=10, panel=DATA_PANEL)
    balance: str = _setting(
        "none",
        "none, loss (weight classes by inverse frequency) or sampler (class-balanced sampling; low and high "
        "targets equally often).",
        choices=("none", "loss", "sampler"),
        panel=DATA_PANEL,
    )
    shuffle: str = _setting(
        "full",
        "full, or blocks (of neighbouring rows): for data larger than memory.",
        choices=("full", "blocks"),
        panel=DATA_PANEL,
    )
    augment: str = _setting(
        "none",
        "none, light (shift and flip training images) or strong (crop, flip, erase).",
        choices=("none", "light", "strong"),
        panel=DATA_PANEL,
    )
    size: int | None = _setting(
        None,
        "Resize the shorter side of images in a folder to this many pixels and crop the centre.",
        low=8,
        below=4097,
        panel=DATA_PANEL,
    )
    num_workers: str = _setting(
        "auto",
        "Threads for decoding images that do not fit into memory: auto or a number.",
        panel=DATA_PANEL,
    )
    normalize: str = _setting("auto", "auto (training mean and std), none, or MEAN,STD.", panel=DATA_PANEL)
    scale_target: bool = _setting(
        True,
        "Standardise a numeric target for the network; losses use the scaled numbers, metrics its own unit.",
        panel=DATA_PANEL,
    )

    coords: str | None = _setting(
        None,
        "The two coordinate columns: X,Y or LONGITUDE,LATITUDE; in any table for --split-by-block.",
        panel=SPATIAL_PANEL,
    )
    time: str | None = _setting(
        None, "The time column; with it, neighbours are earlier points only.", panel=SPATIAL_PANEL
    )
    distance: str = _setting(
        "euclidean",
        "euclidean (in the coordinates' unit) or haversine (degrees in, kilometres out).",
        choices=("euclidean", "haversine"),
        panel=SPATIAL_PANEL,
    )
    neighbors: int = _setting(
        50, "Number of neighbours of each point.", low=1, below=201, panel=SPATIAL_PANEL
    )
    min_neighbors: int = _setting(
        5, "Smallest number of neighbours of a point; 0 accepts any number.", low=0, panel=SPATIAL_PANEL
    )
    radius: float | None = _setting(
        None, "Largest distance of a neighbour, in the unit of --distance.", above=0, panel=SPATIAL_PANEL
    )
    window: float | None = _setting(
        None,
        "Largest time difference of a neighbour, in the unit of --time; in days for dates.",
        above=0,
        panel=SPATIAL_PANEL,
    )
    split_by_block: float | None = _setting(
        None,
        "Hold out whole square blocks of this side length, in the coordinates' unit.",
        above=0,
        panel=SPATIAL_PANEL,
    )

    momentum: float = _setting(0.9, "Momentum of sgd.", low=0, below=1, panel=OPTIMISE_PANEL)
    nesterov: bool = _setting(False, "Nesterov's momentum for sgd.", panel=OPTIMISE_PANEL)
    weight_decay: float = _setting(
        0.0,
        "Weight decay: decoupled for adamw, L2 for the others; not for biases and normalisation layers.",
        low=0,
        panel=OPTIMISE_PANEL,
    )
    l1: float = _setting(
        0.0,
        "Factor of the L1 penalty: the sum of the absolute weights.",
        low=0,
        below=1e6,
        panel=OPTIMISE_PANEL,
    )
    loss: str = _setting(
        "auto",
        "auto, cross-entropy, mse, l1, huber, bce (on one-hot targets for classes) or log1p (for numbers).",
        choices=("auto", "cross-entropy", "mse", "l1", "huber", "bce", "log1p"),
        panel=OPTIMISE_PANEL,
    )
    label_smoothing: float = _setting(
        0.0, "Share of the target spread over all classes.", low=0, below=1, panel=OPTIMISE_PANEL
    )
    target_weights: str | None = _setting(
        None, "Weights of classes or outputs in the loss: NAME=W,NAME=W.", panel=OPTIMISE_PANEL
    )
    schedule: str = _setting(
        "none", f"{', '.join(SCHEDULES[:-1])} or {SCHEDULES[-1]}.", choices=SCHEDULES, panel=OPTIMISE_PANEL
    )
    warmup_steps: int = _setting(
        0, "Steps of linear warm-up before the schedule.", low=0, panel=OPTIMISE_PANEL
    )
    sched_on_resume: str | None = _setting(
        None,
        "When the run's length changes on --resume: keep the schedule as it was, or stretch it.",
        choices=("keep", "stretch"),
        panel=OPTIMISE_PANEL,
    )
    grad_clip: float | None = _setting(
        None, "Clip the gradient's global norm to this value.", above=0, panel=OPTIMISE_PANEL
    )
    accumulate: int = _setting(
        1, "Gradient accumulation: number of batches per step.", low=1, panel=OPTIMISE_PANEL
    )
    ema: float | None = _setting(
        None,
        "Decay of an exponential moving average of the weights, which is validated and saved as best.",
        above=0,
        below=1,
        panel=OPTIMISE_PANEL,
    )
    init: str | None = _setting(None, "Initialise the weights from a checkpoint.", panel=OPTIMISE_PANEL)
    freeze: str | None = _setting(
        None, "Freeze the parameters that match, e.g. hidden.*,output.bias.", panel=OPTIMISE_PANEL
    )

    monitor: str = _setting(
        "val_loss", "The column of history.csv that decides which epoch is best.", panel=STOP_PANEL
    )
    patience: int | None = _setting(None, "Stop after N epochs without improvement.", low=1, panel=STOP_PANEL)
    min_delta: float = _setting(
        0.0, "Smallest improvement that counts for --patience.", low=0, panel=STOP_PANEL
    )
    max_time: str | None = _setting(None, "Stop after this time: 90s, 30m, 2h, 1h30m.", panel=STOP_PANEL)
    max_steps: int | None = _setting(
        None, "Stop after N steps; the schedule then spans these steps.", low=1, panel=STOP_PANEL
    )
    save_every: str | None = _setting(
        None, "Keep a checkpoint every N steps, or Ne for epochs.", panel=STOP_PANEL
    )
    keep: int | None = _setting(None, "Keep only the newest N of these checkpoints.", low=1, panel=STOP_PANEL)

    precision: str = _setting(
        "fp32",
        "fp32, tf32 (cuda), bf16 or fp16 (cuda, mps).",
        choices=PRECISIONS,
        hint="bf16 works on every device",
        panel=COMPUTE_PANEL,
    )
    compile: bool = _setting(False, "Compile the network with torch.compile.", panel=COMPUTE_PANEL)
    sync_batchnorm: bool | None = _setting(
        None,
        "With --devices, let batch norm see the whole batch, not the samples of each process. Default: on cuda.",
        panel=COMPUTE_PANEL,
    )
    threads: str = _setting(
        "auto", "CPU threads: auto (by network, batch and cores) or a number.", panel=COMPUTE_PANEL
    )
    seed: int = _setting(
        0, "Seed of weights, order of samples and splits.", low=0, below=2**32, panel=COMPUTE_PANEL
    )
    deterministic: bool = _setting(
        False, "Use deterministic algorithms only, and refuse operations that have none.", panel=COMPUTE_PANEL
    )
    log: str | None = _setting(
        None, "Write a log: tensorboard, jsonl, or both, separated by a comma.", panel=WATCH_PANEL
    )
    log_every: int | None = _setting(None, "Print the loss every N steps.", low=1, panel=WATCH_PANEL)
    plot: bool = _setting(True, "Draw curves.png at the end.", panel=WATCH_PANEL)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; unset ones are left out."""
        plain = dict(vars(self))
        plain["arguments"] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.arguments.items()
        }
        return {name: value for name, value in plain.items() if value is not None}

    def to_toml(self) -> str:
        """Return the settings as TOML."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @property
    def model_name(self) -> str:
        """The model's name; for own code without its folder, as in `net.py:Net`."""
        code = parse_code(self.model)
        return self.model if code is None else code.short

    def normalisation_numbers(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return the means and standard deviations of `normalize=MEAN,STD`, one per channel.

        Raises:
            ConfigError: Their number does not match the channels.
        """
        numbers = parse_normalize(self.normalize)
        half = len(numbers) // 2
        if half not in (1, channels):
            raise ConfigError(
                f"--normalize {self.normalize} gives {half} means for {channels} channels",
                "one mean and one std for all channels, or all means followed by all stds",
            )
        repeat = channels if half == 1 else 1
        return numbers[:half] * repeat, numbers[half:] * repeat


def flag(name: str, value: object = None) -> str:
    """Return the option of a setting; for the value False the one that switches it off."""
    if name == "model":
        return name.upper()
    return f"--{'no-' * (value is False)}{name.replace('_', '-')}"


FIELDS: Mapping[str, dataclasses.Field[Any]] = {
    field.name: field for field in dataclasses.fields(TrainConfig)
}
TABLE_SETTINGS = tuple(name for name, field in FIELDS.items() if field.metadata.get("panel") == TABLE_PANEL)
