"""The settings of a run as a user gives them: options, variables, files, and what is said of them."""

import dataclasses
import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.metrics import columns_of
from dlkit.settings.config import FIELDS, SCHEDULES, TrainConfig

Dlkit = Callable[..., Any]
SHORT = ("--limit", 40, "-b", 8, "--epochs", 2, "--device", "cpu", "--no-plot")


def faults(stderr: str) -> list[tuple[str, str]]:
    """Message and hint of each fault told."""
    found: list[tuple[str, str]] = []
    for line in stderr.splitlines():
        kind, _, text = line.partition(": ")
        if kind == "error":
            found.append((text, ""))
        elif kind == "hint":
            found[-1] = (found[-1][0], text)
    return found


def sources(page: str) -> dict[str, str]:
    """Where each setting comes from, as --print-config says; arguments of the model as `-s name`."""
    plain, _, arguments = page.partition("[arguments]\n")
    found = dict(re.findall(r"^(\w+) = .*  # (\w+)$", plain, flags=re.MULTILINE))
    of_arguments = re.findall(r"^(\w+) = (?:[^\n]*|\[[^\]]*\])  # (\w+)$", arguments, flags=re.MULTILINE)
    return found | {f"-s {name}": source for name, source in of_arguments}


def differing(page: str) -> dict[str, str]:
    """The sources of what is neither recipe nor default."""
    return {name: source for name, source in sources(page).items() if source not in ("recipe", "default")}


PRECEDENCE = {
    "flag over variable": ({"lr": "0.4"}, {"LR": "0.3"}, "", 0.4, "typed"),
    "flag over file": ({"lr": "0.4"}, {}, "lr = 0.2", 0.4, "typed"),
    "flag over recipe": ({"lr": "0.4"}, {}, "", 0.4, "typed"),
    "variable over file": ({}, {"LR": "0.3"}, "lr = 0.2", 0.3, "environment"),
    "variable over recipe": ({}, {"LR": "0.3"}, "", 0.3, "environment"),
    "file over recipe": ({}, {}, "lr = 0.2", 0.2, "file"),
    "recipe over default": ({}, {}, "", 0.05, "recipe"),
    "all of them": ({"lr": "0.4"}, {"LR": "0.3"}, "lr = 0.2", 0.4, "typed"),
}


@pytest.mark.parametrize(("typed", "variables", "file", "lr", "source"), PRECEDENCE.values(), ids=PRECEDENCE)
def test_the_nearer_one_wins_and_is_told(
    typed: dict[str, str],
    variables: dict[str, str],
    file: str,
    lr: float,
    source: str,
    dlkit: Dlkit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"DLKIT_TRAIN_{name}", value)
    Path("c.toml").write_text(f"model = 'resnet18'\n{file}")
    flags = [word for name, value in typed.items() for word in (f"--{name}", value)]

    result = dlkit("train", "--config", "c.toml", "--print-config", *flags)

    assert (result.code, result.stderr) == (0, "")
    assert tomllib.loads(result.stdout)["lr"] == lr
    assert sources(result.stdout)["lr"] == source


