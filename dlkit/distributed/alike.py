"""Processes that train one run together compare what they were started with, and name what differs."""

import re
import socket
from collections.abc import Mapping
from itertools import zip_longest

from dlkit.distributed.group import Group
from dlkit.errors import ConfigError, DataError, printable

DATA = "data"
START_ALIKE = "start all processes with the same command line, versions and files"

_DIGEST = re.compile(r"[0-9a-f]{32,}")
_SHOWN_DIGITS = 12
_SHOWN_LETTERS = 40
_SHOWN_BEFORE = 8
_MOST_NAMED = 4


def check_alike(group: Group, here: Mapping[str, str]) -> None:
    """Check that versions, settings, code and data are those of the first process, which reports what differs.

    Args:
        group: The processes.
        here: What this one has, by name.

    Raises:
        DataError: The data of another process differ; only the first process raises.
        ConfigError: Something else of it does.
    """
    if group.size == 1:
        return
    (_, first), *others = group.gather((socket.gethostname(), dict(here)))
    if not group.writes:
        return
    for rank, (host, found) in enumerate(others, 1):
        names = [name for name in {**first, **found} if first.get(name) != found.get(name)]
        if not names:
            continue
        pairs = [(name, *_shown_apart(found.get(name), first.get(name))) for name in names[:_MOST_NAMED]]
        differing = "; ".join(f"{name} {there}, here {own}" for name, there, own in pairs)
        message = f"rank {rank} on {host} was started with something else: {differing}"
        if DATA in names:
            raise DataError(message, "let all processes read the same data")
        raise ConfigError(message, START_ALIKE)


def _shown_apart(one: str | None, other: str | None) -> tuple[str, str]:
    """Return two values short enough for a line; long ones that begin alike, as paths do, from where they differ."""
    shown = _shown(one), _shown(other)
    if shown[0] != shown[1] or one is None or other is None:
        return shown
    differs = next(place for place, (a, b) in enumerate(zip_longest(one, other)) if a != b)
    start = max(0, differs - _SHOWN_BEFORE)
    return f"…{_shown(one[start:])}", f"…{_shown(other[start:])}"


def _shown(value: str | None) -> str:
    if value is None:
        return "nothing"
    return value[:_SHOWN_DIGITS] if _DIGEST.fullmatch(value) else printable(value, _SHOWN_LETTERS)
