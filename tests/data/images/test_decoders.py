"""Processes that decode pictures: answers in order, deaths and silence told, no one left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from images_made import make_folder, noise, save

from dlkit.data.images.decode_worker import do_task
from dlkit.data.images.decoders import Decoders, chunks_of, pick_workers
from dlkit.data.images.image_file import Frame
from dlkit.errors import DlkitError

FRAME = Frame(3, 10, 12, deep=False)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    root = make_folder(tmp_path / "p", each=10)
    (root / "red" / "003.png").write_text("<html>")
    return sorted(map(str, root.rglob("*.png")))


@pytest.fixture
def two() -> Iterator[Decoders]:
    with Decoders(2, timeout=30) as decoders:
        yield decoders


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_processes_answer_as_this_one_does(files: list[str], two: Decoders) -> None:
    chunks = list(chunks_of(Path("/"), [name[1:] for name in files], 3))

    for frame in (None, FRAME):
        here, there = (list(decoders.run(chunks, frame)) for decoders in (Decoders(0), two))
        assert here == there
        assert [text for answer in there for _, text in answer.faults] == ["is HTML or XML, not a picture"]
    assert len(b"".join(answer.pixels for answer in there)) == len(files) * 3 * 10 * 12
    assert len(two.process_ids) == 2


def test_tasks_are_collected_in_any_order_and_dropped(files: list[str], two: Decoders) -> None:
    tickets = [two.submit([name], FRAME) for name in files]
    for ticket in tickets[::2]:
        two.drop(ticket)

    answers = [two.collect(ticket).pixels for ticket in tickets[:0:-2]]

    expected = [bytes(do_task({"ticket": 0, "files": [name], "frame": FRAME})[1]) for name in files[:0:-2]]
    assert answers == expected


def test_processes_end_with_their_decoders(files: list[str]) -> None:
    decoders = Decoders(2)
    decoders.collect(decoders.submit(files[:1]))
    processes = decoders.process_ids
    assert all(map(alive, processes))

    decoders.close()

    assert not any(map(alive, processes))
    assert decoders.process_ids == []


def test_a_process_that_dies_is_told_with_its_files(files: list[str], two: Decoders) -> None:
    two.collect(two.submit(files[:1]))
    first, second = two.process_ids
    for process in (first, second):
        os.kill(process, signal.SIGKILL)

    with pytest.raises(DlkitError) as caught:
        list(two.run([files[:4], files[4:]], FRAME))

    assert caught.value.message.startswith("a process that decodes pictures died (killed by SIGKILL), at ")
    assert files[0] in caught.value.message or files[4] in caught.value.message
    assert "or one of the " in caught.value.message
    assert caught.value.hint == "where memory ran out, fewer of them help: --num-workers 1"
    assert caught.value.exit_code == 1
    assert not alive(first)
    assert not alive(second)


def test_a_process_that_hangs_is_ended(files: list[str]) -> None:
    decoders = Decoders(1, timeout=0.2)
    ticket = decoders.submit(files[:1])
    (process,) = decoders.process_ids
    os.kill(process, signal.SIGSTOP)

    with pytest.raises(DlkitError) as caught:
        decoders.collect(ticket)

    assert caught.value.message == (
        f"a process that decodes pictures has not answered for 0.2 s, at {files[0]}; it was ended"
    )
    assert "--num-workers 0" in caught.value.hint
    assert not alive(process)


def test_what_fails_in_a_process_is_told(files: list[str], two: Decoders) -> None:
    with pytest.raises(DlkitError, match="a process that decodes pictures failed: TypeError: "):
        two.collect(two.submit(files[:1], Frame(3, 10, "x", deep=False)))  # type: ignore[arg-type]


def test_a_process_that_cannot_start_says_why(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with Decoders(1) as decoders, pytest.raises(DlkitError, match="died \\(exit code 1\\)"):
        decoders.collect(decoders.submit(files[:1]))


@pytest.mark.slow
@pytest.mark.parametrize("end", [lambda p: p.kill(), lambda p: p.terminate()], ids=["kill", "terminate"])
def test_no_process_outlives_the_one_that_asked(
    tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    path = save(tmp_path / "a.png", noise(8, 8))
    script = (
        "import json, sys, time\nfrom dlkit.data.images.decoders import Decoders\nd = Decoders(2)\n"
        f"d.collect(d.submit([{str(path)!r}]))\nprint(json.dumps(d.process_ids), flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    processes = json.loads(parent.stdout.readline())
    assert all(map(alive, processes))

    end(parent)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 10
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, processes))


def test_a_process_that_decodes_loads_no_torch() -> None:
    script = "import sys, dlkit.data.images.decode_worker; sys.exit('torch' in sys.modules or 'typer' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_lists_of_files_fit_through_a_pipe() -> None:
    names = [f"{'n' * 200}{index}" for index in range(100)]

    chunks = list(chunks_of(Path("/top"), names, 64))

    assert [name for chunk in chunks for name in chunk] == [f"/top/{name}" for name in names]
    assert max(len(json.dumps(chunk)) for chunk in chunks) < 33_000
    assert len(next(chunks_of(Path("/r"), [str(index) for index in range(100)], 64))) == 64
    assert list(chunks_of(Path("/r"), [], 64)) == []


def test_pixels_with_sixteen_bits_come_as_floats(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.full((4, 4), 4095, dtype=np.uint16))

    said, pixels = do_task({"ticket": 3, "files": [str(path)], "frame": [1, 4, 4, True]})

    assert said == {"ticket": 3, "faults": [], "measures": []}
    assert np.frombuffer(pixels, np.float32).tolist() == [4095.0] * 16


def test_workers_are_as_many_as_asked_or_one_a_core() -> None:
    assert pick_workers("3") == 3
    assert 1 <= pick_workers() <= 16
