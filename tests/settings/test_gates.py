"""Limits of metrics."""

import math

import pytest

from dlkit.errors import ConfigError
from dlkit.settings.gates import Gate, parse_gates


def test_gates_are_read() -> None:
    assert list(parse_gates("--min", ["accuracy=0.95", "r2.lo = -1e-1"])) == [
        Gate(option="--min", metric="accuracy", end="", limit=0.95),
        Gate(option="--min", metric="r2", end="lo", limit=-0.1),
    ]


@pytest.mark.parametrize(
    "text", ["accuracy", "accuracy=", "=1", "accuracy=high", "accuracy.mid=0.5", "a=nan"]
)
def test_what_is_no_gate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(parse_gates("--max", [text]))

    assert f"--max {text} " in caught.value.message
    assert "--max log_loss=0.3" in caught.value.hint


@pytest.mark.parametrize(
    ("option", "value", "holds"),
    [
        ("--min", 0.5, True),
        ("--min", 0.49, False),
        ("--max", 0.5, True),
        ("--max", 0.51, False),
        ("--max", math.nan, False),
        ("--min", None, False),
    ],
)
def test_limits_are_within(option: str, value: float | None, holds: bool) -> None:
    assert Gate(option=option, metric="m", end="", limit=0.5).holds(value) is holds
