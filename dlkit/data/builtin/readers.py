"""Files of the built-in sets become arrays: idx files of MNIST and its kin, the binary archive of CIFAR-10.

Their SHA-256 has matched before they are read, so that their content is known.
"""

import gzip
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_CIFAR_SIDE = 32
_CIFAR_BATCHES = {
    "train": tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("cifar-10-batches-bin/test_batch.bin",),
}

Parts = dict[str, tuple[Tensor, Tensor]]


def read_idx_set(folder: Path) -> Parts:
    """Read MNIST, or a set published like it, from its four .gz files.

    The format: http://yann.lecun.com/exdb/mnist/.

    Returns:
        Inputs, uint8, shape (N, 1, 28, 28), and targets, int64, shape (N,), of `train` and `test`.
    """
    return {
        part: (
            torch.from_numpy(_idx(folder / f"{prefix}-images-idx3-ubyte.gz").reshape(-1, 1, 28, 28)),
            torch.from_numpy(_idx(folder / f"{prefix}-labels-idx1-ubyte.gz").astype(np.int64)),
        )
        for part, prefix in {"train": "train", "test": "t10k"}.items()
    }


def read_cifar10(folder: Path) -> Parts:
    """Read CIFAR-10 from `cifar-10-binary.tar.gz` without unpacking it to the disk.

    A record is one byte of label, then 32 x 32 bytes of red, of green and of blue, row by row
    (https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version").

    Returns:
        Inputs, uint8, shape (N, 3, 32, 32), and targets, int64, shape (N,), of `train` and `test`.
    """
    files: dict[str, bytes] = {}
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "r|gz") as archive:
        for member in archive:
            if member.name.endswith(".bin") and (file := archive.extractfile(member)):
                files[member.name] = file.read()
    parts = {}
    for part, names in _CIFAR_BATCHES.items():
        content = np.frombuffer(b"".join(files.pop(name) for name in names), np.uint8)
        records = torch.from_numpy(content.reshape(-1, 1 + 3 * _CIFAR_SIDE**2).copy())
        targets = records[:, 0].to(torch.int64)
        parts[part] = (records[:, 1:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE), targets)  # (N, 3, 32, 32)
    return parts


READERS: Mapping[str, Callable[[Path], Parts]] = {
    "mnist": read_idx_set,
    "fashion-mnist": read_idx_set,
    "kmnist": read_idx_set,
    "cifar10": read_cifar10,
}


def _idx(path: Path) -> np.ndarray:
    """Return the values of a gzipped idx file of unsigned bytes, shape (N,)."""
    with gzip.open(path) as file:
        file.read(3)
        (dimensions,) = file.read(1)
        file.read(4 * dimensions)
        return np.frombuffer(bytearray(file.read()), np.uint8)
