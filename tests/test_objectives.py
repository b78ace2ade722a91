"""Loss and metric per task."""

import math
from dataclasses import replace

import pytest
import torch
from descriptions import OF_CLASSES, OF_NUMBERS
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from dlkit.errors import ConfigError
from dlkit.files.description import Normalisation
from dlkit.objectives import build_objective

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(100, 3, generator=GENERATOR)
CLASSES = torch.randint(3, (100,), generator=GENERATOR)
NUMBERS = torch.randn(100, 2, generator=GENERATOR)


def in_batches(size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(LOGITS.split(size), CLASSES.split(size), strict=True))


def test_classification_takes_cross_entropy_and_accuracy_by_default() -> None:
    objective = build_objective(OF_CLASSES)

    assert objective.metric == "accuracy"
    assert torch.equal(objective.loss(LOGITS, CLASSES), F.cross_entropy(LOGITS, CLASSES))
    assert objective.metric_sum(LOGITS, CLASSES).item() == (LOGITS.argmax(1) == CLASSES).sum().item()


def test_mse_of_classes_is_against_one_hot_targets() -> None:
    objective = build_objective(OF_CLASSES, "mse")

    hand_worked = ((LOGITS - torch.eye(3)[CLASSES]) ** 2).mean()
    torch.testing.assert_close(objective.loss(LOGITS, CLASSES), hand_worked)


@pytest.mark.parametrize("shape", [(100,), (100, 1)], ids=["flat", "column"])
def test_regression_takes_mse_and_mean_absolute_error(shape: tuple[int, ...]) -> None:
    outputs, targets = LOGITS[:, :1], NUMBERS[:, 0].reshape(shape).double()
    objective = build_objective(OF_NUMBERS)

    errors = outputs[:, 0] - NUMBERS[:, 0]
    torch.testing.assert_close(objective.loss(outputs, targets), errors.square().mean())
    assert objective.metric == "mae"
    assert objective.metric_sum(outputs, targets).item() == pytest.approx(errors.abs().sum().item(), rel=1e-6)


@pytest.mark.parametrize("loss", ["mse", "log1p"])
def test_flat_outputs_are_compared_to_targets_of_several_axes(loss: str) -> None:
    scaling = Normalisation(scale=1.0, mean=(1.0, -2.0, 0.5), std=(2.0, 4.0, 0.5))
    about = replace(OF_NUMBERS, target_shape=(3, 2), target_names=(), target_scaling=scaling)
    outputs, targets = torch.randn(5, 6, generator=GENERATOR), torch.randn(5, 3, 2, generator=GENERATOR)
    objective = build_objective(about, loss)

    mean, std = (torch.tensor(values)[:, None] for values in (scaling.mean, scaling.std))
    numbers = outputs.reshape(5, 3, 2) * std + mean
    errors = (outputs.reshape(5, 3, 2) - (targets - mean) / std).square()
    if loss == "log1p":
        errors = (numbers.sign() * numbers.abs().log1p() - targets.sign() * targets.abs().log1p()).square()
    torch.testing.assert_close(objective.loss(outputs, targets), errors.mean())
    torch.testing.assert_close(objective.predictions(outputs), numbers)
    assert objective.metric_sum(outputs, targets).item() == pytest.approx(
        (numbers - targets).abs().mean((1, 2)).sum().item(), rel=1e-5
    )


def test_mean_absolute_error_of_several_targets_is_the_mean_over_them() -> None:
    objective = build_objective(OF_NUMBERS)

    total = objective.metric_sum(LOGITS[:, :2], NUMBERS).item()

    assert total == pytest.approx((LOGITS[:, :2] - NUMBERS).abs().mean(1).sum().item(), rel=1e-6)


# Two samples of three classes: probabilities 0.5, 0.25, 0.25 of class 0, and 0.1, 0.6, 0.3 of class 2.
PROBABLE = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.6, 0.3]]).log()
PROBABLE_CLASSES = torch.tensor([0, 2])
CROSS_ENTROPIES = {
    "plain": (0.0, None, 0.9485599924),  # (ln 2 - ln 0.3) / 2
    "smoothed": (0.3, None, 1.0381486417),  # the truth has 0.8 of each target, the others 0.1
    "weighted": (0.0, (0.5, 0.5, 2), 1.3772596011),  # (0.5 ln 2 - 2 ln 0.3) / 2
    "weighted-alike": (0.0, (7, 7, 7), 6.6399199468),
    "both": (0.3, (0.5, 0.5, 2), 1.4524634693),  # (0.5 x 0.8317766 + 2 x 1.2445193) / 2
}


