"""A file is written whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from dlkit.errors import DlkitError, file_error, is_full

Buffer = bytes | memoryview
_TEMPORARY_PREFIX = ".dlkit-tmp-"
_BYTES_AT_ONCE = 2**18  # fits the cache of a core, so that a piece is compared and hashed while it is there
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}


class FileOps:
    """The file operations that writing uses; a test passes in one that fails."""

    def open(self, path: Path) -> int:
        """Create a new file for writing and reading back, and return its descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def append(self, path: Path) -> int:
        """Open a file for appending, making it if need be, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the bytes where the last ones ended and return how many."""
        return os.write(descriptor, data)

    def write_at(self, descriptor: int, data: memoryview, position: int) -> int:
        """Write some of the bytes at a place in the file and return how many."""
        return os.pwrite(descriptor, data, position)

    def read_at(self, descriptor: int, buffer: memoryview, position: int) -> int:
        """Read some of the bytes at a place in the file into a buffer and return how many."""
        return os.preadv(descriptor, [buffer], position)

    def fsync(self, descriptor: int) -> None:
        """Wait until the bytes are on the disk."""
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Put one file in another's place in a single instant."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        path.unlink(missing_ok=True)

    def fsync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk, where the file system can say so."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as err:
            if err.errno not in _NO_FOLDER_SYNC:
                raise
        finally:
            os.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """Count the bytes that are free for this user on the disk of a folder."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


OPS = FileOps()


class NewFile:
    """A file that is being written and has not got its name yet.

    Args:
        path: The name that it will have.
        descriptor: The open file.
        ops: The file operations.
    """

    def __init__(self, path: Path, descriptor: int, ops: FileOps) -> None:
        self._path = path
        self._descriptor = descriptor
        self._ops = ops

    def write(self, data: Buffer, position: int) -> None:
        """Write bytes at a place in the file."""
        rest = memoryview(data)
        while rest:
            count = self._ops.write_at(self._descriptor, rest, position)
            rest, position = rest[count:], position + count

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        self._ops.fsync(self._descriptor)

    def read_back(self, data: Buffer, position: int) -> Iterator[bytearray]:
        """Give the bytes that stand at a place in the file, piece by piece, and see that they are the ones written.

        Raises:
            DlkitError: They are others.
        """
        written = memoryview(data)
        buffer = bytearray(min(len(written), _BYTES_AT_ONCE))
        for start in range(0, len(written), _BYTES_AT_ONCE):
            piece = written[start : start + _BYTES_AT_ONCE]
            if len(piece) < len(buffer):
                buffer = bytearray(len(piece))
            if self._fill(buffer, position + start) < len(piece) or buffer != piece:
                raise DlkitError(
                    f"cannot write {self._path}: it reads back otherwise than it was written",
                    "what was there before is untouched; the disk or the memory may be failing",
                )
            yield buffer

    def _fill(self, buffer: bytearray, position: int) -> int:
        filled = 0
        with memoryview(buffer) as rest:
            while count := self._ops.read_at(self._descriptor, rest[filled:], position + filled):
                filled += count
        return filled


@contextlib.contextmanager
def new_file(
    path: Path, needed: int, *, keep_previous: Path | None = None, ops: FileOps = OPS
) -> Iterator[NewFile]:
    """Write a file so that a kill at any instant leaves the old file or the new one.

    What is written goes into a temporary file in the same folder. It is synced, renamed over the target, and the
    folder is synced when the block ends; an exception leaves the target as it was.

    Args:
        path: The file to write.
        needed: How many bytes will be written; told when the disk is full.
        keep_previous: Where the file that stood at `path` is kept under a second name.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: The file could not be written; what was there before is still there.
    """
    temporary = _temporary_name(path)
    try:
        try:
            descriptor = ops.open(temporary)
            try:
                file = NewFile(path, descriptor, ops)
                yield file
                file.sync()
            finally:
                os.close(descriptor)
            if keep_previous is not None and path.exists():
                _keep(path, keep_previous, ops)
            ops.rename(temporary, path)
            ops.fsync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                ops.unlink(temporary)
    except OSError as err:
        raise _failed(err, path, "write", needed, ops) from err


def write_file(path: Path, data: bytes, *, keep_previous: Path | None = None, ops: FileOps = OPS) -> None:
    """Write bytes to a file so that a kill at any instant leaves the old file or the new one.

    Args:
        path: The file to write.
        data: Its whole content.
        keep_previous: Where the file that stood at `path` is kept under a second name.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: The file could not be written; what was there before is still there.
    """
    with new_file(path, len(data), keep_previous=keep_previous, ops=ops) as file:
        file.write(data, 0)


def append_line(path: Path, text: str, ops: FileOps = OPS) -> None:
    """Append text to a file and wait until it is on the disk.

    Raises:
        DlkitError: The text could not be appended; the file is as it was, where the system still let it be cut.
    """
    data = text.encode()
    try:
        descriptor = ops.append(path)
        try:
            before = os.fstat(descriptor).st_size
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[ops.write(descriptor, rest) :]
                ops.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)
    except OSError as err:
        raise _failed(err, path, "append to", len(data), ops) from err


def probe_folder(folder: Path, ops: FileOps = OPS) -> None:
    """Check that files can be made in a folder by making an empty one, so that a read-only one is found early.

    Raises:
        DlkitError: The folder takes no files.
    """
    temporary = _temporary_name(folder / "probe")
    try:
        os.close(ops.open(temporary))
    except OSError as err:
        raise file_error(err, folder, "write into") from err
    finally:
        with contextlib.suppress(OSError):
            ops.unlink(temporary)


def sweep_temporaries(folder: Path, ops: FileOps = OPS) -> None:
    """Remove what a killed write left behind; only for a folder that this process alone writes to."""
    for stale in folder.glob(f"{_TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            ops.unlink(stale)


def remove_own_temporaries(folder: Path) -> None:
    """Remove what this process is writing into a folder, just before it ends without finishing it."""
    for unfinished in folder.glob(f"{_TEMPORARY_PREFIX}{os.getpid()}-*"):
        with contextlib.suppress(OSError):
            unfinished.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, saying in one line why it could not be done.

    Raises:
        DlkitError: A parent is a file, is not writable, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise file_error(err, folder, "make the folder") from err


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{_TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")


def _failed(err: OSError, path: Path, doing: str, needed: int, ops: FileOps) -> DlkitError:
    """Say what went wrong; when the disk is full, how many bytes are missing too, where the system can tell."""
    free = None
    if is_full(err):
        with contextlib.suppress(OSError):
            free = ops.free_bytes(path.parent)
    return file_error(err, path, doing, needed=needed, free=free)


def _keep(path: Path, previous: Path, ops: FileOps) -> None:
    """Give the file at `path` the name `previous` too; copy it where the file system has no links."""
    second_name = _temporary_name(previous)
    try:
        try:
            ops.link(path, second_name)
        except OSError as err:
            if err.errno not in _NO_LINKS:
                raise
            _copy(path, second_name, ops)
        ops.rename(second_name, previous)
    finally:
        with contextlib.suppress(OSError):
            ops.unlink(second_name)


def _copy(source: Path, target: Path, ops: FileOps) -> None:
    descriptor = ops.open(target)
    try:
        copied = NewFile(target, descriptor, ops)
        copied.write(source.read_bytes(), 0)
        copied.sync()
    finally:
        os.close(descriptor)
