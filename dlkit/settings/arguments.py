"""Arguments of models and of built-in data: their defaults, allowed values and parsing."""

from collections.abc import Mapping
from dataclasses import dataclass

from dlkit.errors import ConfigError, did_you_mean

ArgumentValue = bool | int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One `-s name=value` of a model: its default, allowed values, and help text."""

    default: ArgumentValue
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def parse(self, typed: str, text: str) -> ArgumentValue:
        """Parse a value.

        Args:
            typed: The name as the user wrote it, e.g. `-s width`.
            text: The value.

        Raises:
            ConfigError: It is not of the argument's type, or outside its range or choices.
        """
        try:
            value = self._convert(text)
        except ValueError:
            several = "," in text and typed.startswith("-s ")
            hint = f"--search s.{typed[3:]}={text} --sampler grid trains once with each value"
            raise ConfigError(
                f"{typed}={text} is not {self._type_name()}",
                hint if several else f"the default is {self.shown()}",
            ) from None
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, str):
                if self.choices and number not in self.choices:
                    raise ConfigError(
                        f"{typed}={text} is not known; choose from {', '.join(self.choices)}",
                        did_you_mean(text, self.choices),
                    )
            elif not (self.low is None or number >= self.low) or not (
                self.high is None or number < self.high
            ):
                raise ConfigError(
                    f"{typed}={text} is outside {self._range()}", f"the default is {self.shown()}"
                )
        return value

    def shown(self) -> str:
        """Return the default as a user would type it."""
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def _convert(self, text: str) -> ArgumentValue:
        if isinstance(self.default, bool):
            if text.lower() not in TRUTHS:
                raise ValueError(text)
            return TRUTHS[text.lower()]
        if isinstance(self.default, tuple):
            return tuple(int(part) for part in text.split(",") if part.strip()) if text.strip() else ()
        if isinstance(self.default, int):
            return int(text)
        return float(text) if isinstance(self.default, float) else text

    def _type_name(self) -> str:
        names = {
            bool: "true or false",
            tuple: "a list of whole numbers",
            int: "a whole number",
            float: "a number",
        }
        return names.get(type(self.default), "a text")

    def _range(self) -> str:
        low = "(-inf" if self.low is None else f"[{self.low}"
        return f"{low}, {'inf' if self.high is None else self.high})"


def resolve_arguments(
    known: Mapping[str, Argument], typed: Mapping[str, str], *, prefix: str, owner: str
) -> dict[str, ArgumentValue]:
    """Parse the arguments typed, and fill in the defaults of the others."""
    values = {name: argument.default for name, argument in known.items()}
    faults: list[ConfigError] = []
    for name, text in typed.items():
        try:
            if name not in known:
                raise ConfigError(
                    f"{prefix}{name}={text}: {owner} takes no such argument; it takes {', '.join(known) or 'none'}",
                    did_you_mean(name, known),
                )
            values[name] = known[name].parse(f"{prefix}{name}", text)
        except ConfigError as err:
            faults.append(err)
    if faults:
        raise ConfigError.of(faults)
    return values
