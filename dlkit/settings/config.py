"""TrainConfig: every setting of a training run with its default, its check and its sentence of help."""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlkit.errors import ConfigError, did_you_mean
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.catalogue import DATA, MODELS
from dlkit.settings.spec import parse_code, parse_spec
from dlkit.settings.texts import (
    parse_duration,
    parse_log,
    parse_normalize,
    parse_num_workers,
    parse_save_every,
    parse_threads,
    parse_weights,
)

_DEVICE = re.compile("auto|cpu|mps|cuda(:(0|[1-9][0-9]{0,3}))?")
DATA_PANEL, OPTIMISE_PANEL, STOP_PANEL = "Data", "Optimise", "Stop and save"
COMPUTE_PANEL, WATCH_PANEL = "Compute", "Watch"
SPATIAL_PANEL = "Points (spatial)"
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("none", "step", "exponential", "cosine", "plateau", "cyclic", "onecycle", "polynomial")
_RISING = ("accuracy", "r2")
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def _setting(
    default: Any,
    help: str,  # noqa: A002 - the word that Typer and argparse use
    *,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    hint: str = "",
    panel: str | None = None,
    short: str | None = None,
) -> Any:
    """Declare one setting: default, sentence of help, what it may be, and where its option stands in the help."""
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
        choices=tuple(MODELS),
        hint="for example dlkit train mlp; --resume RUN goes on with a run",
    )
    arguments: Mapping[str, ArgumentValue] = dataclasses.field(default_factory=dict)
    data: str = _setting(
        "",
        "A built-in data set, .csv[.gz], .tsv, .parquet, .npz, .npy, a folder of pictures, file.py:function or -.",
        short="-d",
    )
    epochs: int = _setting(10, "Passes over the training split.", low=1)
    lr: float = _setting(0.01, "Learning rate.", above=0, hint="0.01 suits sgd, 0.001 adam and adamw")
    batch_size: int = _setting(64, "Samples a batch.", low=1, short="-b")
    optimizer: str = _setting("sgd", "sgd, adam, adamw, rmsprop or adagrad.", choices=OPTIMIZERS)
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps.")

    target: str | None = _setting(None, "The column to predict.", panel=DATA_PANEL)
    features: str | None = _setting(
        None, "The columns to predict from: A,B,C; all others by default.", panel=DATA_PANEL
    )
    decimal: str | None = _setting(
        None,
        "What stands before the decimals in a table: , or . (recognised where it shows).",
        panel=DATA_PANEL,
    )
    thousands: str | None = _setting(
        None,
        "What stands between thousands in a table: , . ' or a space (recognised likewise).",
        panel=DATA_PANEL,
    )
    task: str = _setting(
        "auto",
        "auto (by the target), classification or regression.",
        choices=("auto", "classification", "regression"),
        panel=DATA_PANEL,
    )
    val: float = _setting(
        0.1,
        "Share of the samples kept for validation.",
        above=0,
        below=1,
        hint="0.1 keeps 10 % of the training samples for validation",
        panel=DATA_PANEL,
    )
    test: float = _setting(
        0.1,
        "Share kept for the test where the source has no test part.",
        above=0,
        below=1,
        hint="0.1 keeps 10 %",
        panel=DATA_PANEL,
    )
    stratify: bool | None = _setting(
        None,
        "Give every split its share of each class, or of each tenth of a numeric target. Default: of classes.",
        panel=DATA_PANEL,
    )
    group: str | None = _setting(
        None, "A column whose equal values never fall into two splits, e.g. patient.", panel=DATA_PANEL
    )
    by_time: str | None = _setting(
        None, "A column of times: train on the oldest rows, test on the newest.", panel=DATA_PANEL
    )
    split_file: str | None = _setting(
        None, "Take the splits from a file of row,split; see data split.", panel=DATA_PANEL
    )
    folds: int | None = _setting(
        None, "Cut the rows into K parts of which one tests.", low=2, panel=DATA_PANEL
    )
    fold: int | None = _setting(None, "Which of the K parts tests: 1 to K.", low=1, panel=DATA_PANEL)
    limit: int | None = _setting(None, "Use only the first N training samples.", low=10, panel=DATA_PANEL)
    balance: str = _setting(
        "none",
        "none, loss (weigh classes by rarity) or sampler (draw classes, or low and high targets, equally often).",
        choices=("none", "loss", "sampler"),
        panel=DATA_PANEL,
    )
    augment: str = _setting(
        "none",
        "none, light (shift and mirror training pictures) or strong (crop, mirror, erase).",
        choices=("none", "light", "strong"),
        panel=DATA_PANEL,
    )
    size: int | None = _setting(
        None,
        "Pixels of the shorter side of pictures in a folder; the middle square is taken.",
        low=8,
        below=4097,
        panel=DATA_PANEL,
    )
    num_workers: str = _setting(
        "auto", "Processes that decode pictures where they do not fit into memory.", panel=DATA_PANEL
    )
    normalize: str = _setting("auto", "auto (training mean and std), none, or MEAN,STD.", panel=DATA_PANEL)

    coords: str | None = _setting(
        None, "The two columns that say where a point is: X,Y, or LONGITUDE,LATITUDE.", panel=SPATIAL_PANEL
    )
    time: str | None = _setting(
        None, "The column that says when; then only the past is a neighbour.", panel=SPATIAL_PANEL
    )
    distance: str = _setting(
        "euclidean",
        "euclidean (in the coordinates' unit) or haversine (degrees in, kilometres out).",
        choices=("euclidean", "haversine"),
        panel=SPATIAL_PANEL,
    )
    neighbors: int = _setting(
        50, "Neighbours that a point sees at once.", low=1, below=201, panel=SPATIAL_PANEL
    )
    min_neighbors: int = _setting(
        5, "Fewest neighbours a point must have; 0 takes those that it has.", low=0, panel=SPATIAL_PANEL
    )
    radius: float | None = _setting(
        None, "Farthest neighbour, in the unit of the distance.", above=0, panel=SPATIAL_PANEL
    )
    window: float | None = _setting(
        None, "Oldest neighbour: time before the point; dates count in days.", above=0, panel=SPATIAL_PANEL
    )
    split_by_block: float | None = _setting(
        None, "Hold out whole squares of this side, in the coordinates' unit.", above=0, panel=SPATIAL_PANEL
    )

    momentum: float = _setting(0.9, "Momentum of sgd.", low=0, below=1, panel=OPTIMISE_PANEL)
    nesterov: bool = _setting(False, "Nesterov's momentum for sgd.", panel=OPTIMISE_PANEL)
    weight_decay: float = _setting(
        0.0,
        "Weight decay: decoupled for adamw, L2 for the others; biases and norms have none.",
        low=0,
        panel=OPTIMISE_PANEL,
    )
    l1: float = _setting(
        0.0, "Weight of the sum of absolute weights in the loss.", low=0, below=1e6, panel=OPTIMISE_PANEL
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
        0, "Steps over which the rate rises to the schedule.", low=0, panel=OPTIMISE_PANEL
    )
    sched_on_resume: str | None = _setting(
        None,
        "When the run's length changes on --resume: keep the schedule as it was, or stretch it.",
        choices=("keep", "stretch"),
        panel=OPTIMISE_PANEL,
    )
    grad_clip: float | None = _setting(
        None, "Clip the gradient's global norm.", above=0, panel=OPTIMISE_PANEL
    )
    accumulate: int = _setting(1, "Batches whose gradients make one step.", low=1, panel=OPTIMISE_PANEL)
    ema: float | None = _setting(
        None,
        "Decay of an average of the weights, which is validated and kept as best.",
        above=0,
        below=1,
        panel=OPTIMISE_PANEL,
    )
    init: str | None = _setting(None, "Start from the weights of a checkpoint.", panel=OPTIMISE_PANEL)
    freeze: str | None = _setting(
        None, "Do not train the parameters that match, e.g. hidden.*,output.bias.", panel=OPTIMISE_PANEL
    )

    monitor: str = _setting(
        "val_loss", "The column of history.csv that chooses the best epoch.", panel=STOP_PANEL
    )
    patience: int | None = _setting(
        None, "Stop after N epochs without a better one.", low=1, panel=STOP_PANEL
    )
    min_delta: float = _setting(0.0, "What counts as better for --patience.", low=0, panel=STOP_PANEL)
    max_time: str | None = _setting(None, "Stop after this time: 90s, 30m, 2h, 1h30m.", panel=STOP_PANEL)
    max_steps: int | None = _setting(None, "Stop after N steps.", low=1, panel=STOP_PANEL)
    save_every: str | None = _setting(
        None, "Keep a checkpoint every N steps, or Ne for epochs.", panel=STOP_PANEL
    )
    keep: int | None = _setting(None, "Keep only the newest N of those.", low=1, panel=STOP_PANEL)

    precision: str = _setting(
        "fp32",
        "fp32, tf32 (cuda), bf16 or fp16 (cuda, mps).",
        choices=PRECISIONS,
        hint="bf16 works on every device",
        panel=COMPUTE_PANEL,
    )
    compile: bool = _setting(False, "Compile the network with torch.compile.", panel=COMPUTE_PANEL)
    threads: str = _setting(
        "auto", "CPU threads: auto (by network, batch and cores) or a number.", panel=COMPUTE_PANEL
    )
    seed: int = _setting(
        0, "Seed of weights, order of samples and splits.", low=0, below=2**32, panel=COMPUTE_PANEL
    )
    deterministic: bool = _setting(
        False, "Refuse whatever may come out otherwise in a second run.", panel=COMPUTE_PANEL
    )
    log: str | None = _setting(
        None, "Write a log too: tensorboard, jsonl, or both with a comma.", panel=WATCH_PANEL
    )
    log_every: int | None = _setting(None, "Print the loss every N steps.", low=1, panel=WATCH_PANEL)
    plot: bool = _setting(True, "Draw curves.png at the end.", panel=WATCH_PANEL)

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as plain values; unset ones are left out."""
        plain = dict(vars(self))
        plain["arguments"] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.arguments.items()
        }
        return {name: value for name, value in plain.items() if value is not None}

    def to_toml(self) -> str:
        """Write the settings as TOML."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    @property
    def model_name(self) -> str:
        """The network's name without the folder that its code lies in, as in `net.py:Net`."""
        code = parse_code(self.model)
        return self.model if code is None else code.short

    @property
    def higher_is_better(self) -> bool:
        """Whether the monitored column should rise."""
        return self.monitor.endswith(_RISING)

    def normalisation_numbers(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Give the means and standard deviations of `normalize=MEAN,STD`, one a channel.

        Raises:
            ConfigError: Their number does not fit the channels.
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


def flag(name: str) -> str:
    """Give the option that a setting is typed with."""
    return name.upper() if name == "model" else f"--{name.replace('_', '-')}"


def check_device(device: str) -> Iterator[ConfigError]:
    """Find fault with the name of a device."""
    if not _DEVICE.fullmatch(device):
        yield ConfigError(
            f"--device {device} is not known; choose from auto, cpu, cuda, cuda:N, mps",
            "auto takes the best device here",
        )


def find_faults(config: TrainConfig) -> Iterator[ConfigError]:
    """Find fault with single settings: names that are not known, values outside their range."""
    for name, field in FIELDS.items():
        value = getattr(config, name)
        if field.metadata and value is not None and not (name == "model" and parse_code(value)):
            yield from _check(name, value, field.metadata)
    if not config.data and (config.model in MODELS or parse_code(config.model)):
        yield ConfigError("--data is missing", f"choose from {', '.join(DATA)}, or name a file")
    yield from check_device(config.device)
    parsed: tuple[tuple[Any, Callable[[Any], object]], ...] = (
        (config.data or None, parse_spec),
        (config.normalize if config.normalize not in ("auto", "none") else None, parse_normalize),
        (config.num_workers if config.num_workers != "auto" else None, parse_num_workers),
        (config.max_time, parse_duration),
        (config.save_every, parse_save_every),
        (config.target_weights, parse_weights),
        (config.threads, parse_threads),
        (config.log, parse_log),
    )
    for text, parse in parsed:
        try:
            if text is not None:
                parse(text)
        except ConfigError as err:
            yield err


def _check(name: str, value: Any, checks: Mapping[str, Any]) -> Iterator[ConfigError]:
    if checks["choices"] and value not in checks["choices"]:
        known = ", ".join(checks["choices"])
        problem = f"{value} is not known" if value else "is missing"
        yield ConfigError(
            f"{flag(name)} {problem}; choose from {known}{' or file.py:Class' if name == 'model' else ''}",
            did_you_mean(value, checks["choices"])
            or (f"name its class too: {value}:Net" if str(value).endswith(".py") else checks["hint"]),
        )
    if isinstance(value, bool | str):
        return
    low, above, below = (checks[key] for key in ("low", "above", "below"))
    inside = (
        (isinstance(value, int) or math.isfinite(value))
        and (low is None or value >= low)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not inside:
        left = f"({above}" if low is None else f"[{low}"
        right = "inf" if below is None else below
        yield ConfigError(f"{flag(name)} {value} is outside {left}, {right})", checks["hint"])


FIELDS: Mapping[str, dataclasses.Field[Any]] = {
    field.name: field for field in dataclasses.fields(TrainConfig)
}
