"""Code of the user's own: it runs only if the command line names it, and a note reports it."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from dlkit.cli import console
from dlkit.errors import ConfigError
from dlkit.settings.config import TrainConfig, flag
from dlkit.settings.spec import CodeSpec, parse_code, parse_spec
from dlkit.user_code import check_file

if TYPE_CHECKING:
    from dlkit.files.checkpoint import Checkpoint

ModelOption = Annotated[
    str | None,
    Option("--model", metavar="FILE.py:CLASS", help="The code of your own model, which is needed to run it."),
]


def check_named(config: TrainConfig, typed: Container[str], *, resuming: bool = False) -> None:
    """Check that the command line names the code that a run would execute, and report that it runs.

    Args:
        config: The settings.
        typed: Those on the command line or in the environment.
        resuming: They belong to a resumed run; its unnamed code is refused when its checkpoint is read.

    Raises:
        ConfigError: Only a configuration file names it, or its file is missing.
    """
    data = parse_spec(config.data).code if config.data else None
    named = [(name, code) for name, code in (("model", parse_code(config.model)), ("data", data)) if code]
    faults = []
    for name, code in named:
        if name in typed:
            check_file(code, flag(name))
        elif not resuming:
            faults.append(
                ConfigError(
                    f"{flag(name)} {code}: your own code runs only if the command line names it",
                    f"add it to the command line: {flag(name) + ' ' if name != 'model' else ''}{code}",
                )
            )
    if faults:
        raise ConfigError.of(faults)
    report_running([code for name, code in named if name in typed])


def check_options(model: str | None, data: str | None) -> CodeSpec | None:
    """Check `--model` and the function that `--data` may name, and report that their code runs.

    Raises:
        ConfigError: `--model` is not `file.py:Class`, or a file is missing.
    """
    code = None if model is None else parse_code(model)
    if model is not None and code is None:
        raise ConfigError(
            f"--model {model} is not file.py:Class",
            "a built-in model needs no --model: leave it out",
        )
    function = None if data is None else parse_spec(data).code
    for option, each in (("--model", code), ("--data", function)):
        if each is not None:
            check_file(each, option)
    report_running([each for each in (code, function) if each is not None])
    return code


def report_running(codes: Sequence[CodeSpec]) -> None:
    """Print a note that code of the user's own runs."""
    if codes:
        console.note(f"running your own code: {' and '.join(map(str, dict.fromkeys(codes)))}")


def load_checkpoints(paths: Sequence[Path], code: CodeSpec | None) -> list["Checkpoint"]:
    """Load checkpoints whose models will be built.

    Args:
        paths: Files or run folders.
        code: The value of `--model`.

    Raises:
        CheckpointError: One is missing or damaged, or holds a model of the user's own that is not named.
        ConfigError: Code is named although all models are built in.
    """
    from dlkit.files.checkpoint import check_named as check_checkpoint
    from dlkit.files.checkpoint import load_checkpoint

    checkpoints = [load_checkpoint(path, code) for path in paths]
    for checkpoint in checkpoints:
        check_checkpoint(checkpoint)
        for text in checkpoint.notes:
            console.warn(text)
    if code is not None and all(checkpoint.code is None for checkpoint in checkpoints):
        raise ConfigError(
            f"--model {code.short} has no effect: {checkpoints[0].path} holds the built-in {checkpoints[0].model}",
            "leave --model out",
        )
    return checkpoints
