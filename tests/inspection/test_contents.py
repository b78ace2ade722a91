import json
import struct
from pathlib import Path
from typing import Any

import pytest

from dlkit.errors import CheckpointError
from dlkit.inspection.contents import read_contents


def write_header(
    path: Path, tensors: dict[str, tuple[str, list[int], int]], metadata: dict[str, str]
) -> Path:
    """Write a safetensors file of zeros: name -> (dtype, shape, bytes)."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


TENSORS = {
    "dlkit.random.torch": ("U8", [5], 5),
    "layers.10.weight": ("F32", [2, 3], 24),
    "layers.9.weight": ("BF16", [4], 8),
    "layers.9.running_mean": ("F32", [4], 16),
    "layers.9.num_batches_tracked": ("I64", [], 8),
}
SAID = {
    "format": 1,
    "config": {"model": "mlp", "arguments": {"hidden": [128, 64], "residual": False}, "lr": 0.01, "seed": 0},
    "description": {
        "name": "digits",
        "task": "classification",
        "input_shape": [1, 8, 8],
        "class_names": ["0", "1"],
        "split_sizes": {"val": 2, "train": 9, "test": 3},
    },
    "progress": {"best": {"epoch": 3, "step": 30, "val_loss": 0.123456, "train_loss": None}},
    "versions": {"dlkit": "0.1.0", "torch": "2.9"},
    "tensors": {},
    "sha256": "",
}


def test_own_checkpoint_has_model_data_and_metrics(tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", TENSORS, {"dlkit": json.dumps(SAID)})

    pairs = read_contents(path).to_pairs()

    assert str(pairs["checksum"]).startswith("not verified")
    assert pairs == {
        "file": str(path),
        "checksum": pairs["checksum"],
        "written by": "dlkit 0.1.0, torch 2.9",
        "format": 1,
        "model": "mlp",
        "arguments": "hidden=128,64, residual=false",
        "data": "digits (classification, 1x8x8, 2 classes, train 9 val 2 test 3)",
        "settings": "lr=0.01, seed=0",
        "best epoch": "epoch=3, step=30, val_loss=0.1235",
        "tensors": "4 of the network, 1 for resuming",
        "parameters": 10,
        "bytes": path.stat().st_size,
    }


def test_tensors_of_the_network_come_first_and_in_natural_order(tmp_path: Path) -> None:
    rows = read_contents(write_header(tmp_path / "x.safetensors", TENSORS, {})).tensor_rows()

    assert rows == [
        ("layers.9.num_batches_tracked", "I64", "1", 8 / 2**20),
        ("layers.9.running_mean", "F32", "4", 16 / 2**20),
        ("layers.9.weight", "BF16", "4", 8 / 2**20),
        ("layers.10.weight", "F32", "2x3", 24 / 2**20),
        ("dlkit.random.torch", "U8", "5", 5 / 2**20),
    ]


def test_file_of_another_program_has_its_tensors_only(tmp_path: Path) -> None:
    path = write_header(tmp_path / "x.safetensors", {"a": ("F32", [2], 8)}, {"format": "pt"})

    contents = read_contents(path)
    pairs = contents.to_pairs()

    assert str(pairs["written by"]).startswith("another program")
    assert pairs == {
        "file": str(path),
        "checksum": pairs["checksum"],
        "written by": pairs["written by"],
        "metadata": "format=pt",
        "tensors": 1,
        "parameters": 2,
        "bytes": path.stat().st_size,
    }
    assert contents.to_dict()["written_by_dlkit"] is False
    assert contents.to_dict()["model"] is None


def test_tensors_that_are_no_network_have_values_not_parameters(tmp_path: Path) -> None:
    said = {"format": 1, "inspected": "grads"}
    path = write_header(tmp_path / "x.safetensors", {"a": ("F32", [2], 8)}, {"dlkit": json.dumps(said)})

    pairs = read_contents(path).to_pairs()

    assert pairs["values"] == 2
    assert "parameters" not in pairs
    assert "model" not in pairs


@pytest.mark.parametrize(
    "said",
    [
        {"format": 1, "config": "x", "description": [], "progress": {"best": 7}, "versions": "3"},
        {"format": 1, "config": {"model": ["a"], "arguments": 3}, "description": {"input_shape": 5}},
        {"format": 1, "description": {"name": {}, "split_sizes": 4, "class_names": {}}, "progress": []},
    ],
    ids=["other kinds", "inside", "description"],
)
def test_metadata_of_other_types_are_left_out(tmp_path: Path, said: dict[str, Any]) -> None:
    contents = read_contents(write_header(tmp_path / "x.safetensors", {}, {"dlkit": json.dumps(said)}))

    assert contents.to_pairs()["format"] == 1
    assert json.loads(json.dumps(contents.to_dict()))["format"] == 1


def test_text_from_the_file_is_made_safe_to_show(tmp_path: Path) -> None:
    said = {"format": 1, "config": {"model": "a\x1b[31mb\u202e" + "x" * 1000}}
    path = write_header(tmp_path / "x.safetensors", {}, {"dlkit": json.dumps(said)})

    model = read_contents(path).to_pairs()["model"]

    assert isinstance(model, str)
    assert model.startswith("a\ufffd[31mb\ufffdxxx")
    assert len(model) == 400


def test_names_with_endless_numbers_are_sorted(tmp_path: Path) -> None:
    tensors = {f"a{'9' * 6000}": ("F32", [1], 4), "a2": ("F32", [1], 4), "²": ("F32", [1], 4)}

    rows = read_contents(write_header(tmp_path / "x.safetensors", tensors, {})).tensor_rows()

    assert len(rows) == 3


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"dlkit": "{"}, "not JSON"),
        ({"dlkit": '{"format": 99}'}, "99"),
    ],
)
def test_damaged_metadata_are_refused(tmp_path: Path, metadata: dict[str, str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_contents(write_header(tmp_path / "x.safetensors", {}, metadata))
