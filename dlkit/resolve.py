"""What was typed, set in the environment, written in a file or stored in a run becomes one checked TrainConfig."""

import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlkit.catalogue import DATA, MODELS, RECIPES
from dlkit.config import FIELDS, TrainConfig, find_faults, flag, parse_weights
from dlkit.errors import ConfigError, did_you_mean

_ADAM_LR = 1e-3
_CYCLE_EPOCHS = 4
_FIXED_ON_RESUME = (
    "model",
    "arguments",
    "data",
    "val",
    "test",
    "limit",
    "normalize",
    "batch_size",
    "accumulate",
    "optimizer",
    "loss",
    "ema",
    "freeze",
    "init",
    "monitor",
    "seed",
)


def resolve(
    typed: Mapping[str, Any],
    arguments: Mapping[str, str],
    stored: Mapping[str, Any] | None = None,
    file: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Make the configuration of a run.

    What was typed wins over `stored` (the run that is resumed) or over `file`, that over the model's recipe, that
    over the default.

    Args:
        typed: Settings by name, only those the user gave.
        arguments: The model's arguments as typed with `-s`.
        stored: The settings of the run to go on with.
        file: The settings of a configuration file.

    Raises:
        ConfigError: Something cannot be used; all faults are told together.
    """
    faults: list[ConfigError] = []
    if stored is None:
        given = {**(file or {}), **typed}
        values = {**_recipe(given), **given}
        faults += _resolve_arguments(values, arguments, (file or {}).get("arguments", {}))
        faults += _other_model(typed, file or {})
    else:
        values = {**stored, **typed}
        faults += _changed_on_resume(typed, arguments, stored)
    config = TrainConfig(**{name: value for name, value in values.items() if name in FIELDS})
    faults += find_faults(config)
    faults += _contradictions(config, typed)
    if faults:
        raise ConfigError.of(faults)
    return config


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: It is missing, no TOML, or has keys or kinds of values that no setting has; all at once.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as err:
        raise ConfigError(f"--config {path}: no such file", "--print-config writes one to stdout") from err
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"--config {path} cannot be read: {err}") from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"--config {path} is not TOML: {err}", "--print-config shows one") from err
    faults = [fault for name, value in values.items() for fault in _wrong_key(path, name, value)]
    if faults:
        raise ConfigError.of(faults)
    return {name: _widened(name, value) for name, value in values.items()}


def parse_arguments(pairs: list[str]) -> dict[str, str]:
    """Split `-s key=value` options.

    Raises:
        ConfigError: One has no `=`, or a key stands twice.
    """
    arguments: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"-s {pair} is not key=value", "for example -s hidden=128,64")
        if name in arguments:
            raise ConfigError(f"-s {name} is given twice: {arguments[name]} and {value}")
        arguments[name] = value
    return arguments


def source_of(name: str, typed: Mapping[str, Any], file: Mapping[str, Any], model: str) -> str:
    """Say where the value of a setting comes from."""
    if name in typed:
        return "typed"
    if name in file:
        return "file"
    return "recipe" if name in _recipe({"model": model, **file, **typed}) else "default"


def _recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    entry = MODELS.get(given.get("model", ""))
    if entry is None:
        return {}
    recipe: dict[str, Any] = {"data": entry.data, **RECIPES[entry.recipe]}
    if given.get("optimizer") in ("adam", "adamw", "rmsprop"):
        recipe["lr"] = _ADAM_LR
    return recipe


def _resolve_arguments(
    values: dict[str, Any], typed: Mapping[str, str], from_file: Mapping[str, Any]
) -> list[ConfigError]:
    entry = MODELS.get(values.get("model", ""))
    values["arguments"] = {}
    if entry is None:
        return []
    written = {name: _as_typed(value) for name, value in from_file.items()}
    try:
        values["arguments"] = entry.resolve({**written, **typed})
    except ConfigError as err:
        return [err]
    return []


def _as_typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _other_model(typed: Mapping[str, Any], file: Mapping[str, Any]) -> Iterator[ConfigError]:
    if "model" in typed and "model" in file and typed["model"] != file["model"]:
        yield ConfigError(
            f"MODEL {typed['model']} differs from the file's {file['model']}",
            "leave MODEL out, or change the file",
        )


def _changed_on_resume(
    typed: Mapping[str, Any], arguments: Mapping[str, str], stored: Mapping[str, Any]
) -> list[ConfigError]:
    changed = {name: value for name, value in typed.items() if value != stored.get(name)}
    faults = [
        ConfigError(
            f"{flag(name)} {changed[name]} cannot change on --resume: the run has {stored.get(name, 'none')}",
            "leave it out, or start a new run",
        )
        for name in _FIXED_ON_RESUME
        if name in changed
    ]
    if arguments:
        faults.append(
            ConfigError(
                "-s cannot change on --resume: the network is the run's", "leave it out, or start a new run"
            )
        )
    return faults


def _contradictions(config: TrainConfig, typed: Mapping[str, Any]) -> Iterator[ConfigError]:
    """Find settings that do not go together."""
    if config.batch_size == 1 and config.arguments.get("norm") == "batch":
        yield ConfigError(
            "--batch-size 1 does not go with -s norm=batch: one sample has no spread",
            "--batch-size 2 or more, or -s norm=layer",
        )
    if config.nesterov and config.optimizer == "sgd" and not config.momentum:
        yield ConfigError(
            "--nesterov does not go with --momentum 0", "--momentum 0.9, or leave --nesterov out"
        )
    for name in ("momentum", "nesterov"):
        if typed.get(name) and config.optimizer != "sgd":
            yield ConfigError(
                f"{flag(name)} does not go with --optimizer {config.optimizer}", "only sgd takes it"
            )
    if config.schedule == "cyclic" and config.patience is not None and config.patience < _CYCLE_EPOCHS:
        yield ConfigError(
            f"--schedule cyclic does not go with --patience {config.patience}: the loss rises in every cycle",
            f"--patience {_CYCLE_EPOCHS} or more, or another schedule",
        )
    if config.label_smoothing and config.loss not in ("auto", "cross-entropy"):
        yield ConfigError(
            f"--label-smoothing does not go with --loss {config.loss}",
            "only cross-entropy spreads its target",
        )
    if config.min_delta and config.patience is None:
        yield ConfigError("--min-delta does nothing without --patience", "add --patience N")
    if config.keep is not None and config.save_every is None:
        yield ConfigError("--keep does nothing without --save-every", "add --save-every N or Ne")
    yield from _names_of_data(config)


def _names_of_data(config: TrainConfig) -> Iterator[ConfigError]:
    """Find names that the data do not have: metrics and classes."""
    if config.data not in DATA:
        return
    entry = DATA[config.data]
    metric = "accuracy" if entry.task == "classification" else "mae"
    columns = [f"{part}_{name}" for part in ("val", "train") for name in ("loss", metric)]
    if config.monitor not in columns:
        yield ConfigError(
            f"--monitor {config.monitor} is not measured; choose from {', '.join(columns)}",
            did_you_mean(config.monitor, columns),
        )
    try:
        weights = parse_weights(config.target_weights) if config.target_weights else {}
    except ConfigError:
        return
    for name in weights:
        if name not in entry.class_names:
            yield ConfigError(
                f"--target-weights {name}: {config.data} has no such class; it has {', '.join(entry.class_names)}",
                did_you_mean(name, entry.class_names),
            )


def _wrong_key(path: Path, name: str, value: Any) -> Iterator[ConfigError]:
    if name not in FIELDS:
        yield ConfigError(
            f"{path}: {name} is not a setting", did_you_mean(name, FIELDS) or "see --print-config"
        )
        return
    if name == "arguments":
        if not isinstance(value, dict):
            yield ConfigError(f"{path}: arguments is not a table", "[arguments] with a line for each")
        return
    kinds = _kinds(name)
    fits = type(value) in kinds or (float in kinds and type(value) is int)
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        words = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}
        yield ConfigError(f"{path}: {name} = {value!r} is not {' or '.join(words[kind] for kind in kinds)}")


def recipe_settings() -> set[str]:
    """Give the names of the settings that recipes decide."""
    return {"data", *(name for recipe in RECIPES.values() for name in recipe)}


def _kinds(name: str) -> tuple[type, ...]:
    """Give the types that a setting may have, None left out."""
    annotation: Any = FIELDS[name].type
    if isinstance(annotation, types.UnionType):
        return tuple(kind for kind in typing.get_args(annotation) if kind is not types.NoneType)
    return (annotation,)


def _widened(name: str, value: Any) -> Any:
    return float(value) if name != "arguments" and float in _kinds(name) and type(value) is int else value
