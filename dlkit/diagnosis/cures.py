"""Cures that several rules share: options of `dlkit train` with a number, as far as the run's network takes them."""

from collections.abc import Mapping
from typing import Any

from dlkit.diagnosis.findings import Cure
from dlkit.diagnosis.recording import Recording
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import recipe_of

_RATE_FACTOR = 10.0
_HEALTHY_FIRST, _HEALTHY_ALONE, _RMSPROP_FIRST = 0.03, 0.1, 10.0
_SGD, _ALONE, _MOMENTUM = 0.03, 5.0, 0.5
_SPAN = 3.0
_ENOUGH_STEPS = 200
_BATCH_NORM_FROM = 8
_DEEP = 8
_OTHERS = (
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "hardtanh",
    "softsign",
    "none",
    "identity",
    "linear",
    "threshold",
)


def usual(config: Mapping[str, Any], name: str) -> Any:
    """Return the value of a setting in the recipe of the run's network and data, else its default."""
    given = {key: config[key] for key in ("model", "data", "optimizer") if key in config}
    return recipe_of(given).get(name, getattr(TrainConfig, name))


def usual_rate(config: Mapping[str, Any]) -> float:
    """Return the rate of the recipe; for SGD that of SGD, whose steps are short without momentum."""
    rate: float = usual(config, "lr")
    if config.get("optimizer") != "sgd":
        return rate
    if usual(config, "optimizer") != "sgd":
        rate = _SGD
    return rate * _ALONE if _is_alone(config) else rate


def _is_alone(config: Mapping[str, Any]) -> bool:
    """Return whether each step is of one batch alone: SGD without momentum."""
    return config.get("optimizer") == "sgd" and config.get("momentum", 0.9) < _MOMENTUM


def change(name: str, before: Any, after: Any) -> Cure:
    """Return the cure that changes one option."""
    option = f"--{name.replace('_', '-')}"
    if before is None:
        return Cure(f"{option} {_shown(after)}", option, after)
    if isinstance(before, int | float) and isinstance(after, int | float):
        verb = "lower" if after < before else "raise"
        return Cure(f"{verb} {option} from {_shown(before)} to {_shown(after)}", option, after)
    return Cure(f"{option} {_shown(after)} instead of {_shown(before)}", option, after)


def train_longer(recording: Recording, factor: int = 5) -> Cure:
    """Return the cure of a run that ended too early: more of what ended it, be it steps, patience or epochs."""
    config = recording.config
    steps, patience, epochs = config.get("max_steps"), config.get("patience"), config.get("epochs")
    epochs = epochs or recording.epochs
    if steps and recording.steps >= steps:
        return change("max_steps", steps, max(_ENOUGH_STEPS, factor * steps))
    if patience and recording.finished and recording.epochs < epochs:
        return change("patience", patience, factor * patience)
    return change("epochs", epochs, max(10, factor * epochs))


def lower_rate(recording: Recording) -> Cure:
    """Return the cure of a rate that is too high: from the first steps, the recipe's, or a tenth if that is lower."""
    rate = recording.config.get("lr")
    if rate is None:
        return Cure("lower --lr tenfold", "--lr")
    fitting = _fitting_rate(recording, rate)
    if fitting is not None and fitting < rate / 2:
        return change("lr", rate, fitting)
    recipe = usual_rate(recording.config)
    return change("lr", rate, recipe if recipe <= rate / 2 else rounded(rate / _RATE_FACTOR))


def raise_rate(recording: Recording) -> Cure:
    """Return the cure of a rate that is too low: from the first steps, the recipe's, or ten times as much."""
    rate = recording.config.get("lr")
    if rate is None:
        return Cure("raise --lr tenfold", "--lr")
    fitting = _fitting_rate(recording, rate)
    if fitting is not None and fitting > 2 * rate:
        return change("lr", rate, fitting)
    recipe = usual_rate(recording.config)
    return change("lr", rate, recipe if recipe >= 2 * rate else rounded(rate * _RATE_FACTOR))


def _fitting_rate(recording: Recording, rate: float) -> float | None:
    """Return the rate at which the first step would move the layer that moves most by a healthy share of its norm.

    The first step is proportional to the rate, unless the schedule begins with another one; the recipe bounds it.
    """
    config = recording.config
    if config.get("warmup_steps") or config.get("schedule") in ("onecycle", "cyclic") or recording.steps < 1:
        return None
    points = [recording.points("update_ratio", layer) for layer in recording.matrices]
    first = [found[0][1] for found in points if found and found[0][0] == 1]
    if config.get("optimizer") == "rmsprop":
        first = [value / _RMSPROP_FIRST for value in first]
    if not first or not max(first) > 0:
        return None
    recipe, healthy = usual_rate(config), _HEALTHY_ALONE if _is_alone(config) else _HEALTHY_FIRST
    fitting = min(max(rate * healthy / max(first), recipe / _SPAN), recipe * _SPAN)
    return rounded(fitting, 1)


def argument(recording: Recording, name: str, value: str | int | float) -> Cure | None:
    """Return the cure that gives the network an argument with `-s`; None where it has none of that name."""
    record = MODELS.get(str(recording.config.get("model", "")))
    known = recording.config.get("arguments", {}) if record is None else record.arguments
    if name not in known:
        return None
    return Cure(f"-s {name}={value}", "-s", f"{name}={value}")


def batch_norm(recording: Recording) -> Cure | None:
    """Return the cure that normalises between layers; None for an own network, or one that has it or cannot."""
    given = recording.config.get("arguments", {})
    if recording.config.get("model") not in MODELS:
        return None  # what its code does to the layers, one argument does not undo
    if given.get("norm", "none") != "none" or recording.config.get("batch_size", 0) < _BATCH_NORM_FROM:
        return None
    return argument(recording, "norm", "batch")


def shallower(recording: Recording) -> Cure | None:
    """Return the cure of very many layers that the network was given; None where it was not given so many."""
    given = recording.config.get("arguments", {})
    layers = str(given.get("hidden", "")).split(",")
    if len(layers) >= _DEEP:
        return Cure(f"-s hidden=64,64 instead of {len(layers)} layers", "-s", "hidden=64,64")
    for name in ("depth", "layers", "num_layers", "blocks"):
        if isinstance(given.get(name), int) and given[name] >= _DEEP:
            return Cure(f"-s {name}=2 instead of {given[name]}", "-s", f"{name}=2")
    return None


def other_activation(recording: Recording) -> Cure | None:
    """Return the cure that gives ReLU in place of another function that the network was given; None for no such one."""
    given = recording.config.get("arguments", {})
    name = next((name for name, value in given.items() if value in _OTHERS and "act" in name), None)
    return Cure(f"-s {name}=relu instead of {given[name]}", "-s", f"{name}=relu") if name else None


def own_argument(recording: Recording, value: int, instead: int) -> Cure | None:
    """Return the cure for an argument that an own network was given a value for; None where none or several have it."""
    given = recording.config.get("arguments", {})
    names = [name for name, number in given.items() if number == value and not isinstance(number, bool)]
    if len(names) != 1:
        return None
    return Cure(f"-s {names[0]}={instead} instead of {value}", "-s", f"{names[0]}={instead}")


def current_argument(recording: Recording, name: str) -> Any:
    """Return what the run's network was given with `-s`; None where it was given nothing."""
    return recording.config.get("arguments", {}).get(name)


def rounded(value: float, digits: int = 2) -> float:
    """Return a number with so many significant digits."""
    return float(f"{value:.{digits}g}")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
