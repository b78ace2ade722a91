import contextlib
import json
import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from failing_disk import Died, FailingDisk, RecordingDisk, states_after_power_cut, using
from refusals import assert_reports
from safetensors.torch import load_file
from torch import Tensor, nn

from dlkit import __version__
from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.atomic import sweep_temporaries
from dlkit.files.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from dlkit.files.description import DataDescription
from dlkit.files.header import read_header
from dlkit.files.tensor_file import read_tensors, write_tensors
from dlkit.models.build import build_model, restore_model
from dlkit.settings.resolve import resolve

CONFIG = resolve({"model": "mlp", "lr": 1e-05}, {"hidden": "7,5"})
DESCRIPTION = DataDescription(
    name="digits",
    task="classification",
    input_shape=(1, 8, 8),
    class_names=("a", "b", "ç"),
    split_sizes={"train": 8, "val": 1, "test": 1},
    fingerprint="ab" * 32,
)


def save(
    path: Path,
    weights: Mapping[str, Tensor],
    *,
    step: int = 0,
    extras: Mapping[str, Tensor] | None = None,
    progress: Mapping[str, Any] | None = None,
    keep_previous: Path | None = None,
) -> None:
    save_checkpoint(
        path,
        weights,
        config=CONFIG,
        description=DESCRIPTION,
        progress={"step": step} if progress is None else progress,
        extras=extras,
        keep_previous=keep_previous,
    )


def test_checkpoint_survives_a_round_trip(tmp_path: Path) -> None:
    weights = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3), "e": torch.empty(0)}
    extras = {"optimizer.m.w": torch.ones(2, 3, dtype=torch.bfloat16), "random.torch": torch.arange(9)}
    save(tmp_path / "a", weights, extras=extras, step=5)
    checkpoint = load_checkpoint(tmp_path / "a")
    assert checkpoint.path == tmp_path / "a"
    assert (checkpoint.config, checkpoint.description) == (CONFIG, DESCRIPTION)
    assert (checkpoint.model, checkpoint.arguments["hidden"]) == ("mlp", (7, 5))
    assert checkpoint.metadata["progress"] == {"step": 5}
    assert checkpoint.metadata["versions"]["dlkit"] == __version__
    for stored, given in ((checkpoint.weights, weights), (checkpoint.extras, extras)):
        assert stored.keys() == given.keys()
        assert all(torch.equal(stored[name], given[name]) for name in given)


def test_network_is_restored_bit_for_bit(tmp_path: Path) -> None:
    model = build_model("mlp", DESCRIPTION, CONFIG.arguments)
    save(tmp_path / "a", model.state_dict())
    restored = restore_model(load_checkpoint(tmp_path / "a"))
    inputs = torch.randn(4, 1, 8, 8)
    assert torch.equal(restored(inputs), model(inputs))


def test_tied_network_is_restored_with_its_weights_tied(tmp_path: Path) -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    save(tmp_path / "a", tied.state_dict())
    loaded = load_checkpoint(tmp_path / "a").weights
    assert torch.equal(loaded["0.weight"], loaded["1.weight"])
    tied.load_state_dict(dict(loaded))
    assert tied[1].weight is tied[0].weight


def test_best_of_a_run_is_read_by_safetensors_alone(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run)
    model = build_model(checkpoint.model, checkpoint.description, checkpoint.arguments)
    model.load_state_dict(load_file(trained_run / "best.safetensors"))
    assert all(math.isfinite(value.sum()) for value in model.state_dict().values())


def test_run_folder_stands_for_its_best_checkpoint(trained_run: Path) -> None:
    assert checkpoint_path(trained_run) == trained_run / "best.safetensors"
    assert checkpoint_path(trained_run / "last.safetensors") == trained_run / "last.safetensors"
    assert load_checkpoint(trained_run).path.name == "best.safetensors"


def test_files_of_a_run_obey_the_umask(trained_run: Path) -> None:
    probe = trained_run.parent / "probe"
    probe.touch()
    files = list(trained_run.iterdir())
    assert len(files) >= 7
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {stat.S_IMODE(probe.stat().st_mode)}


@pytest.mark.parametrize("name", ["last.safetensors", "best.safetensors", "last.prev.safetensors"])
def test_checkpoints_of_a_run_have_one_metadata_key_of_sorted_json(trained_run: Path, name: str) -> None:
    metadata = read_header(trained_run / name).metadata
    assert list(metadata) == ["dlkit"]
    stored = json.loads(metadata["dlkit"])
    assert json.dumps(stored, sort_keys=True, separators=(",", ":")) == metadata["dlkit"]


