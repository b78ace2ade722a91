"""What is shown while data are prepared."""

import io

import pytest
from rich.console import Console

from dlkit.cli import prepare_bar
from dlkit.data.preparing import report


def test_the_bar_says_what_is_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(prepare_bar.console, "stderr", lambda: terminal)
    monkeypatch.setattr(prepare_bar, "_SECONDS_UNSEEN", 0.0)

    with prepare_bar.show_preparing():
        report("pictures: sizes")(40, 40)
        report("pictures")(10, 40)

    last = terminal.file.getvalue().split("preparing ")[-1]
    assert last.startswith("pictures ")
    assert " 25 % " in last
