"""Cures that several rules share."""

import pytest
from recordings import healthy

from dlkit.diagnosis.cures import train_longer


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
