"""Whether this process is one of several that train a run together, by the variables that torchrun sets."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlkit.errors import ConfigError

DEVICES = "DLKIT_RANK_DEVICES"
"""Variable of processes that `--devices` started: the numbers of their devices, one each."""
FOLDER = "DLKIT_RANK_FOLDER"
"""Variable of the same processes: where each leaves its process number."""
STOP = "stop"
"""File beside them: the number of the signal that stops all."""
LOST = 75
"""Exit code of a process that ends because another has, which reports why."""

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_AGENT = "TORCHELASTIC_RUN_ID"
_LARGEST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The place of this process among those of a run.

    Args:
        rank: Its number, from 0.
        size: How many there are.
        local_rank: Its number on this machine.
        local_size: How many are on this machine.
        device: Number of its device, where it computes on one of several; else its number on this machine.
        shares_device: Whether another process computes on the same device.
        launched: `--devices` started it.
        has_agent: An agent of torchrun's started it, which passes signals on and ends all when one fails.
    """

    rank: int
    size: int
    local_rank: int = 0
    local_size: int = 1
    device: int = 0
    shares_device: bool = False
    launched: bool = False
    has_agent: bool = False

    @property
    def name(self) -> str:
        """Rank and host, as messages name them."""
        return f"rank {self.rank} on {socket.gethostname()}"

    def part_of(self, cores: Sequence[int]) -> Sequence[int]:
        """Return this process's part of the cores of its machine; all of them where there are fewer than processes."""
        if len(cores) < self.local_size:
            return cores
        ends = (len(cores) * rank // self.local_size for rank in (self.local_rank, self.local_rank + 1))
        return cores[slice(*ends)]


def read_membership(variables: Mapping[str, str] = os.environ) -> Membership | None:
    """Return the place of this process among several; None where it trains alone.

    Raises:
        ConfigError: The variables are half set, or contradict each other.
    """
    if "RANK" not in variables and "WORLD_SIZE" not in variables:
        return None
    missing = [name for name in _NEEDED if name not in variables]
    if missing:
        found = ", ".join(f"{name}={variables[name]}" for name in _NEEDED if name in variables)
        raise ConfigError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set beside {found}",
            "start with torchrun, which sets all of them, or unset RANK and WORLD_SIZE to train in one process",
        )
    if _number(variables, "MASTER_PORT", "") > _LARGEST_PORT:
        raise ConfigError(
            f"MASTER_PORT={variables['MASTER_PORT']} is above {_LARGEST_PORT}", "torchrun sets it"
        )
    rank, size = _number(variables, "RANK", "0"), _number(variables, "WORLD_SIZE", "1")
    local_rank = _number(variables, "LOCAL_RANK", "0")
    local_size = _number(variables, "LOCAL_WORLD_SIZE", "1")
    for local, number, count in (("", rank, size), ("LOCAL_", local_rank, local_size)):
        if number >= count:
            raise ConfigError(
                f"{local}RANK={number} is not below {local}WORLD_SIZE={count}",
                "ranks count from 0; torchrun sets them",
            )
    if size == 1:
        return None
    devices = [int(number) for number in variables.get(DEVICES, "").split(",") if number]
    device = devices[local_rank] if devices else local_rank
    return Membership(
        rank=rank,
        size=size,
        local_rank=local_rank,
        local_size=local_size,
        device=device,
        shares_device=devices.count(device) > 1,
        launched=FOLDER in variables,
        has_agent=_AGENT in variables,
    )


def _number(variables: Mapping[str, str], name: str, default: str) -> int:
    text = variables.get(name, default)
    if not text.isdecimal():
        raise ConfigError(f"{name}={text} is not a number", "torchrun sets it")
    return int(text)
