"""CIFAR-10 from its binary archive, of which nothing but the expected regular files is read."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dlkit.errors import DataError, file_error, printable

# https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version": a record is one byte of label, then the
# 32 x 32 bytes of red, of green and of blue, row by row.
_SHAPE = (3, 32, 32)
_RECORD_BYTES = 1 + 3 * 32 * 32
_NUM_CLASSES = 10
_FOLDER = "cifar-10-batches-bin"
_TRAIN_FILES = tuple(f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6))
_TEST_FILE = f"{_FOLDER}/test_batch.bin"
_SAMPLE_FILES = (*_TRAIN_FILES, _TEST_FILE)
_TEXT_FILES = (f"{_FOLDER}/batches.meta.txt", f"{_FOLDER}/readme.html")

_MAX_TEXT_BYTES = 64 * 1024
_MAX_FRAME_BYTES = 256 * 1024  # headers and padding of all members
_MAX_RATIO = 64  # pictures hardly shrink; a bomb unpacks to a thousand times its size


def read_cifar10(archive: Path, records: int = 10_000) -> dict[str, tuple[Tensor, Tensor]]:
    """Read CIFAR-10 from `cifar-10-binary.tar.gz` without unpacking it to the disk.

    Args:
        archive: The archive as published.
        records: Records in each of its six files.

    Returns:
        Inputs, uint8, shape (N, 3, 32, 32), and targets, int64, shape (N,), of `train` and `test`.

    Raises:
        DataError: The archive holds something else than the six files and two texts, or is cut off.
    """
    files = _read_members(archive, records * _RECORD_BYTES)
    if missing := [name for name in _SAMPLE_FILES if name not in files]:
        raise DataError(f"{archive} has no {', '.join(missing)}")
    train = torch.cat([files.pop(name) for name in _TRAIN_FILES])
    return {"train": _samples(archive, train), "test": _samples(archive, files[_TEST_FILE])}


def _samples(archive: Path, records: Tensor) -> tuple[Tensor, Tensor]:
    """Take records, uint8, shape (N, 3073), apart into inputs and targets."""
    targets = records[:, 0].to(torch.int64)
    if (outside := targets[targets >= _NUM_CLASSES]).numel():
        raise DataError(f"{archive} has {len(outside)} labels outside 0..9, the first is {int(outside[0])}")
    return records[:, 1:].reshape(-1, *_SHAPE), targets  # (N, 3, 32, 32)


def _read_members(archive: Path, sample_bytes: int) -> dict[str, Tensor]:
    """Give the records of each sample file, uint8, shape (N, 3073), by the member's name."""
    files: dict[str, Tensor] = {}
    seen: set[str] = set()
    try:
        with gzip.open(archive) as unpacked:
            stream = _Capped(unpacked, archive, _cap(archive, sample_bytes))
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload] # only read() is used
                for member in _checked(tar, archive, sample_bytes):
                    if member.name in seen:
                        raise DataError(f"{archive} has {member.name} twice")
                    seen.add(member.name)
                    if member.name in _SAMPLE_FILES:
                        files[member.name] = _read_records(tar, member)
            stream.drain()
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError, OverflowError) as err:
        raise DataError(f"{archive} is not a whole .tar.gz archive: {printable(str(err)).lower()}") from err
    except OSError as err:
        raise file_error(err, archive, "read") from err
    return files


def _checked(tar: tarfile.TarFile, archive: Path, sample_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Give the regular files, each checked before a byte of it is read."""
    for member in tar:
        name = printable(member.name)
        if member.isdir() and member.name == _FOLDER:
            continue
        # No link, device or sparse file is followed, whatever it is called.
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise DataError(f"{archive} holds '{name}', which is not a regular file")
        if member.name not in (*_SAMPLE_FILES, *_TEXT_FILES):
            raise DataError(f"{archive} holds '{name}', which does not belong to CIFAR-10")
        if member.name in _SAMPLE_FILES and member.size != sample_bytes:
            raise DataError(f"{archive}: {name} has {member.size:,} bytes, not {sample_bytes:,}")
        if member.size > max(sample_bytes, _MAX_TEXT_BYTES):
            raise DataError(f"{archive}: {name} has {member.size:,} bytes, more than {_MAX_TEXT_BYTES:,}")
        yield member


def _read_records(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Tensor:
    file = tar.extractfile(member)
    assert file is not None, "only regular files are read"
    return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).reshape(-1, _RECORD_BYTES)


def _cap(archive: Path, sample_bytes: int) -> int:
    """Give the bytes that the archive may unpack to."""
    wanted = len(_SAMPLE_FILES) * sample_bytes + len(_TEXT_FILES) * _MAX_TEXT_BYTES + _MAX_FRAME_BYTES
    return min(wanted, _MAX_RATIO * archive.stat().st_size + _MAX_FRAME_BYTES)


class _Capped:
    """A stream that ends in an error behind so many bytes, whatever a header in it claims."""

    def __init__(self, stream: gzip.GzipFile, archive: Path, cap: int) -> None:
        self._stream = stream
        self._archive = archive
        self._cap = cap
        self._left = cap

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes.

        Raises:
            DataError: The stream goes on behind its cap.
        """
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise DataError(f"{self._archive} unpacks to more than {self._cap:,} bytes; CIFAR-10 does not")
        return content

    def drain(self) -> None:
        """Read to the end, so that the checksum at the end of a gzip file is looked at."""
        while self.read(1 << 20):
            pass
