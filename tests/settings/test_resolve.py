"""From what was typed, set, written and stored to one configuration, or to all that stands in its way."""

import dataclasses
import itertools
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.errors import ConfigError
from dlkit.settings.catalogue import MODELS
from dlkit.settings.config import FIELDS, SCHEDULES, TrainConfig
from dlkit.settings.conflicts import PATIENCE_OF_SCHEDULE
from dlkit.settings.recipes import RECIPES
from dlkit.settings.resolve import parse_arguments, read_config_file, recipe_of, resolve
from dlkit.settings.texts import parse_duration, parse_save_every, parse_weights
from dlkit.training.schedules import CYCLIC_HALF_EPOCHS, PLATEAU_PATIENCE

Settings = dict[str, Any]
COLUMNS = "val_loss, val_accuracy, train_loss, train_accuracy"
CLASSES = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"


def refused(typed: Settings, arguments: dict[str, str] | None = None, **others: Any) -> list[tuple[str, str]]:
    """Message and hint of each fault."""
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "mlp", **typed}, arguments or {}, **others)
    assert caught.value.exit_code == 2
    return [(fault.message, fault.hint) for fault in caught.value.faults]


LAYERS = {
    "typed over file": ({"lr": 3.0}, {"lr": 2.0}, 3.0),
    "typed over recipe": ({"lr": 3.0}, {}, 3.0),
    "file over recipe": ({}, {"lr": 2.0}, 2.0),
    "recipe over default": ({}, {}, 0.05),
}


@pytest.mark.parametrize(("typed", "file", "lr"), LAYERS.values(), ids=LAYERS)
def test_the_nearer_layer_wins(typed: Settings, file: Settings, lr: float) -> None:
    assert resolve({"model": "resnet18", **typed}, {}, file=file).lr == lr
    assert TrainConfig.lr not in (3.0, 2.0, 0.05), "each layer has a value of its own"


def test_a_layer_that_is_silent_leaves_the_next_its_say() -> None:
    config = resolve({"epochs": 3}, {}, file={"model": "resnet18", "batch_size": 7})

    chosen = {
        name: getattr(config, name) for name in ("model", "epochs", "batch_size", "schedule", "patience")
    }
    assert chosen == {
        "model": "resnet18",
        "epochs": 3,
        "batch_size": 7,
        "schedule": "onecycle",
        "patience": None,
    }


