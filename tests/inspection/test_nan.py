"""The batch at which a run diverged passes through its network once more, and says where it went wrong."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dlkit.checkpoint import load_checkpoint, save_checkpoint
from dlkit.data.batches import Batches
from dlkit.errors import CheckpointError, DivergedError
from dlkit.inspection.layer_table import COLUMNS
from dlkit.inspection.nan import look_into
from dlkit.resolve import resolve
from dlkit.training.run import TrainRun, start_run

CPU = torch.device("cpu")


def prepare(folder: Path, arguments: dict[str, str] | None = None, **settings: Any) -> TrainRun:
    """A short run on the digits."""
    small = {"model": "mlp", "epochs": 2, "limit": 150, "batch_size": 8, "device": "cpu", "plot": False}
    return start_run(resolve({**small, **settings}, arguments or {}), folder)


def drive(run: TrainRun) -> DivergedError:
    with pytest.raises(DivergedError) as caught:
        list(run)
    return caught.value


def diverged(folder: Path, arguments: dict[str, str] | None = None, **settings: Any) -> Path:
    """Train with a rate that is far too high, and give the file that is left."""
    run = prepare(folder, arguments, **{"lr": 1e38, **settings})
    drive(run)
    return run.dir.nan


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run that diverged; not to be changed."""
    return diverged(tmp_path_factory.mktemp("diverged") / "run")


def test_finding_is_the_one_that_training_told(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", {"dropout": "0.5"}, lr=1e30, accumulate=3)
    told = drive(run).message

    found = look_into(run.dir.nan, CPU)

    assert found.seen.finding.cause == "forward"
    assert found.seen.finding.message in told
    assert f"step {found.failing.step}: " in told


def test_facts_as_json_are_complete_and_finite(kept: Path) -> None:
    facts = look_into(kept, CPU).to_dict()

    assert (facts["split"], facts["epoch"], facts["samples"], facts["rows"]) == ("train", 1, 8, [])
    assert facts["cause"] == "forward"
    assert facts["layer"] == facts["forward"]["layer"]
    assert facts["layer"] in facts["message"]
    assert facts["backward"]["message"].startswith("the first gradient that is not finite reaches layer ")
    assert "output.weight" in facts["gradients_not_finite"]
    assert facts["cure"] == {"option": "--lr", "value": 0.01}
    assert [tuple(row) for row in facts["layers"]] == [COLUMNS["nan"]] * len(facts["layers"])
    assert {row["layer"] for row in facts["layers"]} >= {"hidden.0.linear", "output"}
    json.dumps({**facts, "loss": None}, allow_nan=False)


def test_facts_for_people_leave_out_what_does_not_apply(kept: Path) -> None:
    pairs = look_into(kept, CPU).to_pairs()

    assert pairs["batch"] == "epoch 1, step 2: 8 samples of train"
    assert (pairs["inputs"], pairs["targets"], pairs["weights"]) == ("finite", "finite", "finite")
    assert str(pairs["forward"]).startswith("not finite from ")
    assert pairs["cure"] == "--lr 0.01"
    assert "rows" not in pairs


class Spoiled:
    """A split whose inputs of some rows come out as NaN."""

    def __init__(self, split: Any, rows: list[int]) -> None:
        self._split, self._bad = split, rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)

    def __len__(self) -> int:
        return len(self._split)

    def to(self, device: torch.device) -> "Spoiled":
        return self

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        inputs, targets = self._split.batch(rows, device, epoch)
        inputs[torch.isin(rows, torch.tensor(self._bad))] = math.nan
        return inputs, targets


@pytest.mark.parametrize("part", ["train", "val"])
def test_rows_of_bad_samples_are_named_and_no_rate_is_proposed(part: str, tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", accumulate=2)
    batches = getattr(run.parts, part)
    start, stop, epoch = (2, 4, 1) if part == "train" else (0, 1, None)
    bad = sorted(batches.rows_in(epoch, start, stop)[[3, 5]].tolist())
    spoiled = Batches(Spoiled(batches._split, bad), batches.batch_size, CPU, batches.seed)
    run.parts = replace(run.parts, **{part: spoiled})
    drive(run)

    found = look_into(run.dir.nan, CPU)

    assert sorted(found.failing.bad_rows(found.seen)) == bad
    facts, pairs = found.to_dict(), found.to_pairs()
    assert (facts["split"], facts["cause"], facts["cure"]) == (part, "inputs", None)
    assert pairs["inputs"] == "2 samples are not finite"
    assert set(str(pairs["rows"]).split(", ")) == {str(row) for row in bad}
    assert ("backward" in pairs) == (part == "train")
    assert "cure" not in pairs


def test_classes_weighed_by_rarity_are_weighed_again(tmp_path: Path) -> None:
    path = diverged(tmp_path / "run", balance="loss")

    assert look_into(path, CPU).seen.finding.cause == "forward"


def change(path: Path, to: Path, edit: Callable[[dict[str, Any], dict[str, Tensor]], None]) -> Path:
    """Write the file anew with other facts or tensors, and checksums that fit."""
    kept = load_checkpoint(path)
    progress, extras = json.loads(json.dumps(kept.metadata["progress"])), dict(kept.extras)
    edit(progress, extras)
    save_checkpoint(
        to,
        kept.weights,
        config=kept.config,
        description=kept.description,
        progress=progress,
        extras=extras,
    )
    return to


FOREIGN: dict[str, Callable[[dict[str, Any], dict[str, Tensor]], object]] = {
    "no-facts": lambda progress, extras: progress.pop("failing"),
    "facts-of-another-kind": lambda progress, extras: progress.update(failing=3),
    "sizes-too-small": lambda progress, extras: progress["failing"].update(sizes=[4]),
    "sizes-below-one": lambda progress, extras: progress["failing"].update(sizes=[9, -1]),
    "sizes-no-numbers": lambda progress, extras: progress["failing"].update(sizes=["8"]),
    "another-split": lambda progress, extras: progress["failing"].update(split="test"),
    "no-step": lambda progress, extras: progress["failing"].update(step=None),
    "no-rows": lambda progress, extras: extras.pop("batch.rows"),
    "no-targets": lambda progress, extras: extras.pop("batch.targets"),
    "no-inputs": lambda progress, extras: extras.pop("batch.inputs"),
    "a-scalar": lambda progress, extras: extras.update({"batch.inputs": torch.zeros(())}),
}


@pytest.mark.parametrize("edit", FOREIGN.values(), ids=FOREIGN)
def test_a_file_without_such_a_batch_is_refused(
    edit: Callable[[dict[str, Any], dict[str, Tensor]], None], kept: Path, tmp_path: Path
) -> None:
    path = change(kept, tmp_path / "changed.safetensors", edit)

    with pytest.raises(CheckpointError) as caught:
        look_into(path, CPU)

    assert caught.value.message == f"{path} holds no batch at which a run diverged"
    assert "exit code 5" in caught.value.hint


def test_a_batch_of_another_network_is_refused(kept: Path, tmp_path: Path) -> None:
    path = change(
        kept,
        tmp_path / "changed.safetensors",
        lambda progress, extras: extras.update({"batch.inputs": torch.zeros(8, 3)}),
    )

    with pytest.raises(CheckpointError) as caught:
        look_into(path, CPU)

    assert caught.value.message.startswith(f"{path}: the batch does not pass through its network: ")
    assert "\n" not in caught.value.message
