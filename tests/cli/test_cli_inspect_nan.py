"""dlkit inspect nan: what a run that diverged leaves to look at."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkit.inspection.layer_table import COLUMNS

Run = Callable[..., Any]
DIVERGING = ("train", "mlp", "--lr", "1e6", "--epochs", "2", "--no-plot", "--device", "cpu")

LOADED = """
import sys
from dlkit.cli.app import run
code = run(sys.argv[1:])
heavy = {"torch", "numpy", "pandas", "matplotlib", "sklearn", "torchvision"}
print(code, *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that diverged; not to be changed."""
    from dlkit.cli.app import run

    folder = tmp_path_factory.mktemp("diverged") / "run"
    assert run([*DIVERGING, "--quiet", "--out", str(folder)]) == 5
    return folder


@pytest.fixture
def diverged(home: Path, left: Path) -> Path:
    """A copy of it in the working folder."""
    return Path(shutil.copytree(left, home / "run"))


def test_training_ends_with_5_and_the_command_it_prints_goes_on(dlkit: Run) -> None:
    result = dlkit(*DIVERGING, "--out", "run")

    assert (result.code, result.stdout) == (5, "")
    lines = result.stderr.splitlines()
    (error,) = (line for line in lines if line.startswith("error: training diverged in epoch 1, step "))
    assert "layer output (Linear) gave the first number that is not finite, from inputs up to" in error
    assert "run/last.safetensors, of step 0" in error
    (hint,) = (line for line in lines if line.startswith("hint: "))
    assert hint == (
        "hint: continue from there with dlkit train --resume run --lr 0.01; dlkit inspect nan run replays the batch"
    )
    again = dlkit("train", "--resume", "run", "--lr", "0.01", "--json")
    assert again.code == 0
    assert json.loads(again.stdout)["metrics"]["val_accuracy"] > 0.7


def test_a_network_of_ones_own_is_replayed_where_the_code_is_named(dlkit: Run, home: Path) -> None:
    (home / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self, in_features, num_classes):\n"
        "        super().__init__(in_features, num_classes)\n"
        "    def forward(self, inputs):\n"
        "        outputs = super().forward(inputs.flatten(1))\n"
        "        return outputs / 0 if self.training else outputs\n"
    )
    code = home / "net.py:Net"
    words = ("--data", "digits", "--no-plot", "--device", "cpu", "--out", "run")
    result = dlkit("train", "net.py:Net", *words)
    assert result.code == 5
    assert f"continue from there with dlkit train {code} --resume run --lr 0.001;" in result.stderr
    assert f"dlkit inspect nan run --model {code} replays the batch" in result.stderr

    unnamed = dlkit("inspect", "nan", "run")
    named = dlkit("inspect", "nan", "run", "--model", "net.py:Net", "--json")

    assert (unnamed.code, unnamed.stdout) == (4, "")
    assert f"--model {code}" in unnamed.stderr
    assert json.loads(named.stdout)["layer"] == "the network"


def test_facts_come_first_and_the_layers_below(dlkit: Run, diverged: Path) -> None:
    result = dlkit("inspect", "nan", "run")

    facts, layers = result.stdout.split("\n\n")
    assert result.code == 0
    assert facts.splitlines()[0].startswith("batch\tepoch 1, step ")
    assert "\ncure\t--lr 0.01" in facts
    assert layers.splitlines()[0] == "\t".join(COLUMNS["nan"])
    assert result.stderr == "the batch of run/nan.safetensors, on cpu (1 thread)\n"


def test_file_stands_for_its_run(dlkit: Run, diverged: Path) -> None:
    by_folder, by_file = dlkit("inspect", "nan", "run"), dlkit("inspect", "nan", "run/nan.safetensors")

    assert by_file == by_folder


def test_json_is_one_document(dlkit: Run, diverged: Path) -> None:
    result = dlkit("inspect", "nan", "run", "--json", "--quiet")

    document = json.loads(result.stdout)
    assert result.stderr == ""
    assert document["cause"] == "forward"
    assert document["loss"] is None
    assert document["layers"][-1]["layer"] == "output"


def test_other_commands_take_the_file_for_the_checkpoint_it_is(dlkit: Run, diverged: Path) -> None:
    assert "model\tmlp" in dlkit("inspect", "show", "run/nan.safetensors").stdout
    assert dlkit("inspect", "weights", "run/nan.safetensors").code == 0


def test_a_run_without_such_a_file_is_told_so(dlkit: Run, run_copy: Path) -> None:
    result = dlkit("inspect", "nan", "run")

    assert (result.code, result.stdout) == (4, "")
    assert result.stderr == (
        "error: no nan.safetensors at run\nhint: a run that ends with exit code 5 leaves one in its folder\n"
    )


def test_force_removes_the_file_of_the_run_before(dlkit: Run, diverged: Path) -> None:
    assert dlkit("train", "mlp", "--epochs", "1", "--no-plot", "--out", "run", "--force").code == 0

    assert not (diverged / "nan.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "code"), [(("run", "--device", "tpu"), 2), (("nowhere",), 4)], ids=["device", "path"]
)
def test_wrong_words_are_refused_before_torch_loads(
    words: tuple[str, ...], code: int, diverged: Path
) -> None:
    command = [sys.executable, "-c", LOADED, "inspect", "nan", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stderr.splitlines()[-1] == str(code)
