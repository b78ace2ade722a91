"""Runs of ten kinds, killed and stopped at random instants, come to the bits of one that never was.

`DLKIT_TEST_KILLS=500` makes it so many, shared by the kinds.
"""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from fork_server import Child, ForkServer
from runs import essence

from dlkit.files.digest import verify
from dlkit.files.run_dir import RunDir

KILLS = int(os.environ.get("DLKIT_TEST_KILLS", "30"))
RUN = (
    *("--batch-size", "50", "--epochs", "3", "--save-every", "7", "--keep", "2", "--device", "cpu"),
    "--no-plot",
)
MNIST = ("--data", "mnist", "--limit", "1500")
RUNS: dict[str, tuple[str, ...]] = {
    "mlp": ("mlp", *MNIST, "-s", "dropout=0.2", "--ema", "0.9"),
    "adam": ("mlp", *MNIST, "--optimizer", "adam", "--schedule", "cosine", "--warmup-steps", "5"),
    "accumulate": ("mlp", *MNIST, "--optimizer", "rmsprop", "--lr", "1e-3", "--accumulate", "3"),
    "plateau": ("mlp", *MNIST, "--schedule", "plateau", "--lr", "0.05", "--grad-clip", "0.5"),
    "onecycle": ("mlp", *MNIST, "-s", "norm=batch", "--schedule", "onecycle", "--l1", "1e-4"),
    "sampler": ("mlp", "--data", "digits", "--balance", "sampler", "--optimizer", "adagrad"),
    "cnn": ("cnn", "--data", "digits", "-s", "width=4", "-s", "dropout=0.3", "--augment", "light"),
    "spatial": ("spatial", "--data", "spatial:n=600", "-s", "phi=8", "-s", "omega=8", "-s", "theta=16"),
    "pbpk": ("pbpk", "--data", "pbpk:n=300,times=20", "-s", "hidden=4"),
    "own": ("net.py:Net", "--data", "digits", "--ema", "0.9"),
}
NET = """
import random
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Linear(in_features, num_classes)
        self.register_buffer("mean", torch.zeros(in_features), persistent=False)
        self.draw, self.noise, self.passes = random.Random(1), torch.Generator().manual_seed(2), 0

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.passes += 1
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            x = x + self.draw.random() * torch.rand(x.shape, generator=self.noise) / self.passes
        return self.layers(x - self.mean)
"""


class Killed:
    """Starts runs and resumes them until they are done, and holds what is left each time to what is promised."""

    def __init__(self, forks: ForkServer, home: Path, work: Path, run: tuple[str, ...]) -> None:
        self._forks = forks
        self._home = home
        self._work = work
        self._run = ("train", *run, *RUN)
        self._resume = ("train", *run[:1], "--resume") if ".py:" in run[0] else ("train", "--resume")
        (work / "net.py").write_text(NET)
        self.done = 0
        self.left_behind = 0
        assert self._start(*self._run, "--out", "warm").wait() == 0
        start = time.monotonic()
        assert self._start(*self._run, "--out", "whole").wait() == 0
        self.seconds = time.monotonic() - start
        self._expected = self._essence("whole")

    def _start(self, *words: str) -> Child:
        return self._forks.start(self._work, *words, DLKIT_HOME=str(self._home))

    def _essence(self, name: str) -> object:
        folder = RunDir(self._work / name)
        kept = {file.name: verify(file)["tensors"] for file in folder.all_numbered()}
        return essence(folder.path), kept

    def next(self) -> Child:
        """Start the run that is under way once more, or a new one."""
        name = f"run-{self.done}"
        run_dir = RunDir(self._work / name)
        if run_dir.last.exists() or run_dir.last_prev.exists():
            return self._start(*self._resume, name)
        return self._start(*self._run, "--out", name, "--force")

    def check(self, child: Child, code: int) -> None:
        """Hold what a process left: every checkpoint whole, no traceback; the bits once done."""
        folder = self._work / f"run-{self.done}"
        assert "Traceback" not in child.stderr()
        assert "unexpected" not in child.stderr()
        for file in folder.glob("*.safetensors"):
            verify(file)
        temporaries = list(folder.glob(".dlkit-tmp-*"))
        self.left_behind += bool(temporaries)
        if code == 0:
            assert not temporaries
            assert RunDir(folder).findings.exists()
            assert child.stdout() == f"{folder.name}/best.safetensors\n"
            assert self._essence(folder.name) == self._expected
            self.done += 1

    def finish(self) -> None:
        """Let the run that is under way end, or one if none has ended yet."""
        if not self.done or (self._work / f"run-{self.done}").exists():
            child = self.next()
            code = child.wait()
            assert code == 0, child.stderr()
            self.check(child, code)


@pytest.fixture
def killed(request: pytest.FixtureRequest, forks: ForkServer, mnist_home: Path, home: Path) -> Killed:
    return Killed(forks, mnist_home, home, RUNS[request.param])


@pytest.mark.slow
@pytest.mark.parametrize("killed", RUNS, indirect=True)
def test_kills_at_random_instants_lose_nothing(killed: Killed) -> None:
    draw = random.Random(KILLS)
    kills = 0
    while kills < KILLS // len(RUNS):
        child = killed.next()
        time.sleep(draw.uniform(0, killed.seconds))
        child.signal(signal.SIGKILL)
        code = child.wait()
        assert code in (0, -signal.SIGKILL), child.stderr()
        kills += code != 0
        killed.check(child, code)
    killed.finish()
    assert killed.done


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["mlp"], indirect=True)
def test_signals_at_random_instants_lose_nothing_and_report_how_to_resume(killed: Killed) -> None:
    draw = random.Random(KILLS)
    codes = []
    while len(codes) < KILLS // 2:
        child = killed.next()
        time.sleep(draw.uniform(0, killed.seconds))
        first = draw.choice((signal.SIGINT, signal.SIGTERM))
        child.signal(first)
        if twice := draw.random() < 0.4:
            time.sleep(draw.choice((0, 0.001, 0.15)))
            child.signal(draw.choice((signal.SIGINT, signal.SIGTERM)))
        code = child.wait()
        codes.append(code)
        assert code in (0, 130, 143, -signal.SIGTERM), child.stderr()
        if f"stopped by {'Ctrl-C' if first == signal.SIGINT else 'SIGTERM'}" in child.stderr():
            assert code == 128 + first
            assert f"dlkit train --resume run-{killed.done}\n" in child.stderr()
            assert not list(Path(f"run-{killed.done}").glob(".dlkit-tmp-*"))
        elif not twice:
            assert code in (0, 130, -signal.SIGTERM), "before the run began"
        killed.check(child, code)
    killed.finish()
    assert {130, 143} & set(codes), codes
