"""The first signal asks, the second leaves at once: also in the middle of a long call, a save or compiled code."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType

import pytest
from failing_disk import using

from dlkit.cli.signals import stop_signals
from dlkit.files import atomic
from dlkit.files.atomic import Disk


class Heard:
    """Remembers what was called."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.said = threading.Event()
        self.cleaned = False

    def wait(self) -> None:
        assert self.said.wait(10)

    def clean_up(self) -> None:
        self.cleaned = True


@pytest.fixture
def heard() -> Iterator[Heard]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Heard()
    for number, handler in before.items():
        assert signal.getsignal(number) is handler
    former = signal.set_wakeup_fd(-1)
    assert former == -1


def watched(heard: Heard) -> AbstractContextManager[None]:
    return stop_signals(heard.asked.append, heard.said.set, heard.clean_up)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_block_continues(heard: Heard, number: int) -> None:
    with watched(heard):
        send(number)
        heard.wait()
        went_on = True
    assert went_on
    assert heard.asked == [number]
    assert not heard.cleaned


def test_nothing_is_asked_when_no_signal_comes(heard: Heard) -> None:
    with watched(heard):
        pass
    assert heard.asked == []
    assert not heard.said.is_set()


def test_a_signal_that_a_wrapper_passed_on_counts_once(heard: Heard) -> None:
    with watched(heard):
        for _ in range(3):
            send(signal.SIGINT)
        heard.wait()
    assert heard.asked == [signal.SIGINT]


def test_hangups_of_terminal_and_shell_count_once(heard: Heard) -> None:
    with watched(heard):
        send(signal.SIGHUP)
        heard.wait()
        time.sleep(0.15)
        send(signal.SIGHUP)
        time.sleep(0.01)
    assert heard.asked == [signal.SIGHUP]


def test_other_signals_are_not_counted(heard: Heard) -> None:
    def ignore(number: int, frame: FrameType | None) -> None:
        assert (number, frame is None) == (signal.SIGUSR1, False)

    before = signal.signal(signal.SIGUSR1, ignore)
    with watched(heard):
        send(signal.SIGUSR1)
        time.sleep(0.01)
    signal.signal(signal.SIGUSR1, before)
    assert heard.asked == []


def test_what_is_ignored_stays_ignored(heard: Heard) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with watched(heard):
        send(signal.SIGINT)
        time.sleep(0.01)
        assert heard.asked == []
        send(signal.SIGTERM)
        heard.wait()
    signal.signal(signal.SIGINT, before)
    assert heard.asked == [signal.SIGTERM]


@pytest.mark.parametrize("operation", ["make_folder", "write", "sync", "link", "rename", "remove_folder"])
def test_a_signal_in_the_middle_of_a_save_waits_for_its_end(
    heard: Heard, operation: str, tmp_path: Path
) -> None:
    class Interrupted(Disk):
        pass

    def interrupted(self: Disk, *arguments: object) -> object:
        send(signal.SIGTERM)
        heard.wait()
        return vars(Disk)[operation](self, *arguments)

    setattr(Interrupted, operation, interrupted)
    (tmp_path / "last").write_bytes(b"old")
    with (
        watched(heard),
        using(Interrupted()),
        atomic.new_file(tmp_path / "last", 3, keep_previous=tmp_path / "prev") as new,
    ):
        atomic.disk.write(new, b"new")
    assert heard.asked == [signal.SIGTERM]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"last": b"new", "prev": b"old"}


SCRIPT = """
import hashlib, os, signal, sys, threading, time
from pathlib import Path
from dlkit.files import atomic
from dlkit.cli.signals import stop_signals

class Slow(atomic.Disk):
    def sync(self, path):
        tell("busy")
        time.sleep(60)

def tell(text):
    os.write(1, text.encode() + b"\\n")

def ask(number):
    tell(f"asked {number}")

with stop_signals(ask, SAY, lambda: atomic.sweep_temporaries(Path("."), os.getpid())):
    WORK
"""
LONG_CALL = 'tell("busy"); hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2**31 - 1)'
SAVE = 'atomic.disk = Slow(); atomic.write_file(Path("last"), b"new")'
WORKS = {
    "in-one-long-call": (LONG_CALL, "lambda: None", (signal.SIGTERM, signal.SIGINT), 130),
    "in-a-save": (SAVE, "lambda: None", (signal.SIGINT, signal.SIGTERM), 143),
    "on-a-stopped-terminal": (SAVE, "lambda: time.sleep(60)", (signal.SIGINT, signal.SIGTERM), 143),
    "after-the-terminal-closed": (SAVE, "lambda: None", (signal.SIGHUP, signal.SIGTERM), 143),
    "the-same-again": (SAVE, "lambda: None", (signal.SIGTERM, signal.SIGTERM), 143),
}


@pytest.mark.parametrize(("work", "say", "numbers", "code"), WORKS.values(), ids=WORKS)
@pytest.mark.quick(1)
def test_the_second_signal_leaves_at_once_and_takes_the_temporary_file_along(
    work: str, say: str, numbers: tuple[int, int], code: int, tmp_path: Path
) -> None:
    (tmp_path / "last").write_bytes(b"old")
    (tmp_path / ".dlkit-tmp-1-another").touch()
    script = SCRIPT.replace("SAY", say).replace("WORK", work)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "busy\n"
            process.send_signal(numbers[0])
            assert process.stdout.readline() == f"asked {numbers[0]:d}\n"
            time.sleep(0.15)
            process.send_signal(numbers[1])
            assert process.wait(20) == code
        finally:
            process.kill()
    names = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert names == {"last": b"old", ".dlkit-tmp-1-another": b""}


CALLBACK = """
import signal, sys

class Lost:
    def __del__(self):  # as a callback of compiled code: what it raises is printed, and Python goes on
        {raised}

from dlkit.cli import app

def command(words):
    Lost()
    return 3

app._run = command
sys.exit(app.run([]))
"""


@pytest.mark.parametrize(
    ("raised", "code", "printed"),
    [("signal.raise_signal(signal.SIGINT)", 130, False), ("raise ValueError('not a signal')", 3, True)],
)
def test_an_interrupt_in_compiled_code_ends_the_process_and_other_errors_are_printed(
    raised: str, code: int, printed: bool
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CALLBACK.format(raised=raised)], capture_output=True, text=True, check=False
    )

    assert result.returncode == code
    assert ("Traceback" in result.stderr) == printed
