"""A run over a disk that fails at any one operation: what is left can always be gone on from.

Operation after operation fails, one in each run, until none does; here every third one, each with the next kind of
failure. `DLKIT_TEST_FAULTS=all` meets every operation with every kind, which takes half an hour.
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
from failing_disk import Died, FailingOps
from runs import configure, drive, essence

from dlkit.data.builtin import digits
from dlkit.errors import DlkitError
from dlkit.files.atomic import FileOps
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.header import read_header
from dlkit.files.run_dir import RunDir
from dlkit.files.seal import verify
from dlkit.settings.resolve import resolve
from dlkit.training.resume import resume_run
from dlkit.training.run import TrainRun, start_run

STEPS = 3
SETTINGS = {"limit": 30, "batch_size": 10, "epochs": 2, "optimizer": "adam"}
NUMBERS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR, errno.EROFS)
Failure = tuple[Callable[[], BaseException], bool, bool]


class Hasty(FileOps):
    """Does not wait for the disk, which nobody pulls the plug of here."""

    def fsync(self, descriptor: int) -> None:
        pass

    def fsync_folder(self, folder: Path) -> None:
        pass


def failures() -> list[Failure]:
    """Every failure: what is raised, whether for ever, whether after the operation took effect."""

    def system_error(number: int) -> Callable[[], BaseException]:
        return lambda: OSError(number, os.strerror(number))

    raised = itertools.product(map(system_error, NUMBERS), (False, True), (False, True))
    return [*raised, (Died, True, False), (Died, True, True)]


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "_read_table", TABLE)


TABLE = functools.cache(digits._read_table)


def start(folder: Path, ops: FileOps, **settings: Any) -> TrainRun:
    return start_run(configure({"hidden": "3"}, **{**SETTINGS, **settings}), folder, ops=ops)


def go_on(folder: Path, ops: FileOps, **typed: Any) -> TrainRun:
    run_dir = RunDir(folder, ops=ops)
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
    drive(start(folder, Hasty()), STEPS + 1)


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
    drive(go_on(folder, Hasty()))
    RunDir(folder).last.write_bytes(saved)


def pruned(folder: Path) -> None:
    """One that keeps the newest of its numbered checkpoints."""
    drive(start(folder, Hasty(), save_every="1", keep=1), STEPS + 1)


def ended_early(folder: Path) -> None:
    """One that ended within an epoch, which was its best so far."""
    drive(start(folder, Hasty(), max_steps=STEPS + 1))


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
) -> Iterator[tuple[DlkitError | None, FailingOps]]:
    """Run a scene with one operation after the other failing; yield what was told, and the operations."""
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
            ops = FailingOps(number, failure, for_ever=for_ever, late=late, base=Hasty())
            yield run_into_it(folder, ops, typed), ops
        if not ops.failed:
            return
        number += every


def run_into_it(folder: Path, ops: FailingOps, typed: dict[str, Any]) -> DlkitError | None:
    with contextlib.suppress(Died):
        try:
            drive(start(folder, ops) if not folder.exists() else go_on(folder, ops, **typed))
        except DlkitError as err:
            return err
    return None


def check(folder: Path, scene: str, every: int, *, all_kinds: bool) -> int:
    """Hold every state that is left to what is promised; give the number of runs."""
    whole = folder.with_name("whole")
    settings = {"save_every": "1", "keep": 1} if scene == "pruning" else {}
    drive(start(whole, Hasty(), **settings))
    expected = essence(whole, settings=False)
    count = 0
    for told, ops in attempts(folder, scene, every, all_kinds=all_kinds):
        count += 1
        assert told is None or (told.exit_code == 1 and told.hint), (ops.count, told)
        run_dir = RunDir(folder)
        checkpoints = [file for file in (run_dir.last, run_dir.last_prev) if file.exists()]
        assert any(map(is_whole, checkpoints)) or (scene == "new" and not checkpoints), (ops.count, told)
        for other in (run_dir.best, run_dir.best_prev, *run_dir.all_numbered()):
            assert not other.exists() or is_whole(other), (ops.count, told)
        if checkpoints:
            drive(go_on(folder, Hasty(), **SCENES[scene][1]))
        else:
            drive(start_run(configure({"hidden": "3"}, **SETTINGS), folder, force=True, ops=Hasty()))
        assert essence(folder, settings=False) == expected, (ops.count, told)
        assert [file.name for file in run_dir.all_numbered()] == [
            file.name for file in RunDir(whole).all_numbered()
        ]
        assert not list(folder.glob(".dlkit-tmp-*"))
    return count


@pytest.mark.parametrize("scene", ["resumed", "fallback"])
def test_a_run_goes_on_from_what_a_failing_disk_left(scene: str, tmp_path: Path) -> None:
    assert check(tmp_path / "run", scene, every=13, all_kinds=False) > 6


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_a_run_goes_on_whatever_operation_failed(scene: str, tmp_path: Path) -> None:
    everything = os.environ.get("DLKIT_TEST_FAULTS") == "all"
    assert check(tmp_path / "run", scene, every=1 if everything else 3, all_kinds=everything) > 20
