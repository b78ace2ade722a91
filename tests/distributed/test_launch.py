"""Which devices --devices takes, and the exit code of several processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dlkit.cli.train.devices import _leave_report, open_shared
from dlkit.distributed.join import leave_number
from dlkit.distributed.launch import Ranks, _code_of, pick_devices
from dlkit.distributed.membership import FOLDER, LOST, Membership
from dlkit.errors import ConfigError, DataError, DlkitError, MissingError
from dlkit.files.run_dir import RunDir
from dlkit.settings.texts import parse_devices


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


@pytest.mark.parametrize(("text", "devices"), [("4", 4), ("0,2", (0, 2)), ("1, 1", (1, 1)), ("all", None)])
def test_devices_are_parsed(text: str, devices: object) -> None:
    assert parse_devices(text) == devices


@pytest.mark.parametrize("text", ["", "0", "-1", "2.5", "a", "0,", ",", "cuda:0,cuda:1", "99999"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--devices"):
        parse_devices(text)


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [(1, [0]), (3, [0, 1, 2]), ((3, 1), [3, 1]), ((2, 2), [2, 2]), (None, [0, 1, 2, 3])],
)
def test_devices_that_there_are_are_taken(wanted: int | tuple[int, ...] | None, numbers: list[int]) -> None:
    for device in ("auto", "cuda"):
        assert pick_devices(wanted, device) == numbers


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize("wanted", [5, (0, 4)])
def test_more_devices_than_there_are_are_refused(wanted: int | tuple[int, ...]) -> None:
    with pytest.raises(MissingError, match="4 CUDA devices"):
        pick_devices(wanted, "auto")


def test_processes_on_the_cpu_are_counted() -> None:
    assert pick_devices(2, "cpu") == [0, 1]
    for wanted in (None, (0, 1)):
        with pytest.raises(ConfigError, match="--devices"):
            pick_devices(wanted, "cpu")


def test_a_device_named_twice_over_is_refused() -> None:
    with pytest.raises(ConfigError, match="--device cuda:1"):
        pick_devices(2, "cuda:1")


def test_several_metal_devices_are_refused() -> None:
    with pytest.raises(ConfigError, match="mps"):
        pick_devices(2, "mps")


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ({1: 3}, 3),
        ({0: LOST, 1: 5}, 5),
        ({0: 130, 1: LOST}, 130),
        ({0: 7, 1: 7}, 7),
        ({0: 3, 1: -signal.SIGTERM}, 3),
    ],
)
def test_the_code_is_that_of_the_process_that_reports(codes: dict[int, int], code: int) -> None:
    assert _code_of(codes) == code


def test_a_killed_process_is_named() -> None:
    with pytest.raises(DlkitError, match=r"rank 1 .*SIGKILL.*memory"):
        _code_of({0: LOST, 1: -signal.SIGKILL})
    with pytest.raises(DlkitError, match="without an error message"):
        _code_of({0: LOST})


class _Told:
    """Other processes, of which the first has opened a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def broadcast(self, _: object) -> RunDir:
        return RunDir(self._path)


def test_a_run_folder_that_this_machine_does_not_see_is_refused(tmp_path: Path) -> None:
    assert open_shared(_Told(tmp_path), None).path == tmp_path  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="elsewhere") as caught:
        open_shared(_Told(tmp_path / "elsewhere"), None)  # type: ignore[arg-type]
    assert "file system" in caught.value.hint


class _Ended:
    """Other processes, whose agent sends this one SIGTERM while it finds out who reports an error."""

    membership = Membership(rank=1, size=2, has_agent=True)

    def may_report(self, *, lost: bool) -> bool:
        assert not lost
        os.kill(os.getpid(), signal.SIGTERM)
        return True


@pytest.fixture
def terminated() -> Iterator[list[int]]:
    """Signals that came to this process."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


def test_the_agent_does_not_end_the_process_that_reports(terminated: list[int]) -> None:
    _leave_report(_Ended(), DataError("x"))  # type: ignore[arg-type]

    assert terminated == []


def test_a_signal_reaches_a_process_that_has_not_started_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminated: list[int]
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    place = Membership(rank=1, size=2, launched=True)

    leave_number(place)
    assert terminated == []
    Ranks(tmp_path).send(signal.SIGTERM)
    assert terminated == [signal.SIGTERM]
    (tmp_path / "1").unlink()
    Ranks(tmp_path).stop(signal.SIGTERM)
    leave_number(place)
    assert terminated == [signal.SIGTERM] * 2