@pytest.mark.parametrize(("smoothing", "weights", "expected"), CROSS_ENTROPIES.values(), ids=CROSS_ENTROPIES)
def test_cross_entropy_equals_hand_worked_examples(
    smoothing: float, weights: tuple[int, ...] | None, expected: float
) -> None:
    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    loss = build_objective(OF_CLASSES, "cross-entropy", label_smoothing=smoothing, weights=given).loss(
        PROBABLE, PROBABLE_CLASSES
    )

    assert loss.item() == pytest.approx(expected, rel=1e-6)


# Outputs 0.5, 0 of the target 1, 0, and 2, -1 of the target 0, 1: errors -0.5, 0, 2, -2.
OUTPUTS, ONE_HOT = torch.tensor([[0.5, 0.0], [2.0, -1.0]]), torch.eye(2)
THREE = math.log(3)
ELEMENTWISE = {
    "mse": (OUTPUTS, None, 2.0625),  # (0.25 + 0 + 4 + 4) / 4
    "l1": (OUTPUTS, None, 1.125),  # (0.5 + 0 + 2 + 2) / 4
    "huber": (OUTPUTS, None, 0.78125),  # (0.125 + 0 + 1.5 + 1.5) / 4
    "bce": (torch.tensor([[0.0, 0.0], [THREE, -THREE]]), None, 1.5 * math.log(2)),  # (2 ln 2 + 2 ln 4) / 4
    "mse-weighted": (OUTPUTS, (1.5, 0.5), 1.09375),  # (1.5 x 0.25 + 0.5 x 8) / 4
    "l1-weighted": (OUTPUTS, (1.5, 0.5), 0.6875),  # (1.5 x 0.5 + 0.5 x 4) / 4
    "huber-weighted": (OUTPUTS, (1.5, 0.5), 0.421875),  # (1.5 x 0.125 + 0.5 x 3) / 4
    # (1.5 (ln 2 + ln 2) + 0.5 (ln 4 + ln 2)) / 4
    "bce-weighted": (torch.tensor([[0.0, 0.0], [THREE, 0.0]]), (1.5, 0.5), 1.125 * math.log(2)),
}


@pytest.mark.parametrize("case", ELEMENTWISE)
def test_losses_against_one_hot_targets_equal_hand_worked_examples(case: str) -> None:
    outputs, weights, expected = ELEMENTWISE[case]
    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    objective = build_objective(OF_CLASSES, case.removesuffix("-weighted"), weights=given)

    assert objective.loss(outputs, torch.tensor([0, 1])).item() == pytest.approx(expected, rel=1e-6)
    assert objective.metric == "accuracy"


OF_OUTPUTS = {
    **{name: case for name, case in ELEMENTWISE.items() if "-" not in name and name != "bce"},
    "mse-weighted": (OUTPUTS, (3, 1), 4.1875),  # (0.75 + 0 + 12 + 4) / 4
    "l1-weighted": (OUTPUTS, (3, 1), 2.375),  # (1.5 + 0 + 6 + 2) / 4
    "huber-weighted": (OUTPUTS, (3, 1), 1.59375),  # (0.375 + 0 + 4.5 + 1.5) / 4
}


@pytest.mark.parametrize("case", OF_OUTPUTS)
def test_losses_of_numbers_weigh_the_outputs(case: str) -> None:
    outputs, weights, expected = OF_OUTPUTS[case]
    given = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    objective = build_objective(OF_NUMBERS, case.removesuffix("-weighted"), weights=given)

    assert objective.loss(outputs, ONE_HOT).item() == pytest.approx(expected, rel=1e-6)
    assert objective.metric == "mae"


@pytest.mark.parametrize("loss", ["cross-entropy", "mse", "l1", "huber", "bce"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_weighted_loss_is_the_mean_over_the_samples_however_they_are_batched(
    loss: str, smoothing: float
) -> None:
    objective = build_objective(
        OF_CLASSES, loss, label_smoothing=smoothing, weights=torch.tensor([1.0, 5.0, 0.2])
    )

    parts = [objective.loss(outputs, targets) * len(targets) for outputs, targets in in_batches(7)]

    torch.testing.assert_close(torch.stack(parts).sum() / 100, objective.loss(LOGITS, CLASSES))


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_losses_of_classes_are_refused_for_numbers(loss: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_objective(OF_NUMBERS, loss)

    assert caught.value.message.startswith(f"--loss {loss} ")
    assert "mse, l1 or huber" in caught.value.hint
