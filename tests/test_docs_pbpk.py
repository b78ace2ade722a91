"""The page on drug concentrations matches the code: its tables, and every example in order."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkit.data.pbpk.organs import FLOWS, ORGANS, VOLUMES
from dlkit.settings.catalogue import DATA
from dlkit.settings.models import MODELS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "pbpk.md").read_text()
Dlkit = Callable[..., Any]


def test_organs_volumes_and_flows_are_those_of_the_simulator() -> None:
    names, _, volumes, flows = (
        [cell.strip() for cell in line.strip("|").split("|")[1:]] for line in _table("| | blood").splitlines()
    )

    assert names == list(ORGANS)
    assert [float(cell) for cell in volumes] == VOLUMES.tolist()
    assert [float(cell) for cell in flows[1:]] == FLOWS.tolist()


@pytest.mark.parametrize(
    "arguments", [DATA["pbpk"].arguments, MODELS["pbpk"].arguments], ids=["data", "model"]
)
def test_every_argument_is_on_the_page(arguments: dict[str, Any]) -> None:
    for name in arguments:
        assert re.search(rf"^\| .*`{name}`", PAGE, flags=re.MULTILINE), name


@pytest.mark.slow
def test_the_examples_run_in_their_order(dlkit: Dlkit, home: Path) -> None:
    """Training is cut short, nothing else is changed."""
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(block, {})
            continue
        for line in block.splitlines():
            _, *words = shlex.split(line)
            short = ["--epochs", "1", "--limit", "64"] if words[0] == "train" else []
            result = dlkit(*words, *short)
            assert result.code == 0, (line, result.stderr)


def _table(first: str) -> str:
    return PAGE[PAGE.index(first) :].split("\n\n")[0]
