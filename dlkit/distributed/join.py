"""A process finds the others of its run, and one of them reports an error."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from dlkit.distributed.alike import START_ALIKE
from dlkit.distributed.group import Group
from dlkit.distributed.membership import FOLDER, STOP, Membership
from dlkit.distributed.processes import Processes
from dlkit.errors import ConfigError, DlkitError

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)
_MEETING = timedelta(minutes=5)
_PATIENCE = timedelta(seconds=20)
_ANSWER = timedelta(seconds=10)
_LOOK = timedelta(seconds=0.5)
_MOST_LISTED = 4
_FOR_THE_FIRST = timedelta(seconds=3)
_FOR_ANY = timedelta(seconds=2)
_REPORTED = "dlkit/reported"
_STDERR = 2


@dataclass
class Joined:
    """This process among the others.

    Args:
        membership: Its place.
        store: What all of them read and write.
        address: Where it is.
        cores: The cores that this process may use.
    """

    membership: Membership
    store: Any
    address: str
    cores: Sequence[int] = ()

    def meet(self, note: Callable[[str], None], doing: str = "") -> None:
        """Wait until all processes have come, and check that all are about to do the same.

        Args:
            note: Called once with who is waited for, if it takes long.
            doing: What this one is about to do, as a command line; empty where it does nothing with the others.

        Raises:
            ConfigError: Another is about to do something else.
            DlkitError: Some do not come.
        """
        rank, size = self.membership.rank, self.membership.size
        keys = [f"dlkit/rank-{number}" for number in range(size)]
        self.store.set(keys[rank], f"{socket.gethostname()}\n{doing}")

        def arrived() -> bool:
            with contextlib.suppress(dist.DistStoreError):
                self.store.wait(keys, _LOOK)
                return True
            return False

        def missing() -> str:
            ranks = [number for number, key in enumerate(keys) if not self.store.check([key])]
            return f"rank {_list(ranks)} of {size} at {self.address}"

        _wait_until(arrived, missing, note)
        if doing:
            self._check_doing([self.store.get(key).decode().split("\n") for key in keys])
        dist.init_process_group("gloo", store=self.store, rank=rank, world_size=size, timeout=_TIMEOUT)

    def _check_doing(self, found: Sequence[Sequence[str]]) -> None:
        """Check host and command line of each process: of two that do different things each waits for the other."""
        first = found[0][1]
        for rank, (host, doing) in enumerate(found):
            if first and doing and doing != first:
                raise ConfigError(
                    f"rank {rank} on {host} was started with something else: {doing}, rank 0: {first}",
                    START_ALIKE,
                )

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
        except (
            RuntimeError,
            ValueError,
        ):  # the store has gone, with the agent or the first process, which reports
            return rank == 0 or (self.membership.has_agent and not lost)
        return bool(winner.decode() == str(rank))


def leave_number(membership: Membership) -> None:
    """Write the number of this process where the one that started it looks, so that signals can be passed on.

    A signal that came before ends this process here.
    """
    if not membership.launched:
        return
    folder = Path(os.environ[FOLDER])
    (folder / str(membership.rank)).write_text(str(os.getpid()))
    with contextlib.suppress(FileNotFoundError, ValueError):
        signal.raise_signal(int((folder / STOP).read_text()))


def join(membership: Membership, note: Callable[[str], None]) -> Joined:
    """Reach what the processes of a run share, which the agent keeps, or else the first of them.

    Args:
        membership: The place of this process.
        note: Called once with who is waited for, if it takes long.

    Raises:
        ConfigError: The address where they meet cannot be used.
        DlkitError: Nobody answers there.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    address = f"{host}:{port}"
    keeps = membership.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    if not keeps:
        _wait_until(lambda: _answers(host, port), lambda: f"rank 0 of {membership.size} at {address}", note)
    store = _keep(host, port) if keeps else _reach(host, port)
    store.set_timeout(_MEETING)
    cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else ()
    return Joined(membership, store, address, cores)


def _store(host: str, port: int, *, keeps: bool) -> Any:
    return dist.TCPStore(  # type: ignore[attr-defined]
        host, port, is_master=keeps, timeout=_ANSWER, wait_for_workers=False
    )


def _keep(host: str, port: int) -> Any:
    """Keep what all processes share.

    Raises:
        ConfigError: The port is in use, or the address is not that of this machine.
    """
    try:
        with _stderr_discarded():
            return _store(host, port, keeps=True)
    except RuntimeError as err:
        if "EADDRINUSE" in str(err):
            raise ConfigError(f"the port of {host}:{port} is in use", "choose another MASTER_PORT") from err
        if "EACCES" in str(err):
            raise ConfigError(
                f"the port of {host}:{port} may not be used", "a MASTER_PORT above 1023"
            ) from err
        raise ConfigError(
            f"MASTER_ADDR={host} does not lead to this machine, which is that of rank 0",
            f"{socket.gethostname()} is its name",
        ) from err


def _reach(host: str, port: int) -> Any:
    """Return what another process keeps for all.

    In a thread, since torch waits for ever where a program takes the connection and says nothing.

    Raises:
        ConfigError: Another program answers.
        DlkitError: What answered has gone.
    """
    found: list[Any] = []

    def connect() -> None:
        with contextlib.suppress(RuntimeError):
            found.append(_store(host, port, keeps=False))

    thread = threading.Thread(target=connect, daemon=True)
    with _stderr_discarded():
        thread.start()
        thread.join(2 * _ANSWER.total_seconds())  # torch tries a little longer than it was asked to
    if found:
        return found[0]
    if _answers(host, port):
        raise ConfigError(
            f"another program answers at {host}:{port}, where rank 0 should: the port is in use",
            "choose another MASTER_PORT",
        )
    raise DlkitError(f"rank 0, which answered at {host}:{port}, has gone", "see what it printed")


@contextlib.contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard what torch writes about a connection that fails, which is a page of its own code's addresses."""
    kept, null = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(null)


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _LOOK.total_seconds()).close()
    except OSError:
        time.sleep(_LOOK.total_seconds())
        return False
    return True


def _wait_until(arrived: Callable[[], bool], missing: Callable[[], str], note: Callable[[str], None]) -> None:
    """Wait until a call returns True, which takes half a second at most, so that Ctrl-C is heard.

    Raises:
        DlkitError: It does not for five minutes.
    """
    start, noted = time.monotonic(), False
    while not arrived():
        waited = timedelta(seconds=time.monotonic() - start)
        if waited > _MEETING:
            raise DlkitError(
                f"after {_MEETING.seconds // 60} minutes still without {missing()}",
                "see what it printed; all processes need the same MASTER_ADDR, MASTER_PORT and WORLD_SIZE",
            )
        if waited > _PATIENCE and not noted:
            note(f"waiting for {missing()}")
            noted = True


def _list(ranks: Sequence[int]) -> str:
    shown = ", ".join(map(str, ranks[:_MOST_LISTED]))
    more = len(ranks) - _MOST_LISTED
    return shown if more <= 0 else f"{shown} and {more} more"


def _stay_on(cores: Sequence[int]) -> None:
    """Keep all threads of this process on some cores: else those that add up gradients wait where another computes."""
    if sys.platform == "linux" and cores:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended
                os.sched_setaffinity(int(thread.name), cores)
