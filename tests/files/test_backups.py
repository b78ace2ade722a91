from pathlib import Path

import pytest

from dlkit.errors import DlkitError
from dlkit.files.backups import back_up, backups


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


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


@pytest.mark.parametrize(
    "name", ["history.csv.bak-", "history.csv.bak-0", "history.csv.bak-1x", "history.csv.bake"]
)
def test_files_of_other_names_are_neither_counted_nor_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    back_up(tmp_path / "history.csv", b"a")
    assert names(tmp_path) == sorted([name, "history.csv.bak"])
    assert (tmp_path / name).read_bytes() == b"mine"


def test_folder_of_the_name_of_a_backup_is_stepped_over(tmp_path: Path) -> None:
    (tmp_path / "history.csv.bak").mkdir()
    back_up(tmp_path / "history.csv", b"a")
    assert (tmp_path / "history.csv.bak-2").read_bytes() == b"a"


def test_backup_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(DlkitError) as caught:
        back_up(tmp_path / "missing" / "history.csv", b"a")
    assert (
        caught.value.message == f"cannot write {tmp_path}/missing/history.csv.bak: no such file or directory"
    )
