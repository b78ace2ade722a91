"""The page on file formats is held to what is written."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crafted import flip

from dlkit.files.digest import verify
from dlkit.files.header import read_header
from dlkit.files.history import PROBE_COLUMNS
from dlkit.files.run_dir import RunDir

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "file-formats.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """Return what stands in code font in the first column of the tables of a text."""
    return [
        name
        for line in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
        for name in re.findall("`(.*?)`", line)
    ]


def test_every_file_of_a_run_is_on_the_page(trained_run: Path) -> None:
    named = first_cells(section("The run folder"))
    assert {file.name for file in trained_run.iterdir()} <= set(named)
    run = RunDir(trained_run.parent / "all")
    run.path.mkdir()
    for name in named:
        (run.path / name).touch()
    assert {file.name for file in run.files()} | {"run.lock"} == set(named)


def test_every_column_is_on_the_page(trained_run: Path) -> None:
    with (trained_run / "history.csv").open(newline="") as file:
        monitored = {"train_NAME", "val_NAME"}
        assert [name for name in first_cells(section("history.csv")) if name not in monitored] == next(
            csv.reader(file)
        )
    assert first_cells(section("probes.csv").partition("| signals")[0]) == list(PROBE_COLUMNS)


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_every_key_of_the_metadata_is_on_the_page(trained_run: Path, name: str) -> None:
    said = verify(trained_run / name).keys() | {"sha256", "memory_format"}
    assert set(first_cells(section("Metadata"))) == said


def test_extra_tensors_are_on_the_page(trained_run: Path) -> None:
    groups = {
        name.split(".")[1]
        for name in read_header(trained_run / "last.safetensors").tensors
        if name[:6] == "dlkit."
    }
    described = {name.split(".")[1] for name in first_cells(section("Checkpoints"))}
    assert groups <= described
    assert not [
        name for name in read_header(trained_run / "best.safetensors").tensors if name[:6] == "dlkit."
    ]


def test_program_on_the_page_finds_damaged_files(run_copy: Path) -> None:
    (program,) = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "sha256" in block
    ]
    assert program.count("\n") < 20

    def check(path: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
        )

    for name in ("best", "last", "last.prev"):
        assert check(run_copy / f"{name}.safetensors").stdout == "whole\n"
    path = run_copy / "best.safetensors"
    flip(path, 8 * read_header(path).tensors["output.weight"].begin)
    assert "AssertionError: output.weight" in check(path).stderr


def test_messages_on_the_page_are_those_printed(run_copy: Path, dlkit: Callable[..., Any]) -> None:
    path = run_copy / "best.safetensors"
    whole = path.read_bytes()
    flip(path, 8 * read_header(path).tensors["output.weight"].begin)
    found = re.search(r"tensor output.weight .*", dlkit("eval", "run").stderr)
    assert found[0] in PAGE
    path.write_bytes(whole[:300])
    assert "truncated at byte 300 of " in PAGE
    assert "truncated at byte 300 of " in dlkit("eval", "run").stderr
