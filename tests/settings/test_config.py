"""Every setting: its default, its check, and what is said when it cannot be used."""

import dataclasses
import tomllib
from typing import Any

import pytest

from dlkit.errors import ConfigError
from dlkit.settings.config import FIELDS, TrainConfig, check_device, flag
from dlkit.settings.resolve import parse_arguments, resolve

RANGES = [
    ("epochs", 0, "--epochs 0 is outside [1, inf)", ""),
    ("lr", 0.0, "--lr 0.0 is outside (0, inf)", "0.01 suits sgd, 0.001 adam and adamw"),
    ("lr", -1.0, "--lr -1.0 is outside (0, inf)", "0.01 suits sgd, 0.001 adam and adamw"),
    ("lr", float("nan"), "--lr nan is outside (0, inf)", "0.01 suits sgd, 0.001 adam and adamw"),
    ("lr", float("inf"), "--lr inf is outside (0, inf)", "0.01 suits sgd, 0.001 adam and adamw"),
    ("batch_size", 0, "--batch-size 0 is outside [1, inf)", ""),
    (
        "val",
        1.2,
        "--val 1.2 is outside (0, 1)",
        "0.1 keeps 10 % of the training samples for validation",
    ),
    ("val", 0.0, "--val 0.0 is outside (0, 1)", "0.1 keeps 10 % of the training samples for validation"),
    ("test", 1.0, "--test 1.0 is outside (0, 1)", "0.1 keeps 10 %"),
    ("limit", 9, "--limit 9 is outside [10, inf)", ""),
    ("momentum", 1.0, "--momentum 1.0 is outside [0, 1)", ""),
    ("momentum", -0.1, "--momentum -0.1 is outside [0, 1)", ""),
    ("weight_decay", -1e-9, "--weight-decay -1e-09 is outside [0, inf)", ""),
    ("l1", -1.0, "--l1 -1.0 is outside [0, 1000000.0)", ""),
    ("neighbors", 0, "--neighbors 0 is outside [1, 201)", ""),
    ("min_neighbors", -1, "--min-neighbors -1 is outside [0, inf)", ""),
    ("radius", 0.0, "--radius 0.0 is outside (0, inf)", ""),
    ("window", -2.0, "--window -2.0 is outside (0, inf)", ""),
    ("split_by_block", 0.0, "--split-by-block 0.0 is outside (0, inf)", ""),
    ("label_smoothing", 1.0, "--label-smoothing 1.0 is outside [0, 1)", ""),
    ("warmup_steps", -1, "--warmup-steps -1 is outside [0, inf)", ""),
    ("grad_clip", 0.0, "--grad-clip 0.0 is outside (0, inf)", ""),
    ("accumulate", 0, "--accumulate 0 is outside [1, inf)", ""),
    ("ema", 0.0, "--ema 0.0 is outside (0, 1)", ""),
    ("ema", 1.0, "--ema 1.0 is outside (0, 1)", ""),
    ("patience", 0, "--patience 0 is outside [1, inf)", ""),
    ("min_delta", -0.1, "--min-delta -0.1 is outside [0, inf)", ""),
    ("max_steps", 0, "--max-steps 0 is outside [1, inf)", ""),
    ("seed", -1, "--seed -1 is outside [0, 4294967296)", ""),
    ("seed", 2**32, "--seed 4294967296 is outside [0, 4294967296)", ""),
    ("folds", 1, "--folds 1 is outside [2, inf)", ""),
    ("fold", 0, "--fold 0 is outside [1, inf)", ""),
    ("size", 7, "--size 7 is outside [8, 4097)", ""),
    ("keep", 0, "--keep 0 is outside [1, inf)", ""),
    ("log_every", 0, "--log-every 0 is outside [1, inf)", ""),
]
CHOICES = [
    ("model", "mpl", "MODEL mpl is not known; choose from mlp, cnn, ", "did you mean mlp?"),
    (
        "model",
        "",
        "MODEL is missing; choose from mlp, cnn, ",
        "for example dlkit train mlp; --resume RUN goes on with a run",
    ),
    ("data", "digit", "--data digit is not known; choose from digits, mnist, ", "did you mean digits?"),
    ("data", "", "--data is missing", "choose from digits, mnist, "),
    ("task", "regresion", "--task regresion is not known; choose from auto, ", "did you mean regression?"),
    (
        "augment",
        "ligth",
        "--augment ligth is not known; choose from none, light, strong",
        "did you mean light?",
    ),
    (
        "model",
        "net.py",
        "MODEL net.py is not known; choose from mlp, cnn, ",
        "name its class too: net.py:Net",
    ),
    (
        "distance",
        "euclid",
        "--distance euclid is not known; choose from euclidean, haversine",
        "did you mean",
    ),
    ("sched_on_resume", "stay", "--sched-on-resume stay is not known; choose from keep, stretch", ""),
    ("balance", "weights", "--balance weights is not known; choose from none, loss, sampler", ""),
    (
        "optimizer",
        "adamm",
        "--optimizer adamm is not known; choose from sgd, adam, adamw",
        "did you mean adam",
    ),
    ("optimizer", "", "--optimizer is missing; choose from sgd, adam, adamw", ""),
    ("loss", "msee", "--loss msee is not known; choose from auto, cross-entropy, mse", "did you mean mse?"),
    (
        "precision",
        "bf61",
        "--precision bf61 is not known; choose from fp32, tf32, bf16, fp16",
        "did you mean bf16?",
    ),
    (
        "schedule",
        "one-cycle",
        "--schedule one-cycle is not known; choose from none, step, exponential, cosine, plateau, cyclic, onecycle, ",
        "did you mean onecycle?",
    ),
]


