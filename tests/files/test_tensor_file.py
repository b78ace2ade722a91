import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from crafted import raw_file, sealed_file, write
from failing_disk import RecordingOps
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.atomic import FileOps
from dlkit.files.digest import seal, tensor_digest
from dlkit.files.header import read_header
from dlkit.files.tensor_file import read_tensors, write_tensors

GRID = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
PICTURES = torch.arange(96, dtype=torch.float32).reshape(2, 3, 4, 4)


@pytest.mark.parametrize(
    "tensor",
    [
        GRID,
        GRID.transpose(0, 2),
        GRID[:, 1],
        GRID[1:],
        GRID.expand(5, 2, 3, 4),
        PICTURES.to(memory_format=torch.channels_last),
        PICTURES[:, :, None].to(memory_format=torch.channels_last_3d),
        torch.tensor(3.5),
        torch.tensor(7),
        torch.empty(0),
        torch.empty(0, 4),
        torch.tensor([1.5, float("nan"), float("inf"), -0.0]),
        torch.tensor([True, False]),
        torch.nn.Parameter(GRID),
        *(
            torch.arange(5).to(dtype)
            for dtype in (
                torch.bfloat16,
                torch.float16,
                torch.float64,
                torch.uint8,
                torch.int8,
                torch.int16,
                torch.int32,
                torch.int64,
                torch.complex64,
            )
        ),
    ],
    ids=lambda tensor: (
        f"{str(tensor.dtype)[6:]}-{'x'.join(map(str, tensor.shape))}-{'-'.join(map(str, tensor.stride()))}"
    ),
)
def test_tensor_survives_a_round_trip(tmp_path: Path, tensor: Tensor) -> None:
    write_tensors(tmp_path / "a", {"t": tensor, "other": torch.ones(3)}, {})
    read, _ = read_tensors(tmp_path / "a")
    assert torch.equal(
        read["t"].reshape(-1).view(torch.uint8), tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    )
    assert (read["t"].dtype, read["t"].shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(load_file(tmp_path / "a")["t"].isnan(), tensor.detach().isnan())


@pytest.mark.parametrize(
    ("tensor", "layout"),
    [(PICTURES, torch.channels_last), (PICTURES[:, :, None], torch.channels_last_3d)],
    ids=["pictures", "volumes"],
)
def test_channels_stay_last_when_they_were(
    tmp_path: Path, tensor: Tensor, layout: torch.memory_format
) -> None:
    write_tensors(tmp_path / "a", {"t": tensor.to(memory_format=layout), "u": tensor}, {})
    read, metadata = read_tensors(tmp_path / "a")
    assert read["t"].is_contiguous(memory_format=layout)
    assert read["u"].is_contiguous()
    assert list(metadata["memory_format"]) == ["t"]


def test_tied_weights_stand_under_each_name(tmp_path: Path) -> None:
    tied = {"encoder": GRID, "decoder": GRID, "part": GRID[0], "view": GRID.view(6, 4)}
    write_tensors(tmp_path / "a", tied, {})
    read, _ = read_tensors(tmp_path / "a")
    assert all(torch.equal(read[name], tensor) for name, tensor in tied.items())


def test_metadata_are_one_key_of_sorted_json(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"t": GRID}, {"z": [1, 2.5, None, "é"], "a": {"y": True, "b": 1e-05}})
    with safe_open(tmp_path / "a", framework="pt") as file:
        metadata = file.metadata()
    assert list(metadata) == ["dlkit"]
    said = json.loads(metadata["dlkit"])
    assert json.dumps(said, sort_keys=True, separators=(",", ":")) == metadata["dlkit"]
    assert read_tensors(tmp_path / "a")[1]["z"] == [1, 2.5, None, "é"]


