"""Data are prepared by one process at a time."""

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from dlkit.data import preparing
from dlkit.data.preparing import one_at_a_time, watched


def test_who_waits_for_another_process_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_SECONDS_TOLD", 0.05)
    other, told = FileLock(tmp_path / "data.lock", thread_local=False), list[str]()

    def tell(name: str, done: int, total: int) -> None:
        told.append(f"{name}: {done} of {total}")
        if len(told) == 2:
            threading.Thread(target=other.release).start()

    other.acquire()
    with watched(tell), one_at_a_time(tmp_path / "data.bin"):
        assert not other.is_locked

    assert set(told) == {"the data, in another process: 0 of 1"}
    before = len(told)
    with watched(tell), one_at_a_time(tmp_path / "data.bin"):
        assert len(told) == before >= 2
