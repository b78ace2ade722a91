"""Command lines that nobody would type: no traceback, and never the exit code of a failure while running."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.main import get_command

from dlkit.cli.app import app

VALUES = (
    *(
        "",
        "-",
        "--",
        "-1",
        "0",
        "1",
        "3",
        "1e400",
        "-1e-400",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "9" * 400,
        "0.5",
        "1,2,3",
    ),
    *(
        "x=y",
        "=",
        "a=1,b=2",
        "None",
        "true",
        "null",
        "{}",
        "[]",
        "%s%n",
        "$HOME",
        "`id`",
        "\x1b[31mred",
        "[red]x[/red]",
    ),
    *(
        "\u202etxt.exe",
        "ü" * 60,
        "a" * 5000,
        "\udcff",
        "../../x",
        "nowhere/x.csv",
        "nowhere.safetensors",
        "nowhere.py:f",
    ),
    *(
        "mlp",
        "cnn",
        "resnet18",
        "mpl",
        "digits",
        "digits:n=5",
        "spatial:n=x,noise=",
        "digitz",
        "sgd",
        "cpu",
        "cuda:99",
    ),
    *(
        "--help",
        "-q",
        "-v",
        "--json",
        "--lr",
        "--no-plot",
        "-s",
        "-",
        " ",
        "\n",
        "\t",
        "1e",
        "e1",
        "2e",
        "3=2",
        "30m",
    ),
)


def commands() -> Iterator[tuple[list[str], list[Any]]]:
    """Every command with its parameters; those that would fetch something are left out."""

    def walk(command: Any, path: list[str]) -> Iterator[tuple[list[str], list[Any]]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*path, name])
        elif path[-1] != "get":
            yield path, command.params

    return walk(get_command(app), [])


COMMANDS = list(commands())


def arguments(seed: int) -> list[str]:
    """Draw a command line that cannot succeed in doing anything long: train only prints its settings."""
    draw = random.Random(seed)
    path, parameters = draw.choice(COMMANDS)
    words = [draw.choice(VALUES) for _ in range(draw.choice((0, 1, 1, 2)))]
    for parameter in draw.choices(parameters, k=draw.choice((0, 1, 2, 3, 5))):
        if (
            parameter.opts
            and parameter.opts[0].startswith("-")
            and not {"--debug", "--download"} & set(parameter.opts)
        ):
            words += [draw.choice(parameter.opts + parameter.secondary_opts)]
            words += [draw.choice(VALUES)] * (draw.random() < 0.8)
    draw.shuffle(words)
    harmless = ["--print-config"] if path == ["train"] else ["--nonsense"]
    return [*path, *harmless, *words] if draw.random() < 0.97 else [*words, *path, *harmless]


def refuse(seeds: range, dlkit: Callable[..., Any]) -> None:
    for seed in seeds:
        words = arguments(seed)
        result = dlkit(*words)
        assert result.code in (0, 2, 3, 4, 7), (seed, words, result.stderr)
        assert "Traceback" not in result.stderr, (seed, words)
        assert "\x1b" not in result.stderr, (seed, words)
        if result.code:
            assert result.stderr.startswith("error: "), (seed, words, result.stderr)
            assert result.stdout == "", (seed, words)


def test_no_command_line_ends_in_a_traceback(dlkit: Callable[..., Any]) -> None:
    refuse(range(40), dlkit)


@pytest.mark.slow
def test_none_of_500_command_lines_ends_in_a_traceback(dlkit: Callable[..., Any]) -> None:
    refuse(range(40, 540), dlkit)
