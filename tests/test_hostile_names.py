import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from crafted import flip

from dlkit.files.header import read_header
from dlkit.files.tensor_file import read_tensors, write_tensors

HOSTILE_NAMES = {
    "escape": "\x1b]0;title\x07\x1b[31mred",
    "c1": "\x9b31mred",
    "markup": "[red]bold[/red]",
    "unbalanced": "[/]",
    "path": "../../../../tmp/dlkit-was-here",
    "absolute": "/tmp/dlkit-was-here",
    "direction": "safe\u202eevil",
    "isolate": "\u2066abc\u2069",
    "newline": "a\nerror: all is lost\rb",
    "nul": "a\0b",
    "megabyte": "n" * 1_000_000,
    "line-separator": "a\u2028b",
}


def unsafe(text: str) -> list[str]:
    return [character for character in text if character != "\n" and not character.isprintable()]


@pytest.fixture
def with_tensor(run_copy: Path) -> Callable[..., Path]:
    """A checkpoint with valid checksums and one more tensor under each name."""

    def make(*names: str) -> Path:
        tensors, metadata = read_tensors(run_copy / "best.safetensors")
        kept = {key: metadata[key] for key in ("config", "description", "progress", "versions")}
        path = run_copy.parent / "named.safetensors"
        write_tensors(path, {**tensors, **dict.fromkeys(names, torch.ones(3))}, kept)
        return path

    return make


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_name_of_a_tensor_does_nothing_to_the_terminal(
    with_tensor: Callable[..., Path], dlkit: Callable[..., Any], name: str
) -> None:
    path = with_tensor(name)
    result = dlkit("eval", path.name)
    assert (result.code, result.stdout) == (4, "")
    assert not unsafe(result.stderr)
    assert len(result.stderr) < 1000
    assert f"extra {name[:20]}" in result.stderr or unsafe(name) or "\n" in name
    assert result.stderr.count("\n") == len(["error", "hint"])
    assert not Path("/tmp/dlkit-was-here").exists()


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_name_of_a_damaged_tensor_does_nothing_to_the_terminal(
    with_tensor: Callable[..., Path], dlkit: Callable[..., Any], name: str
) -> None:
    path = with_tensor(name)
    flip(path, 8 * read_header(path).tensors[name].begin)
    result = dlkit("eval", path.name)
    assert (result.code, result.stdout) == (4, "")
    assert "does not match its checksum" in result.stderr
    assert not unsafe(result.stderr)
    assert len(result.stderr) < 500


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
@pytest.mark.parametrize("json_wanted", [False, True], ids=["table", "json"])
def test_inspect_show_prints_no_hostile_name_raw(
    with_tensor: Callable[..., Path], dlkit: Callable[..., Any], name: str, json_wanted: bool
) -> None:
    path = with_tensor(name)
    result = dlkit("inspect", "show", path.name, *(["--json"] if json_wanted else []))
    assert result.code == 0
    assert not [character for character in unsafe(result.stdout) if character != "\t"]
    if json_wanted:
        assert json.loads(result.stdout)


def test_name_of_a_network_does_nothing_to_the_terminal(run_copy: Path, dlkit: Callable[..., Any]) -> None:
    tensors, metadata = read_tensors(run_copy / "best.safetensors")
    for name in HOSTILE_NAMES.values():
        kept = {key: metadata[key] for key in ("description", "progress", "versions")}
        write_tensors(
            Path("x.safetensors"), tensors, {**kept, "config": {**metadata["config"], "model": name}}
        )
        result = dlkit("eval", "x.safetensors")
        assert (result.code, result.stdout) == (4, "")
        assert not unsafe(result.stderr)
        assert len(result.stderr) < 1000


@pytest.mark.parametrize(
    "words", [("eval",), ("inspect", "show"), ("train", "--resume"), ("plot",)], ids="-".join
)
@pytest.mark.parametrize("name", ["\x1b[31mred.csv", "\u202ecsv.evil", "a\x9b1mb", "[red]x.csv"])
def test_name_of_a_file_does_nothing_to_the_terminal(
    home: Path, dlkit: Callable[..., Any], words: tuple[str, ...], name: str
) -> None:
    for content in (None, b"no,history\n1,2\n"):
        if content is not None:
            (home / name).write_bytes(content)
        result = dlkit(*words, name)
        assert result.code in (3, 4)
        assert not unsafe(result.stderr)
        assert name in result.stderr or unsafe(name)


def test_cells_of_a_table_do_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from dlkit.cli import console

    console.print_table(["class\x1b"], [[name] for name in HOSTILE_NAMES.values()])
    console.print_pairs({"class": "\x1b[31mred"})
    assert not [sign for sign in unsafe(capsys.readouterr().out) if sign != "\t"]


def test_terminal_shows_no_hostile_name_raw(with_tensor: Callable[..., Path]) -> None:
    path = with_tensor(*HOSTILE_NAMES.values())
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "dlkit", "inspect", "show", path.name]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=path.parent, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # raised at the end of a terminal
            while data := os.read(ours, 65536):
                shown += data
    os.close(ours)
    assert process.returncode == 0
    text = re.sub("\x1b\\[[0-9;]*m", "", shown.decode())
    assert not [sign for sign in unsafe(text) if sign != "\r"]
