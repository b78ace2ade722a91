"""Write docs/commands.md from the commands themselves: `python docs/write_reference.py`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from dlkit.cli.app import build_app
from dlkit.settings.models import MODELS
from dlkit.settings.recipes import RECIPES

PAGE = Path(__file__).with_name("commands.md")
HEAD = """# Commands

Generated from the code by `python docs/write_reference.py`; a test fails if they differ.

Exit codes: 0 done, 1 failed while running (disk full, no permission, a locked run), 2 usage or configuration, 3 data,
4 checkpoint, 5 diverged, 6 a failed gate or check, 7 a missing device or extra, 129 SIGHUP (the terminal closed),
130 Ctrl-C, 143 SIGTERM.

stdout has only the result; progress, notes and warnings go to stderr. Tables are drawn on a terminal
and tab-separated in a pipe, with four significant digits; `--json` and files have them all. On a narrow
terminal numbers have three digits, names are shortened in the middle, sentences are printed below their row, and the
last columns are left out and named.
"""
SHARED = ("quiet", "verbose", "json", "debug", "help")


def reference() -> str:
    """Return the whole page."""
    parts = [HEAD, "\n".join(_everywhere())]
    parts += ["\n".join(_command(path, command)) for path, command in commands()]
    parts += ["\n".join(_models()), "\n".join(_recipes())]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that is not a group, with its path."""
    yield from _walk("dlkit", typer.main.get_command(build_app()))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from _walk(f"{path} {name}", child)
        else:
            yield f"{path} {name}", child


def _everywhere() -> Iterator[str]:
    _, command = next(iter(commands()))
    yield "## Everywhere"
    yield ""
    yield "| option | meaning |"
    yield "|---|---|"
    yield from (_row(option) for option in command.params if option.name in SHARED)
    yield "| `-h`, `--help` | Show the help of any command. |"
    yield "| `dlkit --version` | Print the version. |"


def _command(path: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [
        param for param in command.params if param.param_type_name == "option" and param.name not in SHARED
    ]
    names = " ".join(_argument_name(argument) for argument in arguments)
    yield f"## {path}"
    yield ""
    yield f"`{path} {names} [options]`".replace("  ", " ")
    yield ""
    yield _one_line(command.help)
    yield ""
    yield "| option | meaning |"
    yield "|---|---|"
    yield from (f"| `{_argument_name(argument)}` | {_one_line(argument.help)} |" for argument in arguments)
    yield from map(_row, options)


def _row(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    default = option.default
    shown = default is not None and default is not False and default != [] and not callable(default)
    text = f" Default: `{_word(default)}`." if shown and not option.secondary_opts else ""
    return f"| {names} | {_one_line(option.help)}{text} |"


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _models() -> Iterator[str]:
    yield "## Models"
    yield ""
    yield "| model | data by default | recipe | `-s` arguments (default) |"
    yield "|---|---|---|---|"
    for name, entry in MODELS.items():
        arguments = ", ".join(f"`{key}={argument.shown()}`" for key, argument in entry.arguments.items())
        yield f"| `{name}` | `{entry.data}` | {entry.recipe or 'by the data'} | {arguments} |"


def _recipes() -> Iterator[str]:
    columns = list(dict.fromkeys(key for recipe in RECIPES.values() for key in recipe))
    yield "## Recipes"
    yield ""
    yield "What a model changes in the defaults; options on the command line override it. `--optimizer adam`,"
    yield "`adamw` or `rmsprop` without `--lr` sets `lr` to 0.001."
    yield ""
    yield f"| recipe | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, recipe in RECIPES.items():
        yield f"| {name} | {' | '.join(_word(recipe[key]) if key in recipe else '' for key in columns)} |"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(reference())