@pytest.mark.parametrize(
    ("variable", "file", "patience", "source"),
    [
        ("", "", None, None),
        ("", "patience = 9", 9, "file"),
        ("8", "", 8, "environment"),
        ("8", "patience = 9", 8, "environment"),
    ],
)
def test_a_setting_without_a_default_is_left_out_until_it_is_given(
    variable: str,
    file: str,
    patience: int | None,
    source: str | None,
    dlkit: Dlkit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_PATIENCE", variable)
    Path("c.toml").write_text(f"model = 'mlp'\n{file}")

    page = dlkit("train", "--config", "c.toml", "--print-config").stdout

    assert tomllib.loads(page).get("patience") == patience
    assert sources(page).get("patience") == source


def test_everything_is_marked_by_where_it_comes_from(dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_SEED", "5")
    monkeypatch.setenv("DLKIT_TRAIN_NESTEROV", "1")
    Path("c.toml").write_text(
        "model = 'mlp'\nepochs = 3\nplot = false\n[arguments]\nhidden = [9]\ndropout = 0.1\n"
    )
    command = ("train", "--config", "c.toml", "--print-config", "-b", "7", "-s", "dropout=0.2")

    page = dlkit(*command).stdout

    assert differing(page) == {
        "model": "file",
        "epochs": "file",
        "plot": "file",
        "batch_size": "typed",
        "seed": "environment",
        "nesterov": "environment",
        "-s hidden": "file",
        "-s dropout": "typed",
    }
    assert set(sources(page)) == {
        *tomllib.loads(page).keys() - {"arguments"},
        *(f"-s {name}" for name in tomllib.loads(page)["arguments"]),
    }
    recipe = {name for name, source in sources(page).items() if source == "recipe"}
    assert recipe == {"data", "optimizer", "lr", "schedule"}
    told = json.loads(dlkit(*command, "--json").stdout)
    flat = {**told, **{f"-s {name}": value for name, value in told.pop("arguments").items()}}
    del flat["arguments"]
    assert {name: value["source"] for name, value in flat.items()} == sources(page)
    assert {name: value["value"] for name, value in flat.items() if not name.startswith("-s")} == {
        name: value for name, value in tomllib.loads(page).items() if name != "arguments"
    }


def test_what_is_typed_as_it_was_anyway_counts_as_typed(dlkit: Dlkit) -> None:
    page = dlkit(
        "train", "mlp", "--print-config", "--epochs", TrainConfig.epochs, "--optimizer", "sgd"
    ).stdout

    assert differing(page) == {"model": "typed", "epochs": "typed", "optimizer": "typed"}


def test_print_config_says_what_has_no_weight_decay(dlkit: Dlkit) -> None:
    page = dlkit("train", "mlp", "--print-config").stdout

    assert page.startswith("# biases and the parameters of normalisation layers have no weight decay\n")


PAGES: dict[str, tuple[object, ...]] = {
    "mlp": ("mlp",),
    "resnet18": ("resnet18",),
    "arguments": ("mlp", "-s", "hidden=64,32", "-s", "residual=yes", "-s", "dropout=0.5"),
    "no-hidden-layer": ("mlp", "-s", "hidden="),
    "many": (
        *(
            "cnn",
            "--optimizer",
            "adamw",
            "--weight-decay",
            "1e-4",
            "--schedule",
            "cosine",
            "--warmup-steps",
            5,
        ),
        *(
            "--grad-clip",
            1,
            "--accumulate",
            2,
            "--ema",
            0.99,
            "--label-smoothing",
            0.1,
            "--target-weights",
            "3=2",
        ),
        *(
            "--patience",
            9,
            "--min-delta",
            0.01,
            "--max-time",
            "1h30m",
            "--max-steps",
            99,
            "--save-every",
            "2e",
        ),
        *(
            "--keep",
            3,
            "--monitor",
            "val_accuracy",
            "--freeze",
            "head.*,*.bias",
            "--no-plot",
            "--log-every",
            5,
        ),
    ),
    "odd-paths": ("mlp", "--init", 'it\'s "odd" # [x] = \\ é.safetensors'),
}


@pytest.mark.parametrize("words", PAGES.values(), ids=PAGES)
def test_a_printed_page_is_a_file_that_gives_the_same_settings(
    words: tuple[object, ...], dlkit: Dlkit
) -> None:
    page = dlkit("train", *words, "--print-config").stdout
    Path("c.toml").write_text(page)

    again = dlkit("train", "--config", "c.toml", "--print-config")

    assert again.code == 0
    assert tomllib.loads(again.stdout) == tomllib.loads(page)
    assert set(sources(again.stdout).values()) == {"file"}


def test_a_file_of_starting_weights_is_told_by_its_whole_path(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\ninit = 'runs/a/best.safetensors'")

    for words in (("--config", "c.toml"), ("mlp", "--init", "runs/a/best.safetensors")):
        page = tomllib.loads(dlkit("train", *words, "--print-config").stdout)
        assert page["init"] == str(Path("runs/a/best.safetensors").absolute())


def test_a_switch_of_the_file_is_typed_off(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\nnesterov = true\nplot = false")

    page = dlkit("train", "--config", "c.toml", "--no-nesterov", "--plot", "--print-config").stdout

    assert (tomllib.loads(page)["nesterov"], tomllib.loads(page)["plot"]) == (False, True)


VARIABLES = {
    "EPOCHS": ("many", "should be a valid integer"),
    "LR": ("fast", "should be a valid number"),
    "NESTEROV": ("perhaps", "should be a valid boolean"),
    "OVERFIT": ("0", "should be greater than or equal to 1"),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_of_another_shape_is_refused(
    name: str, dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, should = VARIABLES[name]
    monkeypatch.setenv(f"DLKIT_TRAIN_{name}", value)

    result = dlkit("train", "mlp", "--print-config")

    assert (result.code, result.stdout) == (2, "")
    told = [(f"DLKIT_TRAIN_{name} {value} {should}", "dlkit train --help lists what can be given")]
    assert faults(result.stderr) == told


def test_a_variable_out_of_range_is_refused_like_an_option(
    dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_VAL", "1.2")
    monkeypatch.setenv("DLKIT_TRAIN_SCHEDULE", "cosin")

    result = dlkit("train", "mlp", "--print-config")

    assert result.code == 2
    assert faults(result.stderr) == [
        ("--val 1.2 is outside (0, 1)", "0.1 keeps 10 % of the training samples for validation"),
        (
            f"--schedule cosin is not known; choose from {', '.join(SCHEDULES)}",
            "did you mean cosine?",
        ),
    ]


def test_the_file_may_be_named_by_a_variable(dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.toml").write_text("model = 'mlp'\nepochs = 4")
    monkeypatch.setenv("DLKIT_TRAIN_CONFIG", "c.toml")

    assert tomllib.loads(dlkit("train", "--print-config").stdout)["epochs"] == 4


def test_faults_of_options_file_and_arguments_are_told_together(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\nepoch = 3\nlr = true\nkeep = 2")

    result = dlkit(
        *("train", "cnn", "--config", "c.toml", "--schedule", "cyclic", "--patience", 2, "--max-time", "-3"),
        *("-s", "hidden", "-s", "widht=3", "--monitor", "acc", "--print-config", "--dry-run"),
    )

    assert (result.code, result.stdout) == (2, "")
    assert [message for message, _ in faults(result.stderr)] == [
        "-s hidden is not key=value",
        "c.toml: epoch is not a setting",
        "c.toml: lr = true is not a number",
        "--print-config does not go with --dry-run",
        "MODEL cnn differs from the file's mlp",
        "--max-time -3 is not a time above 0",
        "--schedule cyclic does not go with --patience 2: the loss rises in every cycle",
        "--keep does nothing without --save-every",
        f"--monitor acc is not measured; choose from {', '.join(columns_of('classification'))}",
    ]


def test_a_model_that_is_missing_is_told_with_all_else(dlkit: Dlkit) -> None:
    result = dlkit("train", "--lr", "-1")

    assert result.code == 2
    (missing, hint), (rate, _) = faults(result.stderr)
    assert missing.startswith("MODEL is missing; choose from mlp, cnn, ")
    assert hint == "for example dlkit train mlp; --resume RUN goes on with a run"
    assert rate == "--lr -1.0 is outside (0, inf)"


@pytest.mark.parametrize("content", [b"lr = = 1", b"\xff\xfe"], ids=["broken", "no-text"])
def test_a_file_that_is_no_toml_is_refused(content: bytes, dlkit: Dlkit) -> None:
    Path("c.toml").write_bytes(content)

    result = dlkit("train", "--config", "c.toml")

    assert (result.code, result.stdout) == (2, "")
    ((message, hint),) = faults(result.stderr)
    assert message.startswith("--config c.toml is not TOML: ")
    assert hint == "--print-config shows one"


def test_a_file_that_is_missing_is_refused(dlkit: Dlkit) -> None:
    result = dlkit("train", "--config", "none.toml")

    assert result.code == 2
    assert faults(result.stderr) == [
        ("--config none.toml: no such file", "--print-config writes one to stdout")
    ]


def bits(folder: Path) -> dict[str, Any]:
    """Weights and history, times and memory aside."""
    columns = dict(read_history(folder / "history.csv").columns)
    for name in ("seconds", "samples_per_second", "memory_mib"):
        del columns[name]
    files = {name: load_checkpoint(folder / f"{name}.safetensors") for name in ("best", "last")}
    return {"history": columns, **{name: file.metadata["tensors"] for name, file in files.items()}}


def test_a_run_is_repeated_from_its_own_file_to_the_bit(dlkit: Dlkit) -> None:
    first = dlkit(
        *("train", "mlp", *SHORT, "-s", "dropout=0.3", "--optimizer", "adamw", "--schedule", "onecycle"),
        *(
            "--ema",
            0.9,
            "--accumulate",
            2,
            "--grad-clip",
            1,
            "--seed",
            4,
            "--weight-decay",
            0.1,
            "-o",
            "first",
        ),
    )
    second = dlkit("train", "--config", "first/config.toml", "-o", "second")

    assert (first.code, second.code, second.stdout) == (0, 0, "second/best.safetensors\n")
    assert Path("first/config.toml").read_bytes() == Path("second/config.toml").read_bytes()
    assert bits(Path("first")) == bits(Path("second"))


def test_an_option_typed_beside_the_file_changes_that_alone(dlkit: Dlkit) -> None:
    dlkit("train", "mlp", *SHORT, "-o", "first")

    dlkit("train", "--config", "first/config.toml", "--epochs", 1, "-o", "second")

    first, second = (tomllib.loads(Path(name, "config.toml").read_text()) for name in ("first", "second"))
    assert {**first, "epochs": 1} == second


@pytest.fixture
def run(trained_run: Path, home: Path) -> Path:
    """A copy of a run of two epochs."""
    shutil.copytree(trained_run, "run")
    return Path("run")


def test_only_what_is_typed_counts_when_a_run_goes_on(
    run: Path, dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text("model = 'cnn'")
    for name, value in {
        "EPOCHS": "7",
        "LR": "9",
        "DATA": "mnist",
        "OUT": "elsewhere",
        "FORCE": "1",
        "CONFIG": "c.toml",
        "ARGUMENTS": "hidden=3",
        "DRY_RUN": "1",
        "OVERFIT": "3",
        "PRINT_CONFIG": "1",
        "INIT": "x",
    }.items():
        monkeypatch.setenv(f"DLKIT_TRAIN_{name}", value)

    result = dlkit("train", "--resume", run, "--epochs", 3)

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    stored = tomllib.loads((run / "config.toml").read_text())
    assert (stored["epochs"], stored["lr"], stored["data"], stored["model"]) == (3, 0.01, "digits", "mlp")
    assert len(read_history(run / "history.csv")) == 3


def test_settings_of_a_run_that_goes_on_are_printed_and_nothing_is_trained(run: Path, dlkit: Dlkit) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    result = dlkit("train", "--resume", run, "--epochs", 3, "--patience", 2, "--print-config")

    assert result.code == 0
    assert tomllib.loads(result.stdout)["epochs"] == 3
    told = sources(result.stdout)
    assert {name for name, source in told.items() if source == "typed"} == {"epochs", "patience"}
    assert set(told.values()) == {"typed", "run"}
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


NOT_WITH_RESUME = {
    "dry-run": ["--dry-run"],
    "overfit": ["--overfit", "3"],
    "config": ["--config", "c.toml"],
    "out": ["--out", "x"],
    "force": ["--force"],
}


@pytest.mark.parametrize("name", NOT_WITH_RESUME)
def test_what_does_not_go_with_resume_is_refused(name: str, run: Path, dlkit: Dlkit) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    result = dlkit("train", "--resume", run, *NOT_WITH_RESUME[name])

    assert (result.code, result.stdout) == (2, "")
    ((message, hint),) = faults(result.stderr)
    assert message == f"--{name} does not go with --resume"
    assert hint
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_options_that_do_not_go_with_resume_are_told_together_before_the_run_is_looked_for(
    dlkit: Dlkit,
) -> None:
    result = dlkit("train", "--resume", "none", "--overfit", 3, "--force", "-s", "x")

    assert result.code == 2
    assert [message for message, _ in faults(result.stderr)] == [
        "-s x is not key=value",
        "--force does not go with --resume",
        "--overfit does not go with --resume",
    ]


def test_all_that_cannot_change_is_told_together_when_a_run_goes_on(run: Path, dlkit: Dlkit) -> None:
    result = dlkit(
        *("train", "cnn", "--resume", run, "-s", "width=3", "--ema", 0.9, "--accumulate", 2, "--max-time", 0),
    )

    assert result.code == 2
    assert [message for message, _ in faults(result.stderr)] == [
        "MODEL cnn cannot change on --resume: the run has mlp",
        "--accumulate 2 cannot change on --resume: the run has 1",
        "--ema 0.9 cannot change on --resume: the run has none",
        "-s cannot change on --resume: the network is the run's",
        "--max-time 0 is not a time above 0",
    ]


def test_tries_are_made_one_at_a_time(dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", "--overfit", 3, "--dry-run", "--print-config")

    assert result.code == 2
    assert faults(result.stderr) == [
        ("--print-config does not go with --dry-run and --overfit", "one at a time")
    ]


def test_a_run_that_stops_early_says_why(dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", *SHORT, "--max-steps", 3, "-o", "run")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert "stopped early: the run has its 3 steps (--max-steps)" in result.stderr
    again = dlkit("train", "--resume", "run")
    assert (again.code, again.stdout) == (0, "run/best.safetensors\n")
    assert "3 steps (--max-steps)" in again.stderr
    assert "stopped early" not in again.stderr
    assert "best epoch 1: " in again.stderr
    whole = dlkit("train", "--resume", "run", "--max-steps", 10)
    assert "stopped early" not in whole.stderr


def test_weights_of_another_network_are_exit_4(trained_run: Path, dlkit: Dlkit) -> None:
    result = dlkit("train", "cnn", "--init", trained_run, *SHORT, "-o", "run")

    assert (result.code, result.stdout) == (4, "")
    ((message, _),) = faults(result.stderr)
    assert message == f"--init {trained_run.absolute()}/best.safetensors has no weights that fit the network"
    assert not Path("run").exists()


def test_what_was_taken_of_starting_weights_is_said(trained_run: Path, dlkit: Dlkit) -> None:
    result = dlkit(
        "train", "mlp", "-s", "hidden=128,128", "--init", trained_run, *SHORT, "--freeze", "hidden.0.*"
    )

    assert result.code == 0
    assert "--init took 4 of 6 tensors from " in result.stderr
    assert "not there: hidden.1.linear.weight, hidden.1.linear.bias" in result.stderr
    assert "frozen: hidden.0.linear.weight, hidden.0.linear.bias" in result.stderr


@pytest.mark.parametrize("words", [["--freeze", "x*"], ["--warmup-steps", "25", "--epochs", "1"]], ids=str)
def test_what_does_not_fit_network_or_data_is_exit_2_and_leaves_no_folder(
    words: list[str], dlkit: Dlkit
) -> None:
    result = dlkit("train", "mlp", *words, "-o", "run")

    assert (result.code, result.stdout) == (2, "")
    assert len(faults(result.stderr)) == 1
    assert not Path("run").exists()


def test_kept_checkpoints_are_evaluated_and_looked_into(dlkit: Dlkit) -> None:
    dlkit("train", "mlp", *SHORT, "--save-every", "3", "--keep", 2, "-o", "run")
    kept = sorted(str(path) for path in Path("run").glob("step-*"))
    assert kept == ["run/step-00000006.safetensors", "run/step-00000009.safetensors"]

    result = dlkit("eval", *kept, "--json")

    assert [report["checkpoint"] for report in json.loads(result.stdout)] == kept
    assert dlkit("inspect", "show", kept[0]).code == 0
    dlkit("train", "mlp", *SHORT, "-o", "run", "--force")
    assert list(Path("run").glob("step-*")) == []


def test_dry_run_tells_and_writes_nothing(dlkit: Dlkit, home: Path) -> None:
    result = dlkit("train", "mlp", *SHORT, "--max-steps", 7, "--dry-run", "-o", "run")

    assert (result.code, result.stderr) == (0, "")
    told = dict(line.split("\t") for line in result.stdout.splitlines())
    assert (told["parameters"], told["steps_per_epoch"], told["steps"]) == ("9610", "5", "7")
    assert float(told["seconds"]) > 0
    as_json = json.loads(dlkit("train", "mlp", *SHORT, "--max-steps", 7, "--dry-run", "--json").stdout)
    assert list(as_json) == list(told)
    assert list(home.parent.rglob("*")) == [home]


def test_overfit_tells_success_and_failure(dlkit: Dlkit, home: Path) -> None:
    sound = dlkit("train", "mlp", "--overfit", 4)
    assert (sound.code, sound.stderr) == (0, "")
    assert dict(line.split("\t") for line in sound.stdout.splitlines())["accuracy"] == "1.0"

    broken = dlkit("train", "mlp", "-s", "init=zeros", "--overfit", 4)
    assert (broken.code, broken.stdout) == (1, "")
    ((message, hint),) = faults(broken.stderr)
    assert "--overfit 4" in message
    assert "zero weights" in hint

    many = dlkit("train", "mlp", "--overfit", 1456)
    assert (many.code, many.stdout) == (2, "")
    assert faults(many.stderr) == [("--overfit 1456 is more than the 1455 training samples", "--overfit 32")]
    assert list(home.parent.rglob("*")) == [home]


def test_every_setting_has_an_option_with_its_own_help(dlkit: Dlkit) -> None:
    page = " ".join(dlkit("train", "--help").stdout.split())

    for field in dataclasses.fields(TrainConfig):
        if field.name not in ("model", "arguments"):
            assert f"--{field.name.replace('_', '-')}" in page, field.name


NAMES = [name for name in FIELDS if name not in ("model", "arguments")]
WORDS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "3", "0.5", "1e-3", "nan", "inf", "-inf", "1e400", "9" * 400, "٣", "1_0"]
    ),
    st.sampled_from(
        ["none", "cyclic", "plateau", "adam", "mse", "val_accuracy", "3=2", "1h", "2e", "1,2", "cpu"]
    ),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=6),
)
OPTIONS = st.one_of(
    st.tuples(st.sampled_from(NAMES).map(lambda name: f"--{name.replace('_', '-')}"), WORDS),
    st.tuples(st.sampled_from(["-s", "-d", "-b", "--config", "--overfit"]), WORDS),
    st.tuples(st.just("-s"), st.sampled_from(["hidden", "norm", "dropout", "x"]), WORDS).map(
        lambda words: (words[0], f"{words[1]}={words[2]}")
    ),
    st.tuples(
        st.sampled_from(["--nesterov", "--no-nesterov", "--plot", "--no-plot", "--dry-run", "--json", "-v"])
    ),
)


COMMAND_LINES = {
    "model": st.sampled_from(["mlp", "cnn", "resnet18", "mpl"]),
    "options": st.lists(OPTIONS, max_size=5),
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**COMMAND_LINES)
def test_any_options_print_settings_or_are_refused(
    model: str, options: list[tuple[str, ...]], dlkit: Dlkit, home: Path
) -> None:
    result = dlkit("train", model, "--print-config", *(word for option in options for word in option))

    assert result.code in (0, 2), result.stderr
    assert "Traceback" not in result.stderr
    assert "bug in dlkit" not in result.stderr
    if result.code == 2:
        assert result.stdout == ""
        assert faults(result.stderr)
    assert list(home.iterdir()) == []
