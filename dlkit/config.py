"""TrainConfig: every setting of a training run with its default, its check and its sentence of help."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlkit.catalogue import DATA, MODELS, RECIPES, ArgumentValue
from dlkit.errors import ConfigError, did_you_mean

_ADAM_LR = 1e-3
_DEVICE = re.compile("auto|cpu|mps|cuda(:(0|[1-9][0-9]{0,3}))?")
_FIXED_ON_RESUME = (
    "model",
    "arguments",
    "data",
    "val",
    "test",
    "limit",
    "normalize",
    "batch_size",
    "optimizer",
    "loss",
    "seed",
)


def _setting(
    default: Any,
    help: str,  # noqa: A002 - the word that Typer and argparse use
    *,
    low: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    hint: str = "",
) -> Any:
    """Declare one setting: its default, its sentence of help and what it may be."""
    checks = {"low": low, "above": above, "below": below, "choices": choices, "hint": hint}
    return dataclasses.field(default=default, metadata={"help": help, **checks})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training run, resolved and checked; see `resolve`."""

    model: str = _setting("", "mlp, cnn or a torchvision network.", choices=tuple(MODELS))
    arguments: Mapping[str, ArgumentValue] = dataclasses.field(default_factory=dict)
    data: str = _setting("", "A built-in data set.", choices=tuple(DATA))
    epochs: int = _setting(10, "Passes over the training split.", low=1)
    lr: float = _setting(0.01, "Learning rate.", above=0, hint="0.01 suits sgd, 0.001 adam and adamw")
    batch_size: int = _setting(64, "Samples a step.", low=1)
    optimizer: str = _setting("sgd", "sgd, adam or adamw.", choices=("sgd", "adam", "adamw"))
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps.")

    val: float = _setting(
        0.1,
        "Share of the samples kept for validation.",
        above=0,
        below=1,
        hint="0.1 keeps 10 % of the training samples for validation",
    )
    test: float = _setting(
        0.1,
        "Share kept for the test where the source has no test part.",
        above=0,
        below=1,
        hint="0.1 keeps 10 %",
    )
    limit: int | None = _setting(None, "Use only the first N training samples.", low=10)
    normalize: str = _setting("auto", "auto (training mean and std), none, or MEAN,STD.")

    momentum: float = _setting(0.9, "Momentum of sgd.", low=0, below=1)
    weight_decay: float = _setting(0.0, "Weight decay: L2 for sgd and adam, decoupled for adamw.", low=0)
    l1: float = _setting(0.0, "Weight of the sum of absolute weights in the loss.", low=0)
    loss: str = _setting(
        "auto",
        "auto, cross-entropy or mse (on one-hot targets for classes).",
        choices=("auto", "cross-entropy", "mse"),
    )
    schedule: str = _setting("none", "none or onecycle.", choices=("none", "onecycle"))

    seed: int = _setting(0, "Seed of weights, order of samples and splits.", low=0, below=2**32)
    log_every: int | None = _setting(None, "Print the loss every N steps.", low=1)
    plot: bool = _setting(True, "Draw curves.png at the end.")

    def to_dict(self) -> dict[str, Any]:
        """Give the settings as plain values; unset ones are left out."""
        plain = dataclasses.asdict(self)
        plain["arguments"] = {
            name: list(value) if isinstance(value, tuple) else value for name, value in self.arguments.items()
        }
        return {name: value for name, value in plain.items() if value is not None}

    def to_toml(self) -> str:
        """Write the settings as TOML."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def normalisation_numbers(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Give the means and standard deviations of `normalize=MEAN,STD`, one a channel.

        Raises:
            ConfigError: Their number does not fit the channels.
        """
        numbers = _parse_normalize(self.normalize)
        half = len(numbers) // 2
        if half not in (1, channels):
            raise ConfigError(
                f"--normalize {self.normalize} gives {half} means for {channels} channels",
                "one mean and one std for all channels, or all means followed by all stds",
            )
        repeat = channels if half == 1 else 1
        return numbers[:half] * repeat, numbers[half:] * repeat


