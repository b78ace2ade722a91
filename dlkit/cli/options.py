"""Options that several commands share, each with one name and one meaning."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option, Typer

from dlkit.cli import console
from dlkit.cli.help import Command, Group
from dlkit.cli.streams import result_apart
from dlkit.errors import ConfigError, DlkitError
from dlkit.user_code import blame

Checkpoint = Annotated[Path, Argument(metavar="CKPT", help="A checkpoint, or a run folder for its best one.")]
DeviceOption = Annotated[str, Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
SplitOption = Annotated[str, Option("--split", help="test, val, train or all.")]
DataOption = Annotated[
    str | None, Option("--data", "-d", help="Data other than those the checkpoint was trained on.")
]
TargetOption = Annotated[
    str | None, Option("--target", metavar="COL", help="The column of a table to predict.")
]
BatchesOption = Annotated[int, Option("--batches", min=1, help="Number of batches to inspect.")]

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_EVERYWHERE: dict[str, Any] = {
    name: Annotated[bool, Option(*flags, help=text, rich_help_panel="Output")]
    for name, flags, text in (
        ("quiet", ("-q", "--quiet"), "Print results, warnings and errors only."),
        ("verbose", ("-v", "--verbose"), "Print more details."),
        ("json", ("--json",), "Print the result as one JSON document."),
        ("debug", ("--debug",), "Show the traceback of an error."),
    )
}


class StdoutClosed(Exception):  # noqa: N818 - not an error: the reader has closed the pipe
    """The reader of stdout has closed it, as `head -1` does."""


def add_command(group: Typer, name: str, function: Callable[..., None]) -> None:
    """Add a command that takes --quiet, --verbose, --json and --debug besides its own options.

    Args:
        group: The group it is added to.
        name: Its name.
        function: Its implementation; the signature defines its options, the docstring its help.
    """

    @functools.wraps(function)
    def with_mode(**options: Any) -> None:
        for shared in _EVERYWHERE:
            setattr(console.mode, shared, options.pop(shared))
        try:
            with result_apart():
                function(**options)
                console.flush()
        except BrokenPipeError as err:
            if place := blame(err):  # the user's own; Typer would exit for it without a word
                raise DlkitError(f"your code failed at {place}", "--debug shows the traceback") from err
            raise StdoutClosed from err

    own = inspect.signature(function, eval_str=True)
    shared = [
        inspect.Parameter(shared, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for shared, annotation in _EVERYWHERE.items()
    ]
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.parameters.values()
    ]
    with_mode.__signature__ = own.replace(parameters=[*parameters, *shared])  # type: ignore[attr-defined]
    with_mode.__annotations__ = {parameter.name: parameter.annotation for parameter in (*parameters, *shared)}
    group.command(name, cls=Command, context_settings=_HELP_NAMES)(with_mode)


def command_group(name: str, text: str) -> Typer:
    """Create a group of commands, which shows its help when called alone.

    Args:
        name: Its name.
        text: Its help text.
    """
    group = Typer(
        name=name,
        cls=Group,
        help=text,
        context_settings=_HELP_NAMES,
        pretty_exceptions_enable=False,
        add_completion=name == "dlkit",
    )

    def show_help(context: Context) -> None:
        if context.invoked_subcommand is None:
            console.print_line(context.get_help())

    group.callback(invoke_without_command=True)(show_help)
    return group


def given_options(context: Context, sources: tuple[str, ...]) -> set[str]:
    """Return the names of the parameters that come from the given sources: COMMANDLINE, ENVIRONMENT.

    Raises:
        ConfigError: An option and its opposite were both typed.
    """
    for word in context.obj or ():
        opposite = f"--no-{word.removeprefix('--')}"
        if word.startswith("--") and opposite in context.obj:
            raise ConfigError(f"{word} cannot be used with {opposite}", "choose one of them")
    return {
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name in sources
    }
