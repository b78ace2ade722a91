"""Options, files, recipes and defaults become one configuration, or a list of all faults."""

import dataclasses
import itertools
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import assert_reports

from dlkit.errors import ConfigError
from dlkit.metrics import columns_of
from dlkit.settings.config import FIELDS, SCHEDULES, TABLE_SETTINGS, TrainConfig, flag
from dlkit.settings.conflicts import PATIENCE_OF_SCHEDULE
from dlkit.settings.models import MODELS
from dlkit.settings.recipes import RECIPES
from dlkit.settings.resolve import read_config_file, recipe_of, resolve
from dlkit.training.schedules import CYCLIC_HALF_EPOCHS, PLATEAU_PATIENCE

Settings = dict[str, Any]
COLUMNS = ", ".join(columns_of("classification"))


def refused(
    typed: Settings, arguments: dict[str, str] | None = None, **others: Any
) -> tuple[ConfigError, ...]:
    """Return the faults of settings."""
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "mlp", **typed}, arguments or {}, **others)
    assert caught.value.exit_code == 2
    return caught.value.faults


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


def test_an_unset_setting_comes_from_the_next_layer() -> None:
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
def test_the_recipe_sets_the_rate_by_model_and_optimizer(given: Settings, lr: float) -> None:
    assert recipe_of(given)["lr"] == lr
    assert resolve(given, {}).lr == lr
    assert resolve({**given, "lr": 0.3}, {}).lr == 0.3


def test_an_unknown_model_has_no_recipe() -> None:
    assert recipe_of({"model": "mpl"}) == recipe_of({}) == {}


def test_recipes_name_settings_only() -> None:
    for recipe in RECIPES.values():
        assert set(recipe) <= set(FIELDS)


def test_typed_arguments_win_over_the_file_and_the_file_over_defaults() -> None:
    file = {"model": "mlp", "arguments": {"hidden": [32, 16], "dropout": 0.5, "residual": True}}

    config = resolve({}, {"dropout": "0.2"}, file=file)

    assert config.arguments == {
        **{name: argument.default for name, argument in MODELS["mlp"].arguments.items()},
        "hidden": (32, 16),
        "dropout": 0.2,
        "residual": True,
    }


def test_a_typed_model_that_differs_from_the_file_is_refused() -> None:
    assert resolve({"model": "mlp"}, {}, file={"model": "mlp"}).model == "mlp"

    (fault,) = refused({}, file={"model": "cnn"})
    assert_reports(fault, "MODEL mlp", "cnn")


