"""What is built in, and the arguments of the networks."""

from typing import Any

import pytest

from dlkit.data.builtin.load import SOURCES
from dlkit.data.kinds import KINDS
from dlkit.errors import ConfigError
from dlkit.settings.arguments import Argument
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.recipes import RECIPES

MLP = MODELS["mlp"]
DEFAULTS = {
    "hidden": (128,),
    "activation": "relu",
    "dropout": 0.0,
    "norm": "none",
    "residual": False,
    "init": "default",
    "numbers": "plain",
    "bins": 128,
    "frequencies": 16,
    "sigma": 0.1,
    "number_width": 16,
}


def test_every_entry_can_be_built_or_loaded() -> None:
    assert {name for name, entry in DATA.items() if entry.kind == "images"} == set(SOURCES)
    assert {entry.kind for entry in DATA.values()} <= set(KINDS)
    assert {entry.data for entry in MODELS.values()} <= set(DATA)
    used = {record.recipe for record in (*MODELS.values(), *KINDS.values())}
    by_rows = {"few"}  # data/arrays chooses it
    assert used - {""} | by_rows == set(RECIPES)
    assert all(hasattr(TrainConfig, name) for recipe in RECIPES.values() for name in recipe)


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_has_source_licence_and_checksums(name: str) -> None:
    entry = DATA[name]

    assert entry.source.startswith("http" if entry.kind == "images" else "simulated")
    assert entry.licence
    assert len(set(entry.class_names)) == len(entry.class_names) == (10 if entry.kind == "images" else 0)
    assert entry.embedded == (name in ("digits", "spatial", "pbpk"))
    assert entry.download_bytes == sum(file.size for file in entry.files)
    for file in entry.files:
        assert len(file.sha256) == 64
        assert file.size > 0
    assert bool(entry.files) == bool(entry.mirrors)
    assert all(mirror.endswith("/") for mirror in entry.mirrors)


def test_every_argument_has_a_sentence_of_help_and_a_default_that_is_allowed() -> None:
    for entry in MODELS.values():
        assert entry.help.endswith(".")
        for name, argument in entry.arguments.items():
            assert argument.help.endswith(".")
            assert argument.parse(name, argument.shown()) == argument.default


def test_defaults_fill_up_what_is_not_typed() -> None:
    assert MLP.resolve({}) == DEFAULTS
    assert MLP.resolve({"dropout": "0.5"}) == {**DEFAULTS, "dropout": 0.5}


def test_defaults_depend_on_the_data() -> None:
    assert MLP.resolve({}, "table") == {**DEFAULTS, **MLP.defaults["table"]}
    assert MLP.resolve({"hidden": "8"}, "table")["hidden"] == (8,)
    for entry in MODELS.values():
        for name, value in ((n, v) for values in entry.defaults.values() for n, v in values.items()):
            assert type(value) is type(entry.arguments[name].default)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hidden", "128,64", (128, 64)),
        ("hidden", "128, 64,", (128, 64)),
        ("hidden", "", ()),
        ("activation", "gelu", "gelu"),
        ("dropout", "0", 0.0),
        ("dropout", "1e-1", 0.1),
        ("residual", "true", True),
        ("residual", "Yes", True),
        ("residual", "0", False),
        ("init", "orthogonal", "orthogonal"),
    ],
)
def test_arguments_are_read_as_typed(name: str, text: str, value: Any) -> None:
    assert MLP.resolve({name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text", "allowed", "hint"),
    [
        ("hidden", "a", "list of whole numbers", "128"),
        ("hidden", "1.5", "list of whole numbers", "128"),
        ("hidden", "0", "[1, 1000000)", "128"),
        ("hidden", "8,-1", "[1, 1000000)", "128"),
        ("hidden", "9" * 30, "[1, 1000000)", "128"),
        ("dropout", "x", "number", "0.0"),
        ("dropout", "1", "[0, 1)", "0.0"),
        ("dropout", "-0.1", "[0, 1)", "0.0"),
        ("dropout", "nan", "[0, 1)", "0.0"),
        ("residual", "maybe", "true or false", "false"),
        ("activation", "rellu", "relu, leaky_relu, gelu, tanh, sigmoid", "relu"),
        ("norm", "", "none, batch, layer", ""),
        ("hiden", "8", "hidden, activation, dropout, norm, residual, init", "hidden?"),
        ("bins", "3.5", "whole number", "128"),
    ],
)
def test_an_invalid_argument_is_refused(name: str, text: str, allowed: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MLP.resolve({name: text})

    assert caught.value.message.startswith(f"-s {name}={text}")
    assert allowed in caught.value.message
    assert hint in caught.value.hint


def test_a_range_without_a_lower_bound_is_reported() -> None:
    with pytest.raises(ConfigError, match=r"^x=6 .*\(-inf, 5\)"):
        Argument(default=1.0, high=5, help="x.").parse("x", "6")
