"""One optimizer step: accumulation, clipping and the average of the weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from runs import STEPS_PER_EPOCH, configure, drive
from torch import Tensor, nn
from toys import InDouble, gradients, make_blobs, make_network, make_parts, train

from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.models.build import restore_model
from dlkit.objectives import build_objective
from dlkit.running_mean import RunningMean
from dlkit.training.loop import Position, fit
from dlkit.training.optimizers import build_optimizer
from dlkit.training.run import start_run
from dlkit.training.step import Parts, WeightAverage

SIZES = {
    "whole-groups": (72, 8, 3),
    "a-smaller-last-group": (60, 8, 3),
    "a-smaller-last-batch": (68, 8, 3),
    "a-single-sample-left-over": (57, 8, 3),
    "one-group": (30, 8, 9),
}


def parts_of(samples: int, batch_size: int, accumulate: int, **others: Any) -> Parts:
    return make_parts(make_blobs(samples), InDouble(), batch_size=batch_size, accumulate=accumulate, **others)


@pytest.mark.parametrize(("samples", "batch_size", "accumulate"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "class-weights"])
def test_gradients_equal_those_of_one_batch_as_large(
    samples: int, batch_size: int, accumulate: int, weighted: bool
) -> None:
    weights = torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64) if weighted else None
    objective = build_objective(OF_CLASSES, weights=weights)
    both = {"objective": objective, "running": RunningMean(objective), "l1": 0.01}

    several = gradients(parts_of(samples, batch_size, accumulate, **both))
    at_once = gradients(parts_of(samples, batch_size * accumulate, 1, **both))

    assert len(several) == len(at_once)
    for ours, theirs in zip(several, at_once, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_weights_equal_those_of_one_batch_as_large() -> None:
    several = make_parts(make_blobs(60), make_network(), batch_size=8, accumulate=3, grad_clip=0.3)
    at_once = make_parts(make_blobs(60), make_network(), batch_size=24, grad_clip=0.3)

    ours, theirs = train(several, 3)[-1].record, train(at_once, 3)[-1].record

    for mine, other in zip(several.model.parameters(), at_once.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)
    assert (ours.step, theirs.step) == (9, 9)
    assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)
    assert ours.grad_norm is not None


@pytest.mark.parametrize(("samples", "accumulate"), [(24, 1), (60, 3)], ids=["batches", "groups"])
def test_steps_places_and_rates_go_by_step(samples: int, accumulate: int) -> None:
    parts = make_parts(
        make_blobs(samples),
        make_network(),
        batch_size=8,
        accumulate=accumulate,
        schedule=lambda step: 0.1 / (1 + step),
    )
    position = Position()
    seen, rates = [], []
    for step in fit(parts, position, 2):
        assert position.step == step.step
        seen.append((step.epoch, step.in_epoch, step.step, step.record is not None))
        seen[-1] += (position.epoch, position.batch)
        rates.append(step.lr)

    assert parts.steps_per_epoch == 3
    assert seen == [
        (1, 1, 1, False, 1, accumulate),
        (1, 2, 2, False, 1, 2 * accumulate),
        (1, 3, 3, True, 2, 0),
        (2, 1, 4, False, 2, accumulate),
        (2, 2, 5, False, 2, 2 * accumulate),
        (2, 3, 6, True, 3, 0),
    ]
    assert rates == [0.1 / (1 + step) for step in range(6)]


SPLIT = make_blobs(16)


def moved(grad_clip: float | None, l1: float = 0.0) -> tuple[Tensor, float]:
    """One step of plain SGD at rate 1: how far all weights moved, which is the gradient used, and the norm reported."""
    model, twin = make_network(), make_network()
    steps = train(make_parts(SPLIT, model, lr=1.0, momentum=0.0, grad_clip=grad_clip, l1=l1), 1)
    vector = nn.utils.parameters_to_vector
    return vector(twin.parameters()).detach() - vector(model.parameters()).detach(), steps[
        -1
    ].record.grad_norm


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_a_long_gradient_is_shortened_to_the_limit_and_keeps_its_direction(limit: float, l1: float) -> None:
    whole, _ = moved(None, l1)
    clipped, _ = moved(limit, l1)

    assert whole.norm() > limit
    assert limit * (1 - 1e-3) < clipped.norm() <= limit * (1 + 1e-5)
    torch.testing.assert_close(clipped / limit, whole / whole.norm(), rtol=1e-3, atol=1e-4)


def test_a_short_gradient_keeps_its_bits() -> None:
    assert torch.equal(moved(1e6)[0], moved(None)[0])


@pytest.mark.parametrize("limit", [1e-3, 0.5])
def test_the_norm_reported_is_the_one_before_clipping(limit: float) -> None:
    whole, norm = moved(None)

    assert norm == pytest.approx(whole.norm().item(), rel=1e-4)
    assert moved(limit)[1] == norm


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimizer_sees_the_clipped_gradient(optimizer: str) -> None:
    """One step with the gradient clipped equals one of torch's own with it clipped before."""
    model, twin = make_network(), make_network()
    parts = make_parts(SPLIT, model, optimizer=optimizer, lr=0.01, weight_decay=0.1, grad_clip=0.01)
    reference = build_optimizer(twin, optimizer, lr=0.01, momentum=0.0, weight_decay=0.1)
    for network in (model, twin):
        parts.objective.loss(network(SPLIT.inputs), SPLIT.targets).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.01)

    parts.guard.step()
    reference.step()

    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