# Settings, what the message names, and what the hint proposes.
CONTRADICTIONS: dict[str, tuple[Settings, tuple[str, ...], str]] = {
    "nesterov-without-momentum": (
        {"nesterov": True, "momentum": 0.0},
        ("--nesterov", "--momentum 0"),
        "--momentum 0.9",
    ),
    "nesterov-with-adam": (
        {"nesterov": True, "optimizer": "adam"},
        ("--nesterov", "--optimizer adam"),
        "--optimizer sgd, or --no-nesterov",
    ),
    "momentum-with-adam": (
        {"momentum": 0.8, "optimizer": "adam"},
        ("--momentum", "--optimizer adam"),
        "--optimizer sgd",
    ),
    "momentum-with-rmsprop": (
        {"momentum": 0.9, "optimizer": "rmsprop"},
        ("--momentum", "--optimizer rmsprop"),
        "--optimizer sgd",
    ),
    "cyclic-and-patience": (
        {"schedule": "cyclic", "patience": 3},
        ("--schedule cyclic", "--patience 3"),
        "--patience 4",
    ),
    "plateau-and-patience": (
        {"schedule": "plateau", "patience": 6},
        ("--schedule plateau", "--patience 6"),
        "--patience 7",
    ),
    "smoothing-of-mse": (
        {"label_smoothing": 0.1, "loss": "mse"},
        ("--label-smoothing", "--loss mse"),
        "cross-entropy",
    ),
    "smoothing-of-bce": (
        {"label_smoothing": 0.1, "loss": "bce"},
        ("--label-smoothing", "--loss bce"),
        "cross-entropy",
    ),
    "min-delta-alone": ({"min_delta": 0.1}, ("--min-delta", "--patience"), "--patience N"),
    "keep-alone": ({"keep": 3}, ("--keep", "--save-every"), "--save-every N"),
    "batch-norm-of-one": ({"batch_size": 1}, ("--batch-size 1", "-s norm=batch"), "--batch-size 2"),
    "warm-up-of-all-steps-asked-for": (
        {"warmup_steps": 50, "max_steps": 50},
        ("--warmup-steps 50", "at most 50"),
        "",
    ),
    "warm-up-of-all-samples": (
        {"warmup_steps": 9, "limit": 100, "batch_size": 10, "accumulate": 4, "epochs": 3},
        ("--warmup-steps 9", "at most 9"),
        "",
    ),
    "monitor-unknown": ({"monitor": "val_acuracy"}, ("--monitor val_acuracy", COLUMNS), "val_accuracy"),
    "monitor-of-another-task": ({"monitor": "mae"}, ("--monitor mae", COLUMNS), ""),
    "weights-of-no-class": (
        {"target_weights": "3=2,ten=1.5"},
        ("--target-weights ten", "digits", "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        "",
    ),
    "weights-of-a-class-misspelt": (
        {"data": "cifar10", "target_weights": "frogg=2"},
        ("--target-weights frogg", "cifar10", "dog, frog, horse"),
        "frog?",
    ),
    "fold-alone": ({"data": "x.csv", "fold": 2}, ("--fold", "--folds"), "--folds K"),
    "folds-alone": ({"data": "x.csv", "folds": 5}, ("--folds 5", "--fold"), "--fold N"),
    "fold-beyond": ({"data": "x.csv", "folds": 5, "fold": 6}, ("--fold 6", "[1, 5]"), "--folds 5"),
    "no-row-to-train": ({"data": "x.csv", "val": 0.5, "test": 0.5}, ("--val 0.5", "--test 0.5"), ""),
    "group-of-digits": ({"group": "x"}, ("--group", "--data digits"), ""),
    "curves-of-digits": ({"model": "pbpk", "data": "digits"}, ("MODEL pbpk", "digits"), "--data pbpk"),
    "fp16-on-a-cpu": ({"precision": "fp16", "device": "cpu"}, ("--precision fp16", "--device cpu"), "bf16"),
    "size-of-digits": ({"size": 64}, ("--size 64", "--data digits"), ""),
    "column-of-digits": ({"target": "price"}, ("--target", "--data digits"), ""),
    "means-of-more-channels": (
        {"normalize": "0.1,0.2,0.3,0.4"},
        ("--normalize 0.1,0.2,0.3,0.4", "2 means", "1 channels"),
        "",
    ),
}


def arguments_for(case: str) -> dict[str, str]:
    return {"norm": "batch"} if case == "batch-norm-of-one" else {}


@pytest.mark.parametrize("from_file", [False, True], ids=["typed", "file"])
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused(case: str, from_file: bool) -> None:
    settings, named, proposed = CONTRADICTIONS[case]
    if from_file and case.startswith("momentum-with"):
        assert resolve({}, {}, file={"model": "mlp", **settings}).optimizer == settings["optimizer"], (
            "the file of a run stores a momentum for every optimizer"
        )
        return

    model = {"model": settings.get("model", "mlp")}
    typed, file = (model, {**model, **settings}) if from_file else (settings, {})
    (fault,) = refused(typed, arguments_for(case), file=file)

    assert all(name in fault.message for name in named), fault.message
    assert fault.hint or case.startswith(("monitor", "weights"))
    assert proposed in fault.hint


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
    "batches-of-one": {"batch_size": 1},
}


@pytest.mark.parametrize("typed", SOUND.values(), ids=SOUND)
def test_settings_at_the_limits_are_accepted(typed: Settings) -> None:
    config = resolve({"model": "mlp", **typed}, {})

    assert {name: getattr(config, name) for name in typed} == typed


def test_image_settings_are_refused_for_a_table() -> None:
    (fault,) = refused({"data": "x.csv", "augment": "light"})

    assert_reports(fault, "--augment light", "x.csv")


def test_patience_of_a_schedule_follows_from_its_constants() -> None:
    needed = {schedule: epochs for schedule, (epochs, _) in PATIENCE_OF_SCHEDULE.items()}
    assert needed == {"cyclic": 2 * CYCLIC_HALF_EPOCHS, "plateau": PLATEAU_PATIENCE + 2}


