from pathlib import Path

import numpy as np
import pytest

from dlkit.data.spatial.neighbor_lists import kept_lists
from dlkit.data.spatial.neighbors import Points

POINTS = Points(np.random.default_rng(0).random((40, 2)))


def lists(home: Path, points: Points = POINTS, reach: float = 0.3) -> tuple[np.ndarray, list[str]]:
    notes: list[str] = []
    own = np.arange(len(points))
    found = kept_lists("points", points, POINTS, own, reach=reach, window=np.inf, note=notes.append)
    return found.numpy(), notes


def kept(home: Path) -> list[Path]:
    return sorted((home.parent / "home" / "prepared" / "neighbors").iterdir())


def test_lists_are_written_once_and_read_back(home: Path) -> None:
    first, _ = lists(home)
    (file,) = kept(home)
    written = file.stat().st_mtime_ns

    again, notes = lists(home)

    assert np.array_equal(first, again)
    assert file.stat().st_mtime_ns == written
    assert not notes


def test_lists_are_as_wide_as_the_longest(home: Path) -> None:
    found, _ = lists(home)

    assert (found[:, -1] >= 0).any()


def test_other_points_and_other_settings_have_files_of_their_own(home: Path) -> None:
    lists(home)
    lists(home, reach=0.2)
    lists(home, Points(POINTS.places[::-1]))

    assert len(kept(home)) == 3


def test_a_damaged_file_is_made_anew(home: Path) -> None:
    first, _ = lists(home)
    (file,) = kept(home)
    file.write_bytes(file.read_bytes()[:-9])

    again, notes = lists(home)

    assert np.array_equal(first, again)
    assert not notes
    assert len(file.read_bytes()) > 100


def test_a_folder_that_takes_no_file_is_told_and_does_not_matter(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("DLKIT_HOME", str(home / "file"))

    found, notes = lists(home)

    assert found.shape[0] == 40
    assert len(notes) == 1
    assert notes[0].startswith("the neighbour lists are not stored and will be computed again next time: ")
