"""Random command lines: no traceback, and never the exit code of a failure while running."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

from typer.main import get_command

from dlkit.cli.app import build_app

PLAIN_NUMBERS = "-1 0 1 3 0.5 0.01 1e400 -1e-400 1e308 nan inf 0x10 1_000 ٣"
NUMBERS = (*PLAIN_NUMBERS.split(), "9" * 400)
PLAIN_WORDS = """
    - -- 1,2,3 x=y = a=1,b=2 None true {} [] %s%n $HOME [red]x[/red] ../../x nowhere/x.csv nowhere.py:f
    nowhere.safetensors mlp cnn resnet18 mpl digits digits:n=5 digitz spatial:n=x,noise= sgd adam cosine onecycle
    cyclic plateau mse cpu cuda:99 val_accuracy hidden.* hidden=4 hidden norm=batch dropout=2 --help -q --json 1e e1
    2e 3=2 30m none auto 0.5,0.5 val
"""
ODD_WORDS = ("", " ", "\n", "\t", "\x1b[31mred", "\u202etxt.exe", "ü" * 60, "a" * 5000, "\udcff")
WORDS = (*ODD_WORDS, *PLAIN_WORDS.split())


def commands() -> Iterator[tuple[list[str], list[Any]]]:
    """Every command with its parameters; those that would fetch something are left out."""

    def walk(command: Any, path: list[str]) -> Iterator[tuple[list[str], list[Any]]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*path, name])
        elif path[-1] not in ("get", "ls"):
            yield path, command.params

    return walk(get_command(build_app()), [])


COMMANDS = list(commands())


def arguments(seed: int) -> list[str]:
    """Draw a command line that takes no time: train only prints its settings, the others find no file."""
    draw = random.Random(seed)
    path, parameters = draw.choice(COMMANDS)
    words = [[draw.choice(WORDS)] for _ in range(draw.choice((0, 0, 0, 1)))]
    for parameter in draw.choices(parameters, k=draw.choice((0, 1, 2, 3, 5))):
        if parameter.param_type_name != "option" or {"--debug", "--download"} & set(parameter.opts):
            continue
        option = draw.choice(parameter.opts + parameter.secondary_opts)
        wanted = str(parameter.type_descriptor.annotation)
        likely = NUMBERS if "int" in wanted or "float" in wanted else WORDS
        value = draw.choice(likely if draw.random() < 0.9 else WORDS + NUMBERS)
        words.append([option] if parameter.is_flag else [option, value])
    first = ["--print-config", "mlp"] if path == ["train"] else ["nowhere.safetensors"]
    words.append(["--nonsense"] if path == ["inspect", "lr"] else first)
    draw.shuffle(words)
    return [*path, *itertools.chain(*words)]


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
