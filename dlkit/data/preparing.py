"""Preparing a data set: by one process at a time, and watched by a bar on the terminal, or by no one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from dlkit.errors import file_error
from dlkit.files.atomic import make_folder

Watcher = Callable[[str, int, int], None]
_SECONDS_TOLD = 0.5
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Call a function with the name of what is prepared, what is done and what is to do, while the block runs."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def report(name: str) -> Callable[[int, int], None]:
    """Return the function that a source calls with what is done and what is to do."""

    def tell(done: int, total: int) -> None:
        watcher = _watcher.get()
        if watcher is not None:
            watcher(name, done, total)

    return tell


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Let other processes that prepare the same data wait while the block runs: they find them prepared then.

    Args:
        place: The prepared file; a lock lies beside it, and ends with its process.

    Raises:
        DlkitError: The folder cannot be made or locked.
    """
    from filelock import FileLock, Timeout

    make_folder(place.parent)
    lock = FileLock(place.with_suffix(".lock"), thread_local=False, fallback_to_soft=False)
    waiting = report("the data, in another process")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_SECONDS_TOLD)
        except Timeout:
            waiting(0, 1)
        except OSError as err:
            raise file_error(err, place.parent, "prepare data in") from err
    try:
        yield
    finally:
        lock.release()
