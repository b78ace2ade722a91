"""The progress bar of data preparation."""

import io

import pytest
from rich.console import Console

from dlkit.cli import bars
from dlkit.data.preparing import report


def test_the_bar_shows_the_current_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(bars.console, "stderr", lambda: terminal)
    monkeypatch.setattr(bars, "_SECONDS_UNSEEN", 0.0)

    with bars.show_preparing():
        report("images: sizes")(40, 40)
        report("images")(10, 40)

    last = terminal.file.getvalue().split("preparing ")[-1]
    assert last.startswith("images ")
    assert " 25 % " in last
