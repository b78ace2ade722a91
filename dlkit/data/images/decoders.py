"""Processes that decode pictures side by side; one that dies or hangs is told, none is left behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

import dlkit
from dlkit.data.images.decode_worker import do_task
from dlkit.data.images.image_file import Frame
from dlkit.errors import DlkitError, printable

TIMEOUT = 120.0
_TASKS_AHEAD = 2  # a worker has its next task at hand when it is done with one
_MAX_MESSAGE = 32 * 1024  # what a pipe takes without anyone reading
_MOST_WORKERS = 16
_PATIENCE = 2.0


@dataclass(frozen=True)
class Answer:
    """What came of one task.

    Args:
        faults: Place in the task's list of files, and what is wrong with it.
        measures: Place, width, height and kind of each file that was measured.
        pixels: Bytes of all pictures, one after the other.
    """

    faults: Sequence[tuple[int, str]]
    measures: Sequence[tuple[int, int, int, str]]
    pixels: bytes


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    tasks: deque[int] = field(default_factory=deque)


class Decoders:
    """Some processes that measure and decode pictures.

    Args:
        count: How many; 0 decodes in this process, when an answer is collected.
        timeout: Seconds without any answer after which a process is taken to hang.
    """

    def __init__(self, count: int, timeout: float = TIMEOUT) -> None:
        self.count = count
        self._timeout = timeout
        self._workers: list[_Worker] = []
        self._waiting: deque[int] = deque()
        self._tasks: dict[int, dict[str, Any]] = {}
        self._answers: dict[int, Answer] = {}
        self._dropped: set[int] = set()
        self._next = 0
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the processes
        self._end = weakref.finalize(self, _end_all, self._workers, self._errors)

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        self._end()

    @property
    def process_ids(self) -> list[int]:
        """The processes at work."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, files: Sequence[str], frame: Frame | None = None) -> int:
        """Hand in files to be measured, or decoded where a frame is given; the ticket collects the answer."""
        ticket, self._next = self._next, self._next + 1
        self._tasks[ticket] = {"ticket": ticket, "files": list(files), "frame": frame}
        self._waiting.append(ticket)
        if self.count:
            self._start()
            self._hand_out()
        return ticket

    def collect(self, ticket: int) -> Answer:
        """Wait for the answer to a task.

        Raises:
            DlkitError: A process died or hangs; all are ended.
        """
        if not self.count:
            said, pixels = do_task(self._tasks.pop(ticket))
            self._waiting.remove(ticket)
            return _answer(said, bytes(pixels))
        while ticket not in self._answers:
            self._receive()
        return self._answers.pop(ticket)

    def drop(self, ticket: int) -> None:
        """Take a task back whose answer no one will collect."""
        if self._answers.pop(ticket, None) is None:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                del self._tasks[ticket]
            else:
                self._dropped.add(ticket)

    def run(self, chunks: Iterable[Sequence[str]], frame: Frame | None = None) -> Iterator[Answer]:
        """Measure or decode many files, and give the answers in their order.

        Args:
            chunks: Files, some at a time.
            frame: What to bring pictures to; None measures.

        Raises:
            DlkitError: A process died or hangs; all are ended.
        """
        tickets: deque[int] = deque()
        for files in chunks:
            tickets.append(self.submit(files, frame))
            if len(tickets) > 2 * _TASKS_AHEAD * max(1, self.count):
                yield self.collect(tickets.popleft())
        while tickets:
            yield self.collect(tickets.popleft())

    def _start(self) -> None:
        """Start what is missing: fresh interpreters, since a fork of a process with threads may hang."""
        places = [str(Path(dlkit.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        while len(self._workers) < self.count:
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "dlkit.data.images.decode_worker", str(theirs.fileno())],
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    process_group=0,  # Ctrl-C is for the process that trains
                )
            self._workers.append(_Worker(process, Connection(ours.detach())))

    def _hand_out(self) -> None:
        for ahead in range(_TASKS_AHEAD):
            for worker in self._workers:
                if self._waiting and len(worker.tasks) <= ahead:
                    ticket = self._waiting.popleft()
                    worker.tasks.append(ticket)
                    # A process that is gone is found where its answer is awaited.
                    with contextlib.suppress(OSError):
                        worker.connection.send_bytes(json.dumps(self._tasks[ticket]).encode())

    def _receive(self) -> None:
        """Take in the answers that are there, waiting for one."""
        busy = {worker.connection: worker for worker in self._workers if worker.tasks}
        ready = wait(list(busy), self._timeout)
        if not ready:
            self._give_up(min(busy.values(), key=lambda worker: worker.tasks[0]), hangs=True)
        for connection in ready:
            assert isinstance(connection, Connection), "only connections are waited for"
            worker = busy[connection]
            try:
                said, pixels = json.loads(connection.recv_bytes()), connection.recv_bytes()
            except (EOFError, OSError):
                self._give_up(worker, hangs=False)
            ticket = worker.tasks.popleft()
            del self._tasks[ticket]
            if "failed" in said:
                self.close()
                raise DlkitError(
                    f"a process that decodes pictures failed: {printable(said['failed'], 200)}",
                    "where memory ran out, fewer of them help: --num-workers 1",
                )
            if ticket in self._dropped:
                self._dropped.remove(ticket)
            else:
                self._answers[ticket] = _answer(said, pixels)
        self._hand_out()

    def _give_up(self, worker: _Worker, *, hangs: bool) -> None:
        """End all processes and say which one failed, at which files.

        Raises:
            DlkitError: Always.
        """
        if not hangs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(_PATIENCE)
        files = self._tasks[worker.tasks[0]]["files"]
        more = f" or one of the {len(files) - 1} after it" if len(files) > 1 else ""
        where = f"{printable(files[0], 200)}{more}"
        code = worker.process.returncode
        self._errors.seek(0)
        last = (self._errors.read().decode(errors="replace").splitlines() or [""])[-1]
        self.close()
        if hangs:
            raise DlkitError(
                f"a process that decodes pictures has not answered for {self._timeout:g} s, at {where}; it was ended",
                "the disk or the network may hang; --num-workers 0 decodes in the process that trains",
            )
        how = (
            f"killed by {signal.Signals(-code).name}"
            if code is not None and code < 0
            else f"exit code {code}"
        )
        raise DlkitError(
            f"a process that decodes pictures died ({how}{last and ': '}{printable(last, 200)}), at {where}",
            "where memory ran out, fewer of them help: --num-workers 1",
        )


def pick_workers(asked: str = "auto") -> int:
    """Give the number of processes to decode with: as asked, or one a core."""
    if asked != "auto":
        return int(asked)
    return min(
        _MOST_WORKERS,
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
    )


def chunks_of(root: Path, names: Sequence[str], most: int) -> Iterator[list[str]]:
    """Cut names of files into lists of at most `most`, short enough to be handed over at once."""
    chunk: list[str] = []
    letters = 0
    for name in names:
        path = f"{root}/{name}"
        if chunk and (len(chunk) == most or letters + 7 * len(path) > _MAX_MESSAGE):
            yield chunk
            chunk, letters = [], 0
        chunk.append(path)
        letters += 7 * len(path)  # a letter takes up to six bytes in JSON
    if chunk:
        yield chunk


def _answer(said: dict[str, Any], pixels: bytes) -> Answer:
    return Answer(
        faults=[(place, text) for place, text in said["faults"]],
        measures=[(place, width, height, kind) for place, width, height, kind in said["measures"]],
        pixels=pixels,
    )


def _end_all(workers: list[_Worker], errors: IO[bytes]) -> None:
    for worker in workers:
        worker.connection.close()  # whoever waits for a task ends by itself
    for worker in workers:
        if worker.tasks:
            worker.process.kill()
        try:
            worker.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    workers.clear()
    errors.close()
