"""Cures that several rules share."""

import pytest
from recordings import CONSTANT, healthy

from dlkit.diagnosis.cures import raise_rate, shallower, train_longer
from dlkit.diagnosis.rules.underfitting import underfit


@pytest.mark.parametrize(
    ("config", "option", "value"),
    [
        ({"epochs": 10}, "--epochs", 50),
        ({"epochs": 1}, "--epochs", 10),
        ({"epochs": 100, "max_steps": 200}, "--max-steps", 1000),  # the run of 200 steps ended by it
        ({"epochs": 10, "max_steps": 100_000}, "--epochs", 50),
        ({"epochs": 100, "patience": 5}, "--patience", 25),
        ({"epochs": 10, "patience": 5}, "--epochs", 50),
    ],
)
def test_a_run_is_longer_by_what_ended_it(config: dict[str, int], option: str, value: int) -> None:
    cure = train_longer(healthy(**config))

    assert (cure.option, cure.value) == (option, value)


@pytest.mark.parametrize(
    ("config", "value"),
    [
        ({"optimizer": "adamw"}, 2e-3),
        ({"optimizer": "sgd", "momentum": 0.9}, 0.03),  # the recipe of tables has AdamW's rate
        ({"optimizer": "sgd", "momentum": 0.0}, 0.15),
    ],
)
def test_a_raised_rate_suits_the_optimizer(config: dict[str, str | float], value: float) -> None:
    recording = healthy({"update_ratio": {}}, model="mlp", data="x.csv", lr=1e-5, **config)

    assert raise_rate(recording).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"hidden": ",".join(["10"] * 24)}, "hidden=64,64"),
        ({"depth": 30}, "depth=2"),
        ({"hidden": "64,64"}, None),
    ],
)
def test_very_many_layers_become_few(arguments: dict[str, str | int], value: str | None) -> None:
    cure = shallower(healthy(arguments=arguments))

    assert (None if cure is None else cure.value) == value


@pytest.mark.parametrize(
    ("tail", "simple", "word"),
    [
        (93.0, 0.0, "look at the targets first"),
        (4.0, 0.0, "a larger network"),
        (93.0, 0.5, "a larger network"),
    ],
)
def test_codes_among_the_targets_come_before_a_larger_network(tail: float, simple: float, word: str) -> None:
    stuck = {name: [0.99 * CONSTANT] * 10 for name in ("train_loss", "val_loss")}
    recording = healthy(
        {
            "whole_target_tail": {"": [(1, tail)]},
            "simple_skill": {"": [(1, simple)]},
            "mean_loss": {"": [(20 * epoch, 0.99 * CONSTANT) for epoch in range(1, 11)]},
        },
        history={**stuck, "val_accuracy": [0.1] * 10},
    )

    found = underfit(recording, 0.35)

    assert found is not None
    assert found.cure.text.startswith(word)
    assert "a larger network" in found.cure.text
