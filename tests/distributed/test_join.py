"""Processes that wait for others name those that have not come."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
from ranks import free_port

from dlkit.distributed.join import join
from dlkit.distributed.membership import Membership
from dlkit.errors import ConfigError, DlkitError


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


@contextmanager
def another_program(words: bytes | None) -> Iterator[int]:
    """Listen as a program that is none of ours: it says some words to each that connects, or nothing ever."""
    connections = []

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connections.append(server.accept()[0])
            except OSError:
                return
            if words is not None:
                connections[-1].sendall(words)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in connections:
        connection.detach()  # a thread of torch still waits for it, and would print that it has gone


@pytest.mark.parametrize("words", [None, b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["silent", "speaks"])
@pytest.mark.quick(1)
def test_another_program_at_the_port_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: bytes | None
) -> None:
    monkeypatch.setattr("dlkit.distributed.join._ANSWER", timedelta(seconds=1))
    with another_program(words) as port:
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*in use") as caught:
            join(Membership(rank=1, size=2), print)

    assert "MASTER_PORT" in caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("doing", "fine"),
    [("dlkit train --resume run", False), ("", True), ("dlkit train", True)],
    ids=["other", "nothing", "same"],
)
def test_a_process_that_does_something_else_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch, doing: str, fine: bool
) -> None:
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: None)
    joined = join(Membership(rank=0, size=2), print)
    joined.store.set("dlkit/rank-1", f"node1\n{doing}")

    if fine:
        joined.meet(print, "dlkit train")
        return
    with pytest.raises(ConfigError, match=r"rank 1 on node1 .*--resume run, rank 0: dlkit train$"):
        joined.meet(print, "dlkit train")


@pytest.mark.slow
def test_an_address_that_is_not_that_of_the_first_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MASTER_ADDR", "nowhere.invalid")
    monkeypatch.setattr("dlkit.distributed.join._ANSWER", timedelta(seconds=1))

    with pytest.raises(ConfigError, match=r"MASTER_ADDR=nowhere\.invalid") as caught:
        join(Membership(rank=0, size=2), print)

    assert socket.gethostname() in caught.value.hint
    assert capfd.readouterr() == ("", "")
