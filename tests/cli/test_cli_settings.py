"""The settings of a run as a user gives them: options, variables and files."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, faults

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.settings.config import TrainConfig

Dlkit = Callable[..., Any]
SHORT = ("--limit", 40, "-b", 8, "--epochs", 2, "--device", "cpu", "--no-plot")


@pytest.fixture(autouse=True)
def no_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from a variable unless the test sets it."""
    monkeypatch.delenv("DLKIT_TRAIN_PLOT")


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
    "variable over file": ({}, {"LR": "0.3"}, "lr = 0.2", 0.3, "environment"),
    "file over recipe": ({}, {}, "lr = 0.2", 0.2, "file"),
    "recipe over default": ({}, {}, "", 0.05, "recipe"),
    "all of them": ({"lr": "0.4"}, {"LR": "0.3"}, "lr = 0.2", 0.4, "typed"),
}


@pytest.mark.parametrize(("typed", "variables", "file", "lr", "source"), PRECEDENCE.values(), ids=PRECEDENCE)
def test_the_nearer_source_wins_and_is_printed(
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


def test_every_setting_is_printed_with_its_source(dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch) -> None:
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
    printed = json.loads(dlkit(*command, "--json").stdout)
    flat = {**printed, **{f"-s {name}": value for name, value in printed.pop("arguments").items()}}
    del flat["arguments"]
    assert {name: value["source"] for name, value in flat.items()} == sources(page)
    assert {name: value["value"] for name, value in flat.items() if not name.startswith("-s")} == {
        name: value for name, value in tomllib.loads(page).items() if name != "arguments"
    }


def test_a_typed_default_counts_as_typed(dlkit: Dlkit) -> None:
    page = dlkit(
        "train", "mlp", "--print-config", "--epochs", TrainConfig.epochs, "--optimizer", "sgd"
    ).stdout

    assert differing(page) == {"model": "typed", "epochs": "typed", "optimizer": "typed"}


def test_print_config_explains_weight_decay(dlkit: Dlkit) -> None:
    page = dlkit("train", "mlp", "--print-config").stdout

    assert "weight decay" in page.splitlines()[0]


MANY = """
    cnn --optimizer adamw --weight-decay 1e-4 --schedule cosine --warmup-steps 5 --grad-clip 1 --accumulate 2 --ema 0.99
    --label-smoothing 0.1 --target-weights 3=2 --patience 9 --min-delta 0.01 --max-time 1h30m --max-steps 99
    --save-every 2e --keep 3 --monitor val_accuracy --freeze head.*,*.bias --no-plot --log-every 5
"""
PAGES: dict[str, tuple[object, ...]] = {
    "mlp": ("mlp",),
    "resnet18": ("resnet18",),
    "arguments": ("mlp", "-s", "hidden=64,32", "-s", "residual=yes", "-s", "dropout=0.5"),
    "no-hidden-layer": ("mlp", "-s", "hidden="),
    "many": tuple(MANY.split()),
    "odd-paths": ("mlp", "--init", 'it\'s "odd" # [x] = \\ é.safetensors'),
}


@pytest.mark.parametrize("words", PAGES.values(), ids=PAGES)
def test_printed_settings_are_a_file_with_the_same_settings(words: tuple[object, ...], dlkit: Dlkit) -> None:
    page = dlkit("train", *words, "--print-config").stdout
    Path("c.toml").write_text(page)

    again = dlkit("train", "--config", "c.toml", "--print-config")

    assert again.code == 0
    assert tomllib.loads(again.stdout) == tomllib.loads(page)
    assert set(sources(again.stdout).values()) == {"file"}


def test_init_is_stored_as_an_absolute_path(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\ninit = 'runs/a/best.safetensors'")

    for words in (("--config", "c.toml"), ("mlp", "--init", "runs/a/best.safetensors")):
        page = tomllib.loads(dlkit("train", *words, "--print-config").stdout)
        assert page["init"] == str(Path("runs/a/best.safetensors").absolute())


def test_a_switch_of_the_file_is_typed_off(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\nnesterov = true\nplot = false")

    page = dlkit("train", "--config", "c.toml", "--no-nesterov", "--plot", "--print-config").stdout

    assert (tomllib.loads(page)["nesterov"], tomllib.loads(page)["plot"]) == (False, True)


@pytest.mark.parametrize(
    ("name", "value"), [("EPOCHS", "many"), ("LR", "fast"), ("NESTEROV", "perhaps"), ("OVERFIT", "0")]
)
def test_a_variable_of_another_type_is_refused(
    name: str, value: str, dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"DLKIT_TRAIN_{name}", value)

    result = dlkit("train", "mlp", "--print-config")

    assert_refused(result, 2, f"DLKIT_TRAIN_{name} {value} ", "dlkit train --help")


def test_a_variable_out_of_range_is_refused_like_an_option(
    dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLKIT_TRAIN_VAL", "1.2")
    monkeypatch.setenv("DLKIT_TRAIN_SCHEDULE", "cosin")

    result = dlkit("train", "mlp", "--print-config")

    assert result.code == 2
    (val, _), (schedule, suggestion) = faults(result.stderr)
    assert val.startswith("--val 1.2 ")
    assert schedule.startswith("--schedule cosin ")
    assert "cosine?" in suggestion


def test_the_file_may_be_named_by_a_variable(dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.toml").write_text("model = 'mlp'\nepochs = 4")
    monkeypatch.setenv("DLKIT_TRAIN_CONFIG", "c.toml")

    assert tomllib.loads(dlkit("train", "--print-config").stdout)["epochs"] == 4


def test_faults_of_options_file_and_arguments_are_reported_together(dlkit: Dlkit) -> None:
    Path("c.toml").write_text("model = 'mlp'\nepoch = 3\nlr = true\nkeep = 2")

    result = dlkit(
        *("train", "cnn", "--config", "c.toml", "--schedule", "cyclic", "--patience", 2, "--max-time", "-3"),
        *("-s", "hidden", "-s", "widht=3", "--monitor", "acc", "--print-config", "--dry-run"),
    )

    assert (result.code, result.stdout) == (2, "")
    assert [" ".join(message.split()[:2]) for message, _ in faults(result.stderr)] == [
        "-s hidden",
        "c.toml: epoch",
        "c.toml: lr",
        "--print-config cannot",
        "MODEL cnn",
        "--max-time -3",
        "--schedule cyclic",
        "--keep has",
        "--monitor acc",
    ]


def test_a_missing_model_is_reported_with_all_else(dlkit: Dlkit) -> None:
    result = dlkit("train", "--lr", "-1")

    assert result.code == 2
    (missing, hint), (rate, _) = faults(result.stderr)
    assert missing.startswith("MODEL is missing; choose from mlp, cnn, ")
    assert "dlkit train mlp" in hint
    assert "--resume RUN" in hint
    assert rate.startswith("--lr -1.0 ")


@pytest.mark.parametrize("content", [b"lr = = 1", b"\xff\xfe", None], ids=["broken", "not-text", "missing"])
def test_a_file_that_is_not_toml_is_refused(content: bytes | None, dlkit: Dlkit) -> None:
    if content is not None:
        Path("c.toml").write_bytes(content)

    assert_refused(dlkit("train", "--config", "c.toml"), 2, "--config c.toml", "--print-config")


def bits(folder: Path) -> dict[str, Any]:
    """Weights and history, times and memory aside."""
    columns = dict(read_history(folder / "history.csv").columns)
    for name in ("seconds", "samples_per_second", "memory_mib"):
        del columns[name]
    files = {name: load_checkpoint(folder / f"{name}.safetensors") for name in ("best", "last")}
    return {"history": columns, **{name: file.metadata["tensors"] for name, file in files.items()}}


def test_a_run_is_repeated_from_its_own_file_to_the_bit(dlkit: Dlkit) -> None:
    words = "-s dropout=0.3 --optimizer adamw --schedule onecycle --ema 0.9 --accumulate 2 --grad-clip 1"
    first = dlkit("train", "mlp", *SHORT, *words.split(), "--seed", 4, "--weight-decay", 0.1, "-o", "first")
    second = dlkit("train", "--config", "first/config.toml", "-o", "second")

    assert (first.code, second.code, second.stdout) == (0, 0, "second/best.safetensors\n")
    assert Path("first/config.toml").read_bytes() == Path("second/config.toml").read_bytes()
    assert bits(Path("first")) == bits(Path("second"))


def test_a_typed_option_changes_only_that_setting_of_the_file(dlkit: Dlkit) -> None:
    dlkit("train", "mlp", *SHORT, "-o", "first")

    dlkit("train", "--config", "first/config.toml", "--epochs", 1, "-o", "second")

    first, second = (tomllib.loads(Path(name, "config.toml").read_text()) for name in ("first", "second"))
    assert {**first, "epochs": 1} == second


@pytest.fixture
def run(trained_run: Path, home: Path) -> Path:
    """A copy of a run of two epochs."""
    shutil.copytree(trained_run, "run")
    return Path("run")


def test_only_typed_settings_count_on_resume(
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


def test_print_config_of_a_resumed_run_trains_nothing(run: Path, dlkit: Dlkit) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    result = dlkit("train", "--resume", run, "--epochs", 3, "--patience", 2, "--print-config")

    assert result.code == 0
    assert tomllib.loads(result.stdout)["epochs"] == 3
    found = sources(result.stdout)
    assert {name for name, source in found.items() if source == "typed"} == {"epochs", "patience"}
    assert set(found.values()) == {"typed", "run"}
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize(
    "words",
    [["--dry-run"], ["--overfit", "3"], ["--config", "c.toml"], ["--out", "x"], ["--force"]],
    ids=lambda words: words[0],
)
def test_options_of_a_new_run_are_refused_with_resume(words: list[str], run: Path, dlkit: Dlkit) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    assert_refused(dlkit("train", "--resume", run, *words), 2, f"{words[0]} cannot be used with --resume")
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_options_refused_with_resume_are_reported_together_before_the_run_is_read(dlkit: Dlkit) -> None:
    result = dlkit("train", "--resume", "none", "--overfit", 3, "--force", "-s", "x")

    assert result.code == 2
    assert [message.split()[0] for message, _ in faults(result.stderr)] == ["-s", "--force", "--overfit"]


def test_all_settings_that_cannot_change_are_reported_together_on_resume(run: Path, dlkit: Dlkit) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    result = dlkit(
        *("train", "cnn", "--resume", run, "-s", "width=3", "--ema", 0.9, "-b", 2, "--max-time", 0),
    )

    assert (result.code, result.stdout) == (2, "")
    found = [message for message, _ in faults(result.stderr)]
    for message, parts in zip(
        found,
        [("MODEL cnn", "mlp"), ("--batch-size 2", "64"), ("--ema 0.9", "none"), ("-s",), ("--max-time 0",)],
        strict=True,
    ):
        assert all(part in message for part in parts), message
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_only_one_kind_of_trial_is_allowed(dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", "--overfit", 3, "--dry-run", "--print-config")

    assert_refused(result, 2, "--print-config cannot be used with --dry-run and --overfit")


def test_a_run_that_stops_early_reports_why(dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", *SHORT, "--max-steps", 3, "-o", "run")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert re.search(r"^stopped early: .*3 steps.*--max-steps", result.stderr, re.MULTILINE)
    again = dlkit("train", "--resume", "run")
    assert (again.code, again.stdout) == (0, "run/best.safetensors\n")
    assert re.search(r"^nothing to do: .*3 steps.*--max-steps", again.stderr, re.MULTILINE)
    assert "stopped early" not in again.stderr
    assert "best epoch 1: " in again.stderr
    whole = dlkit("train", "--resume", "run", "--max-steps", 10)
    assert "stopped early" not in whole.stderr


def test_weights_of_another_network_are_exit_4(trained_run: Path, dlkit: Dlkit) -> None:
    result = dlkit("train", "cnn", "--init", trained_run, *SHORT, "-o", "run")

    assert (result.code, result.stdout) == (4, "")
    ((message, _),) = faults(result.stderr)
    assert message.startswith(f"--init {trained_run.absolute()}/best.safetensors ")
    assert not Path("run").exists()


def test_weights_taken_by_init_are_reported(trained_run: Path, dlkit: Dlkit) -> None:
    result = dlkit(
        "train", "mlp", "-s", "hidden=128,128", "--init", trained_run, *SHORT, "--freeze", "hidden.0.*"
    )

    assert result.code == 0
    assert "--init took 4 of 6 tensors from " in result.stderr
    assert "hidden.1.linear.weight, hidden.1.linear.bias" in result.stderr
    assert "frozen: hidden.0.linear.weight, hidden.0.linear.bias" in result.stderr


@pytest.mark.parametrize("words", [["--freeze", "x*"], ["--warmup-steps", "25", "--epochs", "1"]], ids=str)
def test_settings_that_do_not_fit_model_or_data_leave_no_folder(words: list[str], dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", *words, "-o", "run")

    assert_refused(result, 2, words[0])
    assert not Path("run").exists()


def test_kept_checkpoints_are_evaluated_and_inspected(dlkit: Dlkit) -> None:
    dlkit("train", "mlp", *SHORT, "--save-every", "3", "--keep", 2, "-o", "run")
    kept = sorted(str(path) for path in Path("run").glob("step-*"))
    assert kept == ["run/step-00000006.safetensors", "run/step-00000009.safetensors"]

    result = dlkit("eval", *kept, "--json")

    assert [json.loads(line)["checkpoint"] for line in result.stdout.splitlines()] == kept
    assert dlkit("inspect", "show", kept[0]).code == 0
    dlkit("train", "mlp", *SHORT, "-o", "run", "--force")
    assert list(Path("run").glob("step-*")) == []


def test_dry_run_writes_nothing(dlkit: Dlkit, home: Path) -> None:
    result = dlkit("train", "mlp", *SHORT, "--max-steps", 7, "--dry-run", "-o", "run")

    assert (result.code, result.stderr) == (0, "")
    shown = dict(line.split("\t") for line in result.stdout.splitlines())
    assert (shown["parameters"], shown["steps_per_epoch"], shown["steps"]) == ("9610", "5", "7")
    assert float(shown["seconds"]) > 0
    as_json = json.loads(dlkit("train", "mlp", *SHORT, "--max-steps", 7, "--dry-run", "--json").stdout)
    assert list(as_json) == list(shown)
    assert list(home.parent.rglob("*")) == [home]


@pytest.mark.slow
def test_overfit_reports_success_and_failure(dlkit: Dlkit, home: Path) -> None:
    sound = dlkit("train", "mlp", "--overfit", 4)
    assert (sound.code, sound.stderr) == (0, "")
    assert dict(line.split("\t") for line in sound.stdout.splitlines())["accuracy"] == "1.0"

    broken = dlkit("train", "mlp", "-s", "init=zeros", "--overfit", 4)
    assert_refused(broken, 1, "--overfit 4", "-s init=default")

    assert_refused(dlkit("train", "mlp", "--overfit", 1456), 2, "--overfit 1456", "--overfit 32")
    assert list(home.parent.rglob("*")) == [home]


@pytest.mark.parametrize("command", [("train", "mlp", "--data"), ("data", "check"), ("data", "show")])
def test_an_option_and_its_opposite_are_refused(
    dlkit: Callable[..., Any], home: Path, command: tuple[str, ...]
) -> None:
    Path("t.csv").write_text("a,y\n1,2\n")

    for words in (("--header", "--no-header"), ("--no-header", "--header")):
        refused = dlkit(*command, "t.csv", *words)
        assert refused.code == 2
        assert "--header cannot be used with --no-header" in refused.stderr


@pytest.mark.parametrize("typed", ["table.csvv", "table.cvs", "tabel.csv"])
def test_a_mistyped_file_is_answered_with_the_one_that_is_there(
    dlkit: Callable[..., Any], home: Path, typed: str
) -> None:
    Path("table.csv").write_text("a,y\n1,2\n")

    refused = dlkit("train", "mlp", "--data", typed, "--target", "y")

    assert "did you mean table.csv?" in refused.stderr
