"""The replay of the batch at which a run diverged."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.errors import CheckpointError, DivergedError
from dlkit.files.checkpoint import load_checkpoint, save_checkpoint
from dlkit.inspection.layer_table import COLUMNS
from dlkit.inspection.nan import inspect_nan
from dlkit.settings.resolve import resolve
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
    """Train with a rate that is far too high, and return the file that is left."""
    run = prepare(folder, arguments, **{"lr": 1e38, **settings})
    drive(run)
    return run.dir.nan


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run that diverged; not to be changed."""
    return diverged(tmp_path_factory.mktemp("diverged") / "run")


def test_finding_is_the_one_of_training(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", {"dropout": "0.5"}, lr=1e30, accumulate=3)
    message = drive(run).message

    found = inspect_nan(load_checkpoint(run.dir.nan), CPU)

    assert found.seen.finding.cause == "forward"
    assert found.seen.finding.message in message
    assert f"step {found.failing.step}: " in message


def test_facts_as_json_are_complete_and_finite(kept: Path) -> None:
    facts = inspect_nan(load_checkpoint(kept), CPU).to_dict()

    assert (facts["split"], facts["epoch"], facts["samples"], facts["rows"]) == ("train", 1, 8, [])
    assert facts["cause"] == "forward"
    assert facts["layer"] == facts["forward"]["layer"]
    assert facts["layer"] in facts["message"]
    assert facts["backward"]["layer"] in facts["backward"]["message"]
    assert "output.weight" in facts["gradients_not_finite"]
    assert facts["cure"] == {"option": "--lr", "value": 0.01}
    assert [tuple(row) for row in facts["layers"]] == [COLUMNS["nan"]] * len(facts["layers"])
    assert {row["layer"] for row in facts["layers"]} >= {"hidden.0.linear", "output"}
    json.dumps({**facts, "loss": None}, allow_nan=False)


def test_findings_as_text_leave_out_what_does_not_apply(kept: Path) -> None:
    pairs = inspect_nan(load_checkpoint(kept), CPU).to_pairs()

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

    def to(self, _device: torch.device) -> "Spoiled":
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
    run.assembly = replace(run.assembly, parts=replace(run.parts, **{part: spoiled}))
    drive(run)

    found = inspect_nan(load_checkpoint(run.dir.nan), CPU)

    assert sorted(found.failing.bad_rows(found.seen)) == bad
    facts, pairs = found.to_dict(), found.to_pairs()
    assert (facts["split"], facts["cause"], facts["cure"]) == (part, "inputs", None)
    assert pairs["inputs"] == "2 samples are not finite"
    assert set(str(pairs["rows"]).split(", ")) == {str(row) for row in bad}
    assert ("backward" in pairs) == (part == "train")
    assert "cure" not in pairs


def test_class_weights_are_used_in_the_replay(tmp_path: Path) -> None:
    path = diverged(tmp_path / "run", balance="loss")

    assert inspect_nan(load_checkpoint(path), CPU).seen.finding.cause == "forward"


def change(
    path: Path, to: Path, facts: Any = None, tensors: Mapping[str, Tensor | None] | None = None
) -> Path:
    """Write the file anew with other facts or tensors, None for none, and checksums that fit."""
    kept = load_checkpoint(path)
    extras = {**kept.extras, **{f"batch.{name}": tensor for name, tensor in (tensors or {}).items()}}
    save_checkpoint(
        to,
        kept.weights,
        config=kept.config,
        description=kept.description,
        progress={"failing": facts},
        extras={name: tensor for name, tensor in extras.items() if tensor is not None},
    )
    return to


FOREIGN_FACTS: dict[str, Any] = {
    "no-facts": None,
    "sizes-too-small": {"sizes": [4]},
    "sizes-below-one": {"sizes": [9, -1]},
    "another-split": {"split": "test"},
    "no-step": {"step": None},
}
FOREIGN_TENSORS: dict[str, Tensor | None] = {
    "rows": None,
    "targets": None,
    "inputs": None,
    "inputs.left": torch.zeros(()),
}


def refused(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        inspect_nan(load_checkpoint(path), CPU)
    return caught.value


@pytest.mark.parametrize("facts", FOREIGN_FACTS.values(), ids=FOREIGN_FACTS)
def test_other_metadata_are_refused(facts: Any, kept: Path, tmp_path: Path) -> None:
    failing = load_checkpoint(kept).metadata["progress"]["failing"]
    changed = {**failing, **facts} if isinstance(facts, dict) else facts

    error = refused(change(kept, tmp_path / "changed.safetensors", changed))

    assert "changed.safetensors holds no batch" in error.message
    assert "exit code 5" in error.hint


@pytest.mark.parametrize("name", FOREIGN_TENSORS)
def test_other_tensors_are_refused(name: str, kept: Path, tmp_path: Path) -> None:
    failing = load_checkpoint(kept).metadata["progress"]["failing"]

    error = refused(change(kept, tmp_path / "changed.safetensors", failing, {name: FOREIGN_TENSORS[name]}))

    assert "changed.safetensors" in error.message


def test_a_batch_of_another_network_is_refused(kept: Path, tmp_path: Path) -> None:
    failing = load_checkpoint(kept).metadata["progress"]["failing"]

    error = refused(change(kept, tmp_path / "changed.safetensors", failing, {"inputs": torch.zeros(8, 3)}))

    assert "changed.safetensors: " in error.message
    assert "\n" not in error.message