def fault(arguments: dict[str, str] | None = None, **typed: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "mlp", **typed}, arguments or {})
    return caught.value


@pytest.mark.parametrize(("name", "value", "message", "hint"), RANGES)
def test_a_value_out_of_range_is_refused(name: str, value: Any, message: str, hint: str) -> None:
    needed = {
        "min_delta": {"patience": 1},
        "keep": {"save_every": "1"},
        "folds": {"fold": 1, "data": "x.csv"},
        **{
            other: {"model": "spatial", "time": "t", "min_neighbors": 0}
            for other in ("neighbors", "radius", "window", "split_by_block")
        },
        "min_neighbors": {"model": "spatial"},
        "size": {"data": "pictures/"},
        "fold": {"folds": 2, "data": "x.csv"},
    }.get(name, {})

    found = fault(**{**needed, name: value})

    assert (found.message, found.hint) == (message, hint)
    assert found.exit_code == 2


@pytest.mark.parametrize(("name", "value", "message", "hint"), CHOICES)
def test_a_name_that_is_not_known_is_refused(name: str, value: str, message: str, hint: str) -> None:
    found = fault(**{name: value}, **({"model": "spatial"} if name == "distance" else {}))

    assert found.message.startswith(message)
    assert found.hint.startswith(hint)
    assert len(found.faults) == 1


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
def test_a_value_at_the_edge_is_taken(name: str, value: Any) -> None:
    assert getattr(resolve({"model": "mlp", name: value}, {}), name) == value


def test_all_faults_are_told_together() -> None:
    found = fault(
        {"hiden": "3"}, lr=-1.0, optimizer="sgdd", val=1.2, device="gpu", normalize="0.5", batch_size=0
    )

    messages = [each.message for each in found.faults]
    assert len(messages) == 7
    for word in ("-s hiden=3", "--lr", "--optimizer", "--val", "--device", "--normalize", "--batch-size"):
        assert sum(message.startswith(word) for message in messages) == 1
    assert found.message == "; ".join(messages)


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:15"])
def test_devices_that_may_be_typed(device: str) -> None:
    assert list(check_device(device)) == []


@pytest.mark.parametrize(
    "device",
    ["", "gpu", "CPU", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "cuda:²", "cuda:٣", "cuda:00", "cuda:0\n"],
)
def test_devices_that_may_not(device: str) -> None:
    (found,) = check_device(device)

    assert found.message == f"--device {device} is not known; choose from auto, cpu, cuda, cuda:N, mps"
    assert found.hint == "auto takes the best device here"


@pytest.mark.parametrize(
    "text", ["", "0.5", "0.5,", "1,2,3", "a,b", "0.5,0", "0.5,-1", "nan,1", "0,inf", "0.5,0.5,", "Auto"]
)
def test_a_normalisation_that_makes_no_sense_is_refused(text: str) -> None:
    found = fault(normalize=text)

    assert found.message == f"--normalize {text} is not auto, none or MEAN,STD with a std above 0"
    assert found.hint == "0.5,0.5 gives -1 to 1"


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


def test_batch_norm_with_batches_of_one_is_refused() -> None:
    found = fault({"norm": "batch"}, batch_size=1)

    assert found.message == "--batch-size 1 does not go with -s norm=batch: one sample has no spread"
    assert "--batch-size 2" in found.hint
    assert resolve({"model": "mlp", "batch_size": 1}, {"norm": "layer"}).batch_size == 1


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

    assert [each.message for each in caught.value.faults] == [
        "--val 0.5 cannot change on --resume: the run has 0.1",
        "--seed 3 cannot change on --resume: the run has 0",
        "-s cannot change on --resume: the network is the run's",
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


@pytest.mark.parametrize(
    ("pairs", "message", "hint"),
    [
        (["hidden"], "-s hidden is not key=value", "for example -s hidden=128,64"),
        (["=3"], "-s =3 is not key=value", "for example -s hidden=128,64"),
        ([""], "-s  is not key=value", "for example -s hidden=128,64"),
        (["a=1", "a=2"], "-s a is given twice: 1 and 2", ""),
    ],
)
def test_model_arguments_that_are_no_pairs_are_refused(pairs: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(pairs)

    assert (caught.value.message, caught.value.hint) == (message, hint)


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


def test_every_setting_but_the_models_own_has_a_sentence_of_help() -> None:
    for name in set(FIELDS) - {"arguments"}:
        text = FIELDS[name].metadata["help"]
        choices = (*FIELDS[name].metadata["choices"], "auto", "none")
        assert text.endswith("."), name
        assert text[0].isupper() or text.split()[0].strip(",") in choices, name


def test_settings_are_named_as_they_are_typed() -> None:
    assert [flag(name) for name in ("model", "lr", "batch_size")] == ["MODEL", "--lr", "--batch-size"]
