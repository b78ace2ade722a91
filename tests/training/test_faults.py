"""A run over a disk that fails at any one operation: a run can always be resumed from what is left.

Call after call fails, one in each run, until none does, each with the next kind of failure; the default tests take
every fifth. `DLKIT_TEST_FAULTS=all` meets every call with every kind, which takes half an hour.
"""

import contextlib
import errno
import functools
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from failing_disk import Died, FailingDisk, using
from runs import configure, drive, essence

from dlkit.data.builtin import digits
from dlkit.errors import DlkitError
from dlkit.files.atomic import Disk
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.digest import verify
from dlkit.files.header import read_header
from dlkit.files.run_dir import RunDir
from dlkit.settings.resolve import resolve
from dlkit.training.resume import resume_run
from dlkit.training.run import TrainRun, start_run

STEPS = 3
SETTINGS = {"limit": 30, "batch_size": 10, "epochs": 2, "optimizer": "adam"}
NUMBERS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR, errno.EROFS)
Failure = tuple[Callable[[], BaseException], bool, bool]


class Hasty(Disk):
    """Does not wait for the disk, which nobody pulls the plug of here."""

    def sync(self, path: Path) -> None:
        pass


def failures() -> list[Failure]:
    """Every failure: what is raised, whether for ever, whether after the operation took effect."""

    def system_error(number: int) -> Callable[[], BaseException]:
        return lambda: OSError(number, os.strerror(number))

    raised = itertools.product(map(system_error, NUMBERS), (False, True), (False, True))
    return [*raised, (Died, True, False), (Died, True, True)]


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(digits, "_read_table", TABLE)
    with using(Hasty()):
        yield


TABLE = functools.cache(digits._read_table)


def start(folder: Path, **settings: Any) -> TrainRun:
    return start_run(configure({"hidden": "3"}, **{**SETTINGS, **settings}), folder)


def resume(folder: Path, **typed: Any) -> TrainRun:
    run_dir = RunDir(folder)
    found = next(file for file in (run_dir.last, run_dir.last_prev) if file.exists() and is_whole(file))
    return resume_run(resolve(typed, {}, asdict(load_checkpoint(found).config)), run_dir)


def is_whole(path: Path) -> bool:
    try:
        verify(path)
    except DlkitError:
        return False
    return True


def nothing(folder: Path) -> None:
    """A new run, in a folder that is not there yet."""


def stopped(folder: Path) -> None:
    """A run that was stopped in the middle of its second epoch."""
    drive(start(folder), STEPS + 1)


def damaged(folder: Path) -> None:
    """One whose newest checkpoint is damaged, and one that was set aside before is still there."""
    stopped(folder)
    last = RunDir(folder).last
    shutil.copy(last, RunDir(folder).last_corrupt)
    place = next(iter(read_header(last).tensors.values())).begin
    with last.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff")


def cut_twice(folder: Path) -> None:
    """One that was killed before `last` was saved, after rows had been cut off already."""
    stopped(folder)
    for path in (RunDir(folder).history, RunDir(folder).probes):
        path.with_name(f"{path.name}.bak").write_text("older")
    saved = RunDir(folder).last.read_bytes()
    drive(resume(folder))
    RunDir(folder).last.write_bytes(saved)


def pruned(folder: Path) -> None:
    """One that keeps the newest of its numbered checkpoints."""
    drive(start(folder, save_every="1", keep=1), STEPS + 1)


def ended_early(folder: Path) -> None:
    """One that ended within an epoch, which was its best so far."""
    drive(start(folder, max_steps=STEPS + 1))


SCENES: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "new": (nothing, {}),
    "resumed": (stopped, {}),
    "fallback": (damaged, {}),
    "rows-cut": (cut_twice, {}),
    "pruning": (pruned, {}),
    "best-put-back": (ended_early, {"max_steps": 100}),
}


def attempts(
    folder: Path, scene: str, every: int, *, all_kinds: bool
) -> Iterator[tuple[DlkitError | None, FailingDisk]]:
    """Run a scene with one operation after the other failing; yield the error, and the disk."""
    prepare, typed = SCENES[scene]
    template = folder.with_name("template")
    prepare(template)
    kinds = failures()
    number = 1
    while True:
        for failure, for_ever, late in kinds if all_kinds else [kinds[(5 * number) % len(kinds)]]:
            shutil.rmtree(folder, ignore_errors=True)
            if template.exists():
                shutil.copytree(template, folder)
            with using(FailingDisk(number, failure, for_ever=for_ever, late=late, base=Hasty())) as disk:
                error = run_into_it(folder, typed)
            yield error, disk
        if not disk.failed:
            return
        number += every


def run_into_it(folder: Path, typed: dict[str, Any]) -> DlkitError | None:
    with contextlib.suppress(Died):
        try:
            drive(start(folder) if not folder.exists() else resume(folder, **typed))
        except DlkitError as err:
            return err
    return None


def check(folder: Path, scene: str, every: int, *, all_kinds: bool) -> int:
    """Hold every state that is left to what is promised; return the number of runs."""
    whole = folder.with_name("whole")
    settings = {"save_every": "1", "keep": 1} if scene == "pruning" else {}
    drive(start(whole, **settings))
    expected = essence(whole, settings=False)
    count = 0
    for error, disk in attempts(folder, scene, every, all_kinds=all_kinds):
        count += 1
        assert error is None or (error.exit_code == 1 and error.hint), (disk.count, error)
        run_dir = RunDir(folder)
        checkpoints = [file for file in (run_dir.last, run_dir.last_prev) if file.exists()]
        assert any(map(is_whole, checkpoints)) or (scene == "new" and not checkpoints), (disk.count, error)
        for other in (run_dir.best, run_dir.best_prev, *run_dir.all_numbered()):
            assert not other.exists() or is_whole(other), (disk.count, error)
        if checkpoints:
            drive(resume(folder, **SCENES[scene][1]))
        else:
            drive(start_run(configure({"hidden": "3"}, **SETTINGS), folder, force=True))
        assert essence(folder, settings=False) == expected, (disk.count, error)
        assert [file.name for file in run_dir.all_numbered()] == [
            file.name for file in RunDir(whole).all_numbered()
        ]
        assert not list(folder.glob(".dlkit-tmp-*"))
    return count


@pytest.mark.parametrize("scene", ["resumed", "fallback"])
@pytest.mark.quick(1)
def test_a_run_resumes_from_what_a_failing_disk_left(scene: str, tmp_path: Path) -> None:
    assert check(tmp_path / "run", scene, every=5, all_kinds=False) > 6


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_run_resumes_whatever_operation_failed(scene: str, tmp_path: Path) -> None:
    everything = os.environ.get("DLKIT_TEST_FAULTS") == "all"
    assert check(tmp_path / "run", scene, every=1, all_kinds=everything) > 20
