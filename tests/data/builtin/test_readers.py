"""idx files and the archive of CIFAR-10 become arrays."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import torch

from dlkit.data.builtin.readers import READERS, read_cifar10, read_idx_set
from dlkit.settings.catalogue import DATA

RANDOM = np.random.default_rng(0)


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))


def test_idx_files_keep_their_pixels_and_labels(tmp_path: Path) -> None:
    wanted = {}
    for part, prefix, count in (("train", "train", 7), ("test", "t10k", 3)):
        images = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = RANDOM.integers(0, 10, count, dtype=np.uint8)
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", labels)
        wanted[part] = images, labels

    for part, (inputs, targets) in read_idx_set(tmp_path).items():
        assert inputs.dtype == torch.uint8
        assert np.array_equal(inputs[:, 0].numpy(), wanted[part][0])
        assert targets.dtype == torch.int64
        assert targets.tolist() == wanted[part][1].tolist()


def test_cifar10_has_its_bytes_where_the_format_says(tmp_path: Path) -> None:
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    records = {name: RANDOM.integers(0, 256, (4, 3073), dtype=np.uint8) for name in names}
    for content in records.values():
        content[:, 0] %= 10
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name in (*reversed(names), "readme"):
            content = records[name].tobytes() if name in records else b"<html>"
            suffix = "bin" if name in records else "html"
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.{suffix}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    parts = read_cifar10(tmp_path)

    inputs, targets = parts["train"]
    assert inputs.shape == (20, 3, 32, 32)
    assert targets[4:8].tolist() == records["data_batch_2"][:, 0].tolist(), (
        "batches in the order of their numbers"
    )
    assert inputs[4, 0, 0, 1] == records["data_batch_2"][0, 2], "red, first row, second column"
    assert inputs[4, 1, 0, 0] == records["data_batch_2"][0, 1 + 1024]
    assert inputs[4, 2, 31, 31] == records["data_batch_2"][0, 3072]
    assert parts["test"][1].tolist() == records["test_batch"][:, 0].tolist()


def test_mnist_has_its_known_figures(shared_data: Path) -> None:
    parts = read_idx_set(shared_data / "mnist")

    inputs, targets = parts["train"]
    assert inputs.shape == (60_000, 1, 28, 28)
    assert targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert round(inputs.float().mean().item() / 255, 4) == 0.1307
    assert parts["test"][1].bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_every_set_that_is_downloaded_has_a_reader() -> None:
    assert set(READERS) == {name for name, entry in DATA.items() if entry.files}
