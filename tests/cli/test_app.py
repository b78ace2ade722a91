"""The command `dlkit`: its options, and its usage errors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from refusals import assert_refused
from shell import in_shell

from dlkit import __version__
from dlkit.cli.app import build_app
from dlkit.settings.config import TrainConfig, flag
from dlkit.settings.models import MODELS

Dlkit = Callable[..., Any]

EVERYWHERE = "--debug --json --quiet --verbose -q -v"
DATA_FLAGS = """
    --augment --balance --bands --by-time --censored --coords --dayfirst --decimal --distance
    --features --fold --folds --group --header --kinds --layout --limit --min-neighbors --missing
    --monthfirst --neighbors --no-dayfirst --no-header --no-monthfirst --no-scale-target
    --no-stratify --normalize --num-workers --radius --scale-target --shuffle --size --split-by-block
    --split-file --stratify --target --task --test --thousands --time --val --window
"""
FLAGS = {
    "": "--install-completion --show-completion --version",
    "data": "",
    "data check": f"{DATA_FLAGS} --help-all --seed --strict",
    "data get": "--force --from --mirror -f",
    "data ls": "",
    "data show": f"{DATA_FLAGS} --help-all --out --seed -o",
    "data split": """
    --bands --by-time --censored --coords --dayfirst --decimal --fold --folds --force --group
    --header --help-all --kinds --layout --missing --monthfirst --no-dayfirst --no-header --no-monthfirst
    --no-stratify --out --seed --split-by-block --stratify --target --task --test --thousands --val
    -f -o
""",
    "eval": """
    --allow-nan --at --baselines --bench --by --calibrate --ci --data --device --draws --grid --importance
    --interval --max --metrics --min --model --out --predict --split --worst -d -o
""",
    "inspect": "",
    "inspect acts": "--batches --data --device --layers --model --out --sort --split --top -d -o",
    "inspect diff": "--layers --sort --top",
    "inspect env": "",
    "inspect grads": "--batches --check --data --device --layers --model --out --sort --split --top -d -o",
    "inspect lr": """
    --batch-size --config --data --device --end --optimizer --out --seed --start --steps --target -b -d -o
    -s
""",
    "inspect model": "--data --model --target -d -s",
    "inspect nan": "--device --model",
    "inspect history": "--run --strict",
    "inspect rules": "",
    "inspect run": "--strict",
    "inspect runs": "--sort",
    "inspect show": "",
    "inspect updates": "--layers --out --sort --top -o",
    "inspect weights": "--layers --model --out --sort --top -o",
    "plot": """
    --columns --follow --group --join --kind --label --log-y --model --out --report --smooth --style
    --term --title -o -x -y
""",
    "train": DATA_FLAGS
    + """
    --accumulate --batch-size --compile --config --data --deterministic --device --download --dry-run --ema
    --search --trials --sampler --pruner --jobs --join --devices --sync-batchnorm --no-sync-batchnorm
    --epochs --force --freeze --grad-clip --help-all --init --keep --l1 --label-smoothing --list --log
    --log-every --loss --lr
    --max-steps --max-time --min-delta --momentum --monitor --nesterov --no-compile --no-deterministic
    --no-nesterov --no-plot --optimizer --out --overfit --patience --plot --precision --print-config
    --resume --save-every --sched-on-resume --schedule --seed --target-weights --threads --warmup-steps
    --weight-decay -b -d -f -o -s
""",
}
ARGUMENTS = {
    "data check": "SPEC",
    "data get": "NAME",
    "data show": "SPEC",
    "data split": "SPEC",
    "eval": "CKPT...",
    "inspect acts": "CKPT",
    "inspect diff": "A B",
    "inspect grads": "CKPT",
    "inspect lr": "MODEL",
    "inspect model": "CKPT|MODEL",
    "inspect nan": "RUN",
    "inspect history": "FILE",
    "inspect run": "RUN",
    "inspect runs": "DIR",
    "inspect show": "CKPT",
    "inspect updates": "CKPT",
    "inspect weights": "CKPT",
    "plot": "FILE|RUN|SWEEP",
    "train": "MODEL",
}


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command and sub-command by the words that call it."""
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))


