"""What a download shows: a bar on a terminal, a plain line every tenth elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from dlkit.cli import console

_MIB = 2**20


@contextmanager
def show_download(name: str) -> Iterator[Callable[[int, int], None]]:
    """Return a function that shows the bytes that are here and the bytes wanted; it shows nothing with --quiet.

    Args:
        name: What is downloaded.
    """
    if console.mode.quiet:
        yield _nothing
    elif console.stderr().is_terminal:
        bar = _Bar(name)
        try:
            yield bar
        finally:
            bar.progress.stop()
    else:
        yield _Lines(name)


def _nothing(_done: int, _total: int) -> None:
    pass


class _Bar:
    """Appears with the first bytes, so that nothing is drawn where nothing is downloaded."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console.stderr(),
            refresh_per_second=10,
        )

    def __call__(self, done: int, total: int) -> None:
        if not self.progress.tasks:
            self.progress.start()
            self.progress.add_task(self._name, total=total, completed=done)
        self.progress.update(self.progress.tasks[0].id, completed=done)


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth != self._told:
            self._told = tenth
            console.note(f"{self._name}: {done / _MIB:.1f} of {total / _MIB:.1f} MiB")
