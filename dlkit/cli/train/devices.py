"""dlkit train --devices: one process a device, and what each of them does as one of several."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from dlkit.cli import console
from dlkit.cli.signals import stop_signals
from dlkit.cli.streams import result_to_children
from dlkit.distributed.membership import LOST, read_membership
from dlkit.errors import ConfigError, DivergedError, DlkitError, InterruptedRun
from dlkit.files.run_dir import RunDir
from dlkit.settings.config import COMPUTE_PANEL, TrainConfig
from dlkit.settings.texts import parse_devices

if TYPE_CHECKING:
    from dlkit.distributed.join import Joined

DevicesOption = Annotated[
    str | None,
    Option(
        "--devices",
        metavar="N|LIST|all",
        help="Train in one process a device: 4, 0,1 or all; with --device cpu so many processes.",
        rich_help_panel=COMPUTE_PANEL,
    ),
]

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_FOR_AGENT = 1.0


@contextmanager
def as_member(devices: str | None, doing: str) -> Iterator["Joined | None"]:
    """Join the other processes of a run while the block runs, if this is one of several; one of them reports an error.

    Args:
        devices: `--devices`.
        doing: What the block does, as a command line without settings.

    Raises:
        ConfigError: The variables that say so are half set, `--devices` is given beside them, or another process is
            about to do something else.
    """
    place = read_membership()
    if place is None:
        yield None
        return
    from dlkit.distributed.join import join, leave_number

    leave_number(place)
    if place.rank:
        console.mode.rank = f"{place.name}: "
    joined = join(place, console.note)
    console.mode.quiet |= place.rank > 0
    try:
        joined.meet(console.note, doing)
        if devices is not None and not place.launched:
            raise ConfigError(
                f"--devices {devices} does not go with torchrun, which has started {place.size} processes",
                "leave it out: torchrun says how many processes there are",
            )
        yield joined
    except Exit:
        raise
    except Exception as err:
        _leave_report(joined, err)
        raise


def refuse_torchrun(what: str) -> None:
    """Refuse, in one of several processes, what takes a single one.

    Raises:
        ConfigError: torchrun has started several.
    """
    with as_member(None, "a search (--search)") as joined:
        if joined is not None:
            if not is_first(joined):
                joined.barrier()  # ends when the first, which reports it, has gone
            raise ConfigError(
                f"{what} does not go with torchrun, which has started {joined.membership.size} processes",
                "start it without torchrun; --jobs N trains several trials at once, --join adds another machine",
            )


def reports_usage() -> bool:
    """Return whether this process reports that its command line cannot be read: one of several does."""
    try:
        place = read_membership()
    except ConfigError:
        return True
    if place is None:
        return True
    from dlkit.distributed.join import join

    if place.rank:
        console.mode.rank = f"{place.name}: "
    joined = join(place, console.note)
    joined.meet(console.note)
    return joined.may_report(lost=False)


def _leave_report(joined: "Joined", err: Exception) -> None:
    """Leave the report of an error to another process, where one has it or knows more; return where it is this one's.

    Raises:
        Exit: Another reports it.
        DlkitError: Another process was killed, which nobody else reports.
    """
    from dlkit.torch_compat import is_lost_process

    place = joined.membership
    if place.rank and isinstance(err, InterruptedRun | DivergedError):  # all processes have agreed on it
        raise Exit(0) from err
    lost = is_lost_process(err)
    if place.has_agent:  # it ends all once one has ended, even the one that is to report
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if (lost and place.launched) or not joined.may_report(lost=lost):
        if place.has_agent and not place.launched:  # its report begins with the process that ends first
            time.sleep(_SECONDS_FOR_AGENT)
        raise Exit(LOST) from err
    if lost:
        raise DlkitError(
            "another process of the run ended without an error message",
            "dlkit train --resume RUN continues from what was saved last",
        ) from err


def train_on_devices(devices: str, config: TrainConfig, words: Sequence[str]) -> int | None:
    """Train in one process a device, and return the exit code; None where it is but one.

    Args:
        devices: `--devices`.
        config: The settings.
        words: The command line, after `dlkit`.

    Raises:
        ConfigError: It does not go with the settings.
        MissingError: There are not so many devices.
        DlkitError: A process was killed.
    """
    from dlkit.distributed.launch import launch, pick_devices, rank_folder

    numbers = pick_devices(parse_devices(devices), config.device)
    check_batch(config, len(numbers))
    if len(numbers) == 1:
        return None
    if config.data == "-":
        raise ConfigError(
            "--data - does not go with several processes: each reads the data, and they are there but once",
            "use a file",
        )
    with rank_folder(numbers) as ranks:
        stopped: list[int] = []

        def request_stop(number: int) -> None:
            stopped.append(number)
            ranks.stop(number)

        def end_at_once() -> None:
            ranks.send(signal.SIGKILL)

        signals = stop_signals(request_stop, notify=lambda: None, clean_up=end_at_once)
        with signals, result_to_children():
            try:
                return launch(words, ranks, len(numbers))
            except DlkitError:
                if stopped:
                    return 128 + stopped[0]
                raise


def check_batch(config: TrainConfig, processes: int) -> None:
    """Refuse a batch with too few samples for each process to have one.

    Raises:
        ConfigError: It is.
    """
    if config.batch_size < processes:
        raise ConfigError(
            f"--batch-size {config.batch_size} is less than the {processes} processes that share it",
            f"--batch-size {processes} or more: it is the whole batch, of all processes together",
        )


def is_first(joined: "Joined | None") -> bool:
    """Return whether this process opens folders and prints: the first of several does, and one that is alone."""
    return joined is None or joined.membership.rank == 0


def open_shared(joined: "Joined | None", run_dir: RunDir | None) -> RunDir:
    """Return the run folder that the first process has opened.

    Raises:
        ConfigError: This process does not see it.
    """
    if joined is not None:
        run_dir = joined.broadcast(run_dir)
    assert run_dir is not None, "the first process has opened it"
    if not run_dir.path.is_dir():
        raise ConfigError(
            f"{run_dir.path} is not there, but is on the machine of the first process",
            "put the run on a file system that all machines see, at the same path",
        )
    return run_dir


@contextmanager
def watching_agent(joined: "Joined | None", request_stop: Callable[[int], None]) -> Iterator[None]:
    """Request a stop when the agent that started this process has gone, while the block runs."""
    if joined is None or not joined.membership.has_agent:
        yield
        return
    agent, ended = os.getppid(), threading.Event()

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LOOKS):
            if os.getppid() != agent:
                request_stop(signal.SIGTERM)
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
