"""What a run records for the rules of diagnosis."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the field's own name
from toys import make_blobs, make_network, make_parts, make_split, train

from dlkit.files.description import Normalisation
from dlkit.probes.parameters import ProbeRow
from dlkit.training.loop import Position, fit
from dlkit.training.signals.data import batch_signals
from dlkit.training.signals.recorder import Signals


def of_signal(rows: Sequence[ProbeRow], name: str, layer: str = "") -> dict[int, float]:
    return {step: value for step, of, signal, value in rows if (of, signal) == (layer, name)}


def rows_of(epochs: int = 1, **options: object) -> list[ProbeRow]:
    model = options.pop("model", None) or make_network()
    parts = make_parts(options.pop("split", make_blobs(16 * 30)), model, **options)
    return [row for step in train(parts, epochs) for row in step.probe_rows]


def test_few_steps_are_measured_ever_more_rarely() -> None:
    signals = Signals(make_network(), make_parts(make_blobs(), make_network()).objective)

    assert [step for step in range(1200) if signals.due(step)] == [
        0,
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1000,
    ]


def test_the_first_loss_and_its_batch_equal_a_direct_computation() -> None:
    split, model = make_blobs(16 * 30), make_network()
    parts = make_parts(split, model)
    inputs, targets = next(parts.train.shuffled(1))
    outputs = make_network()(inputs).detach()

    rows = [row for step in train(parts, 1) for row in step.probe_rows]

    counts = targets.bincount(minlength=3) / len(targets)
    expected = {
        "loss": F.cross_entropy(outputs, targets),
        "train_loss": F.cross_entropy(outputs, targets),
        "eval_loss": F.cross_entropy(outputs, targets),
        "label_entropy": torch.distributions.Categorical(counts).entropy(),
        "label_share": counts.max(),
        "predicted_share": outputs.argmax(1).bincount().max() / len(targets),
        "output_std": outputs.std(correction=0),
        "output_spread": outputs.std(0, correction=0).mean(),
        "input_mean": inputs.mean(),
        "input_std": inputs.std(correction=0),
        "input_max": inputs.abs().max(),
        "input_constant": torch.tensor(0.0),
        "constant_loss": torch.tensor(math.log(3)),
        "whole_label_share": torch.tensor(1 / 3),
        "samples": torch.tensor(480.0),
        "classes": torch.tensor(3.0),
    }
    found = {name: of_signal(rows, name)[1] for name in expected}
    assert found == pytest.approx({name: value.item() for name, value in expected.items()}, rel=1e-4)


def test_measuring_leaves_training_as_it_is() -> None:
    def weights(*, measured: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        parts = make_parts(make_blobs(), model)
        if not measured:
            parts.signals.due = lambda _step: False
        train(parts, 3)
        return list(model.state_dict().values())

    assert all(map(torch.equal, weights(measured=True), weights(measured=False)))


def test_layers_are_recorded_in_training_and_in_validation() -> None:
    rows = rows_of(model=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))

    assert set(of_signal(rows, "zeros", "1")) == {1, 2, 3, 6, 11, 21, 30}
    assert set(of_signal(rows, "dead", "1")) == {30}
    assert of_signal(rows, "act_std", "0")[30] > 0


def test_what_the_network_has_is_recorded_once() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
    nn.init.constant_(model[0].weight, 0.5)
    model[3].bias.requires_grad_(False)

    rows = rows_of(2, model=model)

    assert of_signal(rows, "unit_spread", "0.weight")[1] == 0.0
    assert of_signal(rows, "unit_spread", "3.weight")[1] > 0.5
    assert of_signal(rows, "frozen", "3.bias") == {1: 1.0}
    assert of_signal(rows, "dropout", "2") == {1: pytest.approx(0.3)}
    assert of_signal(rows, "size", "0.weight") == {1: 32.0}


def test_the_channels_of_a_convolution_are_not_its_inputs() -> None:
    class Grey(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(6, 3)
            self.first = nn.Conv1d(1, 6, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.output(self.first(inputs[:, None]).mean(2))
            return found

    rows = rows_of(model=Grey())

    assert of_signal(rows, "units", "first.weight") == {1: 6}
    assert of_signal(rows, "inputs", "first.weight") == {}
    assert of_signal(rows, "inputs", "output.weight") == {1: 6}


class Careless(nn.Module):
    """A network that takes no result of its activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.output = nn.Linear(4, 8), nn.Linear(8, 3)
        self.act, self.used, self.shown = nn.ReLU(), nn.Tanh(), nn.Softmax(1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.first(5 * inputs + 2)
        self.act(hidden)
        outputs: torch.Tensor = self.output(self.used(hidden))
        self.shown(outputs)  # for somebody to read
        return outputs


class PlainLinear(nn.Module):
    """A layer whose weights are tensors and not parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.randn(4, 8, requires_grad=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.weight


def test_weights_that_are_plain_tensors_are_recorded() -> None:
    rows = rows_of(model=nn.Sequential(PlainLinear(), nn.Linear(8, 3)))

    assert {layer for _, layer, signal, _ in rows if signal == "unregistered"} == {"self.0.weight"}


class Shuffling(nn.Module):
    """A network that answers each training sample for another one."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.only(inputs)
        return outputs.flip(0) if self.training else outputs


def test_outputs_in_another_order_are_recorded() -> None:
    rows = rows_of(model=Shuffling())

    assert of_signal(rows, "mode_difference")[1] > 0.5
    assert of_signal(rows, "order_difference")[1] < 1e-5


def test_gaps_and_a_row_that_stands_for_most_are_recorded() -> None:
    inputs = torch.randn(64, 12, generator=torch.Generator().manual_seed(0))
    inputs[:40] = inputs[0]
    split = replace(make_split(inputs, torch.arange(64) % 3), missing=True)
    gaps = inputs.clone()
    gaps[:, :3] = torch.nan
    val = replace(make_split(gaps, torch.arange(64) % 3), missing=True)

    rows = rows_of(split=split, val=val, model=nn.Linear(12, 3))

    assert of_signal(rows, "commonest_row") == {1: pytest.approx(40 / 64)}
    assert of_signal(rows, "val_missing") == {1: pytest.approx(0.25)}
    assert of_signal(rows, "missing") == {}


class Clamping(nn.Module):
    """A network that cuts its weights off whenever it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.only.weight.data.clamp_(-0.01, 0.01)
        outputs: torch.Tensor = self.only(inputs)
        return outputs


def test_an_activation_whose_result_nothing_uses_is_recorded() -> None:
    rows = rows_of(model=Careless())

    assert {layer for _, layer, signal, _ in rows if signal == "unused"} == {"act"}


def test_what_the_first_layer_receives_is_recorded() -> None:
    parts = make_parts(make_blobs(16 * 30), Careless())
    received = 5 * next(parts.train.shuffled(1))[0] + 2

    rows = rows_of(model=Careless())

    assert of_signal(rows, "received_mean", "first") == {1: pytest.approx(received.mean().item(), rel=1e-4)}
    assert of_signal(rows, "received_std", "first")[1] == pytest.approx(
        received.std(correction=0).item(), rel=1e-4
    )
    assert {layer for _, layer, signal, _ in rows if signal == "received_mean"} == {"first"}


def test_a_normalisation_may_receive_what_it_is_given() -> None:
    rows = rows_of(model=nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)))

    assert not [row for row in rows if row[2] == "received_mean"]


def test_weights_that_forward_changes_are_recorded() -> None:
    changed, left = (
        of_signal(rows_of(model=model), "overwritten") for model in (Clamping(), nn.Linear(4, 3))
    )

    assert min(changed.values()) > 0.1
    assert left == {2: 0.0, 3: 0.0}


def test_the_spread_of_what_is_stored_is_recorded() -> None:
    split = make_blobs(64)
    scaled = replace(
        split, normalisation=Normalisation(mean=(0.0,) * 4, std=(1.0, 2.0, 30.0, 4.0), scale=1.0, axis=1)
    )

    rows = rows_of(split=scaled)

    assert of_signal(rows, "stored_std") == {1: 30.0}
    assert of_signal(rows_of(split=split), "stored_std") == {}


def test_the_losses_of_an_epoch_become_means() -> None:
    parts = make_parts(make_blobs(16 * 32), make_network(), schedule=lambda _step: 0.0)
    steps = train(parts, 1)
    rows = steps[-1].probe_rows

    means = of_signal(rows, "mean_loss")

    assert list(means) == [4, 8, 12, 16, 20, 24, 28, 32]
    assert sum(means.values()) / 8 == pytest.approx(steps[-1].record.train_loss, rel=1e-6)


def test_numbers_as_targets_have_a_variance() -> None:
    blobs = make_blobs(64)
    split = make_split(blobs.inputs, blobs.inputs[:, :1] * 3)
    from descriptions import OF_NUMBERS

    from dlkit.objectives import build_objective

    rows = rows_of(split=split, model=nn.Linear(4, 1), objective=build_objective(OF_NUMBERS), lr=1e-3)

    variance = split.targets.var(correction=0).item()
    assert of_signal(rows, "whole_target_variance")[1] == pytest.approx(variance, rel=1e-5)
    assert of_signal(rows, "constant_loss")[1] == pytest.approx(variance, rel=1e-5)
    assert of_signal(rows, "target_variance")[1] > 0


def test_state_is_restored_in_the_middle_of_an_epoch() -> None:
    whole = [
        row for step in train(make_parts(make_blobs(16 * 30), make_network()), 1) for row in step.probe_rows
    ]
    parts = make_parts(make_blobs(16 * 30), make_network())
    for step in fit(parts, Position(), 1):
        if step.step in (2, 3, 17):
            kept = {name: value.clone() for name, value in parts.signals.state().items()}
            parts.signals._rows.clear()
            parts.signals.restore(kept)

    assert step.probe_rows == whole


def test_codes_of_a_table_count_in_no_mean_or_spread() -> None:
    inputs = torch.stack([torch.randn(64), torch.arange(64) * 5.0], 1)
    targets, outputs = torch.zeros(64, dtype=torch.long), torch.randn(64, 2)

    found, alone, none = (
        {signal: float(value) for _, signal, value in batch_signals(inputs, targets, outputs, codes)}
        for codes in ([1], [0], [0, 1])
    )

    assert found["input_mean"] == pytest.approx(inputs[:, 0].mean().item(), rel=1e-5)
    assert found["input_rms"] == pytest.approx(inputs[:, 0].square().mean().sqrt().item(), rel=1e-5)
    assert alone["input_mean"] == pytest.approx(157.5)
    assert "input_mean" not in none


def test_a_table_with_many_categories_is_normalised(home: Path, dlkit: Callable[..., Any]) -> None:
    lines = [f"{row % 7 / 7},c{row % 150},{(row % 150) / 10 + row % 7}" for row in range(600)]
    Path("t.csv").write_text("\n".join(["x,c,y", *lines]))

    result = dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "2", "--no-plot")

    assert result.code == 0
    assert "not normalised" not in result.stderr


class Rounding(nn.Module):
    """A network that keeps of its inputs whether they are above a thousand alone."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.first((inputs > 1000).float())
        return outputs


def test_what_is_lost_before_the_first_layer_is_recorded() -> None:
    lost = rows_of(model=Rounding())

    assert of_signal(lost, "simple_skill")[1] > 0.8
    assert of_signal(lost, "received_skill")[1] <= 0.05
    assert of_signal(rows_of(), "received_skill") == {}
