import gzip
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest
import torch

from dlkit.data.builtin.torchvision_sets import CLASSES, read_labels, read_pictures, read_torchvision_set
from dlkit.errors import DataError, DlkitError, MissingError
from dlkit.settings.catalogue import DATA

COUNT = 5
PIXELS = bytes(number % 256 for number in range(COUNT * 28 * 28))


def write_idx(path: Path, content: bytes, *sizes: int, magic: int | None = None) -> Path:
    header = struct.pack(f">{1 + len(sizes)}I", 0x0800 + len(sizes) if magic is None else magic, *sizes)
    path.write_bytes(gzip.compress(header + content))
    return path


def test_pictures_keep_their_pixels(tmp_path: Path) -> None:
    path = write_idx(tmp_path / "pictures.gz", PIXELS, COUNT, 28, 28)
    pictures = read_pictures(path, COUNT)
    assert pictures.shape == (COUNT, 1, 28, 28)
    assert pictures.dtype == torch.uint8
    assert bytes(pictures.flatten().tolist()) == PIXELS


def test_labels_keep_their_values(tmp_path: Path) -> None:
    labels = read_labels(write_idx(tmp_path / "labels.gz", bytes([9, 0, 3, 3, 1]), COUNT), COUNT)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [9, 0, 3, 3, 1]


@pytest.mark.parametrize(
    ("content", "sizes", "magic", "told"),
    [
        (PIXELS, (COUNT, 28, 28), 0x0801, "it begins with 0x00000801, not 0x00000803"),
        (PIXELS, (COUNT, 28, 28), 0x0D03, "it begins with 0x00000d03, not 0x00000803"),
        (PIXELS, (COUNT + 1, 28, 28), None, "has the shape (6, 28, 28), not (5, 28, 28)"),
        (PIXELS, (COUNT, 14, 56), None, "has the shape (5, 14, 56), not (5, 28, 28)"),
        (PIXELS[:-1], (COUNT, 28, 28), None, "unpacks to 3,935 bytes, not 3,936"),
        (PIXELS + b"x", (COUNT, 28, 28), None, "unpacks to more bytes, not 3,936"),
        (b"", (), None, "unpacks to 4 bytes, not 3,936"),
    ],
    ids=["labels", "floats", "another count", "another shape", "short", "long", "header alone"],
)
def test_pictures_are_refused_when_the_file_holds_something_else(
    tmp_path: Path, content: bytes, sizes: tuple[int, ...], magic: int | None, told: str
) -> None:
    path = write_idx(tmp_path / "pictures.gz", content, *sizes, magic=magic)
    with pytest.raises(DataError) as caught:
        read_pictures(path, COUNT)
    assert str(path) in caught.value.message
    assert told in caught.value.message


def test_bomb_is_not_unpacked_when_it_is_refused(tmp_path: Path) -> None:
    path = write_idx(tmp_path / "pictures.gz", bytes(50_000_000), COUNT, 28, 28)
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_pictures(path, COUNT)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_labels_are_refused_when_one_is_no_class(tmp_path: Path) -> None:
    path = write_idx(tmp_path / "labels.gz", bytes([9, 10, 3, 255, 1]), COUNT)
    with pytest.raises(DataError) as caught:
        read_labels(path, COUNT)
    assert caught.value.message == f"{path} has 2 labels outside 0..9, the first is 10"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda packed: packed[:-9], "compressed file ended"),
        (lambda packed: packed[:100], "compressed file ended"),
        (lambda packed: packed[:-8] + b"????" + packed[-4:], "crc check failed"),
        (lambda packed: packed[:40] + b"????????" + packed[48:], "is not a whole gzip file"),
        (lambda packed: b"PK" + packed, "not a gzipped file"),
    ],
    ids=["end cut off", "middle cut off", "checksum", "bytes changed", "no gzip"],
)
def test_pictures_are_refused_when_the_gzip_is_damaged(tmp_path: Path, damage: object, told: str) -> None:
    noise = torch.randint(0, 256, (len(PIXELS),), generator=torch.Generator().manual_seed(0)).tolist()
    path = write_idx(tmp_path / "pictures.gz", bytes(noise), COUNT, 28, 28)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        read_pictures(path, COUNT)
    assert caught.value.message.startswith(f"{path} is not a whole gzip file: ")
    assert told in caught.value.message


def test_file_is_named_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DlkitError, match="no such file or directory") as caught:
        read_pictures(tmp_path / "pictures.gz", COUNT)
    assert caught.value.exit_code == 1


def test_mnist_has_its_known_figures(shared_data: Path) -> None:
    parts = read_torchvision_set("mnist", shared_data / "mnist")
    inputs, targets = parts["train"]
    assert inputs.shape == (60_000, 1, 28, 28)
    assert targets[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert inputs.to(torch.float64).mean().item() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert parts["test"][0].shape == (10_000, 1, 28, 28)
    assert parts["test"][1].bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_set_is_refused_when_a_file_has_another_md5_sum(tmp_path: Path) -> None:
    for file in DATA["mnist"].files:
        (tmp_path / file.name).write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_torchvision_set("mnist", tmp_path)
    assert caught.value.message == (
        f"{tmp_path / 'train-images-idx3-ubyte.gz'} does not have the MD5 sum that torchvision expects, "
        "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    )
    assert caught.value.hint == "get it anew: dlkit data get mnist --force"


@pytest.mark.parametrize("name", CLASSES)
def test_catalogue_names_the_files_and_mirrors_that_torchvision_knows(name: str) -> None:
    from torchvision.datasets import mnist

    known = getattr(mnist, CLASSES[name])
    assert [file.name for file in DATA[name].files] == [file_name for file_name, _ in known.resources]
    assert list(DATA[name].mirrors) == known.mirrors


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "operator torchvision::nms does not exist",
        ),
        ("raise OSError('libcudart.so: cannot open shared object file')", "libcudart.so: cannot open"),
        ("raise ImportError()", "ImportError"),
        ("", "No module named 'torchvision.datasets'"),
    ],
    ids=["mismatched", "a library is missing", "no words", "empty"],
)
def test_cure_is_told_when_torchvision_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(MissingError) as caught:
        read_labels(write_idx(tmp_path / "labels.gz", bytes(COUNT), COUNT), COUNT)
    assert caught.value.exit_code == 7
    assert caught.value.message.startswith("torchvision cannot be imported: ")
    assert told in caught.value.message
    assert (
        caught.value.hint
        == "torch and torchvision have to come from the same index: install both in one command"
    )
