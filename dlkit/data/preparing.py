"""Who wants to know how far a data set is prepared: a bar on the terminal, or no one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int], None]
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
