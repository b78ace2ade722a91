"""Broken, closed and unusual streams: the run itself is unaffected."""

import ast
import locale
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fork_server import Child, ForkServer
from refusals import assert_reports, faults

from dlkit.cli import console
from dlkit.errors import StdoutError
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir

RUN = ("train", "mlp", "--limit", "40", "--epochs", "2", "--no-plot", "--device", "cpu", "--out", "run")
SOURCES = sorted((Path(console.__file__).parent.parent).rglob("*.py"))


def trained(folder: Path) -> None:
    assert len(read_history(RunDir(folder / "run").history)) == 2


@pytest.fixture
def train(forks: ForkServer, home: Path) -> Callable[..., Child]:
    return lambda **options: forks.start(home, *RUN, **options)


@pytest.mark.slow
@pytest.mark.parametrize("stderr", ["/dev/full", ""], ids=["full", "as-ever"])
def test_training_continues_when_its_log_is_on_a_full_disk(
    stderr: str, train: Callable[..., Child], home: Path
) -> None:
    child = train(stderr=stderr)
    assert child.wait() == 0
    assert child.stdout() == "run/best.safetensors\n"
    trained(home)


@pytest.mark.slow
def test_result_that_cannot_be_written_is_an_error(train: Callable[..., Child], home: Path) -> None:
    child = train(stdout="/dev/full")
    assert child.wait() == 1
    ((message, hint),) = faults(child.stderr())
    assert "stdout" in message
    assert hint
    trained(home)


ODD = {
    "one-column": {"COLUMNS": "1"},
    "dumb": {"TERM": "dumb"},
    "far-east": {"TZ": "Pacific/Kiritimati"},
}


@pytest.mark.slow
@pytest.mark.parametrize("variables", ODD.values(), ids=ODD)
def test_lines_do_not_depend_on_the_terminal(
    variables: dict[str, str], train: Callable[..., Child], home: Path
) -> None:
    child = train(**variables)
    assert child.wait() == 0
    assert child.stdout() == "run/best.safetensors\n"
    plan, *lines, best = child.stderr().splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert plan.startswith("mlp (9,610 parameters) on digits (40 train, 162 val, 180 test), sgd at lr 0.01")
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert best.startswith("best epoch ")
    trained(home)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| head -n 0"])
def test_closed_streams_are_not_an_error(closed: str, run_copy: Path) -> None:
    line = f'"{sys.executable}" -m dlkit inspect show run {closed}'
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr + result.stdout
    assert ("file\trun/best.safetensors" in result.stdout) == (closed in ("2>&-", "<&-"))


def test_result_with_letters_that_stdout_does_not_have_is_escaped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        console.print_line("rün/best")
    assert (tmp_path / "out").read_bytes() == b"r\\xfcn/best\n"


def test_result_on_a_full_disk_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w", buffering=1) as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(StdoutError) as caught:
            console.print_line("run/best")
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
    assert caught.value.exit_code == 1
    assert_reports(caught.value, "disk full", "stdout")
    assert caught.value.hint


GERMAN = ("de_DE.UTF-8", "de_DE.utf8", "de_DE")


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A locale that writes numbers with a comma; made here where the machine has none."""
    before = locale.setlocale(locale.LC_ALL)
    made = tmp_path / GERMAN[0]
    for name in GERMAN:
        try:
            if name == made.name and shutil.which("localedef"):
                subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", made], check=False)
                monkeypatch.setenv("LOCPATH", str(tmp_path))
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            monkeypatch.delenv("LOCPATH", raising=False)
            continue
        assert locale.localeconv()["decimal_point"] == ","
        locale.setlocale(locale.LC_ALL, before)
        return name
    pytest.skip("this machine has no German locale")


@pytest.mark.slow
def test_numbers_have_points_in_a_locale_with_commas(
    german: str, home: Path, dlkit: Callable[..., Any]
) -> None:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, german)
        assert dlkit(*RUN).code == 0
    finally:
        locale.setlocale(locale.LC_ALL, before)
    trained(home)
    assert "lr = 0.01\n" in RunDir(home / "run").config.read_text()


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(home: Path) -> None:
    if shutil.which("faketime") is None:
        pytest.skip("faketime is not installed")
    command = ["faketime", "-f", "+0 x-1000", sys.executable, "-m", "dlkit", *RUN]
    subprocess.run(command, check=True, capture_output=True)
    seconds = read_history(RunDir(home / "run").history).columns["seconds"]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0


@pytest.mark.slow
def test_durations_are_measured_by_a_monotonic_clock() -> None:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("time", "time"), ("datetime", "now")}, source
