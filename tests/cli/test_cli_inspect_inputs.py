"""The verbs of inspect on a network with several inputs."""

import json
from pathlib import Path

import pytest

RUN = ("pbpk", "--data", "pbpk:n=60,times=10", "--epochs", 2, "--no-plot", "--out", "run")
VERBS = (
    ("acts", "run"),
    ("grads", "run"),
    ("weights", "run"),
    ("updates", "run"),
    ("model", "run"),
    ("run", "run"),
    ("diff", "run", "run"),
    ("acts", "run", "-o", "acts.png"),
    ("grads", "run", "-o", "grads.png"),
    ("lr", "--config", "run/config.toml"),
)


@pytest.mark.slow
def test_every_verb_takes_a_network_with_several_inputs(dlkit, home: Path) -> None:
    assert dlkit("train", *RUN).code == 0

    found = {verb: dlkit("inspect", *verb) for verb in VERBS}

    assert {verb: each.code for verb, each in found.items()} == dict.fromkeys(VERBS, 0)
    assert (home / "acts.png").stat().st_size > 1000
    layers = {line.split("\t")[0] for line in found["grads", "run"].stdout.splitlines()[1:]}
    weights = {line.split("\t")[0] for line in found["weights", "run"].stdout.splitlines()[1:]}
    assert layers
    assert layers <= weights  # which has the buffers too
    assert 0 < float(found["lr", "--config", "run/config.toml"].stdout) < 1


@pytest.mark.slow
def test_the_gradients_of_several_inputs_are_checked(dlkit, home: Path) -> None:
    assert dlkit("train", *RUN).code == 0

    rows = json.loads(dlkit("inspect", "grads", "run", "--check", "--json").stdout)

    assert {row["verdict"] for row in rows} <= {"right", "too small to see"}
    assert "right" in {row["verdict"] for row in rows}
