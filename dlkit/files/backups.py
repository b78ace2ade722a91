"""What a file held before it was cut, kept under a name of its own."""

import contextlib
import re
from pathlib import Path

from dlkit.files.atomic import OPS, FileOps, write_file


def back_up(path: Path, data: bytes, ops: FileOps = OPS) -> None:
    """Keep what a file holds as `<name>.bak`, the next time as `<name>.bak-2` and so on; the same twice is kept once.

    Args:
        path: The file.
        data: What it holds.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: It cannot be written.
    """
    kept = backups(path)
    if not kept:
        write_file(path.with_name(f"{path.name}.bak"), data, ops=ops)
    elif not _holds(kept[-1], data):
        write_file(path.with_name(f"{path.name}.bak-{_number(kept[-1]) + 1}"), data, ops=ops)


def backups(path: Path) -> list[Path]:
    """Give what was kept of a file, the oldest first."""
    return sorted((file for file in path.parent.glob(f"{path.name}.bak*") if _number(file)), key=_number)


def _holds(path: Path, data: bytes) -> bool:
    with contextlib.suppress(OSError):
        return path.read_bytes() == data
    return False


def _number(path: Path) -> int:
    """Give the number of a backup, 1 for the first; 0 for a file of another kind."""
    suffix = path.name.rpartition(".bak")[2]
    if not suffix:
        return 1
    return int(suffix[1:]) if re.fullmatch(r"-[1-9][0-9]{0,8}", suffix) else 0
