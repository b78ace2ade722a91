"""--devices: torchrun's own agent starts one process a device; this one passes on signals and their exit code."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dlkit.distributed.membership import DEVICES, FOLDER, LOST, STOP
from dlkit.errors import ConfigError, DlkitError, MissingError

_LOGGERS = ("torch.distributed.elastic", "torch.distributed.launcher", "torch.distributed.run")


def pick_devices(wanted: int | tuple[int, ...] | None, device: str) -> list[int]:
    """Return the numbers of the devices to train on, one a process.

    Args:
        wanted: How many, which, or None for all.
        device: `--device`.

    Raises:
        ConfigError: The kind of device cannot be used several times, or not be counted.
        MissingError: There are not so many.
    """
    import torch

    if device == "cpu":
        if not isinstance(wanted, int):
            raise ConfigError(
                "--device cpu takes a number of processes for --devices",
                "for example --device cpu --devices 2",
            )
        return list(range(wanted))
    on_mps = device == "mps" or (device == "auto" and torch.backends.mps.is_available())
    if on_mps and wanted not in (1, None):
        raise ConfigError("--devices takes one device of mps", "a Mac has one; leave --devices out")
    if device.partition(":")[2]:
        raise ConfigError(
            f"--device {device} does not go with --devices, which says which",
            f"--device cuda --devices {device.partition(':')[2]},...",
        )
    if on_mps:
        return [0]
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    numbers = list(range(count if wanted is None else wanted) if not isinstance(wanted, tuple) else wanted)
    if not numbers or max(numbers) >= count:
        shown = (
            "all" if wanted is None else ",".join(map(str, numbers)) if isinstance(wanted, tuple) else wanted
        )
        raise MissingError(
            f"--devices {shown}: this machine has {count} CUDA devices that torch can use",
            "--device cpu --devices 2 trains in two processes on the CPU",
        )
    return numbers


@dataclass(frozen=True)
class Ranks:
    """The processes that were started, known by the numbers that they leave in a folder.

    Args:
        folder: The folder.
    """

    folder: Path

    def stop(self, number: int) -> None:
        """Send a signal to all, and to those that have not left their numbers yet once they do."""
        (self.folder / STOP).write_text(str(number))
        self.send(number)

    def send(self, number: int) -> bool:
        """Send a signal to all; return whether there was any."""
        sent = False
        for file in self.folder.glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text()), number)
                sent = True
        return sent


@contextlib.contextmanager
def rank_folder(devices: Sequence[int]) -> Iterator[Ranks]:
    """Make the folder in which processes leave their numbers, and name it and their devices to them."""
    with tempfile.TemporaryDirectory(prefix="dlkit-ranks-") as folder:
        os.environ[FOLDER] = folder
        os.environ[DEVICES] = ",".join(map(str, devices))
        try:
            yield Ranks(Path(folder))
        finally:
            del os.environ[FOLDER], os.environ[DEVICES]


def launch(words: Sequence[str], ranks: Ranks, count: int) -> int:
    """Run a command line of dlkit in several processes, and return the exit code that it would have had alone.

    Args:
        words: The command line, after `dlkit`.
        ranks: Where they leave their numbers.
        count: How many.

    Raises:
        DlkitError: A process was killed, or ended without an error message.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    known = {field.name for field in fields(LaunchConfig)}
    # The agent's own handlers would end the processes after 30 s; signals are passed on by `Ranks.send`.
    handlers: dict[str, Any] = {"signals_to_handle": ""} if "signals_to_handle" in known else {}
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=str(ranks.folder / "logs")),
        **handlers,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "dlkit", *words)
    except ChildFailedError as err:
        return _code_of({rank: failure.exitcode for rank, failure in err.failures.items()})
    except SignalException as err:
        return 128 + int(err.sigval)
    return 0


def _code_of(codes: dict[int, int]) -> int:
    """Return the exit code that counts among those of the processes that failed first.

    Raises:
        DlkitError: One was killed, or all were left by another.
    """
    hint = "dlkit train --resume RUN continues from what was saved last"
    reported = [code for code in codes.values() if code > 0 and code != LOST]
    for rank, code in codes.items():
        if code < 0 and not (code == -signal.SIGTERM and reported):  # the agent ends the others by it
            memory = "; the system does that when memory is full" if code == -signal.SIGKILL else ""
            raise DlkitError(f"rank {rank} was killed by {signal.Signals(-code).name}{memory}", hint)
    if not reported:
        raise DlkitError("a process of the run ended without an error message", hint)
    return reported[0]
