import os
from pathlib import Path

import pytest

from dlkit.errors import DlkitError
from dlkit.files.run_dir import RunDir
from dlkit.files.run_lock import shared_by_network, take_lock

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
        ("nfs", "nfs4"),
        ("nfs/runs/mlp-001", "nfs4"),
        ("nfs/home/x", "nfs"),
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
    assert RunDir(tmp_path / "nfs").shared(mounts) == [
        f"{tmp_path}/nfs is on a network file system (nfs4), where the lock may not be seen by other machines: "
        "train in it on one machine at a time"
    ]


def test_nothing_stays_open_when_the_lock_is_refused(tmp_path: Path) -> None:
    descriptor = take_lock(tmp_path / "run.lock")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(DlkitError, match="is locked: process"):
            take_lock(tmp_path / "run.lock")
    assert len(list(Path("/dev/fd").iterdir())) == before
    os.close(descriptor)
    os.close(take_lock(tmp_path / "run.lock"))
