"""The command `dlkit`: its sub-commands, and the one place where errors become messages and exit codes."""

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from dlkit import __version__
from dlkit.cli import console, streams
from dlkit.cli.aliases import instead_of_command, instead_of_option, instead_of_value
from dlkit.cli.environment import prepare_environment
from dlkit.cli.options import StdoutClosed, add_command, command_group
from dlkit.cli.signals import end_at_lost_interrupt
from dlkit.cli.verbose import report
from dlkit.distributed.membership import LOST
from dlkit.errors import ConfigError, DlkitError, StdoutError, did_you_mean
from dlkit.user_code import blame, default_device_error

_OBJECTS_UNTIL_COLLECTED = 10_000
_COMMANDS = {
    "data": "dlkit.cli.data.commands:app",
    "train": "dlkit.cli.train.command:train",
    "eval": "dlkit.cli.eval.command:evaluate",
    "plot": "dlkit.cli.plot.command:plot",
    "inspect": "dlkit.cli.inspect.commands:app",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print_line(f"dlkit {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - the callback acts on it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, evaluate, plot and debug PyTorch models from the shell."""
    if context.invoked_subcommand is None:
        console.print_line(context.get_help())


def build_app(words: Sequence[str] = ()) -> typer.Typer:
    """Make the command line, of all commands or of the one that the words begin with: importing takes longest."""
    app = command_group("dlkit", "Train, evaluate, plot and debug PyTorch models from the shell.")
    app.callback(invoke_without_command=True)(_root)
    first = next((word for word in words if not word.startswith("-")), "")
    for name in [first] if first in _COMMANDS else _COMMANDS:
        module, _, attribute = _COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command)
        else:
            add_command(app, name, command)
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: The words after `dlkit`; None takes those of this process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    console.mode.reset()
    with report(words), end_at_lost_interrupt():
        return _run(words)


def _run(words: list[str]) -> int:
    debug = "--debug" in words
    try:
        app = build_app(words)
        code = app(
            args=words, prog_name="dlkit", standalone_mode=False, auto_envvar_prefix="DLKIT", obj=words
        )
        console.flush()
        return code if isinstance(code, int) else 0
    except StdoutClosed:
        streams.discard(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except DlkitError as err:
        if debug:
            raise
        console.error(err)
        if isinstance(err, StdoutError):
            streams.discard(sys.stdout)
        return err.exit_code
    except TyperException as err:
        if debug:
            raise
        return _usage_error(err, words)
    except BaseException as err:
        if _is_closed_pipe(err):
            streams.discard(sys.stdout)
            return 0
        if not isinstance(err, Exception):  # SystemExit, GeneratorExit, or one of the user's own
            return _foreign_exit(err, debug=debug)
        if debug:
            raise
        console.error(_unexpected(err))
        return DlkitError.exit_code


def main() -> None:
    """Run the command line of this process and exit with its code."""
    gc.set_threshold(_OBJECTS_UNTIL_COLLECTED)  # 700 cost a tenth of importing torch or matplotlib
    prepare_environment(os.environ)
    streams.open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a path may hold bytes that are no text
    _exit(run())


def _exit(code: int) -> None:
    """Exit as the interpreter does, but without taking the modules apart, which takes 0.7 s once torch is loaded.

    Threads are joined and exit handlers are called first, coverage's and a user's too, in the interpreter's order. A
    library that counts its leaked objects while the modules are taken apart would also write below the result.
    """
    streams.end_result()
    join_threads = getattr(threading, "_shutdown", None)
    call_handlers = getattr(atexit, "_run_exitfuncs", None)
    if join_threads is None or call_handlers is None:
        raise SystemExit(code)
    join_threads()
    call_handlers()
    for stream in filter(None, (sys.stdout, sys.stderr)):  # code of the user's own may have taken one away
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _usage_error(err: Any, words: list[str]) -> int:
    """Print one of Typer's usage errors in the two-line form."""
    if words[:1] == ["train"] and "RANK" in os.environ:
        from dlkit.cli.train.devices import reports_usage

        if not reports_usage():
            return LOST
    message = " ".join(err.format_message().split())
    values = ""
    message = message[:1].lower() + message[1:].rstrip(".")
    cause = err.__cause__
    if isinstance(cause, ValueError) and hasattr(cause, "errors"):  # pydantic's, which leaves out the value
        (found, *_) = cause.errors()
        should = found["msg"].removeprefix("Input ").partition(",")[0]
        message = f"{_name_given(err)} {found['input']} {should}"
        values = (
            instead_of_value(str(err.param.opts[0]), str(found["input"])) if words[:1] == ["train"] else ""
        )
    context = getattr(err, "ctx", None)
    command = context.command_path if context else f"dlkit {words[0]}"
    hint = values
    if hasattr(err, "possibilities"):  # Typer's: options that are merely near in letters
        message, hint = f"no such option: {err.option_name}", _right_option(err.option_name, words, context)
    elif message.startswith("no such command"):
        name = message.split("'")[1]
        message, hint = f"no such command '{name}'", _right_command(name, context)
    in_parts = _has_all(context.command) if context else command == "dlkit train"
    everything = "--help-all" if in_parts else "--help"
    console.error(ConfigError(message, hint or f"{command} {everything} lists what is available"))
    return ConfigError.exit_code


def _has_all(command: Any) -> bool:
    """Return whether the help of a command is in two parts."""
    return any("--help-all" in param.opts for param in command.params)


def _right_option(option: str, words: list[str], context: Any) -> str:
    """Return what to type in place of an option that the command does not have; empty where nothing comes close."""
    options = [name for param in context.command.params for name in (*param.opts, *param.secondary_opts)]
    return instead_of_option(option, words, options) or did_you_mean(option, options)


def _right_command(name: str, context: Any) -> str:
    """Return what to type in place of a command that there is not; empty where nothing comes close."""
    path = [*context.command_path.split()[1:], name]
    groups = {
        group: list(command.commands)
        for group, command in context.command.commands.items()
        if hasattr(command, "commands")
    }
    return instead_of_command(path, groups) or did_you_mean(name, context.command.commands)


def _name_given(err: Any) -> str:
    """Return the name of the option at fault, or that of the variable it was taken from."""
    source = err.ctx.get_parameter_source(err.param.name)
    if source is not None and source.name == "ENVIRONMENT":
        return str(err.param.envvar or f"{err.ctx.auto_envvar_prefix}_{err.param.name}".upper())
    return str(err.param.opts[0])


def _unexpected(err: Exception) -> DlkitError:
    """Return the error for what nothing else handles: full memory, or a bug."""
    if place := blame(err):
        return DlkitError(f"your code failed at {place}", "--debug shows the traceback")
    if fault := default_device_error(err):
        return fault
    first_line = next(iter(str(err).splitlines()), "")
    if _is_out_of_memory(err):
        return DlkitError(f"out of memory: {first_line}", "try a smaller --batch-size or a smaller network")
    return DlkitError(
        f"unexpected {type(err).__name__}: {first_line}",
        "this is a bug in dlkit; --debug shows the traceback",
    )


def _is_closed_pipe(err: BaseException) -> bool:
    """Return whether an error means that the reader of stdout is gone, for which Typer and Rich exit."""
    if isinstance(err, SystemExit):
        *_, last = traceback.extract_tb(err.__traceback__)
        return bool({"typer", "rich"} & set(Path(last.filename).parts))
    return isinstance(err, BrokenPipeError) and not blame(err)


def _foreign_exit(err: BaseException, *, debug: bool) -> int:
    """Report that code which is not dlkit's ended the command, and return the exit code."""
    *_, last = traceback.extract_tb(err.__traceback__)
    place = (
        blame(err) or f"{Path(last.filename).name} line {last.lineno}, in {last.name}: {type(err).__name__}"
    )
    asked = "asked Python to exit" if isinstance(err, SystemExit) else "ended the command"
    error = DlkitError(
        f"{'your' if blame(err) else 'foreign'} code {asked} at {place}",
        "raise an ordinary exception instead; --debug shows the traceback",
    )
    if debug:
        raise error from err
    console.error(error)
    return error.exit_code


def _is_out_of_memory(err: Exception) -> bool:
    if "torch" not in sys.modules:
        return isinstance(err, MemoryError)
    from dlkit.torch_compat import is_device_full, is_host_full

    return is_device_full(err) or is_host_full(err)
