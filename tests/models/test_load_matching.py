"""Weights of a checkpoint for a network that need not be the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from refusals import assert_reports
from torch import Tensor, nn

from dlkit.errors import CheckpointError
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.description import DataDescription
from dlkit.models.build import build_model, load_matching
from dlkit.settings.resolve import resolve

DIGITS = replace(OF_CLASSES, name="digits", input_shape=(1, 8, 8), class_names=tuple("0123456789"))


def network(model: str = "mlp", description: DataDescription = DIGITS, **arguments: str) -> nn.Module:
    return build_model(model, description, resolve({"model": model}, arguments).arguments)


def checkpoint(weights: dict[str, Tensor], model: str = "mlp") -> Checkpoint:
    return Checkpoint(Path("run/best.safetensors"), {}, weights, {}, resolve({"model": model}, {}), DIGITS)


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_everything_is_taken_from_the_same_network(model: str) -> None:
    source, target = network(model), network(model)
    with torch.no_grad():
        for buffer in source.buffers():
            buffer.add_(3)

    told = load_matching(target, checkpoint(copied(source), model))

    count = len(source.state_dict())
    for part in ("--init", f"{count} of {count}", "run/best.safetensors"):
        assert part in told
    assert all(map(torch.equal, target.state_dict().values(), source.state_dict().values()))


def test_a_head_for_other_classes_stays_as_it_was() -> None:
    source = network()
    target = network(description=replace(DIGITS, class_names=tuple("abc")))
    before = copied(target)

    told = load_matching(target, checkpoint(copied(source)))

    for part in ("2 of 4", "output.weight (10, 128)", "output.bias (10,)"):
        assert part in told
    for name, value in target.state_dict().items():
        expected = before if name.startswith("output") else source.state_dict()
        assert torch.equal(value, expected[name]), name


def test_what_is_missing_and_what_is_left_over_is_listed() -> None:
    source = copied(network(hidden="128,128"))
    del source["output.bias"]
    target = network()
    before = copied(target)

    told = load_matching(target, checkpoint(source))

    for part in ("3 of 4", "output.bias;", "hidden.1.linear.weight, hidden.1.linear.bias"):
        assert part in told
    assert torch.equal(target.state_dict()["output.bias"], before["output.bias"])


def test_a_long_list_is_cut() -> None:
    deep = network(hidden=",".join(["128"] * 6))

    told = load_matching(network(), checkpoint(copied(deep)))

    assert "hidden.4.linear.bias" in told
    assert "hidden.5" not in told


FOREIGN: dict[str, tuple[str, dict[str, str]]] = {
    "another-kind": ("cnn", {}),
    "another-width": ("mlp", {"hidden": "64"}),
}


@pytest.mark.parametrize(("model", "arguments"), FOREIGN.values(), ids=FOREIGN)
def test_another_network_is_refused_and_nothing_changed(model: str, arguments: dict[str, str]) -> None:
    source, target = copied(network()), network(model, **arguments)
    before = copied(target)
    same = [
        name
        for name, value in target.state_dict().items()
        if name in source and source[name].shape == value.shape
    ]
    assert same == ["output.bias"], "only a bias happens to be as long"

    with pytest.raises(CheckpointError) as caught:
        load_matching(target, checkpoint(source))

    assert caught.value.exit_code == 4
    assert_reports(caught.value, "--init run/best.safetensors", "mlp", *source)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_an_empty_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError):
        load_matching(network(), checkpoint({}))


def test_names_in_the_file_are_made_safe_to_show() -> None:
    weights: dict[str, Any] = {**copied(network()), "\x1b[31mred": torch.zeros(1)}

    told = load_matching(network(), checkpoint(weights))

    assert "\x1b" not in told
    assert "[31mred" in told
