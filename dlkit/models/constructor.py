"""What the constructor of a user's own network takes, and how `-s` and the data fill it."""

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.files.description import DataDescription
from dlkit.models.known_arguments import example_of, known_of_data, known_where_needed
from dlkit.settings.arguments import TRUTHS, ArgumentValue
from dlkit.settings.spec import CodeSpec

_EMPTY = inspect.Parameter.empty
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
_SEQUENCES = (list, tuple, typing.get_origin(Sequence[int]))


@dataclass(frozen=True)
class Parameter:
    """One parameter of a constructor.

    Args:
        name: Its name.
        annotation: Its type; `inspect.Parameter.empty` where none is written.
        default: Its default, likewise.
        from_data: What the data say it is; None where they do not.
    """

    name: str
    annotation: Any
    default: Any
    from_data: Any

    def shown(self) -> str:
        """Write it as its signature does, e.g. `width: int = 64`."""
        kind = "" if self.annotation is _EMPTY else f": {inspect.formatannotation(self.annotation)}"
        if self.from_data is not None:
            return f"{self.name}{kind} (from the data)"
        return f"{self.name}{kind}" + ("" if self.default is _EMPTY else f" = {_text(self.default)}")


@dataclass(frozen=True)
class Call:
    """How a constructor is called.

    Args:
        code: Where it stands.
        values: Its arguments by name.
        typed: What was typed of them, as text or as it was read before.
        defaults: Plain values that it takes by default.
    """

    code: CodeSpec
    values: Mapping[str, Any]
    typed: Mapping[str, Any]
    defaults: Mapping[str, ArgumentValue]

    @property
    def kept(self) -> dict[str, ArgumentValue]:
        """The arguments to store, so that the network is built alike when its defaults change.

        Those that the data give are not among them: they are found again.
        """
        return {
            **self.defaults,
            **{name: _plain(self.values[name], text) for name, text in self.typed.items()},
        }

    def shown(self) -> str:
        """Return what it is called with, and where each argument is from."""
        shown = [
            f"{name}={_text(value)}{'' if name in self.typed else ' from the data'}"
            for name, value in self.values.items()
        ]
        shown += [f"{name}={_text(value)} by default" for name, value in self.defaults.items()]
        return f"{self.code.short}({', '.join(shown)})"


def plan_call(
    code: CodeSpec, target: Callable[..., Any], description: DataDescription, typed: Mapping[str, Any]
) -> Call:
    """Decide what a constructor is called with.

    Args:
        code: Where it stands, for messages.
        target: The class, or a function that gives a network.
        description: What the data tell.
        typed: What `-s` gave, as text or as it was read before.

    Raises:
        ConfigError: Arguments are wrong or missing; all are reported together.
    """
    signature = _signature(target)
    parameters = _parameters(target, signature, description)
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.values())
    takes = "; ".join(parameter.shown() for parameter in parameters.values()) or "no arguments"
    values: dict[str, Any] = {
        name: parameter.from_data for name, parameter in parameters.items() if parameter.from_data is not None
    }
    faults: list[ConfigError] = []
    for name, value in typed.items():
        try:
            if name not in parameters and not takes_any:
                raise ConfigError(
                    f"-s {name}={_text(value)}: {code.short} takes no such argument; it takes {takes}",
                    did_you_mean(name, parameters),
                )
            values[name] = _read(parameters.get(name, Parameter(name, _EMPTY, _EMPTY, None)), value)
        except ConfigError as err:
            faults.append(err)
    needed = [
        name for name, one in parameters.items() if one.default is _EMPTY and name not in {**values, **typed}
    ]
    if needed:
        faults.append(
            ConfigError(
                f"MODEL {code.short} needs {' and '.join(needed)}, which the data do not provide; it takes {takes}",
                _telling(needed, description)
                or f"add {' '.join(f'-s {name}={example_of(name)}' for name in needed)}",
            )
        )
    if faults:
        raise ConfigError.of(faults)
    defaults = {
        name: one.default
        for name, one in parameters.items()
        if name not in values and isinstance(one.default, bool | int | float | str)
    }
    return Call(code, values, typed, defaults)