@pytest.mark.parametrize(
    ("given", "lr"),
    [
        ({"model": "mlp"}, 0.01),
        ({"model": "mlp", "optimizer": "adam"}, 1e-3),
        ({"model": "mlp", "optimizer": "adamw"}, 1e-3),
        ({"model": "mlp", "optimizer": "rmsprop"}, 1e-3),
        ({"model": "mlp", "optimizer": "adagrad"}, 0.01),
        ({"model": "resnet18"}, 0.05),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_the_recipe_chooses_the_rate_by_model_and_optimizer(given: Settings, lr: float) -> None:
    assert recipe_of(given)["lr"] == lr
    assert resolve(given, {}).lr == lr
    assert resolve({**given, "lr": 0.3}, {}).lr == 0.3


def test_a_model_that_is_not_known_has_no_recipe() -> None:
    assert recipe_of({"model": "mpl"}) == recipe_of({}) == {}


def test_recipes_name_settings_only() -> None:
    for recipe in RECIPES.values():
        assert set(recipe) <= set(FIELDS)


def test_arguments_typed_win_over_those_of_the_file_and_those_over_the_networks_own() -> None:
    file = {"model": "mlp", "arguments": {"hidden": [32, 16], "dropout": 0.5, "residual": True}}

    config = resolve({}, {"dropout": "0.2"}, file=file)

    assert config.arguments == {
        **{name: argument.default for name, argument in MODELS["mlp"].arguments.items()},
        "hidden": (32, 16),
        "dropout": 0.2,
        "residual": True,
    }


def test_a_model_typed_that_differs_from_the_files_is_refused() -> None:
    assert resolve({"model": "mlp"}, {}, file={"model": "mlp"}).model == "mlp"

    assert refused({}, file={"model": "cnn"}) == [
        ("MODEL mlp differs from the file's cnn", "leave MODEL out, or change the file")
    ]


CONTRADICTIONS: dict[str, tuple[Settings, str, str]] = {
    "nesterov-without-momentum": (
        {"nesterov": True, "momentum": 0.0},
        "--nesterov does not go with --momentum 0",
        "--momentum 0.9, or leave --nesterov out",
    ),
    "nesterov-with-adam": (
        {"nesterov": True, "optimizer": "adam"},
        "--nesterov does not go with --optimizer adam",
        "only sgd takes it: --optimizer sgd, or --no-nesterov",
    ),
    "momentum-with-adam": (
        {"momentum": 0.8, "optimizer": "adam"},
        "--momentum does not go with --optimizer adam",
        "only sgd takes it: --optimizer sgd",
    ),
    "momentum-with-rmsprop": (
        {"momentum": 0.9, "optimizer": "rmsprop"},
        "--momentum does not go with --optimizer rmsprop",
        "only sgd takes it: --optimizer sgd",
    ),
    "cyclic-and-patience": (
        {"schedule": "cyclic", "patience": 3},
        "--schedule cyclic does not go with --patience 3: the loss rises in every cycle",
        "--patience 4 or more, or another schedule",
    ),
    "plateau-and-patience": (
        {"schedule": "plateau", "patience": 6},
        "--schedule plateau does not go with --patience 6: the run would end before the lower rate is tried",
        "--patience 7 or more, or another schedule",
    ),
    "smoothing-of-mse": (
        {"label_smoothing": 0.1, "loss": "mse"},
        "--label-smoothing does not go with --loss mse",
        "only cross-entropy spreads its target",
    ),
    "smoothing-of-bce": (
        {"label_smoothing": 0.1, "loss": "bce"},
        "--label-smoothing does not go with --loss bce",
        "only cross-entropy spreads its target",
    ),
    "min-delta-alone": (
        {"min_delta": 0.1},
        "--min-delta does nothing without --patience",
        "add --patience N",
    ),
    "keep-alone": ({"keep": 3}, "--keep does nothing without --save-every", "add --save-every N or Ne"),
    "batch-norm-of-one": (
        {"batch_size": 1},
        "--batch-size 1 does not go with -s norm=batch: one sample has no spread",
        "--batch-size 2 or more, or -s norm=layer",
    ),
    "warm-up-of-all-steps-asked-for": (
        {"warmup_steps": 50, "max_steps": 50},
        "--warmup-steps 50 is not below the steps of the run, at most 50",
        "fewer warm-up steps, or more epochs",
    ),
    "warm-up-of-all-samples": (
        {"warmup_steps": 9, "limit": 100, "batch_size": 10, "accumulate": 4, "epochs": 3},
        "--warmup-steps 9 is not below the steps of the run, at most 9",
        "fewer warm-up steps, or more epochs",
    ),
    "monitor-unknown": (
        {"monitor": "val_acuracy"},
        f"--monitor val_acuracy is not measured; choose from {COLUMNS}",
        "did you mean val_accuracy or train_accuracy?",
    ),
    "monitor-of-another-task": (
        {"monitor": "mae"},
        f"--monitor mae is not measured; choose from {COLUMNS}",
        "",
    ),
    "weights-of-no-class": (
        {"target_weights": "3=2,ten=1.5"},
        f"--target-weights ten: digits has no such class; it has {CLASSES}",
        "",
    ),
    "weights-of-a-class-misspelt": (
        {"data": "cifar10", "target_weights": "frogg=2"},
        "--target-weights frogg: cifar10 has no such class; it has airplane, automobile, bird, cat, deer, dog, frog, "
        "horse, ship, truck",
        "did you mean frog?",
    ),
    "weights-negative": (
        {"target_weights": "3=-2"},
        "--target-weights 3=-2: '3=-2' is not NAME=W with W above 0, or stands twice",
        "for example --target-weights 3=2,8=1.5",
    ),
    "weights-twice": (
        {"target_weights": "3=2,4=1,3=5"},
        "--target-weights 3=2,4=1,3=5: '3=5' is not NAME=W with W above 0, or stands twice",
        "for example --target-weights 3=2,8=1.5",
    ),
    "no-time": (
        {"max_time": "-3"},
        "--max-time -3 is not a time above 0",
        "for example 90s, 30m, 2h or 1h30m",
    ),
    "saved-never": (
        {"save_every": "0"},
        "--save-every 0 is not N steps or Ne epochs",
        "for example 500 or 2e",
    ),
    "size-of-digits": (
        {"size": 64},
        "--size 64 is for a folder of pictures, which --data digits is not",
        "leave it out",
    ),
    "column-of-digits": (
        {"target": "price"},
        "--target names a column or an array; --data digits has none",
        "leave it out",
    ),
    "means-of-more-channels": (
        {"normalize": "0.1,0.2,0.3,0.4"},
        "--normalize 0.1,0.2,0.3,0.4 gives 2 means for 1 channels",
        "one mean and one std for all channels, or all means followed by all stds",
    ),
}


def arguments_for(case: str) -> dict[str, str]:
    return {"norm": "batch"} if case == "batch-norm-of-one" else {}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_that_do_not_go_together_are_refused(case: str) -> None:
    typed, message, hint = CONTRADICTIONS[case]

    assert refused(typed, arguments_for(case)) == [(message, hint)]


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_of_a_file_that_do_not_go_together_are_refused_too(case: str) -> None:
    written, message, hint = CONTRADICTIONS[case]
    if case.startswith("momentum-with"):
        assert resolve({}, {}, file={"model": "mlp", **written}).optimizer == written["optimizer"], (
            "every file of a run tells the momentum, also of optimizers that have none"
        )
        return

    assert refused({}, arguments_for(case), file={"model": "mlp", **written}) == [(message, hint)]


SOUND: dict[str, Settings] = {
    "nesterov": {"nesterov": True},
    "momentum-0-with-adam": {"momentum": 0.0, "optimizer": "adam"},
    "cyclic-and-patience": {"schedule": "cyclic", "patience": 4},
    "plateau-and-patience": {"schedule": "plateau", "patience": 7},
    "patience-1": {"patience": 1},
    "smoothing": {"label_smoothing": 0.1, "loss": "cross-entropy"},
    "smoothing-of-what-fits": {"label_smoothing": 0.1},
    "min-delta": {"min_delta": 0.1, "patience": 2},
    "keep": {"keep": 3, "save_every": "5"},
    "warm-up-of-all-but-a-step": {"warmup_steps": 49, "max_steps": 50},
    "warm-up-of-samples": {
        "warmup_steps": 8,
        "limit": 100,
        "batch_size": 10,
        "accumulate": 4,
        "epochs": 3,
    },
    "monitor": {"monitor": "train_accuracy"},
    "weights": {"target_weights": "3=2, 8 = 1.5"},
    "weights-of-two-words": {"data": "fashion-mnist", "target_weights": "ankle boot=2"},
    "means-of-three-channels": {"data": "cifar10", "normalize": "1,2,3,4,5,6"},
}


@pytest.mark.parametrize("typed", SOUND.values(), ids=SOUND)
def test_settings_that_just_go_together_are_taken(typed: Settings) -> None:
    config = resolve({"model": "mlp", **typed}, {})

    assert {name: getattr(config, name) for name in typed} == typed


def test_patience_that_a_schedule_needs_is_that_of_its_own_numbers() -> None:
    needed = {schedule: epochs for schedule, (epochs, _) in PATIENCE_OF_SCHEDULE.items()}
    assert needed == {"cyclic": 2 * CYCLIC_HALF_EPOCHS, "plateau": PLATEAU_PATIENCE + 2}


def test_the_issues_contradictions_are_told_in_one_message() -> None:
    told = refused(
        {
            "schedule": "cyclic",
            "patience": 0,
            "nesterov": True,
            "momentum": 0.0,
            "max_time": "-3",
            "monitor": "val_mae",
            "target_weights": "11=2",
            "keep": 2,
            "warmup_steps": 10**6,
            "normalize": "1,2,3,4",
            "lr": -1.0,
        },
        {"hiden": "3", "dropout": "2", "norm": "batch"},
        faults=[ConfigError("found before", "its hint")],
    )

    assert [message.split(" ")[0] + " " + message.split(" ")[1] for message, _ in told] == [
        "found before",
        "-s hiden=3:",
        "-s dropout=2",
        "--lr -1.0",
        "--patience 0",
        "--max-time -3",
        "--nesterov does",
        "--schedule cyclic",
        "--warmup-steps 1000000",
        "--keep does",
        "--monitor val_mae",
        "--target-weights 11:",
        "--normalize 1,2,3,4",
    ]


def test_a_fault_is_told_once() -> None:
    typed = {"normalize": "x", "target_weights": "x", "max_steps": -1, "warmup_steps": 3, "optimizer": "sgdd"}

    told = [message for message, _ in refused({**typed, "nesterov": True})]

    assert len(told) == 4
    assert sorted(message.split()[0] for message in told) == [
        "--max-steps",
        "--normalize",
        "--optimizer",
        "--target-weights",
    ]


STORED = resolve({"model": "mlp", "epochs": 3, "lr": 0.2}, {"hidden": "5"})
FIXED: dict[str, tuple[Any, str]] = {
    "accumulate": (2, "--accumulate 2 cannot change on --resume: the run has 1"),
    "ema": (0.9, "--ema 0.9 cannot change on --resume: the run has none"),
    "augment": ("light", "--augment light cannot change on --resume: the run has none"),
    "size": (64, "--size 64 cannot change on --resume: the run has none"),
    "freeze": ("hidden.*", "--freeze hidden.* cannot change on --resume: the run has none"),
    "init": ("x", "--init x cannot change on --resume: the run has none"),
    "target": ("y", "--target y cannot change on --resume: the run has none"),
    "features": ("a,b", "--features a,b cannot change on --resume: the run has none"),
    "decimal": (",", "--decimal , cannot change on --resume: the run has none"),
    "thousands": (".", "--thousands . cannot change on --resume: the run has none"),
    "task": ("regression", "--task regression cannot change on --resume: the run has auto"),
    "stratify": (True, "--stratify True cannot change on --resume: the run has none"),
    "group": ("g", "--group g cannot change on --resume: the run has none"),
    "by_time": ("t", "--by-time t cannot change on --resume: the run has none"),
    "split_file": ("s.csv", "--split-file s.csv cannot change on --resume: the run has none"),
    "folds": (3, "--folds 3 cannot change on --resume: the run has 5"),
    "fold": (2, "--fold 2 cannot change on --resume: the run has 1"),
    "coords": ("a,b", "--coords a,b cannot change on --resume: the run has none"),
    "time": ("t", "--time t cannot change on --resume: the run has none"),
    "distance": ("haversine", "--distance haversine cannot change on --resume: the run has euclidean"),
    "neighbors": (7, "--neighbors 7 cannot change on --resume: the run has 50"),
    "min_neighbors": (7, "--min-neighbors 7 cannot change on --resume: the run has 5"),
    "radius": (2.0, "--radius 2.0 cannot change on --resume: the run has none"),
    "window": (2.0, "--window 2.0 cannot change on --resume: the run has none"),
    "split_by_block": (2.0, "--split-by-block 2.0 cannot change on --resume: the run has none"),
    "balance": ("loss", "--balance loss cannot change on --resume: the run has none"),
    "monitor": ("train_loss", "--monitor train_loss cannot change on --resume: the run has val_loss"),
}


@pytest.mark.parametrize("name", FIXED)
def test_what_shapes_a_run_cannot_change_when_it_goes_on(name: str) -> None:
    value, message = FIXED[name]

    of_tables = {name: {} for name in ("stratify", "group", "by_time", "split_file", "decimal", "thousands")}
    of_tables |= {key: {"folds": 5, "fold": 1} for key in ("folds", "fold")}
    other = {"data": "/x.csv", **of_tables[name]} if name in of_tables else {}

    told = refused({name: value}, stored={**STORED.to_dict(), **other})

    assert (message, "leave it out, or start a new run") in told
    others = ("goes with", "is for a folder", "names a column")
    assert all(any(text in more for text in others) for more, _ in told if more != message)


FREE: Settings = {
    "num_workers": "2",
    "epochs": 9,
    "lr": 0.5,
    "momentum": 0.5,
    "nesterov": True,
    "weight_decay": 0.1,
    "l1": 0.1,
    "label_smoothing": 0.1,
    "target_weights": "3=2",
    "schedule": "cosine",
    "warmup_steps": 5,
    "grad_clip": 1.0,
    "patience": 8,
    "max_time": "2h",
    "max_steps": 70,
    "save_every": "2e",
    "log_every": 5,
    "plot": False,
    "device": "cpu",
    "precision": "bf16",
    "compile": True,
    "threads": "2",
    "deterministic": True,
    "log": "jsonl",
    "sched_on_resume": "stretch",
}


@pytest.mark.parametrize("name", FREE)
def test_what_steers_a_run_may_change_when_it_goes_on(name: str) -> None:
    config = resolve({name: FREE[name]}, {}, dataclasses.asdict(STORED))

    assert config == dataclasses.replace(STORED, **{name: FREE[name]})


def test_every_setting_is_either_fixed_or_free_when_a_run_goes_on() -> None:
    fixed_elsewhere = {
        "model",
        "data",
        "val",
        "test",
        "limit",
        "normalize",
        "batch_size",
        "optimizer",
        "loss",
        "seed",
    }
    with_another = {"min_delta": "patience", "keep": "save_every"}

    assert set(FIELDS) == {*FIXED, *FREE, *fixed_elsewhere, *with_another, "arguments"}


BAD_FILES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "unknown-key": ("epoch = 3", [("epoch is not a setting", "did you mean epochs?")]),
    "dashes": ("batch-size = 3", [("batch-size is not a setting", "did you mean batch_size?")]),
    "unheard-of": ("zebra = 3", [("zebra is not a setting", "--print-config lists the settings")]),
    "not-stored": ("out = 'runs/x'", [("out is not a setting", "--print-config lists the settings")]),
    "text-for-number": ("lr = '0.1'", [("lr = '0.1' is not a number", "the default is 0.01")]),
    "number-for-text": ("data = 3", [("data = 3 is not a text in quotes", "")]),
    "fraction-for-whole": ("epochs = 3.0", [("epochs = 3.0 is not a whole number", "the default is 10")]),
    "true-for-whole": ("epochs = true", [("epochs = true is not a whole number", "the default is 10")]),
    "true-for-number": ("lr = false", [("lr = false is not a number", "the default is 0.01")]),
    "true-for-unset-number": ("grad_clip = true", [("grad_clip = true is not a number", "")]),
    "number-for-true": ("nesterov = 1", [("nesterov = 1 is not true or false", "the default is false")]),
    "number-for-time": ("max_time = 30", [("max_time = 30 is not a text in quotes", "")]),
    "list": ("lr = [0.1]", [("lr = [0.1] is not a number", "the default is 0.01")]),
    "table": ("[train]\nlr = 1", [("train is not a setting", "did you mean stratify?")]),
    "date": (
        "patience = 2024-01-01",
        [("patience = datetime.date(2024, 1, 1) is not a whole number", "")],
    ),
    "nan": ("lr = nan", [("lr = nan is not a number", "the default is 0.01")]),
    "inf": ("grad_clip = inf", [("grad_clip = inf is not a number", "")]),
    "beyond-floats": (
        f"ema = 1{'0' * 400}",
        [(f"ema = 1{'0' * 78}\N{HORIZONTAL ELLIPSIS} is not a number", "")],
    ),
    "no-table-of-arguments": (
        "arguments = 3",
        [("arguments is not a table", "[arguments] with a line for each")],
    ),
    "escape-in-a-key": (
        '"\\u001b[31mred" = 1',
        [("\N{REPLACEMENT CHARACTER}[31mred is not a setting", "--print-config lists the settings")],
    ),
    "escape-in-a-text": (
        'data = "\\u001b[31m"',
        [("data has characters that cannot be shown", "write it without escapes")],
    ),
    "escape-in-an-argument": (
        '[arguments]\nhidden = "\\u202e3"',
        [("arguments has characters that cannot be shown", "write it without escapes")],
    ),
    "several": (
        "epoch = 3\nlr = '1'\nseed = true\ndata = 'digits'",
        [
            ("epoch is not a setting", "did you mean epochs?"),
            ("lr = '1' is not a number", "the default is 0.01"),
            ("seed = true is not a whole number", "the default is 0"),
        ],
    ),
}


@pytest.mark.parametrize(("text", "faults"), BAD_FILES.values(), ids=BAD_FILES)
def test_keys_and_kinds_that_no_setting_has_are_told(
    text: str, faults: list[tuple[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)

    read, found = read_config_file(path)

    assert [(fault.message, fault.hint) for fault in found] == [
        (f"{path}: {message}", hint) for message, hint in faults
    ]
    assert read == ({"data": "digits"} if "digits" in text else {})


BROKEN = {
    "no-toml": b"lr = = 3",
    "a-key-twice": b"lr = 1\nlr = 2",
    "nested-beyond-reason": b"lr = " + b"[" * 100_000,
    "a-number-beyond-reason": b"epochs = " + b"9" * 10_000,
    "utf-16": "lr = 1".encode("utf-16"),
    "latin-1": "data = 'é'".encode("latin-1"),
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_config_file(path)

    assert caught.value.message.startswith(f"--config {path} is not TOML: ")
    assert caught.value.hint == "--print-config shows one"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config_file(tmp_path / "c.toml")

    assert caught.value.message == f"--config {tmp_path / 'c.toml'}: no such file"
    assert caught.value.hint == "--print-config writes one to stdout"


def test_a_folder_in_a_files_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config_file(tmp_path)

    assert caught.value.message == f"--config {tmp_path} cannot be read: is a directory"
    assert caught.value.hint == "name a TOML file"


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfmodel = 'mlp'\r\nlr = 0.5\r\n")

    assert read_config_file(path) == ({"model": "mlp", "lr": 0.5}, [])


def test_whole_numbers_stand_for_fractions(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("lr = 1\ngrad_clip = 2\nepochs = 3")

    read, found = read_config_file(path)

    assert found == []
    assert {name: (value, type(value)) for name, value in read.items()} == {
        "lr": (1.0, float),
        "grad_clip": (2.0, float),
        "epochs": (3, int),
    }


ROUND_TRIPS: dict[str, tuple[Settings, dict[str, str]]] = {
    "defaults": ({"model": "mlp"}, {}),
    "no-arguments-changed": ({"model": "cnn", "data": "mnist"}, {}),
    "everything": (
        {
            **FREE,
            "model": "mlp",
            "freeze": "hidden.*",
            "init": "/tmp/a b.safetensors",
            "ema": 0.999,
            "keep": 2,
        },
        {"hidden": "64,32", "dropout": "0.25", "residual": "true", "norm": "layer"},
    ),
    "no-hidden-layer": ({"model": "mlp"}, {"hidden": ""}),
    "torchvision": ({"model": "resnet18"}, {"stem": "small"}),
}


@pytest.mark.parametrize(("typed", "arguments"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
def test_a_runs_toml_read_back_is_the_same_configuration(
    typed: Settings, arguments: dict[str, str], tmp_path: Path
) -> None:
    config = resolve(typed, arguments)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())

    file, found = read_config_file(path)

    assert found == []
    assert resolve({}, {}, file=file) == config


def test_all_arguments_that_are_no_pairs_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_arguments(["hidden", "a=1", "a=2", "=3"])

    assert [fault.message for fault in caught.value.faults] == [
        "-s hidden is not key=value",
        "-s a is given twice: 1 and 2",
        "-s =3 is not key=value",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("90", 90),
        ("0.5", 0.5),
        ("30m", 1800),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h30m15s", 5415),
        ("1h5s", 3605),
        ("1.5h", 5400),
        (" 10m ", 600),
    ],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-3", "m", "30 m", "1h30", "1m2h", "1e3", "nan", "inf", "1,5h", "30min", "9" * 5000],
)
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration(text)

    assert caught.value.message == f"--max-time {text} is not a time above 0"
    assert caught.value.hint == "for example 90s, 30m, 2h or 1h30m"


@pytest.mark.parametrize(("text", "read"), [("500", (500, False)), ("1", (1, False)), ("2e", (2, True))])
def test_save_every_counts_steps_or_epochs(text: str, read: tuple[int, bool]) -> None:
    assert parse_save_every(text) == read


@pytest.mark.parametrize("text", ["", "0", "0e", "e", "-5", "2ee", "1.5", "2 e", "two", "²", "٣", "9" * 5000])
def test_save_every_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_save_every(text)

    assert caught.value.message == f"--save-every {text} is not N steps or Ne epochs"
    assert caught.value.hint == "for example 500 or 2e"


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("3=2", {"3": 2.0}),
        ("3=2,8=1.5", {"3": 2.0, "8": 1.5}),
        (" 3 = 2 , a b=1e-3", {"3": 2.0, "a b": 1e-3}),
        ("a=b=2", {"a=b": 2.0}),
    ],
)
def test_weights_are_read(text: str, weights: dict[str, float]) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize("part", ["", "3", "=2", " =2", "3=", "3=x", "3=0", "3=-1", "3=nan", "3=inf"])
def test_weights_that_are_none_are_refused(part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_weights(f"5=1,{part}")

    assert (
        caught.value.message
        == f"--target-weights 5=1,{part}: {part!r} is not NAME=W with W above 0, or stands twice"
    )


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "minus-huge"])
@pytest.mark.parametrize("name", ["epochs", "seed", "max_steps", "warmup_steps"])
def test_numbers_beyond_all_floats_are_no_surprise(name: str, value: int) -> None:
    _, faults = outcome({"model": "mlp", name: value})

    assert all(fault.message.startswith(f"--{name.replace('_', '-')} ") for fault in faults)


def outcome(
    typed: Settings, arguments: dict[str, str] | None = None
) -> tuple[TrainConfig | None, tuple[ConfigError, ...]]:
    try:
        return resolve(typed, arguments or {}), ()
    except ConfigError as err:
        return None, err.faults


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "0", "3=2", "1h", "2e", "nan", "val_loss", "mlp", "sgd", "1,2"]),
)
VALUES: dict[type, st.SearchStrategy[Any]] = {
    int: st.integers() | st.sampled_from([0, 1, 10, 10**400]),
    float: st.floats() | st.sampled_from([0.0, 0.5, 1.0]),
    bool: st.booleans(),
    str: TEXTS,
}


