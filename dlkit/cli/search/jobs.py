"""--jobs: several processes that train trials of one search, watched by a process that trains none."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.cli import console
from dlkit.errors import DlkitError

WORKER = "DLKIT_SEARCH_WORKER"
"""Variable that marks a process of --jobs."""

_SECONDS_BETWEEN_LOOKS = 0.5
_MOST_KILLS = 8  # for each worker; a trial that kills its worker has failed before


@dataclass(kw_only=True)
class Jobs:
    """The processes of a search.

    Args:
        count: How many.
        sweep: The folder of the search.
        named: Own code that the command line names, as it is typed: a worker runs no other.
        stop_signal: Set by `request_stop`.
    """

    count: int
    sweep: Path
    named: Sequence[str]
    stop_signal: int | None = None
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, look: Callable[[], bool]) -> None:
        """Run the workers until all have ended; one that was killed is replaced.

        Args:
            look: Reports what is new, every half second, and returns whether a trial has ended.

        Raises:
            DlkitError: A worker failed, or they are killed again and again.
        """
        self._workers = [self._start() for _ in range(self.count)]
        failed = killed = 0
        while self._workers:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if look():
                killed = 0
            for worker in [worker for worker in self._workers if worker.poll() is not None]:
                self._workers.remove(worker)
                code = worker.returncode
                if code < 0 and self.stop_signal is None:
                    name, killed = signal.Signals(-code).name, killed + 1
                    if killed > _MOST_KILLS * self.count:
                        self.end_at_once()
                        raise DlkitError(
                            f"workers were killed {killed} times ({name}) and ended no trial",
                            "fewer --jobs need less memory",
                        )
                    console.warn(f"a worker was killed ({name}); another resumes its trial")
                    self._workers.append(self._start())
                elif code > 0 and self.stop_signal is None:
                    failed = failed or code
        look()
        if failed:
            error = DlkitError(
                "a worker of the search failed",
                f"dlkit train --join {self.sweep} continues once that is fixed",
            )
            error.exit_code = failed
            raise error

    def request_stop(self, number: int) -> None:
        """Let the workers finish their steps, save, and end."""
        self.stop_signal = number
        for worker in self._workers:
            worker.send_signal(number)

    def end_at_once(self) -> None:
        """End the workers where they are."""
        for worker in self._workers:
            worker.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dlkit", "train", *self.named, "--join", str(self.sweep)]
        return subprocess.Popen(
            [*command, "--threads", "1", "--quiet"],
            stdin=subprocess.PIPE,  # closes with this process, however it ends
            stdout=subprocess.DEVNULL,
            env={**os.environ, WORKER: "1"},
            start_new_session=True,  # Ctrl-C comes from `request_stop` alone
        )


def end_with_parent(request_stop: Callable[[int], None]) -> None:
    """Request a stop of this worker as soon as the process that started it is gone.

    Args:
        request_stop: Called with SIGTERM, in a thread of its own.
    """

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # nothing is ever written
        request_stop(signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