def test_all_faults_are_reported_together() -> None:
    faults = refused(
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

    assert [" ".join(fault.message.split()[:2]) for fault in faults] == [
        "found before",
        "-s hiden=3:",
        "-s dropout=2",
        "--lr -1.0",
        "--patience 0",
        "--max-time -3",
        "--nesterov cannot",
        "--schedule cyclic",
        "--warmup-steps 1000000",
        "--keep has",
        "--monitor val_mae",
        "--target-weights 11:",
        "--normalize 1,2,3,4",
    ]


def test_a_fault_is_reported_once() -> None:
    typed = {"normalize": "x", "target_weights": "x", "max_steps": -1, "warmup_steps": 3, "optimizer": "sgdd"}

    faults = refused({**typed, "nesterov": True})

    assert sorted(fault.message.split()[0] for fault in faults) == [
        *("--max-steps", "--normalize", "--optimizer", "--target-weights"),
    ]


STORED = resolve({"model": "mlp", "epochs": 3, "lr": 0.2}, {"hidden": "5"})
# A new value, and that of the run.
FIXED: dict[str, tuple[Any, Any]] = {
    "accumulate": (2, 1),
    "ema": (0.9, None),
    "augment": ("light", "none"),
    "bands": ("4,3,2", None),
    "layout": ("nchw", "auto"),
    "size": (64, None),
    "freeze": ("hidden.*", None),
    "init": ("x", None),
    "target": ("y", None),
    "features": ("a,b", None),
    "decimal": (",", None),
    "thousands": (".", None),
    "missing": ("-9", None),
    "censored": ("half", None),
    "dayfirst": (True, None),
    "monthfirst": (True, None),
    "header": (True, None),
    "kinds": ("a=text", None),
    "task": ("regression", "auto"),
    "stratify": (True, None),
    "group": ("g", None),
    "by_time": ("t", None),
    "split_file": ("s.csv", None),
    "folds": (3, 5),
    "fold": (2, 1),
    "coords": ("a,b", None),
    "time": ("t", None),
    "distance": ("haversine", "euclidean"),
    "neighbors": (7, 50),
    "min_neighbors": (7, 5),
    "radius": (2.0, None),
    "window": (2.0, None),
    "split_by_block": (2.0, None),
    "balance": ("loss", "none"),
    "shuffle": ("blocks", "full"),
    "scale_target": (False, True),
    "monitor": ("train_loss", "val_loss"),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_setting_cannot_change_on_resume(name: str) -> None:
    value, of_the_run = FIXED[name]
    of_tables = {name: {} for name in ("stratify", "group", "by_time", "split_file", *TABLE_SETTINGS)}
    of_tables |= {name: {"data": "/x.npz"} for name in ("layout", "bands")}
    of_tables |= {key: {"folds": 5, "fold": 1} for key in ("folds", "fold")}
    other = {"data": "/x.csv", **of_tables[name]} if name in of_tables else {}

    fault, *_ = refused({name: value}, stored={**STORED.to_dict(), **other})

    typed = flag(name, value) if isinstance(value, bool) else f"{flag(name)} {value}"
    shown = str(of_the_run) if isinstance(of_the_run, bool) else str(of_the_run).lower()
    assert_reports(fault, f"{typed} ", "--resume", shown, "start a new run")


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
    "sync_batchnorm": False,
    "deterministic": True,
    "log": "jsonl",
    "sched_on_resume": "stretch",
}


@pytest.mark.parametrize("name", FREE)
def test_a_free_setting_may_change_on_resume(name: str) -> None:
    config = resolve({name: FREE[name]}, {}, dataclasses.asdict(STORED))

    assert config == dataclasses.replace(STORED, **{name: FREE[name]})


def test_every_setting_is_either_fixed_or_free_on_resume() -> None:
    fixed_elsewhere = {
        *("model", "data", "val", "test", "limit", "normalize", "batch_size", "optimizer", "loss", "seed"),
    }
    with_another = {"min_delta": "patience", "keep": "save_every"}

    assert set(FIELDS) == {*FIXED, *FREE, *fixed_elsewhere, *with_another, "arguments"}


# The content of a file, and for each fault the key, the rest of the message and the hint.
BAD_FILES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "unknown-key": ("epoch = 3", [("epoch", "", "epochs?")]),
    "dashes": ("batch-size = 3", [("batch-size", "", "batch_size?")]),
    "unheard-of": ("zebra = 3", [("zebra", "", "--print-config")]),
    "not-stored": ("out = 'runs/x'", [("out", "", "--print-config")]),
    "text-for-number": ("lr = '0.1'", [("lr = '0.1'", "number", "0.01")]),
    "number-for-text": ("data = 3", [("data = 3", "text", "")]),
    "fraction-for-whole": ("epochs = 3.0", [("epochs = 3.0", "whole number", "10")]),
    "true-for-whole": ("epochs = true", [("epochs = true", "whole number", "10")]),
    "true-for-number": ("lr = false", [("lr = false", "number", "0.01")]),
    "true-for-unset-number": ("grad_clip = true", [("grad_clip = true", "number", "")]),
    "number-for-true": ("nesterov = 1", [("nesterov = 1", "true or false", "false")]),
    "number-for-time": ("max_time = 30", [("max_time = 30", "text", "")]),
    "list": ("lr = [0.1]", [("lr = [0.1]", "number", "0.01")]),
    "table": ("[train]\nlr = 1", [("train", "", "")]),
    "date": ("patience = 2024-01-01", [("patience = datetime.date(2024, 1, 1)", "whole number", "")]),
    "nan": ("lr = nan", [("lr = nan", "number", "0.01")]),
    "inf": ("grad_clip = inf", [("grad_clip = inf", "number", "")]),
    "beyond-floats": (
        f"ema = 1{'0' * 400}",
        [(f"ema = 1{'0' * 78}\N{HORIZONTAL ELLIPSIS}", "number", "")],
    ),
    "no-table-of-arguments": ("arguments = 3", [("arguments", "table", "[arguments]")]),
    "escape-in-a-key": (
        '"\\u001b[31mred" = 1',
        [("\N{REPLACEMENT CHARACTER}[31mred", "", "--print-config")],
    ),
    "escape-in-a-text": ('data = "\\u001b[31m"', [("data", "characters", "escapes")]),
    "escape-in-an-argument": (
        '[arguments]\nhidden = "\\u202e3"',
        [("arguments", "characters", "escapes")],
    ),
    "several": (
        "epoch = 3\nlr = '1'\nseed = true\ndata = 'digits'",
        [("epoch", "", "epochs?"), ("lr = '1'", "number", "0.01"), ("seed = true", "whole number", "0")],
    ),
}


