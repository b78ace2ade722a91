"""Runs of dlkit in several processes that the tests start themselves, as torchrun would."""

import csv
import math
import socket
from pathlib import Path

from fork_server import Child, ForkServer

TIMES = ("seconds", "samples_per_second", "memory_mib")
RUN = ("--device", "cpu", "--threads", "1", "--no-plot", "--quiet")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_ranks(forks: ForkServer, folder: Path, count: int, *words: object, **variables: str) -> list[Child]:
    """Start a command line in some processes that find each other."""
    port = free_port()
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    places["LOCAL_WORLD_SIZE"] = str(count)
    return [
        forks.start(folder, *words, RANK=str(rank), LOCAL_RANK=str(rank), **{**places, **variables})
        for rank in range(count)
    ]


def train(forks: ForkServer, folder: Path, count: int, *words: object, **variables: str) -> list[Child]:
    """Train in some processes to the end; in one process without any group."""
    if count == 1:
        children = [forks.start(folder, "train", *words, *RUN, **variables)]
    else:
        children = start_ranks(forks, folder, count, "train", *words, *RUN, **variables)
    codes = [child.wait() for child in children]
    assert codes == [0] * count, [child.stderr() for child in children]
    return children


def history(run: Path) -> list[dict[str, str]]:
    """Return the rows of history.csv without what depends on the clock."""
    with (run / "history.csv").open(newline="") as file:
        return [{key: text for key, text in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def largest_difference(one: Path, other: Path) -> float:
    """Return the largest relative difference between two histories of as many rows."""
    pairs = [
        (row[name], twin[name])
        for row, twin in zip(history(one), history(other), strict=True)
        for name in row
        if row[name] != twin[name]
    ]
    return max((_relative(float(a or math.nan), float(b or math.nan)) for a, b in pairs), default=0.0)


def _relative(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other))