def _telling(needed: Sequence[str], description: DataDescription) -> str:
    """Return the option with which the data tell what is needed; empty where there is none."""
    sequences = description.kind == "arrays" and len(description.input_shape) == 2
    return "--layout nhw reads the inputs as images" if needed == ["in_channels"] and sequences else ""


def _signature(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    if inspect.isclass(target) and target.__init__ is nn.Module.__init__:  # which claims to take anything
        return {}
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}


def _parameters(
    target: Callable[..., Any], signature: Mapping[str, inspect.Parameter], description: DataDescription
) -> dict[str, Parameter]:
    known, where_needed = known_of_data(description), known_where_needed(description)
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError, AttributeError, SyntaxError):
        hints = {}
    return {
        name: Parameter(
            name,
            hints.get(name, one.annotation),
            one.default,
            known.get(name, where_needed.get(name.lower()) if one.default is _EMPTY else None),
        )
        for name, one in signature.items()
        if one.kind not in _VARIADIC
    }


def _read(parameter: Parameter, value: Any) -> Any:
    """Read a value as typed by the parameter's annotation, else by the type of its default, else by its looks."""
    if not isinstance(value, str):
        return value
    kinds = list(_kinds_of(parameter))
    for kind in kinds:
        try:
            return _convert(value, kind)
        except ValueError:
            continue
    wanted = " or ".join(dict.fromkeys(_kind_text(kind) for kind in kinds))
    default = "" if parameter.default is _EMPTY else f"the default is {_text(parameter.default)}"
    raise ConfigError(f"-s {parameter.name}={value} is not {wanted}", default)


def _kinds_of(parameter: Parameter) -> Iterator[Any]:
    """Return the types that a value may be of, in the order in which they are tried; Any goes by its looks."""
    annotation, default = parameter.annotation, parameter.default
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        # A text fits anything, so it is tried last; "none" is no text where None is allowed.
        inner = typing.get_args(annotation)
        yield from sorted(inner, key=lambda kind: (kind is str, kind is not types.NoneType))
    elif annotation is not _EMPTY:
        yield annotation
    elif default is None or default is _EMPTY:
        yield Any
    elif isinstance(default, list | tuple):
        yield types.GenericAlias(type(default), (type(default[0]) if default else Any,))
    else:
        yield type(default)


def _convert(text: str, kind: Any) -> Any:
    """Read a text as one type; one that no text stands for goes by the looks of the text.

    Raises:
        ValueError: It is not of the type.
    """
    origin = typing.get_origin(kind) or kind
    if origin is typing.Literal:
        choices = {str(choice): choice for choice in typing.get_args(kind)}
        if text not in choices:
            raise ValueError(text)
        return choices[text]
    if kind is types.NoneType:
        if text.lower() != "none":
            raise ValueError(text)
        return None
    if kind is bool:
        if text.lower() not in TRUTHS:
            raise ValueError(text)
        return TRUTHS[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    if origin in _SEQUENCES:
        values = [_convert(part.strip(), _inner(kind)) for part in text.split(",")] if text.strip() else []
        return values if origin is list else tuple(values)
    return _guess(text)


def _guess(text: str) -> Any:
    """Read a text by its looks: a number, true or false, none, several of them, else a word."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    return tuple(_guess(part.strip()) for part in text.split(",")) if "," in text else text


def _kind_text(kind: Any) -> str:
    origin = typing.get_origin(kind) or kind
    if origin is typing.Literal:
        return " or ".join(map(str, typing.get_args(kind)))
    if origin in _SEQUENCES:
        return f"a list of {_KINDS.get(_inner(kind), 'a value').removeprefix('a ')}s"
    return "none" if kind is types.NoneType else _KINDS.get(kind, inspect.formatannotation(kind))


def _inner(kind: Any) -> Any:
    """Return the type of a sequence's members."""
    return next((each for each in typing.get_args(kind) if each is not Ellipsis), Any)


def _plain(value: Any, typed: Any) -> ArgumentValue:
    """Return a value as a checkpoint can hold it; what it cannot hold stays as it was typed."""
    if isinstance(value, list | tuple) and all(isinstance(each, int | float | str) for each in value):
        return tuple(value)
    kept: ArgumentValue = value if isinstance(value, bool | int | float | str) else typed
    return kept


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return printable(text.partition("(")[0] if "(" in text else text, 40)
