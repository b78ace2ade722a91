"""Processes of --jobs that are killed are replaced, but not for ever."""

import subprocess
import sys
from pathlib import Path

import pytest

from dlkit.cli.search import jobs
from dlkit.cli.search.jobs import Jobs
from dlkit.errors import DlkitError


class Killed(Jobs):
    """Workers that are killed before they take a trial, as by a system that is short of memory; the last one is not."""

    starts: int = 0
    lives: int = 10**6

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        code = "pass" if self.starts > self.lives else "import os; os.kill(os.getpid(), 9)"
        return subprocess.Popen([sys.executable, "-S", "-c", code])


def test_workers_that_are_killed_at_once_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jobs, "_SECONDS_BETWEEN_LOOKS", 0.01)
    workers = Killed(count=1, sweep=tmp_path, named=[])

    with pytest.raises(DlkitError) as caught:
        workers.run(lambda: False)
    assert "SIGKILL" in caught.value.message
    assert "--jobs" in caught.value.hint
    assert workers.starts == 9
    assert capsys.readouterr().err.count("SIGKILL") == 8


def test_trials_that_end_meanwhile_count_for_a_new_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jobs, "_SECONDS_BETWEEN_LOOKS", 0.01)
    workers = Killed(count=1, sweep=tmp_path, named=[])
    workers.lives = 20
    workers.run(lambda: True)

    assert workers.starts == 21
    assert capsys.readouterr().err.count("SIGKILL") == 20
