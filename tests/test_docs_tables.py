"""The page on tables: every command on it runs, in the order it stands there."""

import io
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "tables.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def flats(home: Path) -> Path:
    """A folder with the tables that the page makes."""
    exec(compile("\n".join(blocks("python")), "tables.md", "exec"), {})
    return home


@pytest.mark.slow
def test_every_command_runs_and_says_what_the_page_shows(
    dlkit: Callable[..., Any], flats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ""
    for line in "".join(blocks("sh")).splitlines():
        command, _, piped = line.partition(" < ")
        words = shlex.split(command)[1:]
        if words[0] == "train":
            words += ["--epochs", "1", "--no-plot", "-s", "hidden=8"]
        if piped:
            content = (flats / piped).read_bytes()
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

        result = dlkit(*words)

        assert result.code == 0, f"{line}: {result.stderr}"
        said += result.stderr

    shown = "".join(blocks("text")).splitlines()
    assert shown
    for line in shown:
        assert line in said.replace(f"{flats}/", "")
