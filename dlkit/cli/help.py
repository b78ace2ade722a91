"""The help of commands: switches without a type, no variables, and of many options those that most people use."""

import itertools
from collections.abc import Mapping
from copy import copy
from typing import Annotated, Any

from typer import Context, Exit, Option
from typer.core import TyperCommand, TyperGroup

from dlkit.cli import console
from dlkit.settings.models import MODELS
from dlkit.settings.recipes import RECIPES

_COMMON = (
    *("arguments", "data", "target", "epochs", "lr", "batch_size", "optimizer", "schedule", "patience"),
    *("device", "seed", "out", "force", "resume", "strict", "list_models", "help_all"),
)
_LISTS = ("--missing", "--kinds", "--features", "--coords", "--bands", "--target-weights")
_ALL, _MODEL = f"{__name__}.all", f"{__name__}.model"


class Group(TyperGroup):
    """A command of commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; help shows neither their variables nor a type of switches."""
        return _plain(super().get_params(ctx))


class Command(TyperCommand):
    """A command whose help is short if it takes --help-all, which shows all options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; help shows neither their variables nor a type of switches."""
        return _plain(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line; the help of a network needs its name before that."""
        args = _added_up(_with_value(args))
        ctx.meta[_MODEL] = self.make_parser(ctx).parse_args(list(args))[0].get("model")
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        if any(param.name == "help_all" for param in self.params) and not ctx.meta.get(_ALL):
            self._format_short_help(ctx, formatter)
        else:
            super().format_help(ctx, formatter)
        if self.name == "train" and ctx.meta.get(_MODEL) in MODELS:
            _print_model(ctx.meta[_MODEL])

    def _format_short_help(self, ctx: Any, formatter: Any) -> None:
        by_name = {param.name: copy(param) for param in self.params}
        shown = [by_name.pop(name) for name in _COMMON if name in by_name]
        others: dict[str, list[str]] = {}
        for param in by_name.values():
            panel = getattr(param, "rich_help_panel", None)
            if panel is None:
                shown.append(param)
            else:
                others.setdefault(panel, []).append(max(param.opts, key=len))
        for param in shown:
            param.rich_help_panel = None  # type: ignore[attr-defined]
        short = copy(self)
        short.params = shown
        super(Command, short).format_help(ctx, formatter)
        _print_panel(
            "More options; --help-all explains them",
            {panel: " ".join(names) for panel, names in others.items()},
        )


def _plain(params: list[Any]) -> list[Any]:
    for param in params:
        param.show_envvar = False
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def _with_value(words: list[str]) -> list[str]:
    """Return the words of a command line with the folder of runs behind a --resume that names none."""
    return [
        part
        for word, after in zip(words, [*words[1:], "-"], strict=False)
        for part in ([word, "runs"] if word == "--resume" and after.startswith("-") else [word])
    ]


def _added_up(words: list[str]) -> list[str]:
    """Return the words of a command line with the lists of an option that comes again joined behind its first."""
    kept: list[str] = []
    lists: dict[str, int] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in _LISTS:
            kept.append(word)
            continue
        values = [value] if equals else list(itertools.islice(rest, 1))
        if option in lists and values:
            kept[lists[option]] += f",{values[0]}"
        else:
            kept += [option, *values]
            lists[option] = len(kept) - 1
    return kept


def _show_all(context: Context, wanted: bool) -> None:
    if wanted:
        context.meta[_ALL] = True
        console.print_line(context.get_help())
        raise Exit


HelpAllOption = Annotated[
    bool, Option("--help-all", is_eager=True, callback=_show_all, help="Show every option and exit.")
]


def _print_model(name: str) -> None:
    """Print the arguments of a network with their defaults, and what its recipe sets."""
    record = MODELS[name]
    arguments = {
        f"{key}={argument.shown()}": argument.help
        + (f" One of {', '.join(argument.choices)}." if argument.choices else "")
        for key, argument in record.arguments.items()
    }
    recipes = (
        {record.recipe: record.recipe} if record.recipe else {"on images": "image", "on tables": "table"}
    )
    _print_panel(f"Arguments of {name} for -s, with their defaults", arguments)
    _print_panel(
        f"Recipe of {name}; options on the command line override it",
        {
            title: ", ".join(f"{key} {value}" for key, value in RECIPES[recipe].items())
            for title, recipe in recipes.items()
        },
    )


def _print_panel(title: str, rows: Mapping[str, str]) -> None:
    """Print names and what they mean in a frame like Typer's."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(overflow="fold", style="bold cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows.items():
        table.add_row(Text(name), Text(text))
    Console(highlight=False).print(Panel(table, title=title, title_align="left", border_style="dim"))
