import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from failing_disk import Died, FailingOps, RecordingOps, states_after_power_cut

from dlkit.errors import DlkitError
from dlkit.files.atomic import (
    FileOps,
    append_line,
    make_folder,
    new_file,
    probe_folder,
    sweep_temporaries,
    write_file,
)

OLD, NEW = b"old content", b"the new content, longer"
OPERATIONS_OF_A_SAVE = 9
ERRNOS = [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EINTR, errno.EDQUOT]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_file_is_written_whole_when_nothing_fails(tmp_path: Path) -> None:
    write_file(tmp_path / "a.bin", NEW)
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert names_in(tmp_path) == {"a.bin"}


def test_empty_file_is_written_when_there_are_no_bytes(tmp_path: Path) -> None:
    write_file(tmp_path / "a.bin", b"")
    assert (tmp_path / "a.bin").read_bytes() == b""


def test_bytes_are_on_the_disk_before_the_name_changes(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    ops = RecordingOps()
    write_file(path, NEW, keep_previous=previous, ops=ops)
    assert ops.operations == [
        "open",
        "write_at",
        "fsync",
        "link",
        "rename",
        "unlink",
        "rename",
        "fsync_folder",
        "unlink",
    ]
    renamed = [names[1] for operation, *names in ops.log if operation == "rename"]
    assert renamed == ["last.prev", "last"]
    assert (path.read_bytes(), previous.read_bytes()) == (NEW, OLD)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_system_calls_come_in_this_order_when_a_file_is_written(tmp_path: Path) -> None:
    script = "from dlkit.files.atomic import write_file; from pathlib import Path; write_file(Path('a.bin'), b'x' * 9)"
    calls = "openat,write,pwrite64,fsync,rename,renameat,renameat2,unlink,unlinkat"
    traced = subprocess.run(
        ["strace", "-f", "-e", f"trace={calls}", sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr and "not permitted" in traced.stderr:
        pytest.skip("this machine does not let a process be traced")
    lines = traced.stderr.splitlines()
    first = next(index for index, line in enumerate(lines) if ".dlkit-tmp-" in line and "O_CREAT" in line)
    order = [line.split("(")[0].split()[-1].replace("renameat2", "rename") for line in lines[first:]]
    assert order[:6] == ["openat", "pwrite64", "fsync", "rename", "openat", "fsync"]


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_old_file_or_new_file_stands_when_an_operation_fails(
    tmp_path: Path, number: int, for_ever: bool, late: bool
) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    for fail_at in range(1, 50):
        path.write_bytes(OLD)
        ops = FailingOps(fail_at, lambda: OSError(number, os.strerror(number)), for_ever=for_ever, late=late)
        told = DlkitError(str(path), "nothing failed")
        try:
            write_file(path, NEW, keep_previous=previous, ops=ops)
        except DlkitError as err:
            told = err
        assert str(path) in told.message
        assert told.hint
        assert path.read_bytes() in (OLD, NEW)
        assert not previous.exists() or previous.read_bytes() == OLD
        sweep_temporaries(tmp_path)
        assert names_in(tmp_path) <= {"last", "last.prev"}
        if not ops.failed:
            break
    assert fail_at == OPERATIONS_OF_A_SAVE + 1
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_old_file_or_new_file_stands_when_the_process_dies(tmp_path: Path, late: bool) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    for fail_at in range(1, 50):
        path.write_bytes(OLD)
        ops = FailingOps(fail_at, Died, for_ever=True, late=late)
        try:
            write_file(path, NEW, keep_previous=previous, ops=ops)
        except Died:
            assert path.read_bytes() in (OLD, NEW)
            assert not previous.exists() or previous.read_bytes() == OLD
        sweep_temporaries(tmp_path)
        assert names_in(tmp_path) <= {"last", "last.prev"}
        if not ops.failed:
            break
    assert fail_at == OPERATIONS_OF_A_SAVE + 1


def test_old_file_or_new_file_stands_when_a_real_process_is_gone(tmp_path: Path) -> None:
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from failing_disk import FailingOps
from dlkit.files.atomic import write_file
for fail_at in range(1, 12):
    if os.fork() == 0:
        Path("last").write_bytes(b"old")
        write_file(Path("last"), b"newer", ops=FailingOps(fail_at, lambda: os._exit(7)))
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
    assert len(gone) == 6
    assert all(text in ("old", "newer") for _, text, _ in found)
    assert found[-1][:2] == ["0", "newer"]
    assert any(int(left) for _, _, left in gone), "a killed write leaves its temporary file"
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == {"last"}


def test_old_file_or_new_file_stands_after_a_power_cut_at_any_instant(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    previous.write_bytes(b"older")
    ops = RecordingOps()
    write_file(path, NEW, keep_previous=previous, ops=ops)
    states = list(states_after_power_cut(ops, {"last": OLD, "last.prev": b"older"}))
    assert len(states) > 9
    assert {state["last"] for state in states} == {OLD, NEW}
    assert {state["last.prev"] for state in states} == {OLD, b"older"}


def test_power_cut_would_be_noticed_when_the_bytes_were_not_synced(tmp_path: Path) -> None:
    class Hasty(RecordingOps):
        def fsync(self, descriptor: int) -> None:
            pass

    path = tmp_path / "last"
    path.write_bytes(OLD)
    ops = Hasty()
    write_file(path, NEW, ops=ops)
    found = {state["last"] for state in states_after_power_cut(ops, {"last": OLD})}
    assert bytes(len(NEW)) in found


def test_what_reads_back_is_given_piece_by_piece(tmp_path: Path) -> None:
    data = os.urandom(2 * 2**18 + 5)
    with new_file(tmp_path / "a.bin", len(data)) as file:
        file.write(data, 3)
        file.write(b"abc", 0)
        pieces = [bytes(piece) for piece in file.read_back(data, 3)]
    assert [len(piece) for piece in pieces] == [2**18, 2**18, 5]
    assert b"".join(pieces) == data
    assert (tmp_path / "a.bin").read_bytes() == b"abc" + data


@pytest.mark.parametrize("read", [NEW[::-1], NEW[:9], b""], ids=["other", "short", "nothing"])
def test_read_back_that_differs_keeps_the_old_file(tmp_path: Path, read: bytes) -> None:
    class Forgetful(FileOps):
        def read_at(self, descriptor: int, buffer: memoryview, position: int) -> int:
            assert descriptor
            buffer[: len(read) - position] = read[position:]
            return len(read) - position

    path = tmp_path / "a.safetensors"
    path.write_bytes(OLD)
    with pytest.raises(DlkitError) as caught:
        write_and_read_back(path, Forgetful())
    assert caught.value.message == f"cannot write {path}: it reads back otherwise than it was written"
    assert caught.value.exit_code == 1
    assert "may be failing" in caught.value.hint
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == {path.name}


def test_read_back_goes_on_when_the_system_gives_a_byte_at_a_time(tmp_path: Path) -> None:
    class Slow(FileOps):
        def read_at(self, descriptor: int, buffer: memoryview, position: int) -> int:
            return super().read_at(descriptor, buffer[:1], position)

    write_and_read_back(tmp_path / "a.bin", Slow())
    assert (tmp_path / "a.bin").read_bytes() == NEW


def write_and_read_back(path: Path, ops: FileOps, fail: bool = False) -> None:
    with new_file(path, len(NEW), ops=ops) as file:
        file.write(NEW, 0)
        list(file.read_back(NEW, 0))
        if fail:
            raise KeyError


def test_exception_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(OLD)
    with pytest.raises(KeyError):
        write_and_read_back(path, FileOps(), fail=True)
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == {path.name}


def test_previous_file_is_copied_when_the_file_system_has_no_links(tmp_path: Path) -> None:
    class NoLinks(FileOps):
        def link(self, source: Path, target: Path) -> None:
            raise OSError(errno.EOPNOTSUPP, f"{source} and {target} cannot be one file")

    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    write_file(path, NEW, keep_previous=previous, ops=NoLinks())
    assert (path.read_bytes(), previous.read_bytes()) == (NEW, OLD)
    assert names_in(tmp_path) == {"last", "last.prev"}


def test_previous_file_may_be_the_same_file_when_a_kill_came_between(tmp_path: Path) -> None:
    path, previous = tmp_path / "last", tmp_path / "last.prev"
    path.write_bytes(OLD)
    os.link(path, previous)
    write_file(path, NEW, keep_previous=previous)
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
        ("missing/a.bin", "cannot write missing/a.bin: no such file or directory"),
        ("folder", "cannot write folder: is a directory"),
        ("file/a.bin", "cannot write file/a.bin: not a directory"),
        ("n" * 300, f"cannot write {'n' * 300}: file name too long"),
    ],
    ids=["missing-folder", "a-folder", "below-a-file", "endless-name"],
)
def test_reason_is_told_when_the_path_cannot_be_written(home: Path, path: str, says: str) -> None:
    (home / "folder").mkdir()
    (home / "file").write_bytes(b"")
    with pytest.raises(DlkitError) as caught:
        write_file(Path(path), NEW)
    assert (caught.value.message, caught.value.hint) == (says, "check the path")
    assert not list(home.glob(".dlkit-tmp-*"))


def test_needed_bytes_are_told_when_the_disk_is_full(tmp_path: Path) -> None:
    ops = FailingOps(2, lambda: OSError(errno.ENOSPC, "no space left on device"))
    with pytest.raises(DlkitError) as caught:
        write_file(tmp_path / "a.bin", bytes(12345), ops=ops)
    assert caught.value.message == f"disk full: cannot write {tmp_path}/a.bin (12,345 bytes needed)"
    assert "free some space" in caught.value.hint


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
        ops = FailingOps(fail_at, lambda: OSError(number, os.strerror(number)), late=late)
        if fail_at > 3:
            append_line(path, "2\n", ops=ops)
            break
        with pytest.raises(DlkitError) as caught:
            append_line(path, "2\n", ops=ops)
        assert f"cannot append to {path}" in caught.value.message
        assert path.read_text() == "epoch\n1\n"
    assert path.read_text() == "epoch\n1\n2\n"


def test_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    probe_folder(tmp_path)
    assert names_in(tmp_path) == set()


def test_probe_tells_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises(DlkitError) as caught:
        probe_folder(tmp_path / "missing")
    assert caught.value.message == f"cannot write into {tmp_path}/missing: no such file or directory"
    assert caught.value.hint == "check the path"


def test_sweep_removes_temporary_files_only(tmp_path: Path) -> None:
    (tmp_path / ".dlkit-tmp-1-abc").write_bytes(OLD)
    (tmp_path / ".dlkit-tmp-folder").mkdir()
    (tmp_path / "mine.tmp").write_bytes(OLD)
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == {".dlkit-tmp-folder", "mine.tmp"}


def test_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_reason_is_told_when_a_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DlkitError) as caught:
        make_folder(tmp_path / "file" / "below")
    assert caught.value.message == f"cannot make the folder {tmp_path}/file/below: not a directory"
    assert caught.value.hint == "check the path"
