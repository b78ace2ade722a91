"""Every setting: its default, its checks, and what is reported when it cannot be used."""

import dataclasses
import tomllib
from typing import Any

import pytest
from refusals import assert_reports

from dlkit.errors import ConfigError
from dlkit.settings.checks import check_device
from dlkit.settings.config import FIELDS, TrainConfig, flag
from dlkit.settings.resolve import parse_arguments, resolve

RANGES = [
    ("epochs", 0, "[1, inf)"),
    ("lr", 0.0, "(0, inf)"),
    ("lr", -1.0, "(0, inf)"),
    ("lr", float("nan"), "(0, inf)"),
    ("lr", float("inf"), "(0, inf)"),
    ("batch_size", 0, "[1, inf)"),
    ("val", 1.2, "(0, 1)"),
    ("val", 0.0, "(0, 1)"),
    ("test", 1.0, "(0, 1)"),
    ("limit", 9, "[10, inf)"),
    ("momentum", 1.0, "[0, 1)"),
    ("momentum", -0.1, "[0, 1)"),
    ("weight_decay", -1e-9, "[0, inf)"),
    ("l1", -1.0, "[0, 1000000.0)"),
    ("neighbors", 0, "[1, 201)"),
    ("min_neighbors", -1, "[0, inf)"),
    ("radius", 0.0, "(0, inf)"),
    ("window", -2.0, "(0, inf)"),
    ("split_by_block", 0.0, "(0, inf)"),
    ("label_smoothing", 1.0, "[0, 1)"),
    ("warmup_steps", -1, "[0, inf)"),
    ("grad_clip", 0.0, "(0, inf)"),
    ("accumulate", 0, "[1, inf)"),
    ("ema", 0.0, "(0, 1)"),
    ("ema", 1.0, "(0, 1)"),
    ("patience", 0, "[1, inf)"),
    ("min_delta", -0.1, "[0, inf)"),
    ("max_steps", 0, "[1, inf)"),
    ("seed", -1, "[0, 4294967296)"),
    ("seed", 2**32, "[0, 4294967296)"),
    ("folds", 1, "[2, inf)"),
    ("fold", 0, "[1, inf)"),
    ("size", 7, "[8, 4097)"),
    ("keep", 0, "[1, inf)"),
    ("log_every", 0, "[1, inf)"),
]
CHOICES = [
    ("model", "mpl", "choose from mlp, cnn, ", "mlp?"),
    ("model", "net.py", "choose from mlp, cnn, ", "net.py:Net"),
    ("model", "", "MODEL is missing; choose from mlp, cnn, ", "dlkit train mlp"),
    ("data", "digit", "choose from digits, mnist, ", "digits?"),
    ("data", "", "--data is missing", "digits, mnist, "),
    ("task", "regresion", "choose from auto, ", "regression?"),
    ("layout", "nhcw", "choose from auto, classes, splits, nchw", "nhwc"),
    ("augment", "ligth", "choose from none, light, strong", "light?"),
    ("distance", "euclid", "choose from euclidean, haversine", "euclidean?"),
    ("sched_on_resume", "stay", "choose from keep, stretch", ""),
    ("balance", "weights", "choose from none, loss, sampler", ""),
    ("shuffle", "block", "choose from full, blocks", "did you mean blocks?"),
    ("censored", "halve", "choose from half, value, drop", "half"),
    ("optimizer", "adamm", "choose from sgd, adam, adamw", "adam"),
    ("optimizer", "", "--optimizer is missing; choose from sgd, adam, adamw", ""),
    ("loss", "msee", "choose from auto, cross-entropy, mse", "mse?"),
    ("precision", "bf61", "choose from fp32, tf32, bf16, fp16", "bf16?"),
    ("schedule", "one-cycle", "choose from none, step, ", "onecycle?"),
]
NEEDED = {
    "min_delta": {"patience": 1},
    "keep": {"save_every": "1"},
    "folds": {"fold": 1, "data": "x.csv"},
    "fold": {"folds": 2, "data": "x.csv"},
    "size": {"data": "images/"},
    "censored": {"data": "x.csv"},
    "min_neighbors": {"model": "spatial"},
    "distance": {"model": "spatial"},
    **{
        name: {"model": "spatial", "time": "t", "min_neighbors": 0}
        for name in ("neighbors", "radius", "window", "split_by_block")
    },
}


