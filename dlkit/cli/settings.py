"""The settings of a run on the command line: an option for each, and the source of each value."""

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Context, Option

from dlkit.cli.options import given_options
from dlkit.errors import ConfigError
from dlkit.settings.config import FIELDS, TrainConfig, flag
from dlkit.settings.resolve import parse_arguments, read_config_file, recipe_of, recipe_settings

Layers = Mapping[str, Container[str]]


def with_settings(names: Container[str] | None = None) -> Callable[..., Callable[..., None]]:
    """Add an option for each setting of `TrainConfig` to a command, with its help and default.

    Args:
        names: The settings; None takes all but the model and its arguments.
    """

    def add_options(function: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in inspect.signature(function, eval_str=True).parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        options = [
            _option_of(field)
            for name, field in FIELDS.items()
            if name not in ("model", "arguments") and (names is None or name in names)
        ]
        function.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        return function

    return add_options


@dataclass(frozen=True, kw_only=True)
class Given:
    """The settings that the user gave for a run, by source.

    Args:
        typed: Settings on the command line.
        environment: Settings in variables such as DLKIT_TRAIN_EPOCHS.
        file: Settings in the file of --config.
        arguments: The model's arguments, from `-s`.
        arguments_typed: Whether those were typed, not taken from the environment.
        faults: Errors in any of these.
    """

    typed: Mapping[str, Any]
    environment: Mapping[str, Any]
    file: Mapping[str, Any]
    arguments: Mapping[str, str]
    arguments_typed: bool
    faults: list[ConfigError]

    @property
    def settings(self) -> dict[str, Any]:
        """Settings from the command line and the environment."""
        return {**self.environment, **self.typed}

    def layers(self) -> Layers:
        """Return the names of settings by source, in order of precedence."""
        recipe = recipe_of({**self.file, **self.settings})
        return {"typed": self.typed, "environment": self.environment, "file": self.file, "recipe": recipe}

    def argument_layers(self) -> Layers:
        """Return the names of the model's arguments by source, in order of precedence."""
        nearest = "typed" if self.arguments_typed else "environment"
        return {nearest: self.arguments, "file": self.file.get("arguments", {})}


def given_settings(
    context: Context,
    settings: Mapping[str, Any],
    pairs: list[str] | None,
    file: Path | None,
    *,
    resuming: bool,
) -> Given:
    """Collect the settings that the user gave, by source.

    Args:
        context: Of the command; knows the source of each option.
        settings: Values of all settings.
        pairs: Values of `-s`.
        file: The file of --config.
        resuming: A run is resumed: the environment is ignored.

    Raises:
        ConfigError: The file is missing or not TOML.
    """
    typed, environment = (
        {name: settings[name] for name in given_options(context, (source,)) if settings.get(name) is not None}
        for source in ("COMMANDLINE", "ENVIRONMENT")
    )
    arguments_typed = "arguments" in given_options(context, ("COMMANDLINE",))
    faults: list[ConfigError] = []
    from_file: dict[str, Any] = {}
    arguments: dict[str, str] = {}
    try:
        arguments = parse_arguments(pairs if pairs and (arguments_typed or not resuming) else [])
    except ConfigError as err:
        faults += err.faults
    if file is not None and not resuming:
        from_file, found = read_config_file(file)
        faults += found
    for values in (typed, environment, from_file):
        for name in {"init", "split_file"} & values.keys():
            values[name] = str(Path(values[name]).absolute())
    return Given(
        typed=typed,
        environment={} if resuming else environment,
        file=from_file,
        arguments=arguments,
        arguments_typed=arguments_typed,
        faults=faults,
    )


def explained(config: TrainConfig, given: Given, *, resuming: bool) -> dict[str, dict[str, Any]]:
    """Return the value and the source of each setting.

    Args:
        config: The settings.
        given: The settings that the user gave.
        resuming: A run is resumed: settings that were not typed are the run's.

    Returns:
        `value` and `source` by setting, and by `-s name` for the model's arguments.
    """
    layers: Layers = {"typed": given.typed} if resuming else given.layers()
    argument_layers: Layers = {} if resuming else given.argument_layers()
    rest = "run" if resuming else "default"
    plain = config.to_dict()
    arguments = plain.pop("arguments")
    return {
        **{name: {"value": value, "source": _source(name, layers, rest)} for name, value in plain.items()},
        "arguments": {
            name: {"value": value, "source": _source(name, argument_layers, rest)}
            for name, value in arguments.items()
        },
    }


def as_toml(settings: Mapping[str, Any]) -> str:
    """Return the result of `explained` as TOML, with the sources as comments."""
    import tomli_w

    def line(name: str, entry: Mapping[str, Any]) -> str:
        return f"{tomli_w.dumps({name: entry['value']}).rstrip()}  # {entry['source']}"

    plain, arguments = dict(settings), settings["arguments"]
    del plain["arguments"]
    lines = [
        "# weight decay does not apply to biases and normalisation layers",
        *(line(name, entry) for name, entry in plain.items()),
        "",
        "[arguments]",
        *(line(name, entry) for name, entry in arguments.items()),
    ]
    return "\n".join([*lines, ""])


def _source(name: str, layers: Layers, rest: str) -> str:
    return next((layer for layer, names in layers.items() if name in names), rest)


def _option_of(field: Field[Any]) -> inspect.Parameter:
    by_recipe = field.name in recipe_settings()
    text = field.metadata["help"] + (" Default: the model's recipe." if by_recipe else "")
    declared: Any = field.type
    name = flag(field.name)
    switch = declared in (bool, bool | None)
    names = [f"{name}/--no-{name.removeprefix('--')}" if switch else name, field.metadata["short"]]
    kind = declared | None if by_recipe else declared
    option = Option(*filter(None, names), help=text, rich_help_panel=field.metadata["panel"])
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if by_recipe else field.default,
        annotation=Annotated[kind, option],
    )
