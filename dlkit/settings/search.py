"""The ranges of a search: `--search KEY=RANGE` parsed and checked, and the plan of all its trials."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dlkit.errors import ConfigError, did_you_mean
from dlkit.settings.arguments import TRUTHS
from dlkit.settings.config import FIELDS, TrainConfig, flag
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import kinds_of, resolve

SAMPLERS = ("tpe", "gp", "cmaes", "random", "grid")
PRUNERS = ("median", "hyperband", "none")
SEARCHED = (
    *(
        "lr",
        "batch_size",
        "optimizer",
        "momentum",
        "nesterov",
        "weight_decay",
        "l1",
        "grad_clip",
        "accumulate",
    ),
    *("schedule", "warmup_steps", "epochs", "max_steps", "patience", "ema", "init", "freeze", "precision"),
    *("augment", "size", "normalize", "neighbors", "balance", "loss", "label_smoothing"),
)
_CHANGES_LOSS = ("balance", "loss", "label_smoothing")
EXAMPLE = "for example --search lr=1e-4..1e-1:log or --search optimizer=sgd,adamw"

Value = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class Searched:
    """One setting that is searched: a range of numbers, or a choice.

    Args:
        key: A name in `SEARCHED`, or `s.NAME` for an argument of the network.
        text: As typed behind --search.
        choices: The values of a choice; empty for a range.
        low: The lower end of a range.
        high: The upper end, within the range.
        log: Numbers are drawn evenly in their logarithm.
        step: The distance of the numbers; None for any.
    """

    key: str
    text: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether the numbers of the range are whole."""
        return isinstance(self.low, int)

    def ends(self) -> tuple[Value, ...]:
        """Return the values that must be allowed for all to be."""
        return self.choices or (self.low, self.high)

    @property
    def count(self) -> int:
        """How many values there are; 0 where there are too many to count."""
        if self.choices or self.step is None:
            return len(self.choices)
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def value(self, number: int) -> Value:
        """Return a value of those that can be counted, from 0."""
        return self.choices[number] if self.choices else self.number(number)

    def number(self, number: int) -> float:
        """Return a number of a range with a step, from 0."""
        value = self.low + number * (self.step or 0)
        return value if self.whole else float(f"{value:.12g}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a worker needs to know to train trials of a search; stored in the study.

    Args:
        settings: Settings typed, which are the same in all trials.
        arguments: Arguments of the network typed, likewise.
        file: Settings of a --config file.
        searched: What stood behind each --search.
        sampler: A name in `SAMPLERS`.
        pruner: A name in `PRUNERS`.
        trials: How many trials there are to be.
        fingerprint: Of the data.
        code: Digest of the file with the network, for own code.
    """

    settings: Mapping[str, Any]
    arguments: Mapping[str, str]
    file: Mapping[str, Any]
    searched: Sequence[str]
    sampler: str
    pruner: str
    trials: int
    fingerprint: str = ""
    code: str = ""

    @property
    def space(self) -> list[Searched]:
        """What is searched."""
        return [parse_search(text, self.settings.get("model", "")) for text in self.searched]

    def config(self, values: Mapping[str, Value] | None = None) -> TrainConfig:
        """Return the settings of a trial.

        Args:
            values: The searched ones by key; None takes the first of each.

        Raises:
            ConfigError: They cannot be used together.
        """
        values = {one.key: one.ends()[0] for one in self.space} if values is None else values
        named = {key: value for key, value in values.items() if not key.startswith("s.")}
        own = {key.removeprefix("s."): value for key, value in values.items() if key.startswith("s.")}
        arguments = {**self.file.get("arguments", {}), **own}
        drawn = {"plot": False, **self.file, **named, "arguments": arguments}
        return resolve(self.settings, self.arguments, file=drawn)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values."""
        return asdict(self)


def find_plan_faults(plan: Plan) -> Iterator[ConfigError]:
    """Find what is wrong with a search, before torch or Optuna is loaded."""
    faults: list[ConfigError] = []
    space: list[Searched] = []
    for text in plan.searched:
        try:
            space.append(parse_search(text, plan.settings.get("model", "")))
        except ConfigError as err:
            faults.append(err)
    faults += _name_faults("sampler", plan.sampler, SAMPLERS)
    faults += _name_faults("pruner", plan.pruner, PRUNERS)
    if plan.trials < 1:
        faults.append(ConfigError(f"--trials {plan.trials} is below 1", "for example --trials 50"))
    if faults:
        yield from faults
        return
    yield from _clashes(plan, space)
    try:
        config = plan.config()
    except ConfigError as err:
        yield from (_of_search(fault, space) for fault in err.faults)
        return
    yield from _value_faults(plan, space)
    if plan.sampler == "cmaes" and all(one.choices for one in space):
        yield ConfigError(
            "--sampler cmaes needs a range of numbers", "--sampler tpe or random chooses from lists"
        )
    for one in space:
        if one.key in _CHANGES_LOSS and config.monitor == "val_loss":
            yield ConfigError(
                f"--search {one.text}: {one.key} changes the meaning of val_loss, so it cannot compare trials",
                "add --monitor val_accuracy or another metric",
            )
        if plan.sampler == "grid" and not one.count:
            yield ConfigError(
                f"--search {one.text}: --sampler grid needs values that can be counted",
                f"list them, as {one.key}={one.low:g},{one.high:g}, or add a step, as 0..0.5:0.1",
            )


def grid_size(space: Iterable[Searched]) -> int:
    """Return how many combinations a grid has; 0 if a range has no step."""
    return math.prod(one.count for one in space)


def cell_of_grid(space: Sequence[Searched], number: int) -> dict[str, Value]:
    """Return a combination of a grid by its number from 0; the last setting is the fastest."""
    cell = {}
    for one in reversed(space):
        number, index = divmod(number, one.count)
        cell[one.key] = one.value(index)
    return dict(reversed(cell.items()))


def parse_search(text: str, model: str) -> Searched:
    """Parse KEY=LOW..HIGH, KEY=LOW..HIGH:log, KEY=LOW..HIGH:STEP, or KEY=A,B,C (A;B;C where values have commas).

    Args:
        text: As typed behind --search.
        model: The network; the kinds of its arguments are known if it is built in.

    Raises:
        ConfigError: The setting is unknown or cannot be searched, or the range is none.
    """
    key, equals, values = text.partition("=")
    key = key if key.startswith("s.") else key.strip().replace("-", "_")
    if not equals or not key or not values.strip():
        raise ConfigError(f"--search {text} is not KEY=RANGE", EXAMPLE)
    kind = _argument_kind(key, text, model) if key.startswith("s.") else _setting_kind(key, text)
    if ".." in values:
        return _parse_range(key, text, values, kind)
    parts = [part.strip() for part in values.split(";" if ";" in values else ",")]
    choices = tuple(_typed(part, kind, text) for part in parts)
    if len(choices) == 1:
        raise ConfigError(f"--search {text} has one value only", f"set it: {_as_option(key, parts[0])}")
    if len(set(choices)) < len(choices) or "" in choices:
        raise ConfigError(f"--search {text} has a value twice or an empty one", EXAMPLE)
    return Searched(key=key, text=text, choices=choices)


def _parse_range(key: str, text: str, values: str, kind: type | None) -> Searched:
    ends, _, rest = values.partition(":")
    low_text, _, high_text = ends.partition("..")
    if kind not in (int, float, None):
        raise ConfigError(f"--search {text}: {key} has no range of numbers", f"list its values: {key}=A,B")
    if kind is None:  # of a network of the user's own: whole if written so
        kind = int if all(part.strip().lstrip("-").isdecimal() for part in (low_text, high_text)) else float
    low, high = (_number(part, kind, text) for part in (low_text, high_text))
    log = rest == "log"
    step = None if log or not rest else _number(rest, kind, text)
    if low > high:
        shown = f":{rest}" if rest else ""
        raise ConfigError(
            f"--search {text} begins above its end", f"{key}={high_text.strip()}..{low_text.strip()}{shown}"
        )
    if low == high:
        raise ConfigError(f"--search {text} has one value only", f"set it: {_as_option(key, low_text)}")
    if log and low <= 0:
        start = 1 if kind is int else f"{high / 1000:g}"
        raise ConfigError(
            f"--search {text}: a logarithmic range must begin above 0",
            f"{key}={start}..{high_text.strip()}:log",
        )
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"--search {text}: the step {rest} does not fit into the range", EXAMPLE)
    step = 1 if kind is int and not log and step is None else step
    searched = Searched(key=key, text=text, low=low, high=high, log=log, step=step)
    return replace(searched, high=searched.number(searched.count - 1)) if step else searched


