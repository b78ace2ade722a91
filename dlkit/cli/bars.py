"""Bars of downloads and of data that are prepared: drawn on a terminal, a plain line every tenth elsewhere."""

import time
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
_SECONDS_UNSEEN = 1.0


@contextmanager
def show_download(name: str) -> Iterator[Callable[[int, int], None]]:
    """Return a function that shows the bytes that are here and the bytes wanted; it shows nothing with --quiet.

    Args:
        name: What is downloaded.
    """
    if console.mode.quiet:
        yield lambda _done, _total: None
    elif console.stderr().is_terminal:
        bar = _DownloadBar(name)
        try:
            yield bar
        finally:
            bar.progress.stop()
    else:
        yield _DownloadLines(name)


class _DownloadBar:
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


class _DownloadLines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth != self._shown:
            self._shown = tenth
            console.note(f"{self._name}: {done / _MIB:.1f} of {total / _MIB:.1f} MiB")


@contextmanager
def show_preparing() -> Iterator[None]:
    """Show how far data are prepared while the block runs, if that takes longer than a second."""
    from dlkit.data.preparing import watched

    if console.mode.quiet:
        yield
        return
    display = _PreparingBar()
    try:
        with watched(display):
            yield
    finally:
        display.close()


class _PreparingBar:
    """Appears once it is clear that there is something to wait for."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._shown = -1
        self._bar: Progress | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        if self._begun is None:
            self._begun = time.monotonic()
        if time.monotonic() - self._begun < _SECONDS_UNSEEN:
            return
        if console.stderr().is_terminal:
            self._draw(name, done, total)
        elif (tenth := 10 * done // max(1, total)) != self._shown:
            self._shown = tenth
            console.note(f"preparing {name}: {10 * tenth} %")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, name: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:3.0f} %"),
                TimeRemainingColumn(compact=True, elapsed_when_finished=True),
                console=console.stderr(),
                refresh_per_second=10,
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("")
        (task,) = self._bar.tasks
        if task.description != (what := f"preparing {name}"):  # measuring is over, decoding begins
            self._bar.reset(task.id, description=what, total=total)
        self._bar.update(task.id, completed=done)
