"""The command `dlkit`: what it takes, and how it says what is wrong."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import in_shell

from dlkit import __version__
from dlkit.cli.app import app
from dlkit.settings.config import TrainConfig, flag

Dlkit = Callable[..., Any]

EVERYWHERE = "--debug --json --quiet --verbose -q -v"
DATA_FLAGS = """
    --augment
    --balance
    --by-time
    --coords
    --decimal
    --distance
    --features
    --fold
    --folds
    --group
    --limit
    --min-neighbors
    --neighbors
    --no-stratify
    --normalize
    --num-workers
    --radius
    --size
    --split-by-block
    --split-file
    --stratify
    --target
    --task
    --test
    --thousands
    --time
    --val
    --window
"""
FLAGS = {
    "": "--install-completion --show-completion --version",
    "data": "",
    "data check": f"{DATA_FLAGS} --seed --strict",
    "data get": "--force --from --mirror -f",
    "data ls": "",
    "data show": f"{DATA_FLAGS} --out --seed -o",
    "data split": """
        --by-time --decimal --fold --folds --force --group --no-stratify --out --seed --stratify --target --task --test
        --thousands --val
        -f -o
    """,
    "eval": "--at --baselines --data --device --draws --grid --model --out --predict --split -d -o",
    "inspect": "",
    "inspect acts": "--batches --data --device --layers --model --out --sort --split --top -d -o",
    "inspect grads": "--batches --data --device --layers --model --out --sort --split --top -d -o",
    "inspect lr": """
        --batch-size --config --data --device --end --optimizer --out --seed --start --steps --target -b -d -o -s
    """,
    "inspect model": "--data --model --target -d -s",
    "inspect nan": "--device --model",
    "inspect show": "",
    "inspect weights": "--layers --model --out --sort --top -o",
    "plot": "--columns --kind --label --log-y --out --smooth -o -x -y",
    "train": DATA_FLAGS
    + """
        --accumulate
        --batch-size
        --compile
        --config
        --data
        --deterministic
        --device
        --download
        --dry-run
        --ema
        --epochs
        --force
        --freeze
        --grad-clip
        --init
        --keep
        --l1
        --label-smoothing
        --log
        --log-every
        --loss
        --lr
        --max-steps
        --max-time
        --min-delta
        --momentum
        --monitor
        --nesterov
        --no-compile
        --no-deterministic
        --no-nesterov
        --no-plot
        --optimizer
        --out
        --overfit
        --patience
        --plot
        --precision
        --print-config
        --resume
        --save-every
        --sched-on-resume
        --schedule
        --seed
        --target-weights
        --threads
        --warmup-steps
        --weight-decay
        -b
        -d
        -f
        -o
        -s
    """,
}
ARGUMENTS = {
    "data check": "SPEC",
    "data get": "NAME",
    "data show": "SPEC",
    "data split": "SPEC",
    "eval": "CKPT...",
    "inspect acts": "CKPT",
    "inspect grads": "CKPT",
    "inspect lr": "MODEL",
    "inspect model": "CKPT|MODEL",
    "inspect nan": "RUN",
    "inspect show": "CKPT",
    "inspect weights": "CKPT",
    "plot": "FILE|RUN",
    "train": "MODEL",
}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command and sub-command by the words that call it."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(typer.main.get_command(app)))


def options(command: Any) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == "option"]


def test_flags_are_those_of_the_interface() -> None:
    found = {
        path: sorted({name for option in options(command) for name in (*option.opts, *option.secondary_opts)})
        for path, command in COMMANDS.items()
    }

    assert found == {
        path: sorted(f"{words} {'' if path in ('', 'data', 'inspect') else EVERYWHERE}".split())
        for path, words in FLAGS.items()
    }


def test_arguments_are_those_of_the_interface() -> None:
    found = {
        path: " ".join(
            (parameter.metavar or parameter.name).upper()
            for parameter in command.params
            if parameter.param_type_name == "argument"
        )
        for path, command in COMMANDS.items()
    }

    assert {path: words for path, words in found.items() if words} == ARGUMENTS


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_a_sentence_of_help(path: str) -> None:
    command = COMMANDS[path]

    assert command.help.splitlines()[0].endswith(".")
    for parameter in command.params:
        assert parameter.help, f"{parameter.name} has no help"
        assert parameter.help.endswith("."), parameter.help


def test_one_flag_means_the_same_everywhere() -> None:
    names: dict[str, set[str]] = {}
    for command in COMMANDS.values():
        for option in options(command):
            for short in (name for name in option.opts if len(name) == 2):
                names.setdefault(short, set()).update(name for name in option.opts if len(name) > 2)

    assert all(len(long) <= 1 for long in names.values()), names


def test_every_setting_has_an_option_of_its_name() -> None:
    by_name = {option.name: option for option in options(COMMANDS["train"])}

    for name in set(TrainConfig.__dataclass_fields__) - {"model", "arguments"}:
        assert flag(name) in by_name[name].opts, name
    assert set(by_name) - set(TrainConfig.__dataclass_fields__) == {
        *("out", "resume", "force", "download", "config_file", "print_config", "dry_run", "overfit"),
        *("quiet", "verbose", "json", "debug"),
    }


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_goes_to_stdout(path: str, word: str, dlkit: Dlkit) -> None:
    result = dlkit(*path.split(), word)

    assert (result.code, result.stderr) == (0, "")
    assert f"Usage: dlkit {path}".rstrip() in result.stdout


@pytest.mark.parametrize("path", ["", "data", "inspect"])
def test_a_group_alone_shows_its_help(path: str, dlkit: Dlkit) -> None:
    result = dlkit(*path.split())

    assert result.code == 0
    assert "Commands" in result.stdout


def test_version_is_printed(dlkit: Dlkit) -> None:
    assert dlkit("--version").stdout == f"dlkit {__version__}\n"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["trian"], "no such command 'trian'", "dlkit --help"),
        (["train", "mlp", "--epoch", "3"], "no such option: --epoch", "dlkit train --help"),
        (
            ["train", "mlp", "--epochs", "many"],
            "--epochs many should be a valid integer",
            "dlkit train --help",
        ),
        (["train", "mlp", "-b", "1.5"], "--batch-size 1.5 should be a valid integer", "dlkit train --help"),
        (["train", "mlp", "--lr="], "--lr  should be a valid number", "dlkit train --help"),
        (
            ["inspect", "acts", "x", "--batches", "0"],
            "--batches 0 should be greater than or equal to 1",
            "dlkit inspect acts --help",
        ),
        (["train", "mlp", "--epochs"], "requires an argument", "dlkit train --help"),
        (["train", "mlp", "cnn"], "unexpected extra argument", "dlkit train --help"),
        (["eval"], "missing argument 'CKPT...'", "dlkit eval --help"),
        (["inspect", "sho"], "no such command 'sho'", "dlkit inspect --help"),
        (["data", "get"], "missing argument 'NAME'", "dlkit data get --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage_errors_have_the_form_of_all_others(
    words: list[str], message: str, hint: str, dlkit: Dlkit
) -> None:
    result = dlkit(*words)

    assert (result.code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second == f"hint: {hint} lists what can be given"


def test_debug_shows_the_traceback(dlkit: Dlkit) -> None:
    with pytest.raises(Exception, match="MODEL mpl is not known"):
        dlkit("train", "mpl", "--debug")


TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/.~"), max_size=8
) | st.sampled_from(["-1", "0", "1e9", "nan", "inf", "3", "0.5", "0.5,0.5", "a=b", "hidden=3", "norm=batch"])
KNOWN = st.sampled_from(
    sorted({word for words in FLAGS.values() for word in words.split()} | set(EVERYWHERE.split()))
).filter(lambda word: word not in ("--install-completion", "--show-completion", "--download", "--debug"))
NAMES = st.sampled_from(
    ["mlp", "cnn", "digits", "sgd", "adam", "onecycle", "mse", "auto", "cpu", "cuda:1", "-"]
)
PAIRS = st.tuples(KNOWN, TEXT | NAMES)
WORDS = st.lists(PAIRS | st.tuples(NAMES) | st.tuples(KNOWN) | st.tuples(TEXT), max_size=5).map(
    lambda groups: [word for group in groups for word in group]
)
COMMAND = st.sampled_from([path for path in COMMANDS if path != "data get"])
BOUND = ["--limit", "10", "--epochs", "1", "--no-plot"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(command=COMMAND, words=WORDS)
def test_no_list_of_words_brings_a_traceback_or_a_failure(
    command: str, words: list[str], dlkit: Dlkit
) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        result = dlkit(*command.split(), *words, *(BOUND if command == "train" else []))

    assert result.code in (0, 2, 3, 4, 7), result
    assert "Traceback" not in result.stderr
    if result.code:
        assert result.stdout == ""
        assert result.stderr.startswith(("error: ", "mlp (", "cnn (")), result


@pytest.mark.parametrize(
    "line",
    [
        "dlkit --help | head -1",
        "dlkit train --help | true",
        "dlkit --version | true",
        "dlkit data ls | head -1",
        "dlkit --help >&-",
        "dlkit data ls >&-",
    ],
)
def test_stdout_closed_early_is_no_error(line: str, home: Path) -> None:
    result = in_shell(line)

    assert result.stderr == "code 0\n"


def test_stderr_closed_puts_nothing_of_it_on_stdout(home: Path) -> None:
    result = in_shell("dlkit train mpl 2>&- || true")

    assert result.stdout == ""


@pytest.mark.parametrize(
    "variables",
    [
        {"TERM": "dumb", "NO_COLOR": "1"},
        {"COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["dumb", "narrow", "ascii"],
)
def test_help_and_errors_do_not_depend_on_the_terminal(variables: dict[str, str], home: Path) -> None:
    result = in_shell("dlkit train --help; dlkit train mpl", **variables)

    assert "Usage: dlkit" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    first, *_, last = result.stderr.splitlines()
    assert (first, last) == ("code 0", "code 2")
    assert "error: MODEL mpl is not known; choose from mlp, cnn, " in result.stderr


def leaving(script: str) -> subprocess.CompletedProcess[bytes]:
    """Run `dlkit --version` in a process of its own, after the lines of a script."""
    script = f"import atexit, os, sys\nfrom dlkit.cli.app import main\n{script}\nmain()"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-c", script, "--version"]
    return subprocess.run(command, capture_output=True, env=environment, check=False)


def test_a_path_that_is_no_text_can_be_printed() -> None:
    result = leaving("from dlkit.cli import app\napp.run = lambda: print(os.fsdecode(b'caf\\xe9')) or 3")

    assert (result.returncode, result.stdout, result.stderr) == (3, b"caf\xe9\n", b"")


def test_nothing_is_written_below_the_result_as_the_process_ends() -> None:
    script = """
class Counted:
    def __del__(self, write=os.write):
        write(1, b"leaked 1 instance")

sys.counted = Counted()
from dlkit.cli import app
before, app.run = app.run, lambda: (atexit.register(print, "handler"), before())[1]
"""
    result = leaving(script)

    assert result.stdout.startswith(b"dlkit ")
    assert result.stdout.endswith(b"\nhandler\n")
    assert (result.returncode, result.stderr) == (0, b"")
