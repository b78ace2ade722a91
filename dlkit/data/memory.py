"""How much memory is free for data: what the machine, the container and the limits of the process allow."""

import os
import resource
from pathlib import Path

_SHARE = 0.7  # the rest is for the network, its optimizer and the batches
_CGROUP = Path("/sys/fs/cgroup")


def available_memory(proc: Path = Path("/proc"), cgroup: Path = _CGROUP) -> int:
    """Return the bytes that data may take.

    Args:
        proc: Where Linux tells of processes; passed in by tests.
        cgroup: Where it tells of control groups; likewise.
    """
    limits = [_of_machine(proc), *_of_container(cgroup)]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft - _address_space(proc))
    return max(0, int(_SHARE * min(limits)))


def size_text(size: int) -> str:
    """Write a number of bytes in MiB or GiB."""
    return f"{size / 2**20:,.0f} MiB" if size < 2**30 else f"{size / 2**30:,.1f} GiB"


def _of_machine(proc: Path) -> int:
    """Return what is free, caches that can be dropped counted in."""
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _of_container(cgroup: Path) -> list[int]:
    """Return what is left of the limit of version 2 or 1 of control groups; nothing where there is none."""
    left = []
    for folder, most, used, cached in (
        (cgroup, "memory.max", "memory.current", "inactive_file"),
        (cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, now = _number(folder / most), _number(folder / used)
        if limit is not None:
            caches = [
                line.split()[1] for line in _lines(folder / "memory.stat") if line.startswith(f"{cached} ")
            ]
            left.append(limit - (now or 0) + sum(map(int, caches)))
    return left


def _address_space(proc: Path) -> int:
    for line in _lines(proc / "self" / "status"):
        if line.startswith("VmSize:"):
            return int(line.split()[1]) * 1024
    return 0


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)[:1]).strip()
    return int(text) if text.isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
