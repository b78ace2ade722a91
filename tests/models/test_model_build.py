from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from refusals import assert_reports
from torch import Tensor

from dlkit.errors import CheckpointError, ConfigError
from dlkit.files.checkpoint import Checkpoint
from dlkit.models.build import build_model, restore_model
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import resolve

DIGITS = replace(OF_CLASSES, name="digits", input_shape=(1, 8, 8), class_names=tuple("0123456789"))


def checkpoint(
    model: str = "mlp", weights: Mapping[str, Tensor] | None = None, **arguments: Any
) -> Checkpoint:
    config = resolve({"model": model}, {})
    config = replace(config, arguments={**config.arguments, **arguments})
    if weights is None:
        weights = build_model(model, DIGITS, config.arguments).state_dict()
    return Checkpoint(Path("run/best.safetensors"), {}, weights, {}, config, DIGITS)


@pytest.mark.parametrize("name", ["mlp", "cnn", "mobilenet_v3_small"])
def test_model_is_sized_from_the_description(name: str) -> None:
    regression = replace(DIGITS, task="regression", class_names=(), target_shape=(3,), input_shape=(2, 9, 12))

    model = build_model(name, regression, MODELS[name].resolve({}))

    assert model(torch.zeros(2, 2, 9, 12)).shape == (2, 3)


def test_unknown_model_is_reported_with_the_nearest_name() -> None:
    with pytest.raises(CheckpointError) as caught:
        build_model("resnet19", DIGITS, {})

    assert_reports(caught.value, "resnet19", "did you mean resnet18")


@pytest.mark.parametrize("shape", [(64,), (1, 7, 8)], ids=str)
@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_images_are_asked_for_when_samples_are_none(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        build_model(name, replace(DIGITS, input_shape=shape), {})

    assert_reports(caught.value, f"MODEL {name}", "8 x 8", "digits", "mlp")


@pytest.mark.parametrize("name", ["mlp", "cnn", "mobilenet_v3_small"])
def test_restored_model_gives_the_same_outputs(name: str) -> None:
    torch.manual_seed(0)
    original = build_model(name, DIGITS, MODELS[name].resolve({})).eval()
    inputs = torch.randn(4, 1, 8, 8)

    restored = restore_model(checkpoint(name, original.state_dict())).eval()

    assert torch.equal(restored(inputs), original(inputs))


@pytest.mark.parametrize("init", MODELS["mlp"].arguments["init"].choices)
def test_restoring_works_with_every_init(init: str) -> None:
    weights = build_model("mlp", DIGITS, MODELS["mlp"].resolve({})).state_dict()

    restored = restore_model(checkpoint("mlp", weights, init=init))

    assert torch.equal(restored.state_dict()["output.weight"], weights["output.weight"])


def test_restoring_tells_what_is_missing_extra_and_of_another_shape_or_dtype() -> None:
    weights = dict(build_model("mlp", DIGITS, MODELS["mlp"].resolve({})).state_dict())
    del weights["output.bias"]
    weights["hidden.0.linear.weight"] = torch.zeros(64, 64)
    weights["hidden.0.linear.bias"] = torch.zeros(128, dtype=torch.float16)
    weights["extra\x1b[31m\u202e"] = torch.zeros(2)

    with pytest.raises(CheckpointError) as caught:
        restore_model(checkpoint("mlp", weights))

    assert caught.value.exit_code == 4
    expected = [
        "run/best.safetensors does not hold the weights of mlp",
        "missing output.bias (10,)",
        "extra extra\ufffd[31m\ufffd (2,)",
        "hidden.0.linear.weight (64, 64) instead of (128, 64)",
        "hidden.0.linear.bias float16 instead of float32",
    ]
    assert [part for part in expected if part not in caught.value.message] == []
    assert caught.value.hint


def test_restoring_names_four_differences_in_one_line_and_counts_the_rest() -> None:
    with pytest.raises(CheckpointError) as caught:
        restore_model(checkpoint("mobilenet_v3_small", {"a": torch.zeros(1)}))

    assert "\n" not in caught.value.message
    assert caught.value.message.count("missing ") == 4
    assert caught.value.message.endswith("and 241 more")


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("mlp", {"hidden": "many"}),
        ("mlp", {"activation": "softmax"}),
        ("mlp", {"depth": 3}),
        ("mlp", {"dropout": 7.0}),
        ("cnn", {"width": -1}),
    ],
    ids=str,
)
def test_restoring_refuses_arguments_that_build_nothing(model: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError) as caught:
        restore_model(checkpoint(model, {}, **arguments))

    assert_reports(caught.value, "run/best.safetensors", model)
    assert caught.value.hint


def test_restoring_takes_no_memory_for_a_network_the_weights_do_not_fit() -> None:
    with pytest.raises(CheckpointError, match=r"best\.safetensors.*mlp"):
        restore_model(checkpoint("mlp", {}, hidden=(2**40,)))
