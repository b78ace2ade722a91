"""Temperatures of probabilities."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from dlkit.evaluation.calibration import at_temperature, fit_temperature

RANDOM = np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_that_spoiled_probabilities_is_found(temperature: float) -> None:
    logits = RANDOM.normal(0, 2, (20_000, 4))
    targets = (softmax(logits).cumsum(1) > RANDOM.random((20_000, 1))).argmax(1)
    spoiled = softmax(logits * temperature)

    found = fit_temperature(spoiled, targets)

    assert found == pytest.approx(temperature, rel=0.05)
    losses = [
        cross_entropy(torch.from_numpy(logits * temperature / t), torch.from_numpy(targets)).item()
        for t in (found, found * 1.05, found / 1.05)
    ]
    assert losses[0] == min(losses)


def test_logits_are_divided() -> None:
    logits = RANDOM.normal(size=(5, 3))

    np.testing.assert_allclose(at_temperature(softmax(logits), 2.5), softmax(logits / 2.5))
    np.testing.assert_allclose(at_temperature(np.array([[1.0, 0.0]]), 2.0), [[1.0, 0.0]], atol=1e-12)
