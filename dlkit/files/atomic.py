"""A file is written whole or not at all."""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.errors import file_error, is_full

if TYPE_CHECKING:
    from safetensors import TensorSpec

TEMPORARY_PREFIX = ".dlkit-tmp-"
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP}


class Disk:
    """Every call that changes what is on a disk; tests put one that fails in the place of `disk` below."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder whose parent exists."""
        folder.mkdir()

    def write(self, path: Path, data: bytes) -> None:
        """Write a new file."""
        with path.open("xb") as file:
            file.write(data)

    def write_tensors(self, path: Path, tensors: dict[str, "TensorSpec"], metadata: dict[str, str]) -> None:
        """Write a new safetensors file into a folder of its own, with the permission bits of that folder."""
        from safetensors import SafetensorError, serialize_file

        try:
            serialize_file(tensors, path, metadata)
        except SafetensorError as err:
            number = re.search(r"os error (\d+)", str(err))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from err
        with contextlib.suppress(PermissionError):  # a file system that keeps no such bits
            path.chmod(path.parent.stat().st_mode & 0o666)  # safetensors lets nobody but the owner read

    def overwrite(self, path: Path, data: bytes, position: int) -> None:
        """Write over some bytes of a file."""
        with path.open("r+b") as file:
            file.seek(position)
            file.write(data)

    def append(self, path: Path, data: bytes) -> None:
        """Write bytes at the end of a file, making it if need be."""
        with path.open("ab") as file:
            file.write(data)

    def sync(self, path: Path) -> None:
        """Wait until a file, or the names in a folder where the file system can say so, are on the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as err:
            if err.errno not in _NO_FOLDER_SYNC or not path.is_dir():
                raise
        finally:
            os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def rename(self, source: Path, target: Path) -> None:
        """Put one file in another's place in a single instant."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file if it is there."""
        path.unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder with all that is in it."""
        shutil.rmtree(folder)

    def free_bytes(self, folder: Path) -> int:
        """Count the bytes that are free for this user on the disk of a folder."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


disk = Disk()


@contextlib.contextmanager
def error_context(path: Path, doing: str, needed: int | None = None) -> Iterator[None]:
    """Turn an error of the system into one line that names the file.

    Args:
        path: The file.
        doing: What is done with it, e.g. "write".
        needed: How many bytes will be written, to say how many are missing when the disk is full.

    Raises:
        DlkitError: The system refused.
    """
    try:
        yield
    except OSError as err:
        free = None
        if is_full(err):
            with contextlib.suppress(OSError):
                free = disk.free_bytes(path.parent)
        raise file_error(err, path, doing, needed=needed, free=free) from err


@contextlib.contextmanager
def new_file(path: Path, needed: int, *, keep_previous: Path | None = None) -> Iterator[Path]:
    """Write a file so that a kill at any instant leaves the old file or the new one.

    The block writes the file under the name that it is given, in a temporary folder beside `path`. When the block
    ends, the file is synced and renamed, and the folder is synced; an exception leaves the target as it was.

    Args:
        path: The file to write.
        needed: How many bytes will be written.
        keep_previous: Where the file that stood at `path` is kept under a second name.

    Raises:
        DlkitError: The file could not be written; what was there before is still there.
    """
    folder = _temporary_name(path)
    with error_context(path, "write", needed):
        try:
            disk.make_folder(folder)
            yield folder / "new"
            disk.sync(folder / "new")
            if keep_previous is not None and path.exists():
                _keep(path, keep_previous, folder / "previous")
            disk.rename(folder / "new", path)
            disk.sync(path.parent)
        finally:
            with contextlib.suppress(OSError):
                disk.remove_folder(folder)


def write_file(path: Path, data: bytes) -> None:
    """Write bytes to a file whole or not at all; see `new_file`.

    Raises:
        DlkitError: The file could not be written; what was there before is still there.
    """
    with new_file(path, len(data)) as new:
        disk.write(new, data)


def append_line(path: Path, text: str) -> None:
    """Append text to a file and wait until it is on the disk.

    Raises:
        DlkitError: The text could not be appended; the file is as it was, where the system still let it be cut.
    """
    data = text.encode()
    with error_context(path, "append to", len(data)):
        before = path.stat().st_size if path.exists() else 0
        try:
            disk.append(path, data)
            disk.sync(path)
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(path, before)
            raise


def probe_folder(folder: Path) -> None:
    """Check that files can be made in a folder by making an empty one, so that a read-only one is found early.

    Raises:
        DlkitError: The folder takes no files.
    """
    temporary = _temporary_name(folder / "probe")
    with error_context(folder, "write into"):
        try:
            disk.write(temporary, b"")
        finally:
            with contextlib.suppress(OSError):
                disk.remove(temporary)


def sweep_temporaries(folder: Path, process: int | None = None) -> None:
    """Remove what unfinished writes left in a folder.

    Args:
        folder: The folder; without `process` no other process may write to it.
        process: Remove only what the process of this number left.
    """
    for unfinished in folder.glob(f"{TEMPORARY_PREFIX}{'' if process is None else f'{process}-'}*"):
        with contextlib.suppress(OSError):
            (disk.remove_folder if unfinished.is_dir() else disk.remove)(unfinished)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        DlkitError: A parent is a file, is not writable, or the disk is full.
    """
    with error_context(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)


def back_up(path: Path, data: bytes) -> None:
    """Keep what a file holds as `<name>.bak`, the next time as `<name>.bak-2` and so on; the same twice is kept once.

    Raises:
        DlkitError: It cannot be written.
    """
    kept = backups(path)
    if not kept:
        write_file(path.with_name(f"{path.name}.bak"), data)
    elif not kept[-1].is_file() or kept[-1].read_bytes() != data:
        write_file(path.with_name(f"{path.name}.bak-{_backup_number(kept[-1]) + 1}"), data)


def backups(path: Path) -> list[Path]:
    """Return the backups of a file, the oldest first."""
    found = [file for file in path.parent.glob(f"{path.name}.bak*") if _backup_number(file)]
    return sorted(found, key=_backup_number)


def _backup_number(path: Path) -> int:
    """Return the number of a backup, 1 for the first; 0 for a file of another kind."""
    suffix = path.name.rpartition(".bak")[2]
    if not suffix:
        return 1
    return int(suffix[1:]) if re.fullmatch(r"-[1-9][0-9]{0,8}", suffix) else 0


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}")


def _keep(path: Path, previous: Path, second_name: Path) -> None:
    """Give the file at `path` the name `previous` too; copy it where the file system has no links."""
    try:
        disk.link(path, second_name)
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        disk.write(second_name, path.read_bytes())
        disk.sync(second_name)
    disk.rename(second_name, previous)
