"""The prepared file, mapped into memory by later runs."""

import resource
import sys
from pathlib import Path

import pytest
import torch

from dlkit.data.home import prepared_path
from dlkit.data.prepared import fingerprint, read_prepared, write_prepared
from dlkit.errors import DataError
from dlkit.files.tensor_file import write_tensors


def make_parts() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    return {
        "train": (torch.arange(12 * 4, dtype=torch.uint8).reshape(12, 1, 2, 2), torch.arange(12)),
        "test": (torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(3)),
    }


def test_what_is_written_reads_back(home: Path) -> None:
    parts = make_parts()

    path = write_prepared("mnist", parts)
    source = read_prepared("mnist")

    assert path == prepared_path("mnist")
    assert source.scale == 255
    assert source.fingerprint == fingerprint(parts)
    assert source.parts.keys() == parts.keys()
    for name, pair in parts.items():
        assert all(map(torch.equal, source.parts[name], pair))


def test_fingerprint_changes_with_any_value_type_or_shape() -> None:
    parts = make_parts()
    inputs, targets = parts["train"]
    changed = inputs.clone()
    changed[11, 0, 1, 1] += 1
    others = [
        {**parts, "train": (changed, targets)},
        {**parts, "train": (inputs, targets.flip(0))},
        {**parts, "train": (inputs.reshape(12, 4), targets)},
        {**parts, "train": (inputs, targets.to(torch.int32))},
        {"train": parts["train"]},
    ]

    assert len({fingerprint(each) for each in [parts, *others]}) == 6
    assert fingerprint(make_parts()) == fingerprint(dict(reversed(make_parts().items())))


def test_a_missing_file_says_how_to_get_it(home: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_prepared("mnist")

    assert caught.value.message == "--data mnist is not downloaded yet"
    assert caught.value.hint.startswith("dlkit data get mnist")


def test_a_damaged_file_is_refused_with_a_cure(home: Path) -> None:
    path = write_prepared("mnist", make_parts())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(DataError) as caught:
        read_prepared("mnist")

    assert "damaged" in caught.value.message
    assert caught.value.hint == "prepare it again: dlkit data get mnist"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "metadata", [{}, {"data": "kmnist", "scale": 255.0, "fingerprint": ""}], ids=["none", "other"]
)
def test_a_file_of_something_else_is_refused_with_a_cure(home: Path, metadata: dict[str, object]) -> None:
    path = write_prepared("mnist", make_parts())
    write_tensors(path, {"weight": torch.zeros(3)}, metadata)

    with pytest.raises(DataError) as caught:
        read_prepared("mnist")

    assert caught.value.message == f"{path} is of another data set"
    assert caught.value.hint == "prepare it again: dlkit data get mnist"


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages as Linux does")
def test_reading_is_by_mapping_so_that_memory_is_shared_with_the_file(home: Path) -> None:
    big = torch.zeros(60_000, 1, 28, 28, dtype=torch.uint8)
    write_prepared("mnist", {"train": (big, torch.zeros(60_000, dtype=torch.int64))})
    del big
    page = resource.getpagesize()

    def private_bytes() -> int:
        resident, shared = Path("/proc/self/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * page

    before = private_bytes()
    source = read_prepared("mnist")
    source.parts["train"][0].sum()

    assert private_bytes() - before < 10 * 2**20
