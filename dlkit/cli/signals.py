"""Ctrl-C and SIGTERM while training: the first asks to stop, the second leaves at once."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"
_STDERR = 2
_SAME_ONE = 0.1  # seconds; a wrapper that passes Ctrl-C on doubles the one that the terminal sends


@contextlib.contextmanager
def stop_signals(
    ask: Callable[[int], None], say: Callable[[], None], clean_up: Callable[[], None]
) -> Iterator[None]:
    """Watch for signals that stop a run, until the block ends.

    Python calls a handler only between two of its own instructions, and a step may be one long call. So a thread
    reads what the system's own handler leaves in a pipe: a second signal is acted upon in the middle of a step too.
    A signal that was ignored before, as `nohup` and shells do for what runs in the background, stays ignored.

    Args:
        ask: Called with the number of the first signal, at once, in a thread of its own.
        say: Tells that the first signal was heard; may block, as a stopped terminal does.
        clean_up: Called at the second signal, before the process ends where it stands.
    """
    watched = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    telling = threading.Thread(target=_if_anyone_listens, args=(say,), daemon=True)
    watcher = threading.Thread(target=_watch, args=(reader, watched, ask, telling, clean_up), daemon=True)
    before = {number: signal.signal(number, _leave_to_watcher) for number in watched}
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former)
        os.close(writer)
        watcher.join()
        os.close(reader)
        if telling.ident is not None:
            telling.join(timeout=1.0)


def _leave_to_watcher(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: that there is a handler makes the system tell the watcher."""


def _if_anyone_listens(say: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        say()


def _watch(
    reader: int,
    watched: list[signal.Signals],
    ask: Callable[[int], None],
    telling: threading.Thread,
    clean_up: Callable[[], None],
) -> None:
    first: tuple[int, float] | None = None
    while numbers := os.read(reader, 64):
        for number in numbers:
            now = time.monotonic()
            if number not in watched:
                continue
            if first is None:
                first = (number, now)
                ask(number)
                telling.start()
            elif number != first[0] or now - first[1] > _SAME_ONE:
                _leave(number, clean_up)


def _leave(number: int, clean_up: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        clean_up()
        if os.isatty(_STDERR):
            os.write(_STDERR, _SHOW_CURSOR)  # which the bars hide
    os._exit(128 + number)
