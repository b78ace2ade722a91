"""Processes that wait for others name those that have not come."""

from datetime import timedelta

import pytest
from ranks import free_port

from dlkit.distributed.join import join
from dlkit.distributed.membership import Membership
from dlkit.errors import DlkitError


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> str:
    port = str(free_port())
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", port)
    for name, seconds in (("_PATIENCE", 0.0), ("_LOOK", 0.05), ("_MEETING", 0.3)):
        monkeypatch.setattr(f"dlkit.distributed.join.{name}", timedelta(seconds=seconds))
    return f"127.0.0.1:{port}"


def test_the_first_names_those_that_have_not_come(address: str) -> None:
    notes: list[str] = []
    joined = join(Membership(rank=0, size=8), notes.append)
    for rank in (2, 5):
        joined.store.set(f"dlkit/rank-{rank}", "")

    with pytest.raises(DlkitError, match=f"rank 1, 3, 4, 6 and 1 more of 8 at {address}") as caught:
        joined.meet(notes.append)

    assert "MASTER_PORT" in caught.value.hint
    assert len(notes) == 1
    assert "rank 1, 3, 4, 6" in notes[0]


def test_the_others_name_the_first(address: str) -> None:
    notes: list[str] = []

    with pytest.raises(DlkitError, match=f"rank 0 of 2 at {address}"):
        join(Membership(rank=1, size=2), notes.append)

    assert len(notes) == 1
    assert f"rank 0 of 2 at {address}" in notes[0]
