import contextlib
import json
import mmap
from pathlib import Path

import pytest
import torch
from crafted import raw_file, sealed_file, write
from failing_disk import FailingDisk, RecordingDisk, using
from limits import file_size_limit
from safetensors import TensorSpec
from safetensors.torch import load_file
from torch import Tensor

from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.atomic import sweep_temporaries
from dlkit.files.digest import seal, tensor_digest
from dlkit.files.header import MAX_HEADER_BYTES, MAX_PARTS, read_header
from dlkit.files.tensor_file import read_tensors, write_tensors

GRID = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
IMAGES = torch.arange(96, dtype=torch.float32).reshape(2, 3, 4, 4)


@pytest.mark.parametrize(
    "tensor",
    [
        GRID,
        GRID.transpose(0, 2),
        GRID[:, 1],
        GRID[1:],
        GRID.expand(5, 2, 3, 4),
        IMAGES.to(memory_format=torch.channels_last),
        IMAGES[:, :, None].to(memory_format=torch.channels_last_3d),
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
    [(IMAGES, torch.channels_last), (IMAGES[:, :, None], torch.channels_last_3d)],
    ids=["images", "volumes"],
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


def test_every_tensor_lies_at_a_multiple_of_its_width(tmp_path: Path) -> None:
    kinds = (torch.bool, torch.bfloat16, torch.float64, torch.uint8, torch.float32, torch.complex64)
    tensors = {str(number): torch.ones(number % 3 + 1, dtype=kinds[number % 6]) for number in range(18)}
    write_tensors(tmp_path / "a", tensors, {})
    places = read_header(tmp_path / "a").tensors
    assert all(places[name].begin % tensor.itemsize == 0 for name, tensor in tensors.items())
    loaded = load_file(tmp_path / "a")
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())


def test_writing_copies_no_tensor(tmp_path: Path) -> None:
    class Watching(RecordingDisk):
        def write_tensors(self, path: Path, tensors: dict[str, TensorSpec], metadata: dict[str, str]) -> None:
            places.append(tensors["t"].data_ptr)
            super().write_tensors(path, tensors, metadata)

    places: list[int] = []
    tensor = torch.zeros(2**22)
    with using(Watching()):
        write_tensors(tmp_path / "a", {"t": tensor}, {})
    assert places == [tensor.data_ptr()]


def test_same_tensors_give_the_same_bytes(tmp_path: Path) -> None:
    tensors = {name: GRID + index for index, name in enumerate("fedcba")}
    write_tensors(tmp_path / "a", tensors, {"b": 1, "a": 2})
    write_tensors(tmp_path / "b", dict(reversed(tensors.items())), {"a": 2, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


LARGE = {f"t{number}": torch.arange(2**19, dtype=torch.float32) + number for number in range(5)}


@pytest.mark.parametrize(("tensors", "calls"), [(LARGE, 8), ({"t": GRID}, 6)], ids=["large", "small"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_old_file_or_new_file_stands_when_a_save_fails(
    tmp_path: Path, tensors: dict[str, Tensor], calls: int, late: bool
) -> None:
    for fail_at in range(1, 20):
        write_tensors(tmp_path / "a", {"t": GRID}, {"n": 1})
        disk = FailingDisk(fail_at, lambda: OSError(28, "No space left on device"), late=late)
        with using(disk), contextlib.suppress(DlkitError):
            write_tensors(tmp_path / "a", tensors, {"n": 2})
        read, metadata = read_tensors(tmp_path / "a")
        assert read.keys() == (tensors.keys() if metadata["n"] == 2 else {"t"})
        sweep_temporaries(tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["a"]
        if not disk.failed:
            break
    assert (fail_at, metadata["n"]) == (calls + 1, 2)


@pytest.mark.parametrize(("limit", "size"), [(2**20, 2**19), (100, 8)], ids=["large", "small"])
def test_bytes_needed_are_reported_when_safetensors_meets_a_full_disk(
    tmp_path: Path, limit: int, size: int
) -> None:
    with file_size_limit(limit), pytest.raises(DlkitError, match=r"disk full: .* bytes needed") as caught:
        write_tensors(tmp_path / "a", {"t": torch.zeros(size)}, {})
    assert caught.value.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_more_than_is_ever_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has an oversized header"):
        write_tensors(tmp_path / "a", {"t": GRID}, {"list": [0] * MAX_PARTS})
    with pytest.raises(CheckpointError, match="has an oversized header"):
        write_tensors(tmp_path / "a", {"t" * MAX_HEADER_BYTES: GRID}, {})
    assert not list(tmp_path.iterdir())


def test_file_of_dlkit_0_is_still_read(tmp_path: Path) -> None:
    """What the writer before safetensors 0.8 left: its order of tensors, two empty ones at one place, its escapes."""
    tensors = {
        "b.weight": ("F64", (2,), bytes(16)),
        "a": ("F32", (1, 2), b"12345678"),
        "n": ("F32", (0,), b""),
        "z\x1bé": ("F32", (0, 3), b""),
        "i": ("I32", (), bytes(4)),
        "mask": ("BOOL", (3,), b"\1\0\1"),
    }
    header, position = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + len(data)]}
        position += len(data)
    digests = {
        name: tensor_digest(name, dtype, shape, [data]) for name, (dtype, shape, data) in tensors.items()
    }
    text = seal({"config": {"lr": 1e-05}, "ü": None}, digests)
    whole = json.dumps({"__metadata__": {"dlkit": text}, **header}, ensure_ascii=False, separators=(",", ":"))
    whole += " " * (-len(whole.encode()) % 8)
    path = write(tmp_path / "a", raw_file(whole, b"".join(data for *_, data in tensors.values())))
    read, metadata = read_tensors(path)
    assert {name: tuple(tensor.shape) for name, tensor in read.items()} == {
        name: shape for name, (_, shape, _) in tensors.items()
    }
    assert (read["mask"].tolist(), metadata["config"]) == ([True, False, True], {"lr": 1e-05})


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
    assert "tensor t\N{REPLACEMENT CHARACTER} is of complex128" in caught.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [
        ("F6_E2M3", (4,), 3),
        ("U8", (2**62, 0), 0),
        ("I8", (1,) * 70, 1),
    ],
    ids=str,
)
def test_strange_tensor_is_read_or_refused_in_one_line(
    tmp_path: Path, dtype: str, shape: tuple[int, ...], size: int
) -> None:
    text = seal(
        {"memory_format": {"t": "channels_last"}}, {"t": tensor_digest("t", dtype, shape, [bytes(size)])}
    )
    header = {
        "__metadata__": {"dlkit": text},
        "t": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]},
    }
    path = write(tmp_path / "a", raw_file(header, bytes(size)))
    with contextlib.suppress(CheckpointError):
        assert read_tensors(path)[0]["t"].nbytes == size


def test_tensor_at_an_odd_place_is_read(tmp_path: Path) -> None:
    digests = {
        "a": tensor_digest("a", "U8", (3,), [b"abc"]),
        "b": tensor_digest("b", "F32", (1,), [bytes(4)]),
    }
    header = {
        "__metadata__": {"dlkit": seal({}, digests)},
        "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [3, 7]},
    }
    path = write(tmp_path / "a", raw_file(header, b"abc" + bytes(4)))
    assert read_tensors(path)[0]["b"].tolist() == [0.0]


@pytest.mark.parametrize("layouts", [7, {"t": 5}, {"t": "channels_last"}, {"x": "channels_last"}])
def test_foolish_memory_formats_change_nothing(tmp_path: Path, layouts: object) -> None:
    path = write(tmp_path / "a", sealed_file({"t": bytes(8)}, {"memory_format": layouts}))
    assert torch.equal(read_tensors(path)[0]["t"], torch.zeros(2))


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"t": GRID}, tmp_path / "a")
    assert list(read_header(tmp_path / "a").tensors) == ["t"]
    with pytest.raises(CheckpointError, match="was not written by dlkit"):
        read_tensors(tmp_path / "a")


def test_tensors_are_those_that_were_checked_when_the_file_is_replaced_meanwhile(tmp_path: Path) -> None:
    big = torch.arange(10**6, dtype=torch.float32)
    write_tensors(tmp_path / "a", {"t": big}, {})
    read, _ = read_tensors(tmp_path / "a")
    write_tensors(tmp_path / "a", {"t": torch.zeros(3)}, {})
    assert torch.equal(read["t"], big)
