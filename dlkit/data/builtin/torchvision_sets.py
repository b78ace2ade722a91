"""MNIST, Fashion-MNIST and KMNIST: torchvision knows their checksums and reads their files."""

import gzip
import math
import struct
import tempfile
import zlib
from pathlib import Path
from types import ModuleType

from torch import Tensor

from dlkit.errors import DataError, MissingError, file_error, printable

# The names of torchvision's classes; each has the file names and MD5 sums of one data set.
CLASSES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}

_COUNTS = {"train": 60_000, "test": 10_000}
_FILE_PREFIXES = {"train": "train", "test": "t10k"}
_SIDE = 28
_NUM_CLASSES = 10
_MAGIC_BYTES = 0x0800  # idx: unsigned bytes; the number of dimensions is added


def read_torchvision_set(name: str, folder: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Read a data set from its four files as published.

    Args:
        name: `mnist`, `fashion-mnist` or `kmnist`.
        folder: Where the .gz files lie.

    Returns:
        Inputs, uint8, shape (N, 1, 28, 28), and targets, int64, shape (N,), of `train` and `test`.

    Raises:
        DataError: A file is not the one that torchvision knows, or holds something else.
        MissingError: torchvision cannot be imported.
    """
    mnist = _import_mnist()
    for file_name, md5 in getattr(mnist, CLASSES[name]).resources:
        if not mnist.check_integrity(str(folder / file_name), md5):
            raise DataError(
                f"{folder / file_name} does not have the MD5 sum that torchvision expects, {md5}",
                f"get it anew: dlkit data get {name} --force",
            )
    return {
        part: (
            read_pictures(folder / f"{prefix}-images-idx3-ubyte.gz", _COUNTS[part]),
            read_labels(folder / f"{prefix}-labels-idx1-ubyte.gz", _COUNTS[part]),
        )
        for part, prefix in _FILE_PREFIXES.items()
    }


def read_pictures(path: Path, count: int) -> Tensor:
    """Read a gzipped idx file of pictures.

    Args:
        path: The file.
        count: N, the number of pictures it has to hold.

    Returns:
        Pictures, uint8, shape (N, 1, 28, 28).

    Raises:
        DataError: It holds something else.
        MissingError: torchvision cannot be imported.
    """
    return _read_idx(path, (count, _SIDE, _SIDE)).unsqueeze(1)


def read_labels(path: Path, count: int) -> Tensor:
    """Read a gzipped idx file of class indices.

    Args:
        path: The file.
        count: N, the number of labels it has to hold.

    Returns:
        Class indices from 0 to 9, int64, shape (N,).

    Raises:
        DataError: It holds something else.
        MissingError: torchvision cannot be imported.
    """
    labels = _read_idx(path, (count,))
    if (outside := labels[labels >= _NUM_CLASSES]).numel():
        raise DataError(f"{path} has {len(outside)} labels outside 0..9, the first is {int(outside[0])}")
    return labels


def _read_idx(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Check what a file unpacks to, then let torchvision read it: its readers take no gzip and check little."""
    mnist = _import_mnist()
    content = _gunzip(path, 4 * (1 + len(shape)) + math.prod(shape))
    _check_idx_header(path, content, shape)
    read = mnist.read_label_file if len(shape) == 1 else mnist.read_image_file
    with tempfile.TemporaryDirectory(prefix="dlkit-") as folder:
        unpacked = Path(folder) / path.stem
        try:
            unpacked.write_bytes(content)
            tensor = read(str(unpacked))
        except OSError as err:
            raise file_error(err, unpacked, "unpack into", needed=len(content)) from err
    assert isinstance(tensor, Tensor), "torchvision reads tensors"
    return tensor


def _gunzip(path: Path, size: int) -> bytes:
    """Unpack a file that holds `size` bytes, and never more."""
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as err:
        raise DataError(f"{path} is not a whole gzip file: {printable(str(err)).lower()}") from err
    except OSError as err:
        raise file_error(err, path, "read") from err
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content):,}"
        raise DataError(f"{path} unpacks to {found} bytes, not {size:,}")
    return content


def _check_idx_header(path: Path, content: bytes, shape: tuple[int, ...]) -> None:
    magic, *sizes = struct.unpack_from(f">{1 + len(shape)}I", content)
    if magic != _MAGIC_BYTES + len(shape):
        raise DataError(
            f"{path} is not an idx file of {len(shape)} dimensions: it begins with {magic:#010x}, "
            f"not {_MAGIC_BYTES + len(shape):#010x}"
        )
    if tuple(sizes) != shape:
        raise DataError(f"{path} has the shape {tuple(sizes)}, not {shape}")


def _import_mnist() -> ModuleType:
    """Import torchvision late: nothing but its own data sets and networks may need it."""
    try:
        from torchvision.datasets import mnist
    except (ImportError, RuntimeError, OSError) as err:
        reason = printable((str(err).splitlines() or [type(err).__name__])[0], limit=200)
        raise MissingError(
            f"torchvision cannot be imported: {reason}",
            "torch and torchvision have to come from the same index: install both in one command",
        ) from err
    module: ModuleType = mnist
    return module
