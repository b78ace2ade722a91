"""The command `dlkit`: its sub-commands, and the one place where mistakes become messages and exit codes."""

import atexit
import contextlib
import io
import os
import signal
import sys
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from dlkit import __version__
from dlkit.cli import console, data, inspect, plot, train
from dlkit.cli import eval as eval_command
from dlkit.cli.environment import prepare_environment
from dlkit.cli.options import StdoutClosed, add_command, command_group
from dlkit.errors import ConfigError, DlkitError, StdoutError
from dlkit.user_code import blame

# What torch says when a tensor does not fit, on a CPU or an accelerator, or cannot even be counted.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Storage size calculation overflowed",
)

app = command_group("dlkit", "Train, evaluate, plot and debug PyTorch models from the shell.")
app.add_typer(data.app)
add_command(app, "train", train.train)
add_command(app, "eval", eval_command.evaluate)
add_command(app, "plot", plot.plot)
app.add_typer(inspect.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print_line(f"dlkit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback acts on it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, evaluate, plot and debug PyTorch models from the shell."""
    if context.invoked_subcommand is None:
        console.print_line(context.get_help())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit code.

    Args:
        arguments: The words after `dlkit`; None takes those of this process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    console.mode.reset()
    debug = "--debug" in words
    try:
        code = app(args=words, prog_name="dlkit", standalone_mode=False, auto_envvar_prefix="DLKIT")
        console.flush()
        return code if isinstance(code, int) else 0
    except (BrokenPipeError, StdoutClosed, SystemExit):  # Typer and Rich exit when a pipe breaks
        _discard_stdout()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except DlkitError as err:
        if debug:
            raise
        console.error(err)
        if isinstance(err, StdoutError):
            _discard_stdout()
        return err.exit_code
    except TyperException as err:
        if debug:
            raise
        return _usage_error(err, words)
    except Exception as err:
        if debug:
            raise
        console.error(_unexpected(err))
        return DlkitError.exit_code


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    prepare_environment(os.environ)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell; the stand-in lasts until the end
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a path may hold bytes that are no text
    code = DlkitError.exit_code
    # Called after the handlers of all that is loaded later, and in the place of taking that apart again: with torch
    # this takes a second, and a library that counts what is left of its objects writes below the result.
    atexit.register(lambda: _end_process(code))
    code = run()
    raise SystemExit(code)


def _end_process(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _usage_error(err: TyperException, words: list[str]) -> int:
    """Tell Typer's own usage errors in the two-line form."""
    message = " ".join(err.format_message().split())
    message = message[:1].lower() + message[1:].rstrip(".")
    cause = err.__cause__
    if isinstance(cause, ValueError) and hasattr(cause, "errors"):  # pydantic's, which leaves out the value
        (found, *_) = cause.errors()
        should = found["msg"].removeprefix("Input ").partition(",")[0]
        message = f"{_name_given(err)} {found['input']} {should}"
    context = getattr(err, "ctx", None)
    command = context.command_path if context else f"dlkit {words[0]}"
    console.error(ConfigError(message, f"{command} --help lists what can be given"))
    return ConfigError.exit_code


def _name_given(err: Any) -> str:
    """Give the name of the option at fault, or that of the variable it was taken from."""
    source = err.ctx.get_parameter_source(err.param.name)
    if source is not None and source.name == "ENVIRONMENT":
        return str(err.param.envvar or f"{err.ctx.auto_envvar_prefix}_{err.param.name}".upper())
    return str(err.param.opts[0])


def _unexpected(err: Exception) -> DlkitError:
    """Say what no other place has foreseen: memory that ran out, or a bug."""
    if place := blame(err):
        return DlkitError(f"your code failed at {place}", "--debug shows the traceback")
    first_line = next(iter(str(err).splitlines()), "")
    if isinstance(err, MemoryError) or any(words in str(err) for words in _OUT_OF_MEMORY):
        return DlkitError(f"out of memory: {first_line}", "try a smaller --batch-size or a smaller network")
    return DlkitError(
        f"unexpected {type(err).__name__}: {first_line}",
        "this is a bug in dlkit; --debug shows the traceback",
    )


def _discard_stdout() -> None:
    """Let nothing more be written to a stdout whose reader has gone."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
