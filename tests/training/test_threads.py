"""How many threads compute: a function of network, batch and cores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from runs import configure, drive, essence, resume
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlkit.models.cnn import Cnn
from dlkit.models.mlp import Mlp
from dlkit.training.run import start_run
from dlkit.training.threads import Products, count_cores, pick_threads, resume_threads


def mlp(*hidden: int) -> nn.Module:
    plain = {"activation": "relu", "dropout": 0.0, "norm": "none", "residual": False, "init": "default"}
    return Mlp((784,), 10, hidden=hidden, **plain)


CASES = {
    "mlp-on-mnist": (mlp(128), (784,), 64, (1, 1)),
    "mlp-512": (mlp(512, 512), (784,), 64, (1, 1)),
    "mlp-1024": (mlp(1024, 1024), (784,), 256, (2, 11)),
    "cnn-on-digits": (Cnn((1, 8, 8), 10, width=20, dropout=0.0), (1, 8, 8), 64, (1, 1)),
    "cnn-on-mnist": (Cnn((1, 28, 28), 10, width=20, dropout=0.0), (1, 28, 28), 64, (1, 1)),
    "cnn-on-cifar": (Cnn((3, 32, 32), 10, width=20, dropout=0.0), (3, 32, 32), 64, (2, 2)),
    "cnn-large-batch": (Cnn((1, 28, 28), 10, width=20, dropout=0.0), (1, 28, 28), 256, (2, 6)),
    "cnn-wide": (Cnn((1, 28, 28), 10, width=64, dropout=0.0), (1, 28, 28), 64, (2, 16)),
}


@pytest.mark.parametrize(("model", "shape", "batch", "expected"), CASES.values(), ids=CASES)
def test_a_thread_must_have_enough_to_do(
    model: nn.Module, shape: tuple[int, ...], batch: int, expected: tuple[int, int]
) -> None:
    inputs = torch.zeros(2, *shape)

    found = tuple(pick_threads(model, inputs, batch, cores) for cores in (2, 16))

    assert found == expected
    assert pick_threads(model, inputs, batch, 1) == 1


class Noisy(nn.Module):
    """Draws in the forward pass, counts its calls, and multiplies nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        outputs: Tensor = self.norm(left + right * self.weight + torch.rand(3))
        return outputs


def test_counting_leaves_network_and_random_numbers_alone() -> None:
    model = Noisy()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)

    threads = pick_threads(model, {"left": torch.ones(2, 3), "right": torch.ones(2, 3)}, 10**9, 8)

    assert threads == 1
    assert torch.equal(torch.rand(3), expected)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", 6), ("400000 100000\n", 4), ("250000 100000\n", 3), ("10000 100000\n", 1), ("", 6)],
    ids=["no-quota", "whole", "a-part", "less-than-one", "unreadable"],
)
def test_cores_are_those_that_the_quota_leaves(text: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)

    assert count_cores(6, tmp_path / "cpu.max") == cores
    assert count_cores(6, tmp_path / "none") == 6


@pytest.fixture
def threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_typed_are_taken(threads_put_back: None, tmp_path: Path) -> None:
    run = start_run(configure(threads="2", epochs=1), tmp_path / "run")

    assert torch.get_num_threads() == 2
    assert "on cpu (2 threads)" in run.notes[0]


@pytest.mark.parametrize(
    ("asked", "stored", "now", "notes"),
    [
        (None, 2, 1, ["using 2 threads, as the run did so far"]),
        (None, 1, 2, ["using 1 thread, as the run did so far"]),
        (None, 1, 1, []),
        (2, 2, 2, []),
        (1, 2, 2, ["using 1 thread; the run used 2 so far, so its last bits may come out otherwise"]),
    ],
)
def test_a_resumed_run_has_the_threads_it_had(
    asked: int | None, stored: int, now: int, notes: list[str], threads_put_back: None
) -> None:
    torch.set_num_threads(now)

    assert resume_threads(asked, stored) == notes
    assert torch.get_num_threads() == (asked or stored)


def test_two_threads_stopped_and_resumed_from_one_come_to_the_same_bits(
    threads_put_back: None, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = {"model": "cnn", "threads": "2", "epochs": 1}
    drive(start_run(configure({"width": "4"}, **settings), whole))
    drive(start_run(configure({"width": "4"}, **settings), parts), 7)
    torch.set_num_threads(1)

    drive(resume(parts))

    assert essence(parts) == essence(whole)
    assert torch.get_num_threads() == 2


COUNTED = {
    "linear": (nn.Linear(4, 3), torch.zeros(2, 5, 4), 120),
    "convolution": (nn.Conv2d(8, 16, 3, groups=4, stride=2), torch.zeros(2, 8, 9, 9), 2 * 16 * 16 * 2 * 9),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2), torch.zeros(2, 4, 5, 5), 2 * 4 * 25 * 6 * 9),
    "recurrent": (nn.GRU(4, 8), torch.zeros(3, 2, 4), 3 * 2 * 24 * (4 + 8)),
}


@pytest.mark.parametrize(("layer", "inputs", "expected"), COUNTED.values(), ids=COUNTED)
def test_multiplications_are_those_that_torch_counts(layer: nn.Module, inputs: Tensor, expected: int) -> None:
    with Products() as products, torch.no_grad():
        layer(inputs)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(inputs)

    assert sum(products.sizes) == expected == counter.get_total_flops() / 2
