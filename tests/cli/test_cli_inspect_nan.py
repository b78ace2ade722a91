"""dlkit inspect nan: the replay of the batch at which a run diverged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, faults

from dlkit.inspection.layer_table import COLUMNS

Run = Callable[..., Any]
DIVERGING = ("train", "mlp", "--lr", "1e6", "--epochs", "2", "--no-plot", "--device", "cpu")


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


def test_training_exits_with_5_and_its_hint_resumes(dlkit: Run) -> None:
    result = dlkit(*DIVERGING, "--out", "run")

    assert (result.code, result.stdout) == (5, "")
    ((message, hint),) = faults(result.stderr)
    assert "epoch 1, step " in message
    assert "layer output (Linear)" in message
    assert "run/last.safetensors" in message
    assert "dlkit train --resume run --lr 0.01;" in hint
    assert "dlkit inspect nan run" in hint
    again = dlkit("train", "--resume", "run", "--lr", "0.01", "--json")
    assert again.code == 0
    assert json.loads(again.stdout)["metrics"]["val_accuracy"] > 0.7


def test_an_own_model_is_replayed_if_its_code_is_named(dlkit: Run, home: Path) -> None:
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
    assert f"dlkit train {code} --resume run --lr 0.001;" in result.stderr
    assert f"dlkit inspect nan run --model {code}" in result.stderr

    unnamed = dlkit("inspect", "nan", "run")
    named = dlkit("inspect", "nan", "run", "--model", "net.py:Net", "--json")

    assert (unnamed.code, unnamed.stdout) == (4, "")
    assert f"--model {code}" in unnamed.stderr
    assert json.loads(named.stdout)["layer"] == "the network"


def test_findings_come_first_and_layers_below(dlkit: Run, diverged: Path) -> None:
    result = dlkit("inspect", "nan", "run")

    facts, layers = result.stdout.split("\n\n")
    assert result.code == 0
    assert facts.splitlines()[0].startswith("batch\tepoch 1, step ")
    assert "\ncure\t--lr 0.01" in facts
    assert layers.splitlines()[0] == "\t".join(COLUMNS["nan"])
    assert "run/nan.safetensors" in result.stderr


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


def test_other_commands_accept_the_file_as_a_checkpoint(dlkit: Run, diverged: Path) -> None:
    assert "model\tmlp" in dlkit("inspect", "show", "run/nan.safetensors").stdout
    assert dlkit("inspect", "weights", "run/nan.safetensors").code == 0


@pytest.mark.parametrize("name", ["run", "nowhere"])
def test_a_run_that_did_not_diverge_is_refused(name: str, dlkit: Run, run_copy: Path) -> None:
    assert_refused(dlkit("inspect", "nan", name), 4, name, "exit code 5")


def test_force_removes_the_file_of_the_run_before(dlkit: Run, diverged: Path) -> None:
    assert dlkit("train", "mlp", "--epochs", "1", "--no-plot", "--out", "run", "--force").code == 0

    assert not (diverged / "nan.safetensors").exists()


def test_an_unknown_device_is_refused(dlkit: Run, diverged: Path) -> None:
    assert_refused(dlkit("inspect", "nan", "run", "--device", "tpu"), 2, "--device tpu ", "auto")
