"""Signals that end a command; while training, the first requests a stop and the second ends the process."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

_HANGUP = getattr(signal, "SIGHUP", None)  # which Windows lacks
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *filter(None, (_HANGUP,)))
_SHOW_CURSOR = b"\x1b[?25h"
_STDERR = 2
_PASSED_ON = 5.0  # seconds; a scheduler signals all processes, and torchrun's agent its own once more
_SAME_SIGNAL = 0.1  # seconds; a wrapper that passes Ctrl-C on doubles the one that the terminal sends


@contextlib.contextmanager
def end_at_lost_interrupt() -> Iterator[None]:
    """End the process at a Ctrl-C that Python would print and pass over, while the block runs.

    That is how it treats an exception within a callback of compiled code, of which loading libraries is full.
    """
    former = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            os._exit(128 + signal.SIGINT)
        former(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former


@contextlib.contextmanager
def stop_signals(
    request_stop: Callable[[int], None],
    notify: Callable[[], None],
    clean_up: Callable[[], None],
    *,
    passed_on: bool = False,
) -> Iterator[None]:
    """Watch for signals that stop a run, while the block runs.

    Python calls a handler only between two of its own instructions, and a step may be one long call. So a thread
    reads what the system's own handler leaves in a pipe: a second signal is acted upon in the middle of a step too.
    A signal that was ignored before, as `nohup` and shells do for what runs in the background, stays ignored.
    A terminal that closes sends SIGHUP, and so does its shell: as a second signal it is not counted.

    Args:
        request_stop: Called with the number of the first signal, at once, in its own thread.
        notify: Reports that the first signal was received; may block, as a stopped terminal does.
        clean_up: Called at the second signal, before the process ends where it stands.
        passed_on: The process that started this one passes signals on, some time after they came here directly.
    """
    watched = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    same_within = _PASSED_ON if passed_on else _SAME_SIGNAL
    notifier = threading.Thread(target=_notify, args=(notify,), daemon=True)
    watcher = threading.Thread(
        target=_watch, args=(reader, watched, request_stop, notifier, clean_up, same_within), daemon=True
    )
    before = {number: signal.signal(number, _ignore) for number in watched}
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
        if notifier.ident is not None:
            notifier.join(timeout=1.0)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: a handler makes Python write the signal to the wakeup pipe."""


def _notify(notify: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        notify()


def _watch(
    reader: int,
    watched: list[signal.Signals],
    request_stop: Callable[[int], None],
    notifier: threading.Thread,
    clean_up: Callable[[], None],
    same_within: float,
) -> None:
    first: tuple[int, float] | None = None
    while numbers := os.read(reader, 64):
        for number in numbers:
            now = time.monotonic()
            if number not in watched:
                continue
            if first is None:
                first = (number, now)
                request_stop(number)
                notifier.start()
            elif number != _HANGUP and (number != first[0] or now - first[1] > same_within):
                _end_process(number, clean_up)


def _end_process(number: int, clean_up: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        clean_up()
        if os.isatty(_STDERR):
            os.write(_STDERR, _SHOW_CURSOR)  # which the bars hide
    os._exit(128 + number)