def test_every_tensor_lies_at_a_multiple_of_its_width(tmp_path: Path) -> None:
    kinds = (torch.bool, torch.bfloat16, torch.float64, torch.uint8, torch.float32, torch.complex64)
    tensors = {str(number): torch.ones(number % 3 + 1, dtype=kinds[number % 6]) for number in range(18)}
    write_tensors(tmp_path / "a", tensors, {})
    places = read_header(tmp_path / "a").tensors
    assert all(places[name].begin % tensor.itemsize == 0 for name, tensor in tensors.items())
    loaded = load_file(tmp_path / "a")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_writing_copies_no_tensor(tmp_path: Path) -> None:
    tensor = torch.zeros(2**22)

    class Watching(RecordingOps):
        def write_at(self, descriptor: int, data: memoryview, position: int) -> int:
            places.append(np.frombuffer(data, np.uint8).ctypes.data)
            return super().write_at(descriptor, data, position)

    places: list[int] = []
    write_tensors(tmp_path / "a", {"t": tensor}, {}, ops=Watching())
    assert places[0] == tensor.data_ptr()


def test_prefix_picks_tensors(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"train.x": GRID, "test.x": GRID}, {})
    assert list(read_tensors(tmp_path / "a", prefix="test.")[0]) == ["test.x"]


def test_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = {name: GRID + index for index, name in enumerate("fedcba")}
    write_tensors(tmp_path / "a", tensors, {"b": 1, "a": 2})
    write_tensors(tmp_path / "b", dict(reversed(tensors.items())), {"a": 2, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.slow
def test_same_tensors_give_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    script = """
import sys, torch
from pathlib import Path
from dlkit.files.tensor_file import write_tensors
tensors = {name: torch.arange(6.0).reshape(2, 3) for name in sorted(set("abcdefgh"), key=hash)}
write_tensors(Path(sys.argv[1]), tensors, {name: name for name in sorted(set("stuvw"), key=hash)})
"""
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, tmp_path / seed], env=environment, check=True)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_file_is_verified_before_it_takes_its_name(tmp_path: Path) -> None:
    class Flipping(FileOps):
        def write_at(self, descriptor: int, data: memoryview, position: int) -> int:
            damaged = bytearray(data)
            damaged[-1] ^= 1
            return super().write_at(descriptor, memoryview(damaged), position)

    write_tensors(tmp_path / "a", {"t": GRID}, {"old": 1})
    with pytest.raises(DlkitError, match="reads back otherwise than it was written") as caught:
        write_tensors(tmp_path / "a", {"t": GRID}, {"old": 0}, ops=Flipping())
    assert caught.value.exit_code == 1
    assert read_tensors(tmp_path / "a")[1]["old"] == 1


LARGE = {f"t{number}": torch.arange(2**19, dtype=torch.float32) + number for number in range(5)}


@pytest.mark.parametrize("name", [*LARGE, "header"])
def test_flip_in_any_part_of_a_large_file_is_noticed(tmp_path: Path, name: str) -> None:
    class Flipping(FileOps):
        def write_at(self, descriptor: int, data: memoryview, position: int) -> int:
            if position == 0 if name == "header" else data == LARGE[name].view(torch.uint8).numpy().data:
                data = memoryview(bytes(data[:-1]) + bytes([data[-1] ^ 1]))
            return super().write_at(descriptor, data, position)

    with pytest.raises(DlkitError, match="reads back otherwise than it was written"):
        write_tensors(tmp_path / "a", LARGE, {}, ops=Flipping())
    assert not list(tmp_path.iterdir())


def test_large_file_has_the_digests_of_a_small_one(tmp_path: Path) -> None:
    write_tensors(tmp_path / "large", {**LARGE, "small": GRID}, {"n": 1})
    write_tensors(tmp_path / "small", {"small": GRID}, {"n": 1})
    read, metadata = read_tensors(tmp_path / "large")
    assert all(torch.equal(read[name], tensor) for name, tensor in LARGE.items())
    assert metadata["tensors"]["small"] == read_tensors(tmp_path / "small")[1]["tensors"]["small"]


