"""A process finds the others of its run, and tells which of them reports an error."""

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from dlkit.distributed.group import Group
from dlkit.distributed.membership import FOLDER, Membership
from dlkit.distributed.processes import Processes
from dlkit.errors import ConfigError, DlkitError

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)
_MEETING = timedelta(minutes=5)
_FOR_THE_FIRST = timedelta(seconds=3)
_FOR_ANY = timedelta(seconds=2)
_REPORTED = "dlkit/reported"


@dataclass
class Joined:
    """This process among the others.

    Args:
        membership: Its place.
        store: What all of them read and write.
        cores: The cores that this process may use.
    """

    membership: Membership
    store: Any
    cores: Sequence[int] = ()

    def group(self, device: torch.device) -> Group:
        """Return the group that trains on a kind of device; all processes ask for it together."""
        on_gpu = device.type == "cuda"
        if not on_gpu:
            _stay_on(self.membership.part_of(self.cores))
        data = None  # the group that joined
        if on_gpu and not self.membership.shares_device:
            dist.barrier()  # a process that has gone is noticed here, but not while a group is made
            data = dist.new_group(backend="nccl", timeout=_TIMEOUT)
        return Processes(self.membership.rank, self.membership.size, data, device if on_gpu else None)

    def broadcast(self, value: T) -> T:
        """Return the value that the first process has."""
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        dist.barrier()

    def may_report(self, *, lost: bool) -> bool:
        """Return whether this process reports the error it ends with: one of all does, the first process if it can.

        Args:
            lost: The error is that another process has gone.
        """
        rank = self.membership.rank
        wait = _FOR_ANY if lost else _FOR_THE_FIRST if rank else timedelta()
        try:
            if wait:
                with contextlib.suppress(dist.DistStoreError):
                    self.store.wait([_REPORTED], wait)
            winner = self.store.compare_set(_REPORTED, "", str(rank))
        except (RuntimeError, ValueError):  # the store has gone, with the process or the agent that kept it
            return rank == 0 or not lost
        return bool(winner.decode() == str(rank))


def leave_number(membership: Membership) -> None:
    """Write the number of this process where the one that started it looks, so that signals can be passed on."""
    if membership.launched:
        (Path(os.environ[FOLDER]) / str(membership.rank)).write_text(str(os.getpid()))


def join(membership: Membership) -> Joined:
    """Find the other processes.

    Raises:
        ConfigError: The address cannot be used.
        DlkitError: The others cannot be reached, or do not come.
    """
    address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
    try:
        store, rank, size = next(rendezvous("env://", timeout=_MEETING))
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=_TIMEOUT)
    except dist.DistNetworkError as err:
        if "EADDRINUSE" in str(err):
            raise ConfigError(f"the port of {address} is in use", "choose another MASTER_PORT") from err
        raise DlkitError(f"cannot reach {address}, where the processes of the run meet", "check it") from err
    except dist.DistStoreError as err:
        minutes = _MEETING.seconds // 60
        raise DlkitError(
            f"not all {membership.size} processes of the run came to {address} within {minutes} minutes",
            "one of them may have ended: see what it printed",
        ) from err
    except ValueError as err:
        raise ConfigError(
            f"the processes of the run cannot meet at {address}: {err}", "torchrun sets it"
        ) from err
    return Joined(membership, store, sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else ())


def _stay_on(cores: Sequence[int]) -> None:
    """Keep all threads of this process on some cores: else those that add up gradients wait where another computes."""
    if sys.platform == "linux" and cores:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setaffinity(int(thread.name), cores)