def _setting_kind(key: str, text: str) -> type:
    """Return the type of a setting that can be searched."""
    if key in SEARCHED:
        return kinds_of(key)[0]
    if key in FIELDS:
        raise ConfigError(
            f"--search {text}: {key} cannot be searched, it is the same in all trials",
            f"{', '.join(SEARCHED)} and s.NAME can be",
        )
    owners = [name for name, record in MODELS.items() if key in record.arguments]
    hint = f"an argument of the network is s.{key}" if owners else did_you_mean(key, SEARCHED)
    raise ConfigError(
        f"--search {text}: {key} is not a setting", hint or f"choose from {', '.join(SEARCHED)}"
    )


def _argument_kind(key: str, text: str, model: str) -> type | None:
    """Return the type of an argument of a built-in network; None for own code."""
    if model not in MODELS:
        return None
    name, known = key.removeprefix("s."), MODELS[model].arguments
    if name not in known:
        raise ConfigError(
            f"--search {text}: {model} takes no argument {name}; it takes {', '.join(known) or 'none'}",
            did_you_mean(name, known),
        )
    return type(known[name].default)


def _typed(part: str, kind: type | None, text: str) -> Value:
    if kind in (int, float):
        return _number(part, kind, text)
    if kind is bool:
        if part.lower() not in TRUTHS:
            raise ConfigError(
                f"--search {text}: {part} is not true or false", "for example nesterov=true,false"
            )
        return TRUTHS[part.lower()]
    return part


