"""Settings that are sound one by one and do not go together."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dlkit.errors import ConfigError, did_you_mean
from dlkit.settings.catalogue import DATA, MODELS, DataEntry
from dlkit.settings.config import FIELDS, OPTIMIZERS, SPATIAL_PANEL, TrainConfig, flag
from dlkit.settings.spec import parse_spec
from dlkit.settings.texts import parse_normalize, parse_weights

# Epochs without a better one that a schedule needs to do its work: a whole cycle of cyclic, and one epoch at the
# rate that plateau has halved after the sixth.
PATIENCE_OF_SCHEDULE = {
    "cyclic": (4, "the loss rises in every cycle"),
    "plateau": (7, "the run would end before the lower rate is tried"),
}

# What computes in which precision; fp32 is everywhere. A CPU has tf32 nowhere and fp16 hardly anywhere.
DEVICES_OF_PRECISION = {"tf32": ("cuda",), "bf16": ("cuda", "mps", "cpu"), "fp16": ("cuda", "mps")}
WITHOUT_IT = "--precision fp32, or bf16 where the processor has it"


def find_contradictions(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find settings that do not go together, or do nothing without another.

    Args:
        config: The settings.
        typed: Those of them that the user gave for this run.
    """
    yield from _of_optimizer(config, typed)
    yield from _of_stopping(config)
    yield from _of_precision(config)
    if config.batch_size == 1 and config.arguments.get("norm") == "batch":
        yield ConfigError(
            "--batch-size 1 does not go with -s norm=batch: one sample has no spread",
            "--batch-size 2 or more, or -s norm=layer",
        )
    if config.label_smoothing and config.loss in ("mse", "l1", "huber", "bce", "log1p"):
        yield ConfigError(
            f"--label-smoothing does not go with --loss {config.loss}",
            "only cross-entropy spreads its target",
        )
    yield from _of_splits(config, typed)
    yield from _of_pictures(config, typed)
    yield from _of_marks(config)
    if config.keep is not None and config.save_every is None:
        yield ConfigError("--keep does nothing without --save-every", "add --save-every N or Ne")
    yield from _of_points(config, typed)
    name = config.data.partition(":")[0]
    if config.model == "pbpk" and name in DATA and DATA[name].kind != "pbpk":
        yield ConfigError(
            f"MODEL pbpk takes concentration curves; {name} has none",
            "--data pbpk simulates them, an .npz file holds measured ones",
        )
    elif name in DATA and DATA[name].kind == "pictures":  # what others have is known once they are loaded
        yield from _of_data(config, DATA[name])


