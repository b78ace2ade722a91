"""What simple methods make of the data, and what a network does with a few samples, beside scikit-learn and by hand."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from descriptions import OF_NUMBERS
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from torch import nn
from toys import CPU, make_blobs, make_split

from dlkit.data.batches import Batches
from dlkit.inputs import call
from dlkit.objectives import build_objective
from dlkit.probes.layers import Signal
from dlkit.training.signals.data import data_signals
from dlkit.training.signals.network import network_signals, slope_signals
from dlkit.training.signals.samples import sample_signals


def named(signals: Iterable[Signal]) -> dict[str, float]:
    return {signal: float(value) for _, signal, value in signals}


def draw(samples: int, features: int, seed: int) -> torch.Tensor:
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(seed))


def test_the_skill_on_numbers_is_that_of_ridge_regression() -> None:
    train_x, val_x = draw(200, 6, 0), draw(100, 6, 1)
    train_y, val_y = (
        x[:, :2] @ torch.tensor([[1.0], [2.0]]) + 0.1 * x[:, 2:3] ** 2 for x in (train_x, val_x)
    )

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 1))

    scaler = StandardScaler().fit(train_x)
    ridge = Ridge(1.0).fit(scaler.transform(train_x), train_y)
    assert found["simple_skill"] == pytest.approx(ridge.score(scaler.transform(val_x), val_y), abs=1e-4)
    assert found["simple_skill"] > 0.95


def test_the_skill_on_classes_is_that_of_the_nearest_neighbours() -> None:
    train_x, val_x = draw(300, 2, 2), draw(200, 2, 3)
    train_y, val_y = ((x.norm(dim=1) > 1.2).long() for x in (train_x, val_x))

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 2))

    scaler = StandardScaler().fit(train_x)
    nearest = KNeighborsClassifier(5).fit(scaler.transform(train_x), train_y)
    accuracy = nearest.score(scaler.transform(val_x), val_y)
    share = val_y.bincount().max().item() / len(val_y)
    assert found["simple_skill"] == pytest.approx((accuracy - share) / (1 - share), abs=1e-4)


def test_points_in_any_order_are_told_by_what_they_are_together() -> None:
    train_x, val_x = (
        torch.randn(300, 8, 3, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3)
    )
    train_y, val_y = (
        (x[:, :, 0].amax(1) > 1.4).long() for x in (train_x, val_x)
    )  # the furthest point decides

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 2))
    flat = named(sample_signals((train_x.flatten(1), train_y), (val_x.flatten(1), val_y), 2))

    assert found["simple_skill"] > 0.75
    assert flat["simple_skill"] < found["simple_skill"] - 0.2


def test_a_relation_that_one_method_alone_sees_drops_from_one_part_to_the_other() -> None:
    train_x, val_x = (
        torch.randn(300, 8, 3, generator=torch.Generator().manual_seed(seed)) for seed in (2, 3)
    )
    train_y, val_y = train_x[:, 0, :1], val_x[:, 7, :1]  # the place that decides is another one

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 1))

    assert found["simple_drop"] > 0.9


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_the_slope_along_the_gradient_shows_whether_it_is_the_loss_s(sign: float, expected: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    inputs, targets = draw(32, 4, 0), torch.arange(32) % 3
    before = [parameter.clone() for parameter in model.parameters()]

    def forward(network: nn.Module, values: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = network(values)
        if outputs.requires_grad:
            outputs.register_hook(lambda gradient: sign * gradient)
        return outputs

    with torch.no_grad():
        found = named(
            slope_signals(model, forward, lambda out: nn.functional.cross_entropy(out, targets), inputs)
        )

    assert found["slope"] == pytest.approx(expected, abs=0.02)
    assert all(map(torch.equal, before, model.parameters()))


def test_images_that_differ_in_a_corner_alone_are_not_the_same() -> None:
    images = torch.zeros(60, 4, 32, 32)
    images[:, 3, 20:26, 7:12] = torch.rand(60, 6, 5, generator=torch.Generator().manual_seed(0))
    part = images, torch.arange(60) % 3

    assert named(sample_signals(part, part, 3))["commonest_row"] == pytest.approx(1 / 60)


def test_shuffled_training_targets_have_no_skill_but_those_of_validation_do() -> None:
    train_x, val_x = draw(384, 3, 4), draw(384, 3, 5)
    train_y, val_y = ((x[:, 0] > 0).long() for x in (train_x, val_x))
    mixed = train_y[torch.randperm(384, generator=torch.Generator().manual_seed(6))]

    found = named(sample_signals((train_x, mixed), (val_x, val_y), 2))

    assert abs(found["simple_train"]) < 0.2
    assert found["simple_val"] > 0.8


def test_a_shift_of_validation_is_counted_in_standard_deviations() -> None:
    train_x = draw(300, 4, 7) * torch.tensor([1.0, 1.0, 1.0, 50.0])
    val_x = 2 * train_x + 3 * train_x.std(0, correction=0) - train_x.mean(0)

    found = named(sample_signals((train_x, train_x[:, :1]), (val_x, val_x[:, :1]), 1))

    assert found["val_input_shift"] == pytest.approx(3.0, rel=1e-4)
    assert found["val_column_shift"] == pytest.approx(3.0, rel=1e-4)
    assert found["val_input_scale"] == pytest.approx(2.0, rel=1e-4)
    assert found["val_target_shift"] == pytest.approx(3.0, rel=1e-4)
    assert found["column_scale"] == pytest.approx(50, rel=0.2)


def test_a_column_that_is_empty_in_validation_has_no_spread_there() -> None:
    train_x, val_x = draw(300, 4, 21), draw(300, 4, 22)
    val_x[:, 2] = 0.0

    found = named(sample_signals((train_x, train_x[:, :1]), (val_x, val_x[:, :1]), 1))

    assert found["val_column_scale"] == 0.0
    reverse = named(sample_signals((val_x, val_x[:, :1]), (train_x, train_x[:, :1]), 1))
    assert reverse["val_column_scale"] == 0.0
    alike = named(sample_signals((train_x, train_x[:, :1]), (train_x, train_x[:, :1]), 1))
    assert alike["val_column_scale"] == pytest.approx(1.0)


def test_a_column_that_goes_with_the_targets_of_training_alone_is_told() -> None:
    train_x, val_x = draw(300, 4, 26), draw(300, 4, 27)
    train_y, val_y = (x[:, 0] > 0.3 for x in (train_x, val_x))
    train_x[:, 3] = train_y + 0.1 * train_x[:, 3]

    found = named(sample_signals((train_x, train_y.long()), (val_x, val_y.long()), 2))

    before, after = (np.corrcoef(x[:, 3], y)[0, 1] for x, y in ((train_x, train_y), (val_x, val_y)))
    counted = 15 * (1 / 300 + 1 / 300) ** 0.5  # of what chance makes of that many
    assert found["val_relation_shift"] == pytest.approx((before - after) / counted, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_few_samples_of_many_columns_and_classes_are_no_other_relation(seed: int) -> None:
    train_x, val_x = draw(100, 64, seed), draw(160, 64, seed + 100)
    train_y, val_y = (torch.arange(len(x)) % 10 for x in (train_x, val_x))

    assert named(sample_signals((train_x, train_y), (val_x, val_y), 10))["val_relation_shift"] < 0.4
    few = named(sample_signals((train_x[:90], train_y[:90]), (val_x, val_y), 10))
    assert few["val_relation_shift"] == 0.0


def test_far_values_do_not_make_a_column_of_validation_narrow() -> None:
    train_x, val_x = draw(300, 2, 23), draw(300, 2, 24)
    train_x[0] = 1e6

    found = named(sample_signals((train_x, train_x[:, :1]), (val_x, val_x[:, :1]), 1))

    assert found["val_column_scale"] == pytest.approx(1.0, abs=0.25)


def test_columns_of_rare_categories_do_not_tell_how_validation_lies() -> None:
    train_x = torch.cat([draw(100, 3, 17), torch.eye(100)[:, :60]], 1)
    val_x = torch.cat([draw(100, 3, 18), torch.zeros(100, 60)], 1)

    found = named(sample_signals((train_x, train_x[:, :1]), (val_x, val_x[:, :1]), 1))

    assert found["val_input_scale"] == pytest.approx(1.0, abs=0.2)
    assert found["val_column_shift"] < 0.5
    assert found["val_column_scale"] == pytest.approx(1.0, abs=0.3)


def test_classes_that_training_hardly_has_are_counted() -> None:
    x = draw(300, 3, 25)
    train_y = torch.where(torch.arange(300) < 3, 2, torch.arange(300) % 2)

    found = named(sample_signals((x, train_y), (x, torch.arange(300) % 3), 3))

    assert found["val_new_classes"] == pytest.approx(1 / 3)


def test_rows_that_repeat_and_classes_of_validation_alone_are_counted() -> None:
    train_x, val_x = draw(300, 4, 10)[torch.arange(300) % 30], draw(100, 4, 11)
    train_y, val_y = torch.arange(300) % 2, torch.arange(100) % 4

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 4))

    assert found["repeated_rows"] == pytest.approx(0.9)
    assert found["val_new_classes"] == pytest.approx(0.5)
    assert found["val_known_rows"] == 0.0
    assert (
        named(sample_signals((train_x, train_y), (train_x[:100], train_y[:100]), 2))["val_known_rows"] == 1.0
    )


def test_codes_are_told_by_how_often_they_occur() -> None:
    draws = np.random.default_rng(12)
    frequent = draws.integers(0, 4, 400)
    codes = torch.tensor(
        np.where(draws.random((400, 12)) < 0.5, frequent[:, None], draws.integers(0, 30, (400, 12)))
    )
    targets = torch.tensor(frequent)

    found = named(sample_signals((codes[:300], targets[:300]), (codes[300:], targets[300:]), 4))

    assert found["simple_skill"] > 0.9


def test_a_code_for_missing_values_makes_a_column_wide_beside_its_median() -> None:
    x = draw(300, 3, 13)
    x[::10, 1] = -9999
    column = x[:, 1].numpy()
    expected = column.std() / np.median(np.abs(column - np.sort(column)[149]))

    found = named(sample_signals((x, x[:, :1]), (x, x[:, :1]), 1))

    assert found["column_outlier"] == pytest.approx(expected, rel=0.05)


def test_the_furthest_target_is_measured_in_standard_deviations_and_in_median_distances() -> None:
    targets = torch.cat([draw(297, 1, 16)[:, 0], torch.tensor([400.0, 500.0, 450.0])])
    split = Batches(make_split(torch.zeros(300, 2), targets), 16, CPU)

    found = named(data_signals(split, split, build_objective(OF_NUMBERS), 1))

    numbers = np.sort(targets.numpy())
    distances = np.abs(numbers - numbers[149])
    assert found["whole_target_max"] == pytest.approx(distances.max() / numbers.std(), rel=1e-4)
    assert found["whole_target_tail"] == pytest.approx(distances.max() / np.sort(distances)[149], rel=1e-4)


def test_the_balanced_skill_counts_each_class_alike() -> None:
    x, targets = draw(400, 2, 14), (torch.arange(400) % 10 == 0).long()
    x[:, 0] += 1.5 * targets

    found = named(sample_signals((x[:300], targets[:300]), (x[300:], targets[300:]), 2))

    scaler = StandardScaler().fit(x[:300])
    ridge = Ridge(1.0).fit(scaler.transform(x[:300]), targets[:300])
    nearest = KNeighborsClassifier(5).fit(scaler.transform(x[:300]), targets[:300])
    answers = ridge.predict(scaler.transform(x[300:])) > 0.5, nearest.predict(scaler.transform(x[300:]))
    recalls = [balanced_accuracy_score(targets[300:], each) for each in answers]
    assert found["simple_balanced"] == pytest.approx(2 * max(recalls) - 1, abs=1e-4)


class Dropped(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(inputs, 0.5)


def test_outputs_that_are_random_in_evaluation_differ_again() -> None:
    inputs = make_blobs(40).inputs
    with torch.no_grad():
        noise = [
            named(network_signals(model.eval(), call, inputs, call(model, inputs)))["evaluation_noise"]
            for model in (Dropped(), nn.Linear(4, 3))
        ]

    assert noise[0] > 0.1
    assert noise[1] == 0.0


def test_samples_are_spread_over_the_split_and_few_where_they_are_large() -> None:
    split = make_split(torch.arange(1000.0)[:, None], torch.arange(1000.0))
    inputs, targets = Batches(split, 16, CPU).some_samples(100)
    assert targets.tolist() == list(np.arange(0, 1000, 10))
    assert inputs[:, 0].tolist() == targets.tolist()

    large = make_split(torch.zeros(40, 2**20), torch.zeros(40))
    assert len(Batches(large, 16, CPU).some_samples(100)[1]) <= 4


class FirstSample(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs - inputs.mean(0)


class FirstColumns(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, :1] ** 2


class FirstCodes(nn.Module):
    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return codes[:, :3].float()


def test_positions_of_codes_that_do_not_matter_are_not_used() -> None:
    codes = torch.randint(0, 50, (40, 12), generator=torch.Generator().manual_seed(15))

    found = named(network_signals(FirstCodes(), call, codes, call(FirstCodes(), codes)))

    assert found["inputs_used"] == pytest.approx(3 / 12)


@pytest.mark.parametrize(
    ("model", "depends", "bends", "used"),
    [
        (nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), False, False, 1.0),
        (nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), False, True, 1.0),
        (FirstSample(), True, True, 1.0),
        (FirstColumns(), False, True, 0.25),
    ],
)
def test_what_a_network_does_with_samples(model: nn.Module, depends: bool, bends: bool, used: float) -> None:
    inputs = make_blobs(40).inputs
    model.eval()
    with torch.no_grad():
        found = named(network_signals(model, call, inputs, call(model, inputs)))

    assert (found["batch_dependence"] > 1e-3) == depends
    assert (found["curvature"] > 1e-3) == bends
    assert found["inputs_used"] == used


def test_the_skill_on_curves_is_that_of_the_nearest_neighbours() -> None:
    train_x, val_x = draw(300, 2, 8), draw(200, 2, 9)
    train_y, val_y = (torch.stack([x[:, 0].cos() * x[:, 1], x[:, 1] ** 2], 1) for x in (train_x, val_x))

    found = named(sample_signals((train_x, train_y), (val_x, val_y), 2))

    scaler = StandardScaler().fit(train_x)
    answers = KNeighborsRegressor(5).fit(scaler.transform(train_x), train_y).predict(scaler.transform(val_x))
    errors = ((answers - val_y.numpy()) ** 2).sum() / ((val_y - val_y.mean(0)) ** 2).sum().item()
    assert found["simple_skill"] == pytest.approx(1 - errors, abs=1e-4)


def test_a_part_in_which_few_values_differ_has_signals() -> None:
    train_x, train_y = torch.randn(40, 2), torch.randint(0, 2, (40,))
    val_x = torch.zeros(3, 2)

    found = named(sample_signals((train_x, train_y), (val_x, train_y[:3]), 2))

    assert found["val_column_scale"] == 0