def fault(arguments: dict[str, str] | None = None, **typed: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "mlp", **typed}, arguments or {})
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(("name", "value", "allowed"), RANGES)
def test_a_value_out_of_range_is_refused(name: str, value: Any, allowed: str) -> None:
    found = fault(**{**NEEDED.get(name, {}), name: value})

    assert len(found.faults) == 1
    assert_reports(found, f"{flag(name)} {value} ", allowed)


@pytest.mark.parametrize(("name", "value", "choices", "hint"), CHOICES)
def test_an_unknown_name_is_refused(name: str, value: str, choices: str, hint: str) -> None:
    found = fault(**{**NEEDED.get(name, {}), name: value})

    assert len(found.faults) == 1
    assert f"{flag(name)} {value}".rstrip() in found.message
    assert choices in found.message
    assert hint in found.hint


def test_every_setting_with_a_limit_has_a_case_here() -> None:
    limits = ("low", "above", "below")
    ranged = {n for n, f in FIELDS.items() if any(f.metadata.get(limit) is not None for limit in limits)}
    chosen = {n for n, f in FIELDS.items() if f.metadata.get("choices")}

    assert ranged == {name for name, *_ in RANGES}
    assert chosen | {"data"} == {name for name, *_ in CHOICES}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 1),
        ("lr", 1e-300),
        ("batch_size", 1),
        ("val", 0.999),
        ("limit", 10),
        ("momentum", 0),
        ("weight_decay", 0),
        ("seed", 2**32 - 1),
        ("log_every", 1),
    ],
)
def test_a_value_at_the_edge_is_accepted(name: str, value: Any) -> None:
    assert getattr(resolve({"model": "mlp", name: value}, {}), name) == value


def test_all_faults_are_reported_together() -> None:
    found = fault(
        {"hiden": "3"}, lr=-1.0, optimizer="sgdd", val=1.2, device="gpu", normalize="0.5", batch_size=0
    )

    assert sorted(each.message.split()[0] for each in found.faults) == [
        *("--batch-size", "--device", "--lr", "--normalize", "--optimizer", "--val", "-s"),
    ]
    assert found.message == "; ".join(each.message for each in found.faults)


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:15"])
def test_a_known_device_is_accepted(device: str) -> None:
    assert list(check_device(device)) == []


@pytest.mark.parametrize(
    "device",
    ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "cuda:²", "cuda:٣", "cuda:00", "cuda:0\n"],
)
def test_an_unknown_device_is_refused(device: str) -> None:
    (found,) = check_device(device)

    assert_reports(found, f"--device {device} ", "auto, cpu, cuda, cuda:N, mps")


@pytest.mark.parametrize(
    "text", ["", "0.5", "0.5,", "1,2,3", "a,b", "0.5,0", "0.5,-1", "nan,1", "0,inf", "0.5,0.5,", "Auto"]
)
def test_an_invalid_normalisation_is_refused(text: str) -> None:
    assert_reports(fault(normalize=text), f"--normalize {text} ", "auto, none or MEAN,STD", "0.5,0.5")


@pytest.mark.parametrize(
    ("text", "channels", "numbers"),
    [
        ("0.5,0.25", 1, ((0.5,), (0.25,))),
        ("0.5,0.25", 3, ((0.5,) * 3, (0.25,) * 3)),
        ("1,2,3,4,5,6", 3, ((1, 2, 3), (4, 5, 6))),
        (" 0.5, 0.25", 1, ((0.5,), (0.25,))),
        ("-1,1e-3", 1, ((-1,), (0.001,))),
    ],
)
def test_normalisation_numbers_go_to_their_channels(text: str, channels: int, numbers: Any) -> None:
    data = {1: "digits", 3: "cifar10"}[channels]

    config = resolve({"model": "mlp", "data": data, "normalize": text}, {})

    assert config.normalisation_numbers(channels) == numbers


