"""A file is written whole or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from dlkit.errors import DlkitError, file_error

Buffer = bytes | memoryview
_TEMPORARY_PREFIX = ".dlkit-tmp-"
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}


class FileOps:
    """The file operations that writing uses; a test passes in one that fails."""

    def open(self, path: Path) -> int:
        """Create a new file for writing and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def append(self, path: Path) -> int:
        """Open a file for appending, making it if need be, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the bytes and return how many."""
        return os.write(descriptor, data)

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


OPS = FileOps()


def write_file(
    path: Path,
    data: bytes | Sequence[Buffer],
    *,
    verify: Callable[[Path], object] | None = None,
    keep_previous: Path | None = None,
    ops: FileOps = OPS,
) -> None:
    """Write bytes to a file so that a kill at any instant leaves the old file or the new one.

    A temporary file in the same folder is written, synced, verified and renamed over the target, and
    the folder is synced.

    Args:
        path: The file to write.
        data: Its whole content; or pieces of it, one after the other, which are not copied together.
        verify: Called with the temporary file before it takes the target's place; raises if it is bad.
        keep_previous: Where the file that stood at `path` is kept under a second name.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: The file could not be written; what was there before is still there.
    """
    temporary = _temporary_name(path)
    pieces = [data] if isinstance(data, bytes) else data
    try:
        _write_synced(temporary, pieces, ops)
        if verify is not None:
            _verify(verify, temporary, path)
        if keep_previous is not None and path.exists():
            _keep(path, keep_previous, ops)
        ops.rename(temporary, path)
        ops.fsync_folder(path.parent)
    except OSError as err:
        raise file_error(err, path, "write", needed=sum(map(len, pieces))) from err
    finally:
        with contextlib.suppress(OSError):
            ops.unlink(temporary)


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
                _write_all(descriptor, data, ops)
                ops.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)
    except OSError as err:
        raise file_error(err, path, "append to", needed=len(data)) from err


def probe_folder(folder: Path) -> None:
    """Check that files can be made in a folder by making an empty one, so that a read-only one is found early.

    Raises:
        DlkitError: The folder takes no files.
    """
    temporary = _temporary_name(folder / "probe")
    try:
        os.close(OPS.open(temporary))
    except OSError as err:
        raise file_error(err, folder, "write into") from err
    finally:
        with contextlib.suppress(OSError):
            OPS.unlink(temporary)


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed write left behind; only for a folder that this process alone writes to."""
    for stale in folder.glob(f"{_TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError):
            stale.unlink()


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


def _write_synced(path: Path, pieces: Sequence[Buffer], ops: FileOps) -> None:
    descriptor = ops.open(path)
    try:
        for piece in pieces:
            _write_all(descriptor, piece, ops)
        ops.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: Buffer, ops: FileOps) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[ops.write(descriptor, rest) :]


def _verify(verify: Callable[[Path], object], temporary: Path, path: Path) -> None:
    try:
        verify(temporary)
    except DlkitError as err:
        raise DlkitError(
            f"cannot write {path}: it reads back otherwise than it was written",
            "what was there before is untouched; the disk or the memory may be failing",
        ) from err


def _keep(path: Path, previous: Path, ops: FileOps) -> None:
    """Give the file at `path` the name `previous` too; copy it where the file system has no links."""
    second_name = _temporary_name(previous)
    try:
        try:
            ops.link(path, second_name)
        except OSError as err:
            if err.errno not in _NO_LINKS:
                raise
            _write_synced(second_name, [path.read_bytes()], ops)
        ops.rename(second_name, previous)
    finally:
        with contextlib.suppress(OSError):
            ops.unlink(second_name)
