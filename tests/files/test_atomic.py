import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from failing_disk import Died, FailingDisk, RecordingDisk, states_after_power_cut, using
from refusals import assert_reports

from dlkit.errors import DlkitError
from dlkit.files import atomic
from dlkit.files.atomic import (
    Disk,
    append_line,
    back_up,
    backups,
    make_folder,
    new_file,
    probe_folder,
    sweep_temporaries,
    write_file,
)

OLD, NEW = b"old content", b"the new content, longer"
OPERATIONS_OF_A_SAVE = 8
ERRNOS = [errno.EIO, errno.ENOSPC, errno.EACCES]


def replace(path: Path, data: bytes, previous: Path) -> None:
    """Write a file and keep what stood there, as checkpoints do."""
    with atomic.new_file(path, len(data), keep_previous=previous) as new:
        atomic.disk.write(new, data)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_bytes_are_on_the_disk_before_the_name_changes(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    with using(RecordingDisk()) as disk:
        replace(path, NEW, previous)
    assert disk.operations == [
        "make_folder", "write", "sync", "link", "rename", "rename", "sync_folder", "remove_folder"
    ]  # fmt: skip
    renamed = [names[1] for operation, *names in disk.log if operation == "rename"]
    assert renamed == ["last.prev", "last"]
    assert (path.read_bytes(), previous.read_bytes()) == (NEW, OLD)


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_old_file_or_new_file_stands_when_an_operation_fails(
    tmp_path: Path, number: int, for_ever: bool, late: bool
) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    for fail_at in range(1, 50):
        path.write_bytes(OLD)
        disk = FailingDisk(
            fail_at, lambda: OSError(number, os.strerror(number)), for_ever=for_ever, late=late
        )
        error = DlkitError(str(path), "nothing failed")
        try:
            with using(disk):
                replace(path, NEW, previous)
        except DlkitError as err:
            error = err
        assert str(path) in error.message
        assert error.hint
        assert path.read_bytes() in (OLD, NEW)
        assert not previous.exists() or previous.read_bytes() == OLD
        sweep_temporaries(tmp_path)
        assert names_in(tmp_path) <= {"last", "last.prev"}
        if not disk.failed:
            break
    assert fail_at == OPERATIONS_OF_A_SAVE + 1
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_old_file_or_new_file_stands_when_the_process_dies(tmp_path: Path, late: bool) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    for fail_at in range(1, 50):
        path.write_bytes(OLD)
        disk = FailingDisk(fail_at, Died, for_ever=True, late=late)
        try:
            with using(disk):
                replace(path, NEW, previous)
        except Died:
            assert path.read_bytes() in (OLD, NEW)
            assert not previous.exists() or previous.read_bytes() == OLD
        sweep_temporaries(tmp_path)
        assert names_in(tmp_path) <= {"last", "last.prev"}
        if not disk.failed:
            break
    assert fail_at == OPERATIONS_OF_A_SAVE + 1


def test_old_file_or_new_file_stands_when_a_real_process_is_gone(tmp_path: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from failing_disk import FailingDisk
from dlkit.files import atomic
for fail_at in range(1, 12):
    if os.fork() == 0:
        Path("last").write_bytes(b"old")
        atomic.disk = FailingDisk(fail_at, lambda: os._exit(7))
        atomic.write_file(Path("last"), b"newer")
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    print(code, Path("last").read_text(), len(list(Path().glob(".dlkit-tmp-*"))))
"""
    tests = Path(__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-c", script, tests], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [line.split() for line in result.stdout.splitlines()]
    gone = [line for line in found if line[0] == "7"]
    assert len(gone) == 6  # of a save that keeps no previous file
    assert all(text in ("old", "newer") for _, text, _ in found)
    assert found[-1][:2] == ["0", "newer"]
    assert any(int(left) for _, _, left in gone), "a killed write leaves its temporary file"
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == {"last"}


def test_old_file_or_new_file_stands_after_a_power_cut_at_any_instant(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    previous.write_bytes(b"older")
    with using(RecordingDisk()) as disk:
        replace(path, NEW, previous)
    states = list(states_after_power_cut(disk, {"last": OLD, "last.prev": b"older"}))
    assert len(states) > 9
    assert {state["last"] for state in states} == {OLD, NEW}
    assert {state["last.prev"] for state in states} == {OLD, b"older"}


def test_power_cut_would_be_noticed_when_the_bytes_were_not_synced(tmp_path: Path) -> None:
    class Hasty(RecordingDisk):
        def sync(self, path: Path) -> None:
            if path.is_dir():
                super().sync(path)

    path = tmp_path / "last"
    path.write_bytes(OLD)
    with using(Hasty()) as disk:
        write_file(path, NEW)
    found = {state["last"] for state in states_after_power_cut(disk, {"last": OLD})}
    assert bytes(len(NEW)) in found


def test_previous_file_is_copied_when_the_file_system_has_no_links(tmp_path: Path) -> None:
    class NoLinks(Disk):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EOPNOTSUPP, f"{source} and {target} cannot be one file")

    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    with using(NoLinks()):
        replace(path, NEW, previous)
    assert (path.read_bytes(), previous.read_bytes()) == (NEW, OLD)
    assert names_in(tmp_path) == {"last", "last.prev"}


def test_previous_file_may_be_the_same_file_when_a_kill_came_between(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    os.link(path, previous)
    replace(path, NEW, previous)
    assert (path.read_bytes(), previous.read_bytes()) == (NEW, OLD)
    assert names_in(tmp_path) == {"last", "last.prev"}


def test_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_file(tmp_path / "a.bin", NEW)
    assert (tmp_path / "a.bin").read_bytes() == NEW


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], ids=oct)
def test_permission_bits_obey_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_file(tmp_path / "a.bin", NEW)
        append_line(tmp_path / "b.csv", "a\n")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("missing/a.bin", "no such file or directory"),
        ("folder", "is a directory"),
    ],
    ids=["missing-folder", "a-folder"],
)
def test_reason_is_reported_when_the_path_cannot_be_written(home: Path, path: str, says: str) -> None:
    (home / "folder").mkdir()
    with pytest.raises(DlkitError) as caught:
        write_file(Path(path), NEW)
    assert_reports(caught.value, f" {path}", says, "check the path")
    assert not list(home.glob(".dlkit-tmp-*"))


def test_needed_bytes_are_reported_when_the_disk_is_full(tmp_path: Path) -> None:
    class Full(Disk):
        def write(self, path: Path, data: bytes) -> None:
            raise OSError(errno.ENOSPC, f"no room for {len(data)} bytes at {path}")

        def free_bytes(self, folder: Path) -> int:
            return 345 if folder == tmp_path else 0

    with using(Full()), pytest.raises(DlkitError) as caught:
        write_file(tmp_path / "a.bin", bytes(12345))
    assert_reports(caught.value, "disk full", f"{tmp_path}/a.bin", "12,345 bytes", "12,000 missing")
    assert caught.value.hint


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    for line in ("a,b\n", "1,2\n", "é,4\n"):
        append_line(tmp_path / "a.csv", line)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "a,b\n1,2\né,4\n"


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_no_half_line_stays_when_appending_fails(tmp_path: Path, number: int, late: bool) -> None:
    path = tmp_path / "history.csv"
    for fail_at in range(1, 10):
        path.write_text("epoch\n1\n")
        disk = FailingDisk(fail_at, lambda: OSError(number, os.strerror(number)), late=late)
        if fail_at > 2:
            append_line(path, "2\n")
            break
        with using(disk), pytest.raises(DlkitError) as caught:
            append_line(path, "2\n")
        assert str(path) in caught.value.message
        assert path.read_text() == "epoch\n1\n"
    assert path.read_text() == "epoch\n1\n2\n"


def test_probe_refuses_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises(DlkitError) as caught:
        probe_folder(tmp_path / "missing")
    assert_reports(caught.value, f"{tmp_path}/missing", "no such file or directory", "check the path")


def test_sweep_removes_what_unfinished_writes_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".dlkit-tmp-1-abc").write_bytes(OLD)
    (tmp_path / ".dlkit-tmp-2-def").mkdir()
    (tmp_path / ".dlkit-tmp-2-def" / "new").write_bytes(OLD)
    (tmp_path / "mine.tmp").write_bytes(OLD)
    sweep_temporaries(tmp_path, 1)
    assert names_in(tmp_path) == {".dlkit-tmp-2-def", "mine.tmp"}
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == {"mine.tmp"}


def test_reason_is_reported_when_a_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DlkitError) as caught:
        make_folder(tmp_path / "file" / "below")
    assert_reports(caught.value, f"{tmp_path}/file/below", "not a directory", "check the path")


def test_each_backup_has_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for number in range(12):
        back_up(path, b"%d" % number)
    kept = backups(path)
    assert [file.name for file in kept[:3]] == ["history.csv.bak", "history.csv.bak-2", "history.csv.bak-3"]
    assert [file.read_bytes() for file in kept] == [b"%d" % number for number in range(12)]


def test_what_is_kept_already_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for data in (b"a", b"a", b"b", b"b", b"a"):
        back_up(path, data)
    assert [file.read_bytes() for file in backups(path)] == [b"a", b"b", b"a"]


@pytest.mark.parametrize("name", ["history.csv.bak-", "history.csv.bak-0", "history.csv.bake"])
def test_files_of_other_names_are_neither_counted_nor_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    back_up(tmp_path / "history.csv", b"a")
    assert names_in(tmp_path) == {name, "history.csv.bak"}
    assert (tmp_path / name).read_bytes() == b"mine"


def test_folder_of_the_name_of_a_backup_is_stepped_over(tmp_path: Path) -> None:
    (tmp_path / "history.csv.bak").mkdir()
    back_up(tmp_path / "history.csv", b"a")
    assert (tmp_path / "history.csv.bak-2").read_bytes() == b"a"


def test_backup_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DlkitError) as caught:
        back_up(tmp_path / "missing" / "history.csv", b"a")
    assert_reports(caught.value, f"{tmp_path}/missing/history.csv.bak", "no such file or directory")


def test_exception_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    with pytest.raises(ZeroDivisionError), new_file(path, len(NEW)) as new:
        new.write_bytes(bytes(1 // 0))
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == {path.name}
