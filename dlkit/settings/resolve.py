"""What was typed, set in the environment, written in a file or stored in a run becomes one checked TrainConfig."""

import contextlib
import sys
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlkit.errors import ConfigError, DataError, did_you_mean, printable, reason
from dlkit.settings.catalogue import DATA
from dlkit.settings.checks import find_faults
from dlkit.settings.config import FIELDS, TABLE_SETTINGS, TrainConfig, flag
from dlkit.settings.conflicts import find_contradictions
from dlkit.settings.kinds import data_kinds
from dlkit.settings.models import MODELS
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.settings.recipes import RECIPES
from dlkit.settings.spec import parse_code, parse_spec

_MAX_LIST = 1000
_WORDS = {int: "a whole number", float: "a number", str: "a text in quotes", bool: "true or false"}
_FIXED_ON_RESUME = (
    "model",
    "arguments",
    "data",
    "target",
    "features",
    *TABLE_SETTINGS,
    "bands",
    "layout",
    "task",
    "balance",
    "shuffle",
    "val",
    "test",
    "stratify",
    "group",
    "by_time",
    "split_file",
    "folds",
    "fold",
    "coords",
    "time",
    "distance",
    "neighbors",
    "min_neighbors",
    "radius",
    "window",
    "split_by_block",
    "limit",
    "normalize",
    "scale_target",
    "augment",
    "size",
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
    faults: Iterable[ConfigError] = (),
) -> TrainConfig:
    """Make the configuration of a run.

    What was typed wins over `stored` (the run that is resumed) or over `file`, that over the model's recipe, that
    over the default.

    Args:
        typed: Settings by name, only those the user gave, on the command line or in the environment.
        arguments: The model's arguments as typed with `-s`.
        stored: The settings of the run to continue.
        file: The settings of a configuration file.
        faults: What was found before, to be reported together with what is found here.

    Raises:
        ConfigError: Something cannot be used; all faults are reported together.
    """
    faults = list(faults)
    typed, file = _with_whole_paths(typed), _with_whole_paths(file or {})
    if stored is None:
        given = {**file, **typed}
        values = {**recipe_of(given), **given}
        faults += _resolve_arguments(values, arguments, file.get("arguments", {}))
        faults += _other_model(typed, file)
    else:
        values = {**stored, **typed}
        faults += _changed_on_resume(typed, arguments, stored)
    config = TrainConfig(**{name: value for name, value in values.items() if name in FIELDS})
    faults += find_faults(config)
    faults += find_contradictions(config, typed)
    if faults:
        raise ConfigError.of(faults)
    return config


def read_config_file(path: Path) -> tuple[dict[str, Any], list[ConfigError]]:
    """Read a configuration file.

    Returns:
        Its settings, and its faults: keys that are no settings, values of another kind. What is at fault is left
        out of the settings.

    Raises:
        ConfigError: It is missing or no TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as err:
        raise ConfigError(f"--config {path}: no such file", "--print-config writes one to stdout") from err
    except OSError as err:
        raise ConfigError(f"--config {path} cannot be read: {reason(err)}", "name a TOML file") from err
    except (ValueError, RecursionError) as err:
        raise ConfigError(f"--config {path} is not TOML: {err}", "--print-config shows one") from err
    settings: dict[str, Any] = {}
    faults: list[ConfigError] = []
    for name, value in values.items():
        if found := list(_wrong_key(path, name, value)):
            faults += found
        else:
            settings[name] = _widened(name, value)
    return settings, faults


def stored_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Take the settings in a checkpoint; whoever wrote them, each is of the kind that its setting has.

    Raises:
        ConfigError: One is of another kind, or is no setting.
        KeyError: There are no arguments among them.
    """
    for name, value in stored.items():
        if name not in FIELDS or not (name == "arguments" or _fits(kinds_of(name), value)):
            raise ConfigError(f"its setting {name} is {value!r}")
    arguments: dict[str, Any] = {}
    for name, value in stored["arguments"].items():
        items = value if isinstance(value, list) else [value]
        # Building more layers than any network has would take for ever.
        if len(items) > _MAX_LIST or not all(isinstance(item, str | int | float) for item in items):
            raise ConfigError(f"its argument {name} is {value!r}")
        arguments[name] = tuple(value) if isinstance(value, list) else value
    return {**stored, "arguments": arguments}


def parse_arguments(pairs: list[str]) -> dict[str, str]:
    """Split `-s key=value` options.

    Raises:
        ConfigError: One has no `=`, or a key stands twice; all such are reported together.
    """
    arguments: dict[str, str] = {}
    faults: list[ConfigError] = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            faults.append(ConfigError(f"-s {pair} is not key=value", "for example -s hidden=128,64"))
        elif name in arguments:
            faults.append(ConfigError(f"-s {name} is given twice: {arguments[name]} and {value}"))
        else:
            arguments[name] = value
    if faults:
        raise ConfigError.of(faults)
    return arguments


