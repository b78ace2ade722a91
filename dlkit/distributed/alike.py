"""Processes that train one run together compare what they were started with, and name what differs."""

import socket
from collections.abc import Mapping

from dlkit.distributed.group import Group
from dlkit.errors import ConfigError, DataError, printable

DATA = "data"


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
        differing = "; ".join(
            f"{name} {_shown(found.get(name))}, here {_shown(first.get(name))}" for name in names[:4]
        )
        message = f"rank {rank} on {host} was started with something else: {differing}"
        if DATA in names:
            raise DataError(message, "let all processes read the same data")
        raise ConfigError(message, "start all processes with the same command line, versions and files")


def _shown(value: str | None) -> str:
    return "nothing" if value is None else printable(value, 40)
