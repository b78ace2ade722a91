"""Cures that several rules share."""

import pytest
from recordings import healthy

from dlkit.diagnosis.cures import raise_rate, shallower, train_longer


@pytest.mark.parametrize(
    ("config", "option", "value"),
    [
        ({"epochs": 10}, "--epochs", 50),
        ({"epochs": 1}, "--epochs", 10),
        ({"epochs": 100, "max_steps": 200}, "--max-steps", 1000),  # the run of 200 steps ended by it
        ({"epochs": 10, "max_steps": 100_000}, "--epochs", 50),
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
