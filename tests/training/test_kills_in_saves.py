"""A run killed before, within and after every single operation on its files is resumed to the same bits."""

import subprocess
import sys
from pathlib import Path

import pytest
from runs import configure, drive, essence

from dlkit.training.run import start_run

WORK = """
import json, os, signal, sys
from pathlib import Path

sys.path[:0] = sys.argv[1:3]
import filelock, torch
import dlkit.data.builtin.digits, dlkit.data.stored
from failing_disk import FailingDisk
from runs import configure, resume

from dlkit.files import atomic
from dlkit.training.run import start_run

torch.set_num_threads(1)


def train(folder, disk):
    atomic.disk = disk
    resumed = (folder / "last.safetensors").exists() or (folder / "last.prev.safetensors").exists()
    config = configure(epochs=2, limit=40, save_every="4", keep=1)
    for _ in resume(folder) if resumed else start_run(config, folder, force=True):
        pass


def in_child(folder, disk):
    child = os.fork()
    if child == 0:
        try:
            train(folder, disk)
        except BaseException as err:
            print(f"{type(err).__name__}: {err}", file=sys.stderr, flush=True)
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


late, start = sys.argv[3] == "late", Path(sys.argv[4])
for fail_at in range(1, 400):
    folder = start / f"{fail_at:03d}"
    folder.mkdir()
    killed = in_child(folder, FailingDisk(fail_at, die, late=late))
    resumed = 0 if killed == 0 else in_child(folder, atomic.disk)
    print(json.dumps([killed, resumed]), flush=True)
    if killed == 0:
        break
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["within", "late"])
def test_kill_at_every_operation_of_a_run_loses_nothing(when: str, tmp_path: Path) -> None:
    drive(start_run(configure(epochs=2, limit=40, save_every="4", keep=1), tmp_path / "whole"))
    expected = essence(tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    here = Path(__file__).parent

    done = subprocess.run(
        [sys.executable, "-c", WORK, here, here.parent, when, tmp_path / "killed"],
        capture_output=True,
        text=True,
        check=True,
    )

    codes = [line.strip("[]").split(", ") for line in done.stdout.splitlines()]
    assert len(codes) > 40
    assert [killed for killed, _ in codes] == ["-9"] * (len(codes) - 1) + ["0"], done.stderr
    assert {resumed for _, resumed in codes} == {"0"}, done.stderr
    for folder in sorted((tmp_path / "killed").iterdir()):
        assert essence(folder) == expected, folder.name
        assert not list(folder.glob(".dlkit-tmp-*")), folder.name
