"""Whether a file is newer than another, or was made from it."""

import os
from pathlib import Path


def stamp_as(path: Path, source: Path) -> None:
    """Give a file the time of the one that it was made from; a clock that is set back cannot make it look new."""
    found = source.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def is_made_from(path: Path, source: Path) -> bool:
    """Return whether a file is there and was made from another as that is now; see `stamp_as`."""
    return path.exists() and path.stat().st_mtime_ns == source.stat().st_mtime_ns


def is_newer(path: Path, source: Path) -> bool:
    """Return whether a file is there and was written after another."""
    return path.exists() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns
