import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlkit.errors import DivergedError, DlkitError, InterruptedRun
from dlkit.files.run_dir import RunDir
from dlkit.files.run_lock import hold_lock, last_process, shared_by_network

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs {0} tmpfs rw 0 0
server:/export {0}/nfs nfs4 rw,vers=4.2 0 0
//server/share {0}/a\\040share cifs rw 0 0
server:/home {0}/nfs/home nfs rw 0 0
/dev/vdb {0}/nfs/scratch xfs rw 0 0
me@server: {0}/ssh fuse.sshfs rw 0 0
half a line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("run", ""),
        ("nfs/runs/mlp-001", "nfs4"),
        ("nfs/scratch/x", ""),
        ("nfsx/run", ""),
        ("a share/run", "cifs"),
        ("ssh/run", "fuse.sshfs"),
        ("link/run", "nfs4"),
    ],
)
def test_kind_of_a_network_file_system_is_named(tmp_path: Path, path: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "nfs")
    assert shared_by_network(tmp_path / path, mounts) == kind


def test_kind_is_unknown_when_the_system_does_not_list_what_is_mounted(tmp_path: Path) -> None:
    assert shared_by_network(tmp_path, tmp_path / "missing") == ""


def test_run_on_a_network_file_system_is_warned_about(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(tmp_path))
    assert RunDir(tmp_path / "run").shared(mounts) == []
    (warning,) = RunDir(tmp_path / "nfs").shared(mounts)
    assert (f"{tmp_path}/nfs " in warning, "(nfs4)" in warning) == (True, True)


def test_nothing_stays_open_when_the_lock_is_refused(tmp_path: Path) -> None:
    with hold_lock(tmp_path / "run.lock"):
        before = len(list(Path("/dev/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(
                DlkitError, match=rf"is locked: process {os.getpid()} on .* since 20"
            ) as caught:
                hold_lock(tmp_path / "run.lock").__enter__()
            assert caught.value.exit_code == 1
        assert len(list(Path("/dev/fd").iterdir())) == before
    with hold_lock(tmp_path / "run.lock"):
        pass


HOLD = "import sys, time; from pathlib import Path; from dlkit.files.run_lock import hold_lock\n"


def test_killed_holder_releases_the_lock(tmp_path: Path) -> None:
    script = f"{HOLD}with hold_lock(Path('run.lock')): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DlkitError, match=f"is locked: process {holder.pid} on "):
            hold_lock(tmp_path / "run.lock").__enter__()
        holder.kill()
        holder.wait()
    with hold_lock(tmp_path / "run.lock"):
        assert f"process {os.getpid()} on " in (tmp_path / "run.lock").read_text()


def test_lock_stays_held_when_a_forked_child_ends(tmp_path: Path) -> None:
    script = f"""{HOLD}import os
with hold_lock(Path("run.lock")):
    if os.fork() == 0:
        sys.exit()
    os.wait()
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DlkitError, match="is locked"):
            hold_lock(tmp_path / "run.lock").__enter__()


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSYS, "has no locks"), (errno.ENOLCK, "has no locks"), (errno.EIO, "may be failing")],
    ids=errno.errorcode.get,
)
def test_file_system_without_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DlkitError, match=f"cannot lock {tmp_path}/run.lock") as caught:
        hold_lock(tmp_path / "run.lock").__enter__()
    assert (caught.value.exit_code, hint in caught.value.hint) == (1, True)


def test_place_that_cannot_be_locked_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DlkitError, match=f"cannot lock {tmp_path}/file/run.lock: ") as caught:
        hold_lock(tmp_path / "file" / "run.lock").__enter__()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "done"),
        (InterruptedRun(2, "stopped"), "stopped"),
        (DivergedError("diverged"), "diverged"),
        (DlkitError("the disk is full"), "failed"),
        (SystemExit(), "failed"),
    ],
)
def test_how_a_process_ended_is_known_afterwards(
    error: BaseException | None, state: str, tmp_path: Path
) -> None:
    lock = tmp_path / "run.lock"

    with contextlib.suppress(BaseException), hold_lock(lock):
        during = last_process(lock)
        if error is not None:
            raise error

    assert during is not None
    assert during.state == "running"
    after = last_process(lock)
    assert after is not None
    assert (after.holder, after.state) == (during.holder, state)


def test_a_process_that_ended_without_a_word_has_vanished(tmp_path: Path) -> None:
    script = f"{HOLD}import os\nwith hold_lock(Path('run.lock')): os._exit(0)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)

    last = last_process(tmp_path / "run.lock")

    assert last is not None
    assert last.state == "vanished"


@pytest.mark.parametrize("text", ["", "something else", None])
def test_nothing_is_known_of_other_files(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "run.lock").write_text(text)

    assert last_process(tmp_path / "run.lock") is None
