"""The average of the weights: what it is, and what is done with it."""

from pathlib import Path

import pytest
import torch
from runs import STEPS_PER_EPOCH, configure, drive
from torch import Tensor, nn
from toys import make_blobs, make_network, make_parts, train

from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.models.build import restore_model
from dlkit.training.average import WeightAverage
from dlkit.training.loop import Position, fit
from dlkit.training.run import start_run

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


def test_after_many_steps_the_decay_is_the_one_asked_for() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, 0.9)
    nn.init.zeros_(model.weight)
    for _ in range(100):
        average.update(APPLIED)

    nn.init.ones_(model.weight)
    average.update(APPLIED)

    assert average.network().weight.item() == pytest.approx(0.1, rel=1e-5)


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
    assert "best holds the average of the weights (--ema 0.9), last the weights themselves" in run.notes
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
