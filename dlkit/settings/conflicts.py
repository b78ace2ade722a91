"""Combinations of settings that contradict each other, each of them valid by itself."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dlkit.errors import ConfigError, DataError, did_you_mean
from dlkit.settings.catalogue import DATA, DataEntry
from dlkit.settings.config import FIELDS, LAYOUTS, TABLE_SETTINGS, TrainConfig, flag
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind, data_kinds
from dlkit.settings.models import MODELS, reads
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.settings.spec import parse_code, parse_spec
from dlkit.settings.texts import parse_normalize, parse_weights

# Epochs without improvement that a schedule needs: a whole cycle of cyclic, and one epoch at the rate that plateau
# has halved after the sixth.
PATIENCE_OF_SCHEDULE = {
    "cyclic": (4, "the loss rises in every cycle"),
    "plateau": (7, "the run would end before the lower rate is tried"),
}

# Device types that support a precision; all support fp32. A CPU has no tf32 and hardly ever fp16.
DEVICES_OF_PRECISION = {"tf32": ("cuda",), "bf16": ("cuda", "mps", "cpu"), "fp16": ("cuda", "mps")}
WITHOUT_IT = "--precision fp32, or bf16 where the processor supports it"

_LOSSES = ("val_loss", "train_loss")
_columns_of = deferred("dlkit.metrics:columns_of")
_command_with_target = deferred("dlkit.data.images.label_table:command_with_target")
_refuse_label_table = deferred("dlkit.data.images.label_table:refuse_label_table")
_BY_CLASS = "cannot be used with --data {data}: built-in images are split at random, by class"
_FOR_IMAGES = "{value} is for images; --data {data} has none"
_FOR_TABLES = "is for tables; --data {data} is not one"
_OF_COLUMNS = "names a column or an array; --data {data} has none"
_WHY_REFUSED = {
    "augment": _FOR_IMAGES,
    "num_workers": _FOR_IMAGES,
    "bands": "{value} is for images of your own; --data {data} has none",
    "size": "{value} is for an image folder; --data {data} is not one",
    **dict.fromkeys(TABLE_SETTINGS, _FOR_TABLES),
    "target": _OF_COLUMNS,
    "features": _OF_COLUMNS,
    **dict.fromkeys(("group", "by_time", "split_file", "folds", "stratify"), _BY_CLASS),
}


def find_contradictions(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find settings that contradict each other, or have no effect without another.

    Args:
        config: The settings.
        typed: Those that the user gave for this run.
    """
    yield from _of_optimizer(config, typed)
    yield from _of_stopping(config)
    yield from _of_precision(config)
    if config.batch_size == 1 and config.arguments.get("norm") == "batch":
        yield ConfigError(
            "--batch-size 1 cannot be used with -s norm=batch: one sample has no variance",
            "--batch-size 2 or more, or -s norm=layer",
        )
    if config.label_smoothing and config.loss in ("mse", "l1", "huber", "bce", "log1p"):
        yield ConfigError(
            f"--label-smoothing cannot be used with --loss {config.loss}",
            "only --loss cross-entropy supports it",
        )
    if config.shuffle == "blocks" and config.balance == "sampler":
        yield ConfigError(
            "--shuffle blocks cannot be used with --balance sampler, which samples from all rows",
            "--balance loss weighs the classes instead",
        )
    yield from _of_splits(config, typed)
    yield from _of_kinds(config, typed)
    yield from _of_marks(config)
    if config.keep is not None and config.save_every is None:
        yield ConfigError("--keep has no effect without --save-every", "add --save-every N or Ne")
    model = MODELS.get(config.model)
    if model is not None and model.check is not None:
        yield from model.check(config)
    elif (entry := DATA.get(config.data.partition(":")[0])) and entry.input_shape:
        yield from _of_data(config, entry)  # what others have is known once they are loaded


