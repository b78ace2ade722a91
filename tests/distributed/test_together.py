"""Processes that train one run together: who writes, what is compared, how a run stops and resumes."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
import torch
from fork_server import ForkServer
from ranks import free_port, largest_difference, start_ranks, train

from dlkit.distributed.membership import LOST
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.digest import verify

pytestmark = pytest.mark.slow

MLP = ("mlp", "--limit", "150", "--batch-size", "8", "--epochs", "4", "-s", "dropout=0.2")
OWN = """
import random
import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Linear(in_features, num_classes)
        self.unused = nn.Linear(3, 3)
        self.register_buffer("mean", torch.zeros(in_features), persistent=False)
        self.noise, self.passes = torch.Generator().manual_seed(2), 0

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.passes += 1
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            x = x + random.random() * np.random.rand() * torch.rand(x.shape, generator=self.noise) / self.passes
        return self.layers(x - self.mean)
"""


BUFFERS = """
import os
from pathlib import Path
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Linear(in_features, num_classes)
        self.register_buffer("mean", torch.zeros(in_features))
        self.register_buffer("count", torch.tensor(2**40, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(in_features, dtype=torch.bool))
        self.register_buffer("turn", torch.zeros(2, dtype=torch.complex64))
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        Path("cores-" + os.environ.get("RANK", "alone")).write_text(cores)

    def forward(self, x):
        few = x.flatten(1)[:4]  # those of the first process are those of the whole batch
        if self.training:
            self.mean = few.mean(0)
            self.count += (few.sum() * 1000).long()
            self.seen |= few.amax(0) > 0
            self.turn += torch.complex(few.sum(), few.std())
        return self.layers(x.flatten(1))
"""


def tensors_of(run: Path) -> object:
    """Return the digests of all that `last` holds but what depends on how often it was resumed."""
    return verify(run / "last.safetensors")["tensors"]


def errors(children: list) -> list[str]:  # type: ignore[type-arg]
    return [line for child in children for line in child.stderr().splitlines() if line.startswith("error:")]


def stopped(ranks: ForkServer, folder: Path, count: int, *words: object) -> None:
    """Train until after some steps a signal comes to the last process alone."""
    children = start_ranks(ranks, folder, count, "train", *words, "--device", "cpu", "--log-every", "1")
    children[0].wait_for("step 30 ")
    children[-1].signal(signal.SIGTERM)
    assert [child.wait() for child in children] == [143] + [0] * (count - 1)
    assert "interrupted:" in children[0].stderr()
    assert all("interrupted" not in child.stderr() for child in children[1:])


@pytest.mark.parametrize("network", ["mlp", "own"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_run_resumed_by_as_many_processes_has_the_bits_of_an_unbroken_one(
    ranks: ForkServer, home: Path, network: str, count: int
) -> None:
    (home / "net.py").write_text(OWN)
    words = MLP if network == "mlp" else ("net.py:Net", "--data", "digits", *MLP[1:7])
    named = () if network == "mlp" else words[:1]
    train(ranks, home, count, *words, "--out", "whole")
    stopped(ranks, home, count, *words, "--out", "broken")
    children = start_ranks(ranks, home, count, "train", *named, "--resume", "broken", "--quiet")
    assert [child.wait() for child in children] == [0] * count, [child.stderr() for child in children]

    assert tensors_of(home / "broken") == tensors_of(home / "whole")
    assert largest_difference(home / "broken", home / "whole") == 0


def test_buffers_of_an_own_network_are_those_of_the_first_process(ranks: ForkServer, home: Path) -> None:
    (home / "net.py").write_text(BUFFERS)
    words = ("net.py:Net", "--data", "digits", "--limit", "200", "--batch-size", "16", "--max-steps", "1")
    for count in (1, 2):
        train(ranks, home, count, *words, "--out", f"of-{count}")

    one, two = (load_checkpoint(home / f"of-{count}" / "last.safetensors").weights for count in (1, 2))
    buffers = {"mean", "count", "seen", "turn"}
    assert buffers < one.keys()
    for name in buffers:
        assert torch.equal(one[name], two[name]), name


@pytest.mark.skipif(sys.platform != "linux" or os.cpu_count() == 1, reason="no cores to choose from")
def test_processes_on_a_cpu_compute_on_cores_of_their_own(ranks: ForkServer, home: Path) -> None:
    (home / "net.py").write_text(BUFFERS)
    words = ("net.py:Net", "--data", "digits", "--limit", "200", "--max-steps", "1", "--out", "run")
    train(ranks, home, 2, *words)

    first, second = ((home / f"cores-{rank}").read_text().split(",") for rank in (0, 1))
    assert sorted(map(int, [*first, *second])) == sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3)])
def test_a_run_resumed_by_another_number_of_processes_is_equal_up_to_rounding(
    double: ForkServer, home: Path, before: int, after: int
) -> None:
    words = (*MLP[:7], "--accumulate", "2")
    train(double, home, 1, *words, "--out", "whole")
    train(double, home, before, *words, "--max-steps", "23", "--out", "broken")
    children = train(double, home, after, "--resume", "broken", "--max-steps", "40")
    train(double, home, 1, "--resume", "whole", "--max-steps", "40")

    names = [set(verify(home / run / "last.safetensors")["tensors"]) for run in ("broken", "whole")]
    assert names[0] == names[1]
    assert largest_difference(home / "broken", home / "whole") <= 1e-10
    assert all("Traceback" not in child.stderr() for child in children)


def test_the_other_processes_print_and_write_nothing(ranks: ForkServer, home: Path) -> None:
    words = (
        "train",
        *MLP,
        "--limit",
        "102",
        "--batch-size",
        "9",
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--out",
        "run",
    )
    first, second = start_ranks(ranks, home, 2, *words)

    assert (first.wait(), second.wait()) == (0, 0)
    assert "batch 9 (2 x 4 or 5), in 2 processes" in first.stderr()
    assert first.stderr().count("the last 3 of 102 samples") == 1
    assert first.stdout() == "run/best.safetensors\n"
    assert (second.stdout(), second.stderr()) == ("", "")
    assert load_checkpoint(home / "run" / "last.safetensors").metadata["progress"]["processes"] == 2


def test_an_error_of_one_process_names_it_and_ends_all(ranks: ForkServer, home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home / "table.csv").write_text("a,y\n" + "".join(f"{x},{x % 3}\n" for x in range(60)))
    words = ("train", "mlp", "--data", "table.csv", "--target", "y", "--device", "cpu", "--out", "run")
    port = str(free_port())
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    children = [
        ranks.start(folder, *words, RANK=rank, LOCAL_RANK=rank, **place)
        for folder, rank in ((home, "0"), (elsewhere, "1"))
    ]

    assert [child.wait(60) for child in children] == [LOST, 3]
    (line,) = errors(children)
    assert line.startswith("error: rank 1 on ")
    assert "table.csv" in line


@pytest.mark.parametrize(
    ("changed", "code", "named"),
    [(("--lr", "0.5"), 2, "--lr 0.5"), (("--seed", "7"), 2, "--seed 7"), (("--bogus", "1"), 2, "--bogus")],
)
def test_processes_with_other_arguments_are_refused(
    ranks: ForkServer, home: Path, changed: tuple[str, ...], code: int, named: str
) -> None:
    port = str(free_port())
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    words = ("train", *MLP, "--device", "cpu", "--out", "run")
    children = [
        ranks.start(home, *words, *more, RANK=rank, LOCAL_RANK=rank, **place)
        for more, rank in (((), "0"), (changed, "1"))
    ]

    assert {child.wait(60) for child in children} == {code, LOST}
    (line,) = errors(children)
    assert "rank 1" in line
    assert named in line


def test_other_data_are_refused(ranks: ForkServer, home: Path) -> None:
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for folder, step in ((home, 1), (elsewhere, 2)):
        (folder / "table.csv").write_text("a,y\n" + "".join(f"{x * step},{x % 3}\n" for x in range(60)))
    words = ("train", "mlp", "--data", "table.csv", "--target", "y", "--device", "cpu", "--out", "run")
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    place["LOCAL_WORLD_SIZE"] = "2"
    children = [
        ranks.start(folder, *words, RANK=rank, LOCAL_RANK=rank, **place)
        for folder, rank in ((home, "0"), (elsewhere, "1"))
    ]

    assert [child.wait(60) for child in children] == [3, LOST]
    (line,) = errors(children)
    assert re.search(
        r"rank 1 on .*--data …\S*elsewhere/table.csv, here …\S*table.csv; data \w{12}, here \w{12}$", line
    )


@pytest.mark.parametrize(
    "words",
    [("--resume", "run"), ("mlp", "--search", "lr=0.1,0.2", "--trials", "2"), ("mlp", "--out", "other")],
)
def test_processes_that_do_different_things_do_not_wait_for_each_other(
    ranks: ForkServer, home: Path, words: tuple[str, ...]
) -> None:
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    place["LOCAL_WORLD_SIZE"] = "2"
    children = [
        ranks.start(home, "train", *asked, RANK=rank, LOCAL_RANK=rank, **place)
        for asked, rank in ((("mlp",), "0"), (words, "1"))
    ]

    assert [child.wait(60) for child in children] == [2, LOST]
    (line,) = errors(children)
    assert "rank 1" in line
    assert words[-2] in line or words[1] in line


def test_a_busy_port_is_named(ranks: ForkServer, home: Path) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "RANK": "0"}
        child = ranks.start(home, "train", *MLP, "--device", "cpu", **place)
        assert child.wait(60) == 2
    assert port in child.stderr()


def test_half_set_variables_are_refused(ranks: ForkServer, home: Path) -> None:
    half = ranks.start(home, "train", "mlp", WORLD_SIZE="2")

    assert half.wait() == 2
    assert "RANK" in half.stderr()


@pytest.mark.parametrize(
    "words",
    [("--devices", "2"), ("--dry-run",), ("--overfit", "8"), ("--print-config",)],
    ids=lambda words: words[0],
)
def test_what_takes_one_process_is_refused_by_one_of_several(
    ranks: ForkServer, home: Path, words: tuple[str, ...]
) -> None:
    children = start_ranks(ranks, home, 2, "train", "mlp", *words)

    assert [child.wait(60) for child in children] == [2, LOST]
    (line,) = errors(children)
    assert words[0] in line
    assert "torchrun" in line
    assert "".join(child.stdout() for child in children) == ""


def test_a_search_is_refused_by_one_process(ranks: ForkServer, home: Path) -> None:
    words = ("train", "mlp", "--search", "lr=0.1,0.2", "--out", "sweep")
    children = start_ranks(ranks, home, 2, *words)

    assert {child.wait(60) for child in children} == {2, LOST}
    (line,) = errors(children)
    assert "torchrun" in line
    assert not (home / "sweep").exists()


def test_divergence_is_reported_by_the_first_process_with_the_whole_batch(
    ranks: ForkServer, home: Path
) -> None:
    words = (
        "cnn",
        "--limit",
        "120",
        "-s",
        "width=4",
        "--batch-size",
        "10",
        "--lr",
        "1e30",
        "--device",
        "cpu",
    )
    children = start_ranks(ranks, home, 2, "train", *words, "--out", "run")

    assert [child.wait() for child in children] == [5, 0]
    (line,) = errors(children)
    assert "diverged" in line
    assert len(load_checkpoint(home / "run" / "nan.safetensors").extras["batch.targets"]) == 10
