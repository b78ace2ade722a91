"""Heavy packages are imported only when they are needed."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dlkit.settings.optimizers import OPTIMIZERS

HEAVY = (
    "torch",
    "torch._dynamo",
    "torchvision",
    "pandas",
    "pyarrow",
    "matplotlib",
    "sklearn",
    "numpy",
    "scipy",
    "safetensors",
)
PROBE = """
import json, sys
from dlkit.cli.app import build_app, run
import typer

def walk(command, path=()):
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*path, name))

lines = json.loads(sys.argv[1]) or [[*path, "--help"] for path in walk(typer.main.get_command(build_app()))]
codes = [run(line) for line in lines]
json.dump([codes, [name for name in json.loads(sys.argv[2]) if name in sys.modules]], sys.stderr)
"""

WRONG = {
    "an unknown option": ["train", "mlp", "--epoch", "3"],
    "an unknown model": ["train", "mpl"],
    "a missing model": ["train"],
    "a value out of range": ["train", "mlp", "--lr", "-1"],
    "a word for a number": ["train", "mlp", "--epochs", "x"],
    "an unknown device": ["train", "mlp", "--device", "gpu"],
    "an unknown argument": ["train", "mlp", "-s", "hiden=3"],
    "a strange normalisation": ["train", "mlp", "--normalize", "1"],
    "no run to resume": ["train", "--resume", "nothing-here"],
    "resume with out": ["train", "--resume", "nothing-here", "--out", "x"],
    "an unknown split": ["eval", "x.safetensors", "--split", "tset"],
    "an unknown data set": ["eval", "x.safetensors", "--data", "mnits"],
    "predictions of two": ["eval", "a", "b", "--predict", "x.csv"],
    "an unknown device of eval": ["eval", "a", "--device", "gpu"],
    "an unknown data set to get": ["data", "get", "mnits"],
    "an unknown data set to show": ["data", "show", "mnits"],
    "an unknown kind of plot": ["plot", "x.csv", "--kind", "pie"],
    "an unknown suffix of a plot": ["plot", "x.csv", "-o", "x.bmp"],
    "an unknown column to sort by": ["inspect", "grads", "x.safetensors", "--sort", "beauty"],
    "an unknown suffix of a table": ["inspect", "acts", "x.safetensors", "-o", "x.doc"],
    "a smoothing of nothing": ["plot", "x.csv", "--smooth", "0"],
    "a range test of nothing": ["inspect", "lr"],
    "a range test from below zero": ["inspect", "lr", "mlp", "--start", "-1"],
    "an unknown device of a replay": ["inspect", "nan", "nothing-here", "--device", "tpu"],
    "an embedded data set to get": ["data", "get", "digits"],
    "a data set that is not downloaded": ["data", "show", "cifar10"],
    "a missing file to plot": ["plot", "none.csv"],
    "an unknown column to plot": ["plot", "history.csv", "-y", "x"],
    "a missing run to replay": ["inspect", "nan", "nothing-here"],
}


def run_fresh(
    lines: Sequence[Sequence[object]], folder: Path, watched: Sequence[str] = HEAVY
) -> tuple[list[int], list[str]]:
    """Run command lines in one new interpreter; return their exit codes and the watched modules they loaded."""
    words = json.dumps([[str(word) for word in line] for line in lines])
    command = [sys.executable, "-c", PROBE, words, json.dumps(watched)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    codes, loaded = json.loads(result.stderr.splitlines()[-1])
    return codes, loaded


@pytest.mark.slow
def test_no_help_loads_anything_heavy(home: Path) -> None:
    codes, loaded = run_fresh([], home)

    assert len(codes) > 10
    assert set(codes) == {0}
    assert loaded == []


@pytest.mark.slow
def test_wrong_flags_are_refused_before_torch_loads(home: Path) -> None:
    (home / "history.csv").write_text("epoch,train_loss\n1,0.5\n")

    codes, loaded = run_fresh(list(WRONG.values()), home)

    found = dict(zip(WRONG, codes, strict=True))
    assert {name: code for name, code in found.items() if code != 2} == {
        "no run to resume": 4,
        "an embedded data set to get": 0,
        "a data set that is not downloaded": 3,
        "a missing file to plot": 3,
        "a missing run to replay": 4,
    }
    assert loaded == []


def test_reading_files_never_loads_torch(trained_run: Path, home: Path) -> None:
    lines = [
        ["data", "ls"],
        ["inspect", "show", trained_run],
        ["inspect", "show", trained_run / "last.safetensors", "--json"],
        ["plot", trained_run, "-o", "x.png"],
        ["plot", trained_run / "history.csv", "-o", "x.svg"],
    ]

    codes, loaded = run_fresh(lines, home, ("torch", "torchvision", "sklearn"))

    assert (codes, loaded) == ([0] * 5, [])


@pytest.mark.slow
def test_training_loads_no_more_than_it_needs(home: Path) -> None:
    line = ["train", "mlp", "--epochs", "1", "--limit", "100", "--no-plot", "--optimizer"]

    codes, loaded = run_fresh([[*line, name] for name in OPTIMIZERS], home, (*HEAVY, "sympy"))

    assert codes == [0] * len(OPTIMIZERS)
    assert set(loaded) <= {"torch", "numpy", "safetensors"}