COMMANDS = dict(walk(typer.main.get_command(build_app())))


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
def test_every_command_and_option_has_a_help_text(path: str) -> None:
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
        *(
            "out",
            "resume",
            "force",
            "download",
            "config_file",
            "print_config",
            "dry_run",
            "overfit",
            "devices",
        ),
        *("list_models", "help_all"),
        *("search", "trials", "sampler", "pruner", "jobs", "join"),
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
    ("words", "message", "command"),
    [
        (["zzz"], "'zzz'", ""),
        (["train", "mlp", "--zzz", "3"], "--zzz", "train "),
        (["train", "mlp", "--epochs", "many"], "--epochs many", "train "),
        (["train", "mlp", "--lr="], "--lr ", "train "),
        (["train", "mlp", "--epochs"], "--epochs", "train "),
        (["train", "mlp", "cnn"], "(cnn)", "train "),
        (["inspect", "acts", "x", "--batches", "0"], "--batches 0", "inspect acts "),
        (["inspect", "zzz"], "'zzz'", "inspect "),
        (["eval"], "'CKPT...'", "eval "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage_errors_have_the_form_of_all_others(
    words: list[str], message: str, command: str, dlkit: Dlkit
) -> None:
    assert_refused(dlkit(*words), 2, message, f"dlkit {command}--help")


def test_debug_shows_the_traceback(dlkit: Dlkit) -> None:
    with pytest.raises(Exception, match="MODEL mpl"):
        dlkit("train", "mpl", "--debug")


@pytest.mark.parametrize(
    "line",
    [
        "dlkit --help | head -1",
        "dlkit train --help | true",
        "dlkit data ls | head -1",
        "dlkit data ls >&-",
    ],
)
@pytest.mark.quick(1)
def test_stdout_closed_early_is_not_an_error(line: str, home: Path) -> None:
    result = in_shell(line)

    assert result.stderr == "code 0\n"


def test_closed_stderr_leaves_stdout_empty(home: Path) -> None:
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
@pytest.mark.quick(1)
def test_help_and_errors_do_not_depend_on_the_terminal(variables: dict[str, str], home: Path) -> None:
    result = in_shell("dlkit train --help; dlkit train mpl", **variables)

    assert "Usage: dlkit" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    first, *_, last = result.stderr.splitlines()
    assert (first, last) == ("code 0", "code 2")
    assert "error: MODEL mpl " in result.stderr


def leaving(script: str) -> subprocess.CompletedProcess[bytes]:
    """Run `dlkit --version` in a process of its own, after the lines of a script."""
    script = f"import atexit, os, sys\nfrom dlkit.cli.app import main\n{script}\nmain()"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-c", script, "--version"]
    return subprocess.run(command, capture_output=True, env=environment, check=False)


def test_a_path_that_is_not_utf_8_can_be_printed() -> None:
    result = leaving("from dlkit.cli import app\napp.run = lambda: print(os.fsdecode(b'caf\\xe9')) or 3")

    assert (result.returncode, result.stdout, result.stderr) == (3, b"caf\xe9\n", b"")


def test_nothing_is_written_below_the_result_as_the_process_ends() -> None:
    script = """
class Counted:
    def __del__(self, write=os.write):
        write(1, b"leaked 1 instance")

sys.counted = Counted()
"""
    result = leaving(script)

    assert result.stdout.startswith(b"dlkit ")
    assert result.stdout.count(b"\n") == 1
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("without", ["", "del atexit._run_exitfuncs"], ids=["fast", "plain"])
def test_threads_and_exit_handlers_end_first_whenever_they_were_registered(without: str) -> None:
    script = """
import concurrent.futures, threading, time
atexit.register(print, "registered before")

def work():
    time.sleep(0.2)
    print("thread")

def start():
    atexit.register(print, "registered after")
    threading.Thread(target=work).start()
    concurrent.futures.ThreadPoolExecutor(1).submit(int)
    return 3

from dlkit.cli import app
app.run = start
"""
    result = leaving(script + without)

    assert result.stderr.decode().splitlines() == ["thread", "registered after", "registered before"]
    assert (result.returncode, result.stdout) == (3, b"")


def test_help_of_train_is_short_and_names_the_other_options(dlkit: Dlkit) -> None:
    short, full = dlkit("train", "--help").stdout, dlkit("train", "--help-all").stdout

    assert len(short.splitlines()) <= 80 < len(full.splitlines())
    names = {name for option in options(COMMANDS["train"]) for name in option.opts}
    assert [name for name in names if name not in short] == []
    assert "Passes over the training split" in short
    assert "Momentum of sgd" in full
    assert "DLKIT_TRAIN" not in full
    assert "<bool>" not in full


@pytest.mark.parametrize("words", [("mlp", "--help"), ("--help", "mlp"), ("mlp", "--data", "pbpk", "-h")])
def test_help_of_a_model_has_its_arguments_and_its_recipe(words: Sequence[str], dlkit: Dlkit) -> None:
    text = dlkit("train", *words).stdout

    assert all(f"{name}={argument.shown()}" in text for name, argument in MODELS["mlp"].arguments.items())
    assert "batch_size 256" in text
    assert "Message passing" not in text


def test_models_are_listed(dlkit: Dlkit) -> None:
    rows = json.loads(dlkit("train", "--list", "--json").stdout)

    assert [row["model"] for row in rows] == list(MODELS)
    assert {row["model"]: row["data"] for row in rows}["pbpk"] == "pbpk"
