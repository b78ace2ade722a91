"""Fixtures of all tests: a command line run in-process, and real data if present."""

import gc
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fork_server import ForkServer, fork_server

from dlkit.cli.environment import prepare_environment

prepare_environment(os.environ)  # as the command does, before anything loads torch

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("DLKIT_SHARED_DATA", ROOT.parent / "shared" / "data"))


_FIRST_STATES: dict[tuple[str, str], Any] = {}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the garbage collector pass over modules and tests, which stay: it would take seconds of each process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all but the first cases of a test as slow where it says `quick(N)`."""
    cases: Counter[str] = Counter()
    for item in items:
        if (mark := item.get_closest_marker("quick")) is not None:
            name = item.nodeid.partition("[")[0]
            cases[name] += 1
            if cases[name] > mark.args[0]:
                item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the random numbers that a file draws from start anew with each test, whatever ran before it."""
    import torch

    torch.manual_seed(0)
    module = getattr(item, "module", None)
    for name, value in vars(module).items() if module is not None else ():
        if isinstance(value, torch.Generator):
            value.manual_seed(value.initial_seed())
        elif isinstance(value, np.random.Generator | np.random.RandomState):
            bits: Any = (
                value.bit_generator if isinstance(value, np.random.Generator) else value._bit_generator
            )
            bits.state = _FIRST_STATES.setdefault((module.__name__, name), bits.state)


@dataclass(frozen=True)
class Result:
    """Exit code and both streams of a command."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own, with an empty data home beside it; runs draw no figure unless asked to."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("DLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLKIT_TRAIN_PLOT", "0")  # drawing takes longer than training a tiny model
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def dlkit(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run one command line in this process: `dlkit("eval", "x.safetensors").code`."""
    from dlkit.cli.app import run

    def call(*words: object) -> Result:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data files; the test is skipped where it is not present."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}; set DLKIT_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def heard_interrupts() -> None:
    """Let Ctrl-C reach the processes that tests start, even if the tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests train tiny models, for which more threads would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Files of tests need not outlast a power cut; what order they are synced in, failing disks of tests/files hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of `mlp` on `digits` after two epochs; must not be changed."""
    from dlkit.cli.app import run

    folder = tmp_path_factory.mktemp("trained") / "run"
    assert run(["train", "mlp", "--epochs", "2", "--out", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def run_copy(home: Path, trained_run: Path) -> Path:
    """A copy of `trained_run` in the working folder of the test, which may be changed."""
    return Path(shutil.copytree(trained_run, home / "run"))


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """Starts `dlkit` in processes that are forked from one that has only imported what a command needs."""
    with fork_server() as server:
        yield server


@pytest.fixture(scope="session")
def mnist_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data home with MNIST prepared, or with noise of its shape if the real files are missing."""
    import torch

    from dlkit.data.builtin.readers import read_idx_set
    from dlkit.data.prepared import write_prepared

    def noise(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        draw = torch.Generator().manual_seed(count)
        images = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8, generator=draw)
        return images, torch.randint(10, (count,), generator=draw)

    home = tmp_path_factory.mktemp("mnist")
    real = SHARED_DATA / "mnist"
    parts = read_idx_set(real) if real.is_dir() else {"train": noise(4000), "test": noise(500)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(home))
        write_prepared("mnist", parts)
    return home