@pytest.mark.parametrize(("text", "faults"), BAD_FILES.values(), ids=BAD_FILES)
def test_unknown_keys_and_wrong_types_are_reported(
    text: str, faults: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)

    read, found = read_config_file(path)

    for fault, (key, rest, hint) in zip(found, faults, strict=True):
        assert fault.message.startswith(f"{path}: {key} ")
        assert rest in fault.message
        assert hint in fault.hint
        assert fault.message.isprintable()
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
def test_a_file_that_is_not_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_config_file(path)

    assert_reports(caught.value, f"--config {path} ", "TOML", "--print-config")


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "c.toml", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError) as caught:
            read_config_file(path)
        assert_reports(caught.value, f"--config {path}", reason)
        assert caught.value.hint


def test_a_byte_order_mark_and_windows_line_ends_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbfmodel = 'mlp'\r\nlr = 0.5\r\n")

    assert read_config_file(path) == ({"model": "mlp", "lr": 0.5}, [])


def test_whole_numbers_become_floats(tmp_path: Path) -> None:
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
def test_toml_round_trip(typed: Settings, arguments: dict[str, str], tmp_path: Path) -> None:
    config = resolve(typed, arguments)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())

    file, found = read_config_file(path)

    assert found == []
    assert resolve({}, {}, file=file) == config


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "minus-huge"])
@pytest.mark.parametrize("name", ["epochs", "seed", "max_steps", "warmup_steps"])
def test_numbers_beyond_floats_are_refused_or_accepted(name: str, value: int) -> None:
    _, faults = outcome({"model": "mlp", name: value})

    assert all(fault.message.startswith(f"{flag(name)} ") for fault in faults)


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
    assert len({fault.message for fault in faults}) == len(faults), "a fault is reported once"
    if config is not None:
        assert resolve({}, {}, file=tomllib.loads(config.to_toml())) == config


def test_every_pair_of_schedule_and_optimizer_is_valid() -> None:
    for schedule, optimizer in itertools.product(SCHEDULES, ("sgd", "adam", "adamw", "rmsprop", "adagrad")):
        config = resolve({"model": "mlp", "schedule": schedule, "optimizer": optimizer}, {})
        assert math.isfinite(config.lr)