def _of_splits(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find ways to split that exclude one another."""
    ways = ("split_file", "by_time", "group", "stratify", "folds")
    given = [name for name in ways if getattr(config, name) not in (None, False)]
    for first, others in (
        ("split_file", {"by_time", "group", "stratify", "folds"}),
        ("by_time", {"group", "stratify", "folds"}),
        ("group", {"stratify"}),
    ):
        clashing = [flag(name) for name in given if name in others]
        if first in given and clashing:
            yield ConfigError(
                f"{flag(first)} does not go with {' and '.join(clashing)}", "choose one of them"
            )
    if config.fold is not None and config.folds is None:
        yield ConfigError("--fold does nothing without --folds", "add --folds K")
    if config.folds is not None and config.fold is None:
        yield ConfigError(
            f"--folds {config.folds} needs --fold: which of the parts tests",
            f"--fold 1 to --fold {config.folds}",
        )
    if config.folds is not None and config.fold is not None and config.fold > config.folds:
        yield ConfigError(
            f"--fold {config.fold} is outside [1, {config.folds}]",
            f"--folds {config.folds} makes {config.folds} parts",
        )
    shares = config.val + (0 if config.folds is not None else config.test)
    if shares >= 1 and 0 < config.val < 1 and 0 < config.test < 1 and _cuts_both(config):
        yield ConfigError(
            f"--val {config.val:g} and --test {config.test:g} leave no row to train on", "smaller shares"
        )
    if typed.get("test") is not None and (config.folds is not None or "split_file" in given):
        by = "--folds" if config.folds is not None else "--split-file"
        yield ConfigError(f"--test does nothing with {by}, which says what tests", "leave it out")


def _cuts_both(config: TrainConfig) -> bool:
    """Tell whether both shares are of all rows, as in a table that no file splits."""
    return config.split_file is None and _kind_of(config) == "table"


def _kind_of(config: TrainConfig) -> str:
    """Give the kind of the data; empty where the spec is none, which is told elsewhere."""
    try:
        return parse_spec(config.data).kind
    except ConfigError:
        return ""


def _of_pictures(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find what is done to pictures and asked for other data, and what pictures do not have."""
    kind = _kind_of(config)
    for name in ("augment", "num_workers"):
        value = typed.get(name)
        if value not in (None, "none", "auto") and kind == "table":
            yield ConfigError(
                f"{flag(name)} {value} is for pictures; {config.data} is a table", "leave it out"
            )
    if config.size is not None and kind not in ("folder", ""):
        yield ConfigError(
            f"--size {config.size} is for a folder of pictures, which --data {config.data} is not",
            "leave it out",
        )
    if kind in ("folder", "pictures") and config.model != "spatial":  # which takes no pictures at all
        for name in ("target", "features"):
            if getattr(config, name) is not None:
                yield ConfigError(
                    f"{flag(name)} names a column or an array; --data {config.data} has none", "leave it out"
                )


def _of_marks(config: TrainConfig) -> Iterator[ConfigError]:
    """Find marks of numbers that cannot be read by, or that other data than tables have."""
    for name, known in (("decimal", (",", ".")), ("thousands", (",", ".", " ", "'"))):
        mark = getattr(config, name)
        if mark is not None and mark not in known:
            yield ConfigError(
                f"{flag(name)} {mark!r} is none of {' '.join(map(repr, known))}", f"{flag(name)} ,"
            )
        elif mark is not None and _kind_of(config) not in ("table", ""):
            yield ConfigError(
                f"{flag(name)} is for tables, which --data {config.data} is not", "leave it out"
            )
    if config.decimal is not None and config.decimal == config.thousands:
        yield ConfigError(f"--decimal and --thousands are both {config.decimal!r}", "leave one of them out")


def _of_points(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find what goes with points alone, and what they do not have."""
    if config.model != "spatial":
        for name, field in FIELDS.items():
            if field.metadata.get("panel") == SPATIAL_PANEL and name in typed and config.model in MODELS:
                yield ConfigError(
                    f"{flag(name)} goes with MODEL spatial, not with {config.model}", "leave it out"
                )
        return
    if config.min_neighbors > config.neighbors:
        yield ConfigError(
            f"--min-neighbors {config.min_neighbors} is more than --neighbors {config.neighbors}",
            f"--min-neighbors {config.neighbors} or fewer",
        )
    if config.window is not None and config.time is None:
        yield ConfigError("--window does nothing without --time", "name the column that says when")
    if config.task == "classification":
        yield ConfigError("--task classification does not go with MODEL spatial: it predicts a number")
    for name in ("split_file", "by_time", "group", "stratify"):
        if config.split_by_block is not None and getattr(config, name) not in (None, False):
            yield ConfigError(f"--split-by-block does not go with {flag(name)}", "choose one of them")
    yield from _of_widths(config.arguments)


def _of_widths(arguments: Mapping[str, Any]) -> Iterator[ConfigError]:
    phi, heads = arguments.get("phi", (1,)), arguments.get("heads", 1)
    if not phi:
        yield ConfigError("-s phi= names no layer; each neighbour passes through one at least", "-s phi=64")
    elif phi[-1] % heads:
        yield ConfigError(
            f"-s heads={heads} does not divide the last width of -s phi={','.join(map(str, phi))}",
            f"-s phi={','.join(map(str, (*phi[:-1], -(-phi[-1] // heads) * heads)))}",
        )


def _of_optimizer(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    if config.optimizer == "sgd":
        if config.nesterov and not config.momentum:
            yield ConfigError(
                "--nesterov does not go with --momentum 0", "--momentum 0.9, or leave --nesterov out"
            )
        return
    # A file or a run tells the momentum of every optimizer; that is no wish to use it.
    wanted = {"momentum": typed.get("momentum"), "nesterov": config.nesterov}
    for name in (name for name, value in wanted.items() if value and config.optimizer in OPTIMIZERS):
        way_out = ", or --no-nesterov" if name == "nesterov" else ""
        yield ConfigError(
            f"{flag(name)} does not go with --optimizer {config.optimizer}",
            f"only sgd takes it: --optimizer sgd{way_out}",
        )


def _of_stopping(config: TrainConfig) -> Iterator[ConfigError]:
    enough, why = PATIENCE_OF_SCHEDULE.get(config.schedule, (-math.inf, ""))
    if config.patience is not None and config.patience < enough:
        yield ConfigError(
            f"--schedule {config.schedule} does not go with --patience {config.patience}: {why}",
            f"--patience {enough} or more, or another schedule",
        )
    if config.min_delta and config.patience is None:
        yield ConfigError("--min-delta does nothing without --patience", "add --patience N")
    steps = _most_steps(config)
    if config.warmup_steps >= steps:
        yield ConfigError(
            f"--warmup-steps {config.warmup_steps} is not below the steps of the run, at most {steps}",
            "fewer warm-up steps, or more epochs",
        )


def _of_precision(config: TrainConfig) -> Iterator[ConfigError]:
    """Find a precision that a device named cannot compute in; what `auto` finds is looked at when it is known."""
    kind = config.device.partition(":")[0]
    devices = DEVICES_OF_PRECISION.get(config.precision, (kind,))
    if kind in ("cpu", "cuda", "mps") and kind not in devices:
        yield ConfigError(
            f"--precision {config.precision} does not go with --device {config.device}: it needs "
            f"{' or '.join(devices)}",
            WITHOUT_IT,
        )


def _most_steps(config: TrainConfig) -> float:
    """Give a bound to the steps of the run, as tight as can be told without the data."""
    told = [config.batch_size, config.accumulate, config.epochs, config.max_steps, config.limit]
    if config.data not in DATA or any(number is not None and number < 1 for number in told):
        return math.inf
    samples = min(DATA[config.data].samples, config.limit or DATA[config.data].samples)
    whole = -(-samples // (config.batch_size * config.accumulate)) * config.epochs
    return min(whole, config.max_steps or whole)


def _of_data(config: TrainConfig, entry: DataEntry) -> Iterator[ConfigError]:
    """Find what the data do not have: metrics, classes, channels, columns to split by."""
    for name in ("group", "by_time", "split_file", "folds", "stratify"):
        if entry.kind == "pictures" and getattr(config, name) is not None:
            yield ConfigError(
                f"{flag(name)} does not go with --data {config.data}: built-in pictures are split by class, at random",
                "leave it out",
            )
    metric = "accuracy" if entry.task == "classification" else "mae"
    columns = [f"{part}_{name}" for part in ("val", "train") for name in ("loss", metric)]
    if config.monitor not in columns:
        yield ConfigError(
            f"--monitor {config.monitor} is not measured; choose from {', '.join(columns)}",
            did_you_mean(config.monitor, columns),
        )
    for name in _weighted(config):
        if name not in entry.class_names:
            yield ConfigError(
                f"--target-weights {name}: {config.data} has no such class; it has {', '.join(entry.class_names)}",
                did_you_mean(name, entry.class_names),
            )
    yield from _of_channels(config, entry.input_shape[0])


def _weighted(config: TrainConfig) -> Mapping[str, float]:
    """Give the weights by class; none where they cannot be read, which is told elsewhere."""
    try:
        return parse_weights(config.target_weights) if config.target_weights else {}
    except ConfigError:
        return {}


def _of_channels(config: TrainConfig, channels: int) -> Iterator[ConfigError]:
    if config.normalize in ("auto", "none"):
        return
    try:
        parse_normalize(config.normalize)
    except ConfigError:
        return
    try:
        config.normalisation_numbers(channels)
    except ConfigError as err:
        yield err