def values_of(name: str) -> st.SearchStrategy[Any]:
    return next(values for kind, values in VALUES.items() if kind.__name__ in str(FIELDS[name].type))


@settings(max_examples=100, deadline=None)
@given(
    typed=st.fixed_dictionaries(
        {}, optional={name: values_of(name) for name in FIELDS if name != "arguments"}
    ),
    arguments=st.dictionaries(
        st.sampled_from(["hidden", "norm", "dropout", "x"]), st.text(max_size=8), max_size=2
    ),
)
def test_any_settings_become_a_configuration_or_a_list_of_faults(
    typed: Settings, arguments: dict[str, str]
) -> None:
    config, faults = outcome({"model": "mlp", **typed}, arguments)

    assert all(fault.message for fault in faults)
    assert len({fault.message for fault in faults}) == len(faults), "a fault is told once"
    if config is not None:
        assert resolve({}, {}, file=tomllib.loads(config.to_toml())) == config


def test_every_two_of_schedule_and_optimizer_are_a_configuration() -> None:
    for schedule, optimizer in itertools.product(SCHEDULES, ("sgd", "adam", "adamw", "rmsprop", "adagrad")):
        config = resolve({"model": "mlp", "schedule": schedule, "optimizer": optimizer}, {})
        assert math.isfinite(config.lr)