def _of_splits(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find ways to split that exclude each other."""
    ways = ("split_by_block", "split_file", "by_time", "group", "stratify", "folds")
    given = [name for name in ways if getattr(config, name) not in (None, False)]
    for first, others in (
        ("split_by_block", {"split_file", "by_time", "group", "stratify"}),
        ("split_file", {"by_time", "group", "stratify", "folds"}),
        ("by_time", {"group", "stratify", "folds"}),
        ("group", {"stratify"}),
    ):
        clashing = [flag(name) for name in given if name in others]
        if first in given and clashing:
            yield ConfigError(
                f"{flag(first)} cannot be used with {' and '.join(clashing)}", "choose one of them"
            )
    if config.fold is not None and config.folds is None:
        yield ConfigError("--fold has no effect without --folds", "add --folds K")
    if config.folds is not None and config.fold is None:
        yield ConfigError(
            f"--folds {config.folds} needs --fold here: only training goes through all folds",
            f"add --fold N, from 1 to {config.folds}",
        )
    if config.folds is not None and config.fold is not None and config.fold > config.folds:
        yield ConfigError(
            f"--fold {config.fold} is outside [1, {config.folds}]",
            f"--folds {config.folds} makes {config.folds} folds",
        )
    shares = config.val + (0 if config.folds is not None else config.test)
    if shares >= 1 and 0 < config.val < 1 and 0 < config.test < 1 and _cuts_both(config):
        yield ConfigError(
            f"--val {config.val:g} and --test {config.test:g} leave no row to train on",
            "use smaller fractions",
        )
    if typed.get("test") is not None and (config.folds is not None or "split_file" in given):
        by = "--folds" if config.folds is not None else "--split-file"
        yield ConfigError(f"--test has no effect with {by}, which defines the test split", "leave it out")


def _cuts_both(config: TrainConfig) -> bool:
    """Return whether both shares are of all rows, as in a table that no file splits."""
    kind = _kind_of(config)
    return config.split_file is None and kind is not None and kind.cuts_both


def _kind_of(config: TrainConfig) -> DataKind | None:
    """Return the kind of the data; None where the spec is none, or a folder that is missing: reported elsewhere."""
    try:
        spec = parse_spec(config.data)
    except ConfigError:
        return None
    kind = data_kinds()[spec.kind]
    return None if kind.folder and spec.path is not None and not spec.path.exists() else kind


def _of_kinds(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find settings that the kind of the data does not have, and those of other kinds."""
    read_as = reads(config.model)
    kind = data_kinds()[read_as] if read_as else _kind_of(config)
    for name in kind.refuses if kind is not None else ():
        value = getattr(config, name)
        if value not in (None, FIELDS[name].default) or value is False:
            why = _WHY_REFUSED.get(name, "cannot be used with --data {data}")
            message = f"{flag(name, value)} {why.format(value=value, data=config.data)}"
            yield ConfigError(message, _as_image_table(config, name) or "leave it out")
    if kind is not None and config.layout in LAYOUTS and config.layout not in ("auto", *kind.layouts):
        yield ConfigError(
            f"--layout {config.layout} cannot be used with --data {config.data}",
            f"choose from {', '.join(kind.layouts)}" if kind.layouts else "leave it out",
        )
    if config.model in MODELS or parse_code(config.model):
        yield from _of_panels(config, typed, kind)


def _as_image_table(config: TrainConfig, name: str) -> str:
    """Return the way to read images that a table names, where a setting for images is given; empty without them."""
    if name == "target" and config.target is not None:
        return str(_command_with_target(parse_spec(config.data).path, config.target, config.size))
    if name not in ("augment", "bands", "size"):
        return ""
    try:
        _refuse_label_table(parse_spec(config.data).path, config.target, config.size)
    except DataError as err:
        return err.hint
    return ""


def _of_panels(config: TrainConfig, typed: Mapping[str, Any], kind: DataKind | None) -> Iterator[ConfigError]:
    """Find settings that only another kind of data has; places can split any table into blocks."""
    panels = {other.panel: other for other in data_kinds().values() if other.panel}
    for name in (name for name in typed if name in FIELDS):
        owner = panels.get(FIELDS[name].metadata["panel"]) if FIELDS[name].metadata else None
        if owner is None or owner is kind:
            continue
        models = ", ".join(model.name for model in MODELS.values() if model.reads == owner.name)
        if kind is None or name not in kind.borrows:
            yield ConfigError(
                f"{flag(name)} goes with MODEL {models}, not with {config.model_name}", "leave it out"
            )
        elif name == owner.option and config.split_by_block is None:
            yield ConfigError(
                f"{flag(name)} has no effect with MODEL {config.model_name} without --split-by-block",
                f"add --split-by-block SIZE, or take MODEL {models}",
            )


def check_curves(config: TrainConfig) -> Iterator[ConfigError]:
    """Find built-in data that are no concentration curves."""
    name = config.data.partition(":")[0]
    if name in DATA and DATA[name].kind != reads(config.model):
        yield ConfigError(
            f"MODEL {config.model} takes concentration curves; {name} has none",
            "use --data pbpk, which simulates them, or an .npz file of measured ones",
        )


def _of_marks(config: TrainConfig) -> Iterator[ConfigError]:
    """Find marks of numbers and dates that cannot be distinguished, or that are none."""
    for name, known in (("decimal", (",", ".")), ("thousands", (",", ".", " ", "'"))):
        mark = getattr(config, name)
        if mark is not None and mark not in known:
            yield ConfigError(
                f"{flag(name)} {mark!r} is none of {' '.join(map(repr, known))}", f"{flag(name)} ,"
            )
    if config.decimal is not None and config.decimal == config.thousands:
        yield ConfigError(f"--decimal and --thousands are both {config.decimal!r}", "leave one of them out")
    if config.dayfirst and config.monthfirst:
        yield ConfigError("--dayfirst cannot be used with --monthfirst", "choose one of them")


def check_points(config: TrainConfig) -> Iterator[ConfigError]:
    """Find settings of points that exclude one another."""
    if config.min_neighbors > config.neighbors:
        yield ConfigError(
            f"--min-neighbors {config.min_neighbors} is more than --neighbors {config.neighbors}",
            f"--min-neighbors {config.neighbors} or fewer",
        )
    if config.window is not None and config.time is None:
        yield ConfigError("--window has no effect without --time", "add --time COLUMN")
    if config.task == "classification":
        yield ConfigError(
            "--task classification cannot be used with MODEL spatial, which predicts a number", "leave it out"
        )
    yield from _of_widths(config.arguments)


def _of_widths(arguments: Mapping[str, Any]) -> Iterator[ConfigError]:
    phi, heads = arguments.get("phi", (1,)), arguments.get("heads", 1)
    if not phi:
        yield ConfigError("-s phi= has no layer; it needs one or more", "for example -s phi=64")
    elif phi[-1] % heads:
        yield ConfigError(
            f"-s heads={heads} does not divide the last width of -s phi={','.join(map(str, phi))}",
            f"-s phi={','.join(map(str, (*phi[:-1], -(-phi[-1] // heads) * heads)))}",
        )


def _of_optimizer(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    if config.optimizer not in OPTIMIZERS:
        return
    takes = OPTIMIZERS[config.optimizer].settings
    if "nesterov" in takes and config.nesterov and not config.momentum:
        yield ConfigError(
            "--nesterov cannot be used with --momentum 0", "--momentum 0.9, or leave --nesterov out"
        )
    # A file or a run has the momentum of every optimizer; that is no wish to use it.
    wanted = {"momentum": typed.get("momentum"), "nesterov": config.nesterov}
    for name in (name for name, value in wanted.items() if value and name not in takes):
        owners = [record.name for record in OPTIMIZERS.values() if name in record.settings]
        alternative = ", or --no-nesterov" if name == "nesterov" else ""
        yield ConfigError(
            f"{flag(name)} cannot be used with --optimizer {config.optimizer}",
            f"only {' and '.join(owners)} takes it: --optimizer {owners[0]}{alternative}",
        )


def _of_stopping(config: TrainConfig) -> Iterator[ConfigError]:
    enough, why = PATIENCE_OF_SCHEDULE.get(config.schedule, (-math.inf, ""))
    if config.patience is not None and config.patience < enough:
        yield ConfigError(
            f"--schedule {config.schedule} cannot be used with --patience {config.patience}: {why}",
            f"--patience {enough} or more, or another schedule",
        )
    if config.min_delta and config.patience is None:
        yield ConfigError("--min-delta has no effect without --patience", "add --patience N")
    steps = _most_steps(config)
    if config.warmup_steps >= steps:
        yield ConfigError(
            f"--warmup-steps {config.warmup_steps} is not below the steps of the run, at most {steps}",
            "use fewer warm-up steps or more epochs",
        )


def _of_precision(config: TrainConfig) -> Iterator[ConfigError]:
    """Find a precision that the named device does not support; for `auto` the device is checked later."""
    kind = config.device.partition(":")[0]
    devices = DEVICES_OF_PRECISION.get(config.precision, (kind,))
    if kind in ("cpu", "cuda", "mps") and kind not in devices:
        yield ConfigError(
            f"--precision {config.precision} cannot be used with --device {config.device}: it needs "
            f"{' or '.join(devices)}",
            WITHOUT_IT,
        )


def _most_steps(config: TrainConfig) -> float:
    """Return an upper bound to the steps of the run, as tight as it is known without the data."""
    sizes = [config.batch_size, config.accumulate, config.epochs, config.max_steps, config.limit]
    if config.data not in DATA or any(number is not None and number < 1 for number in sizes):
        return math.inf
    samples = min(DATA[config.data].samples, config.limit or DATA[config.data].samples)
    whole = -(-samples // (config.batch_size * config.accumulate)) * config.epochs
    return min(whole, config.max_steps or whole)


def _of_data(config: TrainConfig, entry: DataEntry) -> Iterator[ConfigError]:
    """Find what the data do not have: metrics, classes, channels, columns to split by."""
    columns = [] if config.monitor in _LOSSES else _columns_of(entry.task)
    if columns and config.monitor not in columns:
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
    """Return the weights by class; none if they cannot be parsed, which is reported elsewhere."""
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