# The weight is 1, 2, 3, 4, 5 after five steps; the first average is the weight itself, then
APPLIED, SKIPPED = torch.zeros(()), torch.ones(())
# a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)), n the averages before: 2/11, 3/12, 4/13, 5/14.
HAND_WORKED = {
    "still-warming-up": (0.999, [1.0, 1.8181818182, 2.7045454545, 3.6013986014, 4.5004995005]),
    "warm-up-ends": (0.2, [1.0, 1.8181818182, 2.7636363636, 3.7527272727, 4.7505454545]),
    "hardly-any": (0.01, [1.0, 1.99, 2.9899, 3.989899, 4.98989899]),
}


@pytest.mark.parametrize(("decay", "averages"), HAND_WORKED.values(), ids=HAND_WORKED)
def test_average_is_the_recursion_worked_by_hand(decay: float, averages: list[float]) -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay)

    seen = []
    for weight in range(1, 6):
        nn.init.constant_(model.weight, weight)
        average.update(APPLIED)
        seen.append(average.network().weight.item())

    assert seen == pytest.approx(averages, rel=1e-6)


def test_a_skipped_step_leaves_the_bits_of_the_average_and_can_be_forgotten() -> None:
    model = nn.Linear(3, 2)
    average, spared = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    for weight in (1.0, 3.0):
        nn.init.constant_(model.weight, weight)
        average.update(APPLIED)
        spared.update(APPLIED)

    average.update(SKIPPED)
    average.forget(1)

    assert all(torch.equal(value, spared.state()[name]) for name, value in average.state().items())


def test_statistics_of_normalisation_are_the_newest() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    average = WeightAverage(model, 0.9)

    train(make_parts(make_blobs(48), model, ema=average), 2)

    for name, buffer in model.named_buffers():
        assert torch.equal(average.network().get_buffer(name), buffer), name
    assert not torch.equal(average.network()[0].weight, model[0].weight)


def test_validation_is_of_the_average_and_training_of_the_weights() -> None:
    model = make_network()
    average = WeightAverage(model, 0.9)
    parts = make_parts(make_blobs(), model, lr=1.0, ema=average)

    record = train(parts, 1)[-1].record

    averaged, plain = (
        mean_scores(network, parts.val.in_order(), parts.objective)[0]
        for network in (average.network(), model)
    )
    assert record.val_loss == averaged != plain


def test_the_average_takes_no_part_in_training() -> None:
    with_average, without = make_network(), make_network()

    train(make_parts(make_blobs(), with_average, ema=WeightAverage(with_average, 0.9)), 2)
    train(make_parts(make_blobs(), without), 2)

    assert all(map(torch.equal, with_average.state_dict().values(), without.state_dict().values()))


def test_the_average_follows_every_step_of_several_batches_once() -> None:
    model = make_network()
    average = WeightAverage(model, 0.5)
    parts = make_parts(make_blobs(60), model, batch_size=8, accumulate=3, ema=average)
    weights: list[Tensor] = [model[0].weight.detach().clone() for _ in fit(parts, Position(), 1)]

    expected = weights[0]
    for averages, weight in enumerate(weights[1:], 1):
        decay = min(0.5, (1 + averages) / (10 + averages))
        expected = decay * expected + (1 - decay) * weight

    assert len(weights) == 3
    assert average.state()["steps"].item() == 3
    torch.testing.assert_close(average.network()[0].weight, expected)


@pytest.fixture(scope="module")
def averaged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("averaged") / "run"
    run = start_run(configure(ema=0.9, save_every="1e"), folder)
    assert any("--ema 0.9" in note for note in run.notes)
    drive(run)
    assert run.best["epoch"] == 3, "the newest epoch is the best one"
    averages, weights = run.parts.ema.network().state_dict(), run.parts.model.state_dict()
    for name, expected in (
        ("best", averages),
        ("last", weights),
        (f"step-{3 * STEPS_PER_EPOCH:08d}", averages),
    ):
        stored = load_checkpoint(folder / f"{name}.safetensors").weights
        assert stored.keys() == expected.keys()
        assert all(torch.equal(stored[key], expected[key]) for key in stored), name
    return folder


def test_best_and_numbered_checkpoints_hold_the_average_and_last_the_weights(averaged_run: Path) -> None:
    best, last = (load_checkpoint(averaged_run / f"{name}.safetensors") for name in ("best", "last"))

    assert any(not torch.equal(best.weights[name], last.weights[name]) for name in best.weights)
    assert best.extras == {}
    assert {name for name in last.extras if name.startswith("ema.")} == {
        "ema.steps",
        *(f"ema.{name}" for name in best.weights),
    }


def test_the_best_row_is_what_best_scores(averaged_run: Path) -> None:
    run = start_run(configure(), averaged_run.with_name("other"))
    model = restore_model(load_checkpoint(averaged_run / "best.safetensors"))

    loss, accuracy = mean_scores(model, run.parts.val.in_order(), run.parts.objective)

    columns = read_history(averaged_run / "history.csv").columns
    assert (columns["val_loss"][-1], columns["val_accuracy"][-1]) == (loss, accuracy)
