"""Cures that several rules share: options of `dlkit train` with a number, as far as the run's network takes them."""

from collections.abc import Mapping
from typing import Any

from dlkit.diagnosis.findings import Cure
from dlkit.diagnosis.recording import Recording
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import recipe_of

_RATE_FACTOR = 10.0
_BOUNDED = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign")


def usual(config: Mapping[str, Any], name: str) -> Any:
    """Return the value of a setting in the recipe of the run's network and data, else its default."""
    given = {key: config[key] for key in ("model", "data", "optimizer") if key in config}
    return recipe_of(given).get(name, getattr(TrainConfig, name))


def change(name: str, before: Any, after: Any) -> Cure:
    """Return the cure that changes one option."""
    option = f"--{name.replace('_', '-')}"
    if before is None:
        return Cure(f"{option} {_shown(after)}", option, after)
    if isinstance(before, int | float) and isinstance(after, int | float):
        verb = "lower" if after < before else "raise"
        return Cure(f"{verb} {option} from {_shown(before)} to {_shown(after)}", option, after)
    return Cure(f"{option} {_shown(after)} instead of {_shown(before)}", option, after)


def lower_rate(recording: Recording) -> Cure:
    """Return the cure of a rate that is too high: the recipe's, or a tenth if that is lower still."""
    rate = recording.config.get("lr")
    if rate is None:
        return Cure("lower --lr tenfold", "--lr")
    recipe = usual(recording.config, "lr")
    return change("lr", rate, recipe if recipe <= rate / 2 else rounded(rate / _RATE_FACTOR))


def raise_rate(recording: Recording) -> Cure:
    """Return the cure of a rate that is too low: the recipe's, or ten times as much if that is higher still."""
    rate = recording.config.get("lr")
    if rate is None:
        return Cure("raise --lr tenfold", "--lr")
    recipe = usual(recording.config, "lr")
    return change("lr", rate, recipe if recipe >= 2 * rate else rounded(rate * _RATE_FACTOR))


def argument(recording: Recording, name: str, value: str | int | float) -> Cure | None:
    """Return the cure that gives the network an argument with `-s`; None where it has none of that name."""
    record = MODELS.get(str(recording.config.get("model", "")))
    if record is None or name not in record.arguments:
        return None
    return Cure(f"-s {name}={value}", "-s", f"{name}={value}")


def other_activation(recording: Recording) -> Cure | None:
    """Return the cure that gives ReLU in place of another function that the network was given; None for no such one."""
    given = recording.config.get("arguments", {})
    name = next((name for name, value in given.items() if value in _BOUNDED), None)
    return Cure(f"-s {name}=relu instead of {given[name]}", "-s", f"{name}=relu") if name else None


def current_argument(recording: Recording, name: str) -> Any:
    """Return what the run's network was given with `-s`; None where it was given nothing."""
    return recording.config.get("arguments", {}).get(name)


def rounded(value: float) -> float:
    """Return a number with two significant digits."""
    return float(f"{value:.2g}")


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
