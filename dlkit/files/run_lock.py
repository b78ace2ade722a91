"""The lock that keeps a second process out of a run folder."""

import contextlib
import fcntl
import os
import re
import socket
import time
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


def take_lock(path: Path) -> int:
    """Lock a file, for as long as the descriptor that is returned stays open; the lock dies with its process.

    Raises:
        DlkitError: Another process holds it, or the file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as err:
        raise file_error(err, path.parent, "write into") from err
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def shared_by_network(path: Path, mounts: Path = MOUNTS) -> str:
    """Name the kind of network file system that a path is on; empty for a disk of this machine, or if unknown.

    Args:
        path: The path; it need not exist yet.
        mounts: Where Linux lists what is mounted: device, place, kind and more in each line.
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


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        holder = printable(os.pread(descriptor, 200, 0).decode(errors="replace").strip(), limit=200)
        raise DlkitError(
            f"{path.parent} is locked: {holder or 'another process'} is training there",
            "wait for it, or choose another --out",
        ) from err
    except OSError as err:
        raise file_error(err, path, "lock") from err
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    holder = f"process {os.getpid()} on {socket.gethostname()} since {started}\n"
    with contextlib.suppress(OSError):  # a full disk: the first checkpoint tells how much is needed
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
