"""Processes of `dlkit`, forked from one that has only imported what a command needs: cheap, and killed at will."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PARENT = """
import contextlib, io, json, os, sys
import dlkit.cli.app, dlkit.training.resume, dlkit.plotting.history.curves, torch
import dlkit.data.builtin.digits, dlkit.data.stored, filelock

torch.set_num_threads(1)
with contextlib.redirect_stdout(io.StringIO()):  # loads what every command needs once, not in each child
    dlkit.cli.app.run(["train", "mlp", "--print-config"])
for line in sys.stdin:
    asked = json.loads(line)
    if "poll" in asked:
        pid, status = os.waitpid(asked["poll"], os.WNOHANG)
        print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(asked["folder"])
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            flags = os.O_RDWR | os.O_CREAT | (os.O_APPEND if number else 0)
            os.dup2(os.open(asked[name], flags), number)
        os.environ.update(asked["variables"])
        code = dlkit.cli.app.run(asked["words"])
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                pass
        os._exit(code)
    print(json.dumps(pid), flush=True)
"""


@dataclass(frozen=True)
class Child:
    """One process of `dlkit`; its streams go to files."""

    pid: int
    out: Path
    err: Path
    server: "ForkServer"

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Give the exit code, minus the number of the signal that ended it; None while it runs; ask no more then."""
        code = self.server.ask({"poll": self.pid})
        assert code is None or isinstance(code, int)
        return code

    def wait(self, seconds: float = 120.0) -> int:
        """Wait until it has ended, and give the exit code."""
        end = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                raise AssertionError(f"still running after {seconds} s: {self.stderr()}")
            time.sleep(0.002)
        return code

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        """Wait until something was said on stderr."""
        end = time.monotonic() + seconds
        while text not in self.stderr():
            assert time.monotonic() < end, self.stderr()
            time.sleep(0.002)

    def stdout(self) -> str:
        return self.out.read_text()

    def stderr(self) -> str:
        return self.err.read_text()


class ForkServer:
    """The process that the others are forked from.

    Args:
        setup: Python to run in it first.
    """

    def __init__(self, setup: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{setup}\n{_PARENT}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )
        self._count = 0

    def start(
        self, folder: Path, *words: object, stdout: str = "", stderr: str = "", **variables: str
    ) -> Child:
        """Start `dlkit` with these words in a folder; its streams go to new files beside it unless they are named."""
        self._count += 1
        out = Path(stdout or folder.parent / f"stdout-{self._count}.txt")
        err = Path(stderr or folder.parent / f"stderr-{self._count}.txt")
        for path in (out, err):
            if not path.exists():  # a child killed at once has not opened its own yet
                path.touch()
        asked = {
            "words": [str(word) for word in words],
            "folder": str(folder),
            "stdin": os.devnull,
            "stdout": str(out),
            "stderr": str(err),
            "variables": variables,
        }
        pid = self.ask(asked)
        assert isinstance(pid, int)
        return Child(pid, out, err, self)

    def ask(self, asked: dict[str, object]) -> object:
        """Send a line and read the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process; children that still run go on."""
        self._process.communicate()


@contextmanager
def fork_server(setup: str = "") -> Iterator[ForkServer]:
    """Give a server for as long as the block runs."""
    server = ForkServer(setup)
    try:
        yield server
    finally:
        server.close()