def test_numbers_that_json_has_not_become_null(tmp_path: Path) -> None:
    best = {"val_loss": 0.5, "update_ratio": math.inf, "grad_norm": math.nan}
    save(tmp_path / "a", {"w": torch.zeros(1)}, progress={"best": best, "list": [1, -math.inf]})
    progress = load_checkpoint(tmp_path / "a").metadata["progress"]
    assert progress == {"best": {"val_loss": 0.5, "update_ratio": None, "grad_norm": None}, "list": [1, None]}


def test_weight_under_the_reserved_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        save(tmp_path / "a", {"dlkit.w": torch.zeros(1)})
    assert "dlkit.w " in caught.value.message


def test_file_without_a_network_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"w": torch.zeros(1)}, {"data": "mnist"})
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "a")
    assert_reports(caught.value, f"{tmp_path}/a ", "'config'", "best.safetensors or last.safetensors")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("config", "model", "resnet\x1b[31m"),
        ("config", "model", 5),
        ("config", "epochs", "many"),
        ("config", "data", "digitz"),
        ("config", "colour", "red"),
        ("config", "arguments", None),
        ("config", "arguments", {"hidden": [1] * 1001}),
        ("description", "input_shape", [-1]),
        ("progress", "", "far"),
        ("config", "", []),
    ],
)
def test_settings_are_refused_when_they_could_not_have_been_typed(
    tmp_path: Path, part: str, name: str, value: object
) -> None:
    save(tmp_path / "a", {"w": torch.zeros(1)})
    tensors, metadata = read_tensors(tmp_path / "a")
    metadata[part] = {**metadata[part], name: value} if name else value
    kept = {key: metadata[key] for key in ("config", "description", "progress", "versions")}
    write_tensors(tmp_path / "a", tensors, kept)
    with pytest.raises(CheckpointError, match="a holds tensors") as caught:
        load_checkpoint(tmp_path / "a")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("failure", [lambda: OSError(5, "input/output error"), Died], ids=["fails", "dies"])
@pytest.mark.parametrize("size", [5, 2**21], ids=["small", "large"])
@pytest.mark.quick(1)
def test_a_checkpoint_can_be_loaded_when_any_operation_of_a_save_fails(
    tmp_path: Path, size: int, failure: Any, late: bool
) -> None:
    last, previous = tmp_path / "last", tmp_path / "prev"
    for fail_at in range(1, 50):
        save(last, {"w": torch.zeros(size)}, step=1)
        disk = FailingDisk(fail_at, failure, for_ever=failure is Died, late=late)
        with contextlib.suppress(DlkitError, Died), using(disk):
            save(last, {"w": torch.ones(size)}, step=2, keep_previous=previous)
        found = load_checkpoint(last)
        assert found.metadata["progress"]["step"] == found.weights["w"][0] + 1
        if previous.exists():
            assert load_checkpoint(previous).metadata["progress"]["step"] == 1
        sweep_temporaries(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} <= {"last", "prev"}
        if not disk.failed:
            break
    assert fail_at > 5
    assert found.metadata["progress"]["step"] == 2


def test_a_checkpoint_can_be_loaded_after_a_power_cut_at_any_instant(tmp_path: Path) -> None:
    last, previous = tmp_path / "last", tmp_path / "prev"
    for step in (1, 2):
        save(last, {"w": torch.full((40,), float(step))}, step=step, keep_previous=previous)
    before = {path.name: path.read_bytes() for path in (last, previous)}
    with using(RecordingDisk()) as disk:
        save(last, {"w": torch.full((40,), 3.0)}, step=3, keep_previous=previous)

    found = set()
    for state in states_after_power_cut(disk, before):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, data in ((name, data) for name, data in state.items() if "/" not in name):
            (tmp_path / name).write_bytes(data)
        newest, kept = (load_checkpoint(path) for path in (last, previous))
        for checkpoint in (newest, kept):
            assert checkpoint.weights["w"].tolist() == [checkpoint.metadata["progress"]["step"]] * 40
        found.add((newest.metadata["progress"]["step"], kept.metadata["progress"]["step"]))
    assert found == {(2, 1), (2, 2), (3, 1), (3, 2)}