@pytest.mark.parametrize("operation", ["read_at", "fsync"])
def test_large_file_that_cannot_be_read_back_or_synced_is_told(tmp_path: Path, operation: str) -> None:
    class Failing(FileOps):
        pass

    def fail(self: FileOps, *arguments: object) -> None:
        raise OSError(5, "Input/output error")

    setattr(Failing, operation, fail)
    with pytest.raises(DlkitError) as caught:
        write_tensors(tmp_path / "a", LARGE, {}, ops=Failing())
    assert caught.value.message == f"cannot write {tmp_path}/a: input/output error"
    assert not list(tmp_path.iterdir())


def test_file_before_is_kept_under_another_name(tmp_path: Path) -> None:
    for number in range(3):
        ops = RecordingOps()
        write_tensors(tmp_path / "a", {"t": GRID}, {"n": number}, keep_previous=tmp_path / "b", ops=ops)
    assert [read_tensors(tmp_path / name)[1]["n"] for name in "ab"] == [2, 1]
    assert ops.operations.count("rename") == 2


def test_tensors_are_those_that_were_checked_when_the_file_is_replaced_meanwhile(tmp_path: Path) -> None:
    big = torch.arange(10**6, dtype=torch.float32)
    write_tensors(tmp_path / "a", {"t": big}, {})
    read, _ = read_tensors(tmp_path / "a")
    write_tensors(tmp_path / "a", {"t": torch.zeros(3)}, {})
    assert torch.equal(read["t"], big)


def test_file_stays_as_it_is_when_its_tensors_are_changed(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", {"t": GRID}, {})
    before = (tmp_path / "a").read_bytes()
    read_tensors(tmp_path / "a")[0]["t"].zero_()
    assert (tmp_path / "a").read_bytes() == before


def test_tensors_take_no_memory_until_they_are_touched(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to see the memory in use")
    write_tensors(tmp_path / "a", {"t": torch.zeros(2**24)}, {})
    before = resident()
    tensors, _ = read_tensors(tmp_path / "a")
    assert tensors["t"].numel() == 2**24
    assert resident() - before < 2**24


def test_dtype_is_named_when_it_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        write_tensors(tmp_path / "a", {"t\x1b": torch.zeros(1, dtype=torch.complex128)}, {})
    assert caught.value.message == (
        "tensor t\N{REPLACEMENT CHARACTER} is of complex128, which dlkit does not save"
    )
    assert not list(tmp_path.iterdir())


def test_dtype_is_named_when_it_cannot_be_read(tmp_path: Path) -> None:
    text = seal({}, {"t": tensor_digest("t", "F8_E4M3", (2,), [b"ab"])})
    header = {
        "__metadata__": {"dlkit": text},
        "t": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]},
    }
    path = write(tmp_path / "a", raw_file(header, b"ab"))
    with pytest.raises(CheckpointError) as caught:
        read_tensors(path)
    assert caught.value.message == f"{path}: tensor t has the dtype F8_E4M3, which dlkit does not read"


@pytest.mark.parametrize(
    "layouts", [7, [], {"t": 5}, {"t": []}, {"t": "channels_last"}, {"x": "channels_last"}]
)
def test_foolish_memory_formats_change_nothing(tmp_path: Path, layouts: object) -> None:
    path = write(tmp_path / "a", sealed_file({"t": bytes(8)}, {"memory_format": layouts}))
    assert torch.equal(read_tensors(path)[0]["t"], torch.zeros(2))


def test_big_endian_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")
    with pytest.raises(CheckpointError, match="this machine is big-endian"):
        write_tensors(tmp_path / "a", {"t": GRID}, {})


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"t": GRID}, tmp_path / "a")
    assert list(read_header(tmp_path / "a").tensors) == ["t"]
    with pytest.raises(CheckpointError, match="was not written by dlkit"):
        read_tensors(tmp_path / "a")
