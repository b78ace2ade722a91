"""The lock that keeps a second process out of a run folder."""

import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from dlkit.errors import DlkitError, file_error, printable

MOUNTS = Path("/proc/self/mounts")
_ESCAPE = re.compile(r"\\([0-7]{3})")  # how a space in a name is written there
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "afs",
    "9p",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse.sshfs",
    "fuse.gluster",
)


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a run; it ends with the process.

    Args:
        path: The lock file; it says who holds it.

    Raises:
        DlkitError: Another process holds it, or the file cannot be locked.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        path.parent.stat()  # filelock would make the folder
        lock.acquire()
    except Timeout as err:
        raise DlkitError(
            f"{path.parent} is locked: {_holder(path) or 'another process'} is training there",
            "wait for it, or choose another --out",
        ) from err
    except OSError as err:
        error = file_error(err, path, "lock")
        no_locks = err.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
        hint = "its file system has no locks; choose an --out on another one" if no_locks else error.hint
        raise DlkitError(error.message, hint) from err
    try:
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError):  # a full disk: the first checkpoint reports how much is needed
            path.write_text(f"process {os.getpid()} on {socket.gethostname()} since {started}\n")
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a process holds a lock; one that cannot be asked counts as not held."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def shared_by_network(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the network file system that a path is on; empty for a disk of this machine, or if unknown.

    Args:
        path: The path; it need not exist yet.
        mounts: Where Linux lists what is mounted: device, place, type and more in each line.
    """
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    kinds = {}
    for line in lines:
        _, place, kind, *_ = [*line.split(" "), "", "", ""]
        kinds[Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), place))] = kind
    full = Path(os.path.realpath(path))
    kind = next((kinds[place] for place in (full, *full.parents) if place in kinds), "")
    return kind if kind.startswith(_NETWORK) else ""


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError):
        return printable(path.read_bytes()[:200].decode(errors="replace").strip(), limit=200)
    return ""


def is_held(path: Path) -> bool:
    """Return whether another process holds the lock of a run now; False where that cannot be found out."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        with path.open("rb") as file:  # not filelock, which would open it for writing
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
