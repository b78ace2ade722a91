"""Weights of classes: the loss keeps its size."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from descriptions import OF_CLASSES
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.evaluation.objective import objective_of
from dlkit.files.description import DataDescription
from dlkit.settings.resolve import resolve

COUNTS = (1800, 1200, 600, 2)
SKEWED = replace(OF_CLASSES, class_names=("0", "1", "2", "3"), class_counts=COUNTS)
TARGETS = torch.arange(4).repeat_interleave(torch.tensor(COUNTS))
LN_4 = math.log(4)


def loss_of(outputs: Tensor, targets: Tensor, about: DataDescription = SKEWED, **settings: Any) -> float:
    config = resolve({"model": "mlp", **settings}, {})
    return objective_of(config, DataSet(about, {}), torch.device("cpu")).loss(outputs, targets).item()


SIZES = {
    "plain": ({}, LN_4),
    "balance": ({"balance": "loss"}, LN_4),
    "named": ({"target_weights": "3=900,0=0.5"}, LN_4),
    "both": ({"balance": "loss", "target_weights": "3=3"}, LN_4),
    "smoothed": ({"balance": "loss", "label_smoothing": 0.2}, LN_4),
    "bce": ({"balance": "loss", "loss": "bce"}, math.log(2)),
}


@pytest.mark.parametrize(("settings", "expected"), SIZES.values(), ids=SIZES)
def test_a_weighted_loss_starts_where_the_plain_one_does(settings: dict[str, Any], expected: float) -> None:
    assert loss_of(torch.zeros(len(TARGETS), 4), TARGETS, **settings) == pytest.approx(expected, rel=1e-5)


def test_balance_gives_every_class_the_same_share_of_the_loss() -> None:
    shares = [
        count * loss_of(torch.zeros(1, 4), torch.tensor([index]), balance="loss")
        for index, count in enumerate(COUNTS)
    ]

    assert shares == pytest.approx([sum(COUNTS) * LN_4 / 4] * 4, rel=1e-5)


def test_classes_that_are_drawn_equally_often_have_a_mean_weight_of_one() -> None:
    drawn = torch.arange(4).repeat(100)

    found = loss_of(torch.zeros(400, 4), drawn, balance="sampler", target_weights="3=5")

    assert found == pytest.approx(LN_4, rel=1e-5)
    assert loss_of(torch.zeros(1, 4), torch.tensor([3]), balance="sampler", target_weights="3=5") == (
        pytest.approx(5 * 4 / 8 * LN_4, rel=1e-5)
    )


def test_the_loss_equals_that_of_torch_with_the_weights_of_scikit_learn() -> None:
    outputs = torch.randn(len(TARGETS), 4, generator=torch.Generator().manual_seed(0))
    weights = compute_class_weight("balanced", classes=np.arange(4), y=TARGETS.numpy())

    expected = torch.nn.functional.cross_entropy(outputs, TARGETS, torch.tensor(weights).float())
    assert loss_of(outputs, TARGETS, balance="loss") == pytest.approx(expected.item(), rel=1e-5)
