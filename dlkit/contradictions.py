"""Settings that are sound one by one and do not go together."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dlkit.catalogue import DATA, DataEntry
from dlkit.config import OPTIMIZERS, TrainConfig, flag, parse_normalize, parse_weights
from dlkit.errors import ConfigError, did_you_mean

# Epochs without a better one that a schedule needs to do its work: a whole cycle of cyclic, and one epoch at the
# rate that plateau has halved after the sixth.
PATIENCE_OF_SCHEDULE = {
    "cyclic": (4, "the loss rises in every cycle"),
    "plateau": (7, "the run would end before the lower rate is tried"),
}

# What computes in which precision; fp32 is everywhere. A CPU has tf32 nowhere and fp16 hardly anywhere.
DEVICES_OF_PRECISION = {"tf32": ("cuda",), "bf16": ("cuda", "mps", "cpu"), "fp16": ("cuda", "mps")}


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
    if config.label_smoothing and config.loss in ("mse", "l1", "huber", "bce"):
        yield ConfigError(
            f"--label-smoothing does not go with --loss {config.loss}",
            "only cross-entropy spreads its target",
        )
    if config.keep is not None and config.save_every is None:
        yield ConfigError("--keep does nothing without --save-every", "add --save-every N or Ne")
    if config.data.partition(":")[0] in DATA:
        yield from _of_data(config, DATA[config.data.partition(":")[0]])


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
            "--precision bf16 or fp32",
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
    """Find what the data do not have: metrics, classes, channels."""
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