RECIPES = [
    (
        {"model": "mlp"},
        {"data": "digits", "optimizer": "sgd", "lr": 0.01, "batch_size": 64, "schedule": "none"},
    ),
    (
        {"model": "cnn"},
        {"data": "digits", "optimizer": "sgd", "lr": 0.01, "batch_size": 64, "schedule": "none"},
    ),
    ({"model": "mlp", "optimizer": "adam"}, {"lr": 1e-3, "optimizer": "adam"}),
    ({"model": "cnn", "optimizer": "adamw"}, {"lr": 1e-3, "optimizer": "adamw"}),
    ({"model": "mlp", "optimizer": "adam", "lr": 0.01}, {"lr": 0.01}),
    ({"model": "mlp", "optimizer": "sgd"}, {"lr": 0.01}),
    ({"model": "mlp", "batch_size": 7, "data": "mnist"}, {"batch_size": 7, "data": "mnist", "lr": 0.01}),
    (
        {"model": "resnet18"},
        {
            "data": "digits",
            "optimizer": "sgd",
            "lr": 0.05,
            "momentum": 0.9,
            "batch_size": 128,
            "schedule": "onecycle",
            "weight_decay": 5e-4,
        },
    ),
    ({"model": "resnet18", "schedule": "none"}, {"schedule": "none", "lr": 0.05, "batch_size": 128}),
    ({"model": "resnet18", "optimizer": "adamw"}, {"lr": 1e-3, "schedule": "onecycle"}),
]


@pytest.mark.parametrize(
    ("typed", "expected"), RECIPES, ids=[" ".join(map(str, t.values())) for t, _ in RECIPES]
)
def test_what_is_typed_wins_over_the_recipe_and_that_over_the_default(
    typed: dict[str, Any], expected: dict[str, Any]
) -> None:
    config = resolve(typed, {})

    assert {name: getattr(config, name) for name in expected} == expected
    assert config.epochs == TrainConfig.epochs == 10


def test_stored_settings_win_over_recipe_and_default_and_what_is_typed_over_them() -> None:
    stored = dataclasses.asdict(resolve({"model": "mlp", "epochs": 3, "lr": 0.2, "l1": 0.1}, {"hidden": "5"}))

    config = resolve({"epochs": 4, "l1": 0.3}, {}, stored)

    assert (config.epochs, config.lr, config.l1) == (4, 0.2, 0.3)
    assert config.arguments["hidden"] == (5,)


def test_arguments_cannot_change_on_resume() -> None:
    stored = dataclasses.asdict(resolve({"model": "mlp"}, {}))

    with pytest.raises(ConfigError) as caught:
        resolve({"seed": 3, "val": 0.5}, {"hidden": "5"}, stored)

    assert [each.message.split(" cannot ")[0] for each in caught.value.faults] == [
        "--val 0.5",
        "--seed 3",
        "-s",
    ]


def test_what_is_typed_again_as_it_was_is_no_change() -> None:
    stored = dataclasses.asdict(resolve({"model": "mlp"}, {}))

    assert resolve({"model": "mlp", "seed": 0, "optimizer": "sgd"}, {}, stored).seed == 0


def test_model_arguments_are_split_at_the_first_equals_sign() -> None:
    assert parse_arguments(["hidden=128,64", "a=b=c", "empty="]) == {
        "hidden": "128,64",
        "a": "b=c",
        "empty": "",
    }


def test_model_arguments_that_are_no_pairs_are_refused_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(["hidden", "a=1", "a=2", "=3", ""])

    first, twice, *others = caught.value.faults
    assert len(others) == 2
    for found, text in ((first, "-s hidden "), *zip(others, ("-s =3 ", "-s  "), strict=True)):
        assert_reports(found, text, "key=value", "-s hidden=128,64")
    assert_reports(twice, "-s a ", "1 and 2")


def test_toml_holds_every_setting_that_is_set() -> None:
    config = resolve({"model": "mlp", "limit": 20}, {"hidden": "8,4", "residual": "yes"})

    plain = tomllib.loads(config.to_toml())

    assert set(FIELDS) - set(plain) == {name for name, field in FIELDS.items() if field.default is None} - {
        "limit"
    }
    assert plain["arguments"]["hidden"] == [8, 4]
    assert plain["arguments"]["residual"] is True
    assert {name: plain[name] for name in ("model", "lr", "limit", "plot")} == {
        "model": "mlp",
        "lr": 0.01,
        "limit": 20,
        "plot": True,
    }


def test_every_setting_has_a_help_text() -> None:
    for name in set(FIELDS) - {"arguments"}:
        text = FIELDS[name].metadata["help"]
        choices = (*FIELDS[name].metadata["choices"], "auto", "none")
        assert text.endswith("."), name
        assert text[0].isupper() or text.split()[0].strip(",") in choices, name


def test_option_of_a_setting() -> None:
    assert [flag(name) for name in ("model", "lr", "batch_size")] == ["MODEL", "--lr", "--batch-size"]