def _number(part: str, kind: type, text: str) -> float:
    """Parse a number of a range."""
    try:
        number: float = kind(part)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        words = "a whole number" if kind is int else "a number"
        raise ConfigError(f"--search {text}: {part.strip() or 'nothing'} is not {words}", EXAMPLE)
    return number


def _name_faults(option: str, name: str, known: Sequence[str]) -> Iterator[ConfigError]:
    if name not in known:
        yield ConfigError(
            f"--{option} {name} is not known; choose from {', '.join(known)}", did_you_mean(name, known)
        )


def _clashes(plan: Plan, space: Sequence[Searched]) -> Iterator[ConfigError]:
    """Find what is searched twice, or typed and searched."""
    keys = [one.key for one in space]
    typed = {*plan.settings, *(f"s.{name}" for name in plan.arguments)}
    for one in space:
        if one.key in typed:
            yield ConfigError(
                f"{_as_option(one.key)} is typed and searched: --search {one.text}", "leave one of them out"
            )
    for key in {key for key in keys if keys.count(key) > 1}:
        yield ConfigError(f"--search has {key} twice", "one range per setting")


def _value_faults(plan: Plan, space: Sequence[Searched]) -> Iterator[ConfigError]:
    """Find the ends of ranges and the choices that the setting cannot have."""
    first = {one.key: one.ends()[0] for one in space}
    for one in space:
        for value in one.ends()[1:]:
            try:
                plan.config({**first, one.key: value})
            except ConfigError as err:
                yield ConfigError(f"--search {one.text}: {err.faults[0].message}", err.faults[0].hint)
                break


def _of_search(fault: ConfigError, space: Sequence[Searched]) -> ConfigError:
    """Return a fault of a value with the `--search` that it comes from, if it is of one."""
    for one in space:
        if fault.message.startswith((f"{_as_option(one.key)} ", f"{_as_option(one.key)}=")):
            return ConfigError(f"--search {one.text}: {fault.message}", fault.hint)
    return fault


def _as_option(key: str, value: str = "") -> str:
    """Return the option of a setting or an argument, with a value if there is one."""
    if key.startswith("s."):
        return f"-s {key.removeprefix('s.')}{f'={value}' if value else ''}"
    return f"{flag(key)} {value}".rstrip()