def recipe_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that the recipe of the model decides, by what else is given; empty for unknown models."""
    name = given.get("model", "")
    entry = MODELS.get(name)
    if entry is not None:
        by_data = entry.recipe or _recipe_of_data(given.get("data") or entry.data, given, "image")
        recipe: dict[str, Any] = {"data": entry.data, **RECIPES[by_data]}
    elif parse_code(name):
        recipe = {**RECIPES[_recipe_of_data(given.get("data", ""), given, "table")]}
    else:
        return {}
    data = given.get("data") or recipe.get("data", "")
    if (built_in := DATA.get(data.partition(":")[0])) is not None:
        recipe |= built_in.settings
    chosen = OPTIMIZERS.get(given.get("optimizer", ""))
    if chosen is not None and chosen.lr is not None and chosen.name != recipe["optimizer"]:
        recipe["lr"] = chosen.lr
    return recipe


def _recipe_of_data(text: str, given: Mapping[str, Any], otherwise: str) -> str:
    """Return the recipe that suits data; `otherwise` where they cannot be read, which is reported elsewhere."""
    try:
        spec = parse_spec(text)
        kind = data_kinds()[spec.kind]
        return kind.recipe if kind.recipe_of is None else kind.recipe_of(spec, given)
    except (ConfigError, DataError):
        return otherwise


def _kind_of_data(text: str) -> str:
    """Return the kind of data; empty where the spec is none, which is reported elsewhere."""
    try:
        return parse_spec(text).kind
    except ConfigError:
        return ""


def _with_whole_paths(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write data and code that lie in a file so that they are found from any folder."""
    whole = dict(settings)
    if isinstance(settings.get("data"), str):
        with contextlib.suppress(ConfigError):
            whole["data"] = parse_spec(settings["data"]).text
    if isinstance(settings.get("model"), str) and (code := parse_code(settings["model"])):
        whole["model"] = str(code)
    if str(settings.get("target")).lower().endswith(".npy"):
        whole["target"] = str(Path(settings["target"]).absolute())
    return whole


def _resolve_arguments(
    values: dict[str, Any], typed: Mapping[str, str], from_file: Mapping[str, Any]
) -> list[ConfigError]:
    entry = MODELS.get(values.get("model", ""))
    values["arguments"] = {}
    if parse_code(values.get("model", "")):
        # What a network of the user's own takes is known once its file was run.
        plain = {
            name: tuple(value) if isinstance(value, list) else value for name, value in from_file.items()
        }
        values["arguments"] = {**plain, **typed}
    if entry is None:
        return []
    written = {name: _as_typed(value) for name, value in from_file.items()}
    try:
        kind = _kind_of_data(values.get("data") or entry.data)
        values["arguments"] = entry.resolve({**written, **typed}, kind)
    except ConfigError as err:
        return list(err.faults)
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
    before, now = parse_code(stored.get("model", "")), parse_code(changed.get("model", ""))
    if (
        before and now and before.name == now.name
    ):  # its file has moved; the weights tell whether it is the same
        del changed["model"]
    faults = [
        ConfigError(
            f"{_with_value(name, changed[name])} cannot change on --resume: the run has {stored.get(name, 'none')}",
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


def _with_value(name: str, value: object) -> str:
    return flag(name, value) if isinstance(value, bool) else f"{flag(name)} {value}"


def _wrong_key(path: Path, name: str, value: Any) -> Iterator[ConfigError]:
    if name not in FIELDS:
        yield ConfigError(
            f"{path}: {printable(name)} is not a setting",
            did_you_mean(name, FIELDS if name != "out" else ()) or "--print-config lists the settings",
        )
        return
    if name == "arguments":
        if not isinstance(value, dict):
            yield ConfigError(f"{path}: arguments is not a table", "[arguments] with a line for each")
        elif not "".join(map(str, (*value, *value.values()))).isprintable():
            yield _not_shown(path, name)
        return
    default = FIELDS[name].default
    if not _fits(kinds_of(name), value):
        words = " or ".join(_WORDS[kind] for kind in kinds_of(name))
        yield ConfigError(
            f"{path}: {name} = {_as_toml(value)} is not {words}",
            "" if default in (None, "") else f"the default is {_as_toml(default)}",
        )
    elif not str(value).isprintable():
        yield _not_shown(path, name)


def recipe_settings() -> set[str]:
    """Return the names of the settings that recipes decide."""
    return {"data", *(name for recipe in RECIPES.values() for name in recipe)}


def kinds_of(name: str) -> tuple[type, ...]:
    """Return the types that a setting may have, None left out."""
    annotation: Any = FIELDS[name].type
    if isinstance(annotation, types.UnionType):
        return tuple(kind for kind in typing.get_args(annotation) if kind is not types.NoneType)
    return (annotation,)


def _fits(kinds: tuple[type, ...], value: Any) -> bool:
    if float in kinds and isinstance(value, int | float) and not isinstance(value, bool):
        return -sys.float_info.max <= value <= sys.float_info.max
    return type(value) in kinds


def _not_shown(path: Path, name: str) -> ConfigError:
    return ConfigError(f"{path}: {name} has characters that cannot be shown", "write it without escapes")


def _as_toml(value: Any) -> str:
    """Write a value as it stands in the file, in at most a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return printable(text)


def _widened(name: str, value: Any) -> Any:
    return float(value) if name != "arguments" and float in kinds_of(name) and type(value) is int else value
