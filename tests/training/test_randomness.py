"""Random numbers of a step are a function of the seed and the step alone."""

from dataclasses import replace

import pytest
import torch
from descriptions import OF_CLASSES
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from dlkit.inputs import call, zeros
from dlkit.models.build import build_model
from dlkit.settings.catalogue import MODELS
from dlkit.settings.resolve import resolve
from dlkit.training.randomness import may_draw, seed_step

CPU = torch.device("cpu")


def drawn(seed: int, step: int) -> Tensor:
    seed_step(CPU, seed, step)
    return torch.rand(4)


def test_a_step_draws_the_same_whatever_came_before() -> None:
    first = drawn(3, 17)
    torch.rand(100)

    assert torch.equal(drawn(3, 17), first)


def test_steps_and_seeds_draw_different_numbers() -> None:
    seen = {tuple(drawn(seed, step).tolist()) for seed in (0, 1, 2**32 - 1) for step in range(500)}

    assert len(seen) == 1500


def test_neighbouring_steps_are_not_alike() -> None:
    draws = torch.stack([drawn(0, step) for step in range(2000)])

    assert draws.mean().item() == pytest.approx(0.5, abs=0.02)
    assert abs(torch.corrcoef(torch.stack([draws[:-1, 0], draws[1:, 0]]))[0, 1].item()) < 0.08


class Functional(nn.Module):
    """Draws without a module that says so."""

    def forward(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, training=self.training)


@pytest.mark.parametrize(
    ("model", "draws"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.GELU()), False),
        (nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1)), True),
        (nn.AlphaDropout(0.1), True),
        (nn.TransformerEncoderLayer(8, 2), True),
        (nn.GRU(4, 4, 2, dropout=0.1), True),
        (Functional(), True),
    ],
    ids=["none", "dropout", "alpha", "transformer", "gru", "of-the-user"],
)
def test_what_may_draw_is_told_from_what_cannot(model: nn.Module, draws: bool) -> None:
    assert may_draw(model) == draws


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_networks_that_are_said_to_draw_nothing_do_so(name: str) -> None:
    assert name in MODELS
    config = resolve({"model": name}, {})
    pictures = replace(OF_CLASSES, input_shape=(1, 8, 8))
    model = build_model(name, pictures, config.arguments)
    before = torch.get_rng_state()

    call(model.train(), zeros(pictures, 2)).sum().backward()

    assert not may_draw(model)
    assert torch.equal(torch.get_rng_state(), before)
