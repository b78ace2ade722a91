"""The pages on computing and on logs match the code: they have every choice, and every example runs."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dlkit.settings.config import PRECISIONS
from dlkit.settings.texts import LOGS

DOCS = Path(__file__).resolve().parent.parent / "docs"
COMPUTE, LOG = (DOCS / "compute.md").read_text(), (DOCS / "logs.md").read_text()


def commands(page: str) -> Iterator[str]:
    for block in re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def test_page_has_every_precision_and_setting() -> None:
    assert tuple(re.findall(r"^\| `([a-z0-9]+)` \|", COMPUTE, flags=re.MULTILINE)) == PRECISIONS
    for flag in ("--device", "--precision", "--compile", "--threads", "--deterministic"):
        assert f"`{flag}" in COMPUTE, flag


def test_page_on_logs_has_every_log() -> None:
    assert all(name in LOG for name in LOGS)


@pytest.mark.slow
def test_examples_run_one_after_the_other(dlkit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_LIMIT", "300")  # quicker
    pytest.importorskip("tensorboard")
    for line in (*commands(COMPUTE), *commands(LOG)):
        result = dlkit(*shlex.split(line)[1:])
        assert result.code == 0, f"{line}: {result.stderr}"


@pytest.mark.parametrize("words", re.findall(r"^\$ dlkit (.*)$", COMPUTE, flags=re.MULTILINE))
def test_errors_shown_are_those_printed(dlkit: Callable[..., Any], words: str) -> None:
    shown = COMPUTE.split(f"$ dlkit {words}\n")[1].split("```")[0]

    assert dlkit(*shlex.split(words)).stderr == shown


def test_lines_shown_have_the_keys_of_lines_written(dlkit: Callable[..., Any], home: Path) -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```", LOG, flags=re.MULTILINE | re.DOTALL)
    words = ["--epochs", "1", "--limit", "100", "--log", "jsonl", "--no-plot", "--out", "run"]
    assert dlkit("train", "mlp", *words).code == 0
    written = [json.loads(line) for line in (home / "run" / "log.jsonl").read_text().splitlines()]

    for shown in map(json.loads, block.splitlines()):
        first = next(line for line in written if line["kind"] == shown["kind"])
        assert list(first) == list(shown)
