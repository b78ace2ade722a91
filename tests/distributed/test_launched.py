"""--devices on the CPU, as a user types it: streams, exit codes, signals and killed processes."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_lock import last_process

pytestmark = pytest.mark.slow

TWO = ("--device", "cpu", "--devices", "2", "--threads", "1", "--no-plot")
LONG = ("train", "mlp", "--epochs", "100000", "--limit", "200", *TWO)
DEAD_WITHIN = 30.0
KILLS = int(os.environ.get("DLKIT_TEST_RANK_KILLS", "3"))


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dlkit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """Return the processes that one has started, by the list that Linux keeps."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(number) for task in tasks for number in task.read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def ranks_of(pid: int) -> list[int]:
    """Return the processes that train, known by their environment: what is forked for something else has none of it."""
    return [child for child in children(pid) if "-m dlkit train" in command_of(child) and has_rank(child)]


def has_rank(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"\0RANK=" in Path(f"/proc/{pid}/environ").read_bytes()
    return False


def step_of(run: Path) -> int:
    return int(load_checkpoint(run / "last.safetensors").metadata["progress"]["position"]["step"])


def is_gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_stdout_is_one_line_and_errors_leave_no_trace(home: Path) -> None:
    with started("train", "mlp", "--epochs", "1", *TWO, "--out", "run") as process:
        out, err = process.communicate(timeout=200)

    assert (process.returncode, out) == (0, "run/best.safetensors\n"), err
    assert "(2 x 32)" in err.splitlines()[0]
    assert "2 processes" in err.splitlines()[0]
    assert err.count("epoch 1/1") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--data", "missing.csv", "--target", "y"), 3, "missing.csv"),
        (("--batch-size", "1"), 2, "--batch-size 1"),
        (("--lr", "1e9", "--loss", "mse", "--epochs", "3"), 5, "diverged"),
        (("--device", "auto", "--devices", "64"), 7, "64"),
    ],
)
def test_an_error_is_told_once_with_the_code_of_one_process(
    home: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    with started("train", "mlp", *TWO, "--out", "run", *words) as process:
        out, err = process.communicate(timeout=200)

    assert (process.returncode, out) == (code, ""), err
    assert [line for line in err.splitlines() if line.startswith("error:") and told in line], err
    assert err.count("error:") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_resumes(home: Path, number: int, code: int) -> None:
    with started(*LONG, "--out", "run") as process:
        wait_for(home / "run" / "history.csv", process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (code, ""), err
    assert err.count("interrupted:") == 1
    assert "Traceback" not in err
    done = step_of(home / "run")
    with started("train", "--resume", "run", "--epochs", "1", *TWO[:4]) as process:
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert step_of(home / "run") == done


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_processes_have_started_ends_them(home: Path, number: int, code: int) -> None:
    with started(*LONG, "--out", "run") as process:
        end = time.monotonic() + 120
        while not (ranks := ranks_of(process.pid)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (code, "", "")
    assert all(is_gone(pid, 5.0) for pid in ranks)


def test_killed_processes_end_the_others_and_the_run_resumes(home: Path) -> None:
    draw = random.Random(0)
    words = [*LONG, "--out", "run"]
    steps = 0
    for _ in range(KILLS):
        with started(*words) as process:
            run = home / "run"
            if steps == 0:
                wait_for(run / "history.csv", process)
            end = time.monotonic() + 120
            while len(ranks := ranks_of(process.pid)) < 2 or step_of(run) <= steps:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.1)
            time.sleep(draw.uniform(0, 1.5))
            victim = draw.choice([*ranks, process.pid])
            os.kill(victim, signal.SIGKILL)
            for pid in (*ranks, process.pid):
                assert is_gone(pid, DEAD_WITHIN), command_of(pid)
            _, err = process.communicate(timeout=10)
        if victim != process.pid:
            assert process.returncode == 1
            assert err.count("error:") == 1, err
            assert "SIGKILL" in err
        assert "Traceback" not in err
        last = last_process(run / "run.lock")
        assert last is not None
        assert last.state != "running"
        steps = step_of(run)
        words = ["train", "--resume", "run", *TWO[:4]]
