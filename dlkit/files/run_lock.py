"""The lock that keeps a second process out of a run folder."""

import contextlib
import errno
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DivergedError, DlkitError, InterruptedRun, file_error, printable

MOUNTS = Path("/proc/self/mounts")
_ENDED = ("done", "stopped", "diverged", "failed")
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
    holder, ended = f"process {os.getpid()} on {socket.gethostname()} since {_now()}", "failed"
    try:
        _write(path, f"{holder}\n")
        yield
        ended = "done"
    except InterruptedRun:
        ended = "stopped"
        raise
    except DivergedError:
        ended = "diverged"
        raise
    finally:
        _write(path, f"{holder}, {ended} at {_now()}\n")
        lock.release()


@dataclass(frozen=True)
class LastProcess:
    """The process that trained last in a run folder.

    Args:
        holder: Its number, its machine, and when it began, as text.
        state: `done`, `stopped`, `diverged` or `failed` when it ended; `running`; or `vanished`, when it ended without
            a word: killed, or by a crash.
    """

    holder: str
    state: str


def last_process(path: Path) -> LastProcess | None:
    """Return which process held a lock last, and how it ended; None if the file does not say.

    Args:
        path: The lock file; left as it is.
    """
    holder, _, rest = _holder(path).partition(", ")
    if not holder.startswith("process "):
        return None
    if is_held(path):
        return LastProcess(holder, "running")
    state = rest.partition(" ")[0]
    return LastProcess(holder, state if state in _ENDED else "vanished")


def _write(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the first checkpoint reports how much is needed
        path.write_text(text)


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


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
