"""What is shown while a large data set is prepared: a bar on a terminal, a plain line every tenth elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dlkit.cli import console

_SECONDS_UNSEEN = 1.0


@contextmanager
def show_preparing() -> Iterator[None]:
    """Show how far data are prepared while the block runs, if that takes longer than a second."""
    from dlkit.data.preparing import watched

    if console.mode.quiet:
        yield
        return
    display = _Display()
    try:
        with watched(display):
            yield
    finally:
        display.close()


class _Display:
    """Appears once it is clear that there is something to wait for."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._told = -1
        self._bar: Progress | None = None

    def __call__(self, name: str, done: int, total: int) -> None:
        if self._begun is None:
            self._begun = time.monotonic()
        if time.monotonic() - self._begun < _SECONDS_UNSEEN:
            return
        if console.stderr().is_terminal:
            self._draw(name, done, total)
        elif (tenth := 10 * done // max(1, total)) != self._told:
            self._told = tenth
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
