"""The page on settings matches the code: it has every setting and choice, and every example runs."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlkit.inspection.lr_range import RULE
from dlkit.settings.config import (
    COMPUTE_PANEL,
    DATA_PANEL,
    FIELDS,
    SPATIAL_PANEL,
    TABLE_PANEL,
    WATCH_PANEL,
    flag,
)

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "settings.md").read_text()
OTHER_PANELS = (DATA_PANEL, TABLE_PANEL, SPATIAL_PANEL, COMPUTE_PANEL, WATCH_PANEL)
OTHER_PAGES = {"model", "arguments", "data", "device"} | {
    name
    for name, field in FIELDS.items()
    if field.metadata.get("panel") in OTHER_PANELS and name != "balance"
}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", sorted(set(FIELDS) - OTHER_PAGES))
def test_page_has_every_setting_of_the_loop(name: str) -> None:
    assert re.search(rf"{flag(name)}\b", PAGE), f"{flag(name)} is missing in docs/settings.md"


@pytest.mark.parametrize(
    ("title", "name"), [("Optimizers", "optimizer"), ("Schedules", "schedule"), ("Losses", "loss")]
)
def test_table_has_a_row_for_every_choice_and_no_other(title: str, name: str) -> None:
    rows = re.findall(r"^\| `([a-z0-9][a-z0-9-]*)` \|", section(title), flags=re.MULTILINE)

    assert sorted(rows) == sorted(FIELDS[name].metadata["choices"])


def test_rule_of_inspect_lr_is_on_the_page() -> None:
    words = " ".join(section("Finding a learning rate").split())

    assert RULE.startswith("a fifth of the rate midway")
    assert "a fifth of the rate midway, on the logarithmic axis," in words


def commands() -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def run_line(dlkit: Callable[..., Any], line: str) -> Any:
    """Run a line of a shell script that has a command within another, or its output in a file, at most."""
    inner = re.search(r"\$\(dlkit ([^)]*)\)", line)
    if inner is not None:
        line = line.replace(inner[0], run_line(dlkit, f"dlkit {inner[1]}").stdout.strip())
    command, _, file = line.partition(" > ")
    result = dlkit(*shlex.split(command)[1:])
    assert result.code == 0, f"{line}: {result.stderr}"
    if file:
        Path(file).write_text(result.stdout)
    return result


@pytest.mark.slow
def test_examples_run_one_after_the_other(dlkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_LIMIT", "300")  # quicker
    for line in commands():
        run_line(dlkit, line)


def test_settings_shown_are_those_printed(dlkit: Callable[..., Any]) -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)

    printed = dlkit("train", "mlp", "--optimizer", "adam", "--schedule", "onecycle", "--print-config").stdout

    assert printed.startswith(shown)


@pytest.mark.parametrize("words", re.findall(r"^\$ dlkit (.*)$", PAGE, flags=re.MULTILINE))
def test_errors_shown_are_those_printed(dlkit: Callable[..., Any], words: str) -> None:
    shown = PAGE.split(f"$ dlkit {words}\n")[1].split("```")[0]

    assert dlkit(*shlex.split(words)).stderr == shown
