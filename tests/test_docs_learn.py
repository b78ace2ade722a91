"""The course in docs/learn: every block runs and prints what stands below it, in both languages."""

import contextlib
import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
LESSONS = sorted((DOCS / "learn").glob("*.md"))
LONG = "7-curves"  # trains nine runs


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and content of each fenced block, in the order of the page."""
    return re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def run(source: str, names: dict[str, Any]) -> str:
    """Run a block of Python and return what it prints; one that begins with a file name is saved too."""
    if named := re.match(r"# (\w+\.py)\n", source):
        Path(named[1]).write_text(source)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(source, names)
    return printed.getvalue()


def without_numbers(text: str) -> str:
    """What a command finds, without numbers that depend on how a processor rounds."""
    return re.sub(r"[-+]?\d[\d.]*(e[-+]\d+)?", "#", text)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.stem == LONG else ()) for page in LESSONS],
    ids=lambda page: page.stem,
)
def test_blocks_print_what_the_page_shows(page: Path, dlkit: Callable[..., Any], home: Path) -> None:
    names: dict[str, Any] = {}
    of_command = False
    printed = ""
    for language, source in blocks(page):
        if language == "python":
            printed = run(source, names)
        elif language == "text":
            assert without_numbers(printed) == without_numbers(source) if of_command else printed == source
        else:
            for line in source.splitlines():
                typed, _, code = line.partition("  # exit code ")
                inner = re.sub(r"\$\(dlkit ([^)]*)\)", lambda m: dlkit(*m[1].split()).stdout.strip(), typed)
                result = dlkit(*shlex.split(inner)[1:])
                assert result.code == int(code or 0), f"{line}: {result.stderr}"
                printed = result.stdout
        of_command = language == "sh"


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_both_languages_have_the_same_blocks(page: Path) -> None:
    assert blocks(DOCS / "pt" / "learn" / page.name) == blocks(page)
