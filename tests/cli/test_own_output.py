"""What code of the user's own writes to stdout, in whatever way, is not in the result."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import in_shell

from dlkit.cli import console, streams

WAYS = {
    "print": "print('noise')",
    "pprint": "pprint.pprint('noise')",
    "helper": "noisy.shout()",
    "write": "sys.stdout.write('noise\\n')",
    "old": "before.write('noise\\n')",
    "original": "sys.__stdout__.write('noise\\n')",
    "bytes": "sys.stdout.buffer.write(b'noise\\n')",
    "descriptor": "os.write(1, b'noise\\n')",
    "child": "subprocess.run(['echo', 'noise'], check=True)",
    "shell": "os.system('echo noise')",
    "fork": "fork()",
    "thread": "thread()",
    "c": "libc.puts(b'noise'), libc.fflush(None)",
    "log": "log.warning('noise')",
}
NET = """
import ctypes, logging, os, pprint, subprocess, sys, threading
from sys import stdout as before
import noisy
from torch import nn

print("noise")
libc = ctypes.CDLL(None)
log = logging.getLogger(__name__)
log.addHandler(logging.StreamHandler(sys.stdout))
said = []


def fork():
    pid = os.fork()
    if pid == 0:
        os.write(1, b"noise\\n")
        os._exit(0)
    os.waitpid(pid, 0)


def thread():
    other = threading.Thread(target=print, args=("noise",))
    other.start()
    other.join()


class Net(nn.Module):
    def __init__(self, in_features: int, num_classes: int):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, num_classes))

    def forward(self, inputs):
        if not said:
            said.append(True)
            SPEAK
        return self.layers(inputs)
"""
TRAIN = ("train", "net.py:Net", "--data", "digits", "--limit", "20", "--epochs", "1", "--device", "cpu")


def write_net(folder: Path, way: str) -> None:
    (folder / "net.py").write_text(NET.replace("SPEAK", way))
    (folder / "noisy.py").write_text("def shout():\n    print('noise')\n")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.quick(4)
def test_output_of_own_code_goes_to_stderr(way: str, dlkit: Callable[..., Any], home: Path) -> None:
    write_net(home, way)

    result = dlkit(*TRAIN, "--no-plot", "--out", "run", "--force")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert result.stderr.count("noise\n") + result.stderr.count("noise'\n") == 2


@pytest.mark.slow
def test_result_of_a_process_is_clean_to_its_end(home: Path) -> None:
    ways = "; ".join(f"_ = {way}" for way in WAYS.values())
    write_net(
        home,
        f"{ways}; import atexit; atexit.register(print, 'noise'); atexit.register(os.write, 1, b'noise')",
    )

    result = in_shell(
        f'ckpt=$(dlkit {" ".join(TRAIN)} --quiet); echo "$ckpt"; dlkit eval "$ckpt" --model net.py:Net --json'
    )

    path, _, document = result.stdout.partition("\n")
    assert path == "runs/Net-digits-001/best.safetensors"
    assert json.loads(document)["checkpoint"] == path
    assert result.stderr.count("noise") == 2 * (len(WAYS) + 3)


@pytest.mark.parametrize("words", [("data", "ls"), ("eval",)], ids=" ".join)
def test_descriptors_are_as_before_after_a_command(words: tuple[str, ...], dlkit: Callable[..., Any]) -> None:
    def opened() -> set[str]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc here")
    dlkit(*words)
    before, stdout = opened(), sys.stdout

    dlkit(*words)

    assert opened() == before
    assert sys.stdout is stdout


def test_a_stand_in_for_stdout_gets_the_result_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stand_in)

    with streams.result_apart():
        print("noise")  # noqa: T201
        console.print_line("result")

    assert stand_in.getvalue() == "result\n"


def test_streams_that_the_shell_closed_are_opened_before_any_file() -> None:
    script = """
import os
from dlkit.cli.streams import open_closed_streams
open_closed_streams()
assert os.open(os.devnull, os.O_RDONLY) > 2
"""
    subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, script], check=True)