def setting_help(name: str) -> str:
    """Give the sentence of help of a setting."""
    text: str = _FIELDS[name].metadata["help"]
    return text


def resolve(
    typed: Mapping[str, Any], arguments: Mapping[str, str], stored: Mapping[str, Any] | None = None
) -> TrainConfig:
    """Make the configuration of a run out of what the user typed.

    What was typed wins over `stored` (the run that is resumed), that over the model's recipe, that over the
    default.

    Args:
        typed: Settings by name, only those the user gave.
        arguments: The model's arguments as typed with `-s`.
        stored: The settings of the run to go on with.

    Raises:
        ConfigError: Something cannot be used; all faults are told together.
    """
    faults: list[ConfigError] = []
    values = dict(typed)
    if stored is None:
        values = {**_recipe(typed), **typed}
        faults += _resolve_arguments(values, arguments)
    else:
        values = {**stored, **typed}
        faults += _changed_on_resume(typed, arguments, stored)
    known = {name: value for name, value in values.items() if name in _FIELDS}
    config = TrainConfig(**known)
    faults += _faults(config)
    if faults:
        raise ConfigError.of(faults)
    return config


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


def _recipe(typed: Mapping[str, Any]) -> dict[str, Any]:
    entry = MODELS.get(typed.get("model", ""))
    if entry is None:
        return {}
    recipe: dict[str, Any] = {"data": entry.data, **RECIPES[entry.recipe]}
    if typed.get("optimizer") in ("adam", "adamw"):
        recipe["lr"] = _ADAM_LR
    return recipe


def _resolve_arguments(values: dict[str, Any], arguments: Mapping[str, str]) -> list[ConfigError]:
    entry = MODELS.get(values.get("model", ""))
    if entry is None:
        return []
    try:
        values["arguments"] = entry.resolve(arguments)
    except ConfigError as err:
        values["arguments"] = {}
        return [err]
    return []


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


def _faults(config: TrainConfig) -> Iterator[ConfigError]:
    for name, field in _FIELDS.items():
        value = getattr(config, name)
        decided_by_model = name == "data" and not value and config.model not in MODELS
        if field.metadata and value is not None and not decided_by_model:
            yield from _check(name, value, field.metadata)
    if config.batch_size == 1 and config.arguments.get("norm") == "batch":
        yield ConfigError(
            "--batch-size 1 does not go with -s norm=batch: one sample has no spread",
            "--batch-size 2 or more, or -s norm=layer",
        )
    yield from check_device(config.device)
    if config.normalize not in ("auto", "none"):
        try:
            _parse_normalize(config.normalize)
        except ConfigError as err:
            yield err


def _check(name: str, value: Any, checks: Mapping[str, Any]) -> Iterator[ConfigError]:
    if checks["choices"] and value not in checks["choices"]:
        known = ", ".join(checks["choices"])
        problem = f"{value} is not known" if value else "is missing"
        yield ConfigError(
            f"{flag(name)} {problem}; choose from {known}", did_you_mean(value, checks["choices"])
        )
    if isinstance(value, bool | str):
        return
    low, above, below = (checks[key] for key in ("low", "above", "below"))
    inside = (
        math.isfinite(value)
        and (low is None or value >= low)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not inside:
        left = f"({above}" if low is None else f"[{low}"
        right = "inf" if below is None else below
        yield ConfigError(f"{flag(name)} {value} is outside {left}, {right})", checks["hint"])


def _parse_normalize(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    half = len(numbers) // 2
    fits = numbers and len(numbers) % 2 == 0 and all(map(math.isfinite, numbers))
    if not fits or min(numbers[half:]) <= 0:
        raise ConfigError(
            f"--normalize {text} is not auto, none or MEAN,STD with a std above 0", "0.5,0.5 gives -1 to 1"
        )
    return numbers


_FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
