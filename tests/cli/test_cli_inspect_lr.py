"""dlkit inspect lr: a rate alone on stdout, everything else beside it, nothing left behind."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, faults

from dlkit.inspection.lr_range import RULE

Run = Callable[..., Any]


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_stdout_is_the_rate_and_stderr_explains_it(dlkit: Run, home: Path) -> None:
    result = dlkit("inspect", "lr", "mlp")

    rate = float(result.stdout)
    assert result.code == 0
    assert result.stdout == f"{rate:.3g}\n"
    assert 0.01 < rate < 0.2
    assert result.stderr.startswith("mlp on digits with sgd, batch 64: ")
    assert f"{rate:g} is {RULE}" in result.stderr
    assert files_under(home) == set()


def test_the_rate_can_be_passed_to_train(dlkit: Run) -> None:
    rate = dlkit("inspect", "lr", "mlp", "--quiet").stdout.strip()

    trained = dlkit("train", "mlp", "--epochs", "3", "--lr", rate, "--json")

    assert trained.code == 0
    assert json.loads(trained.stdout)["metrics"]["lr"] == float(rate)
    assert json.loads(trained.stdout)["metrics"]["val_accuracy"] > 0.9


def test_json_is_one_object_with_the_smoothed_curve(dlkit: Run) -> None:
    result = dlkit("inspect", "lr", "mlp", "--json")

    shown = json.loads(result.stdout)
    assert list(shown) == ["lr", "rule", "steps", "curve"]
    assert shown["rule"] == RULE
    assert shown["steps"] == len(shown["curve"])
    assert set(shown["curve"][0]) == {"lr", "loss"}
    assert shown["curve"][0]["lr"] == 1e-6
    assert min(point["loss"] for point in shown["curve"]) < shown["curve"][0]["loss"] / 2


def test_result_is_reproducible_and_depends_on_seed_and_optimizer(dlkit: Run) -> None:
    words = ("inspect", "lr", "mlp", "--json")

    plain, again, seeded, adam = (
        dlkit(*words, *more).stdout for more in ((), (), ("--seed", 1), ("--optimizer", "adam"))
    )

    assert plain == again
    assert json.loads(plain)["curve"] != json.loads(seeded)["curve"]
    assert json.loads(adam)["lr"] < json.loads(plain)["lr"] / 2


def test_settings_of_the_test_are_those_typed(dlkit: Run) -> None:
    result = dlkit(
        *("inspect", "lr", "mlp", "-s", "hidden=32", "-d", "digits", "-b", 32, "--optimizer", "adamw"),
        *("--start", "1e-5", "--end", 1, "--steps", 60, "--json"),
    )

    curve = json.loads(result.stdout)["curve"]
    assert "mlp on digits with adamw, batch 32: " in result.stderr
    assert curve[0]["lr"] == 1e-5
    assert curve[1]["lr"] == pytest.approx(1e-5 * 1e5 ** (1 / 59))
    assert curve[-1]["lr"] <= 1


def test_settings_can_come_from_the_file_of_a_run(dlkit: Run, home: Path) -> None:
    folder = home / "run"
    trained = dlkit("train", "mlp", "--optimizer", "adam", "-b", 32, "--epochs", 1, "-o", folder, "--quiet")
    before = {path: path.read_bytes() for path in folder.iterdir()}

    result = dlkit("inspect", "lr", "--config", folder / "config.toml")

    assert trained.code == result.code == 0
    assert "mlp on digits with adam, batch 32: " in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_test_from_the_weights_of_a_checkpoint_leaves_it_as_it_was(dlkit: Run, home: Path) -> None:
    checkpoint = Path(dlkit("train", "mlp", "--epochs", 1, "--quiet").stdout.strip())
    before = checkpoint.read_bytes()
    Path("more.toml").write_text(f'model = "mlp"\ninit = "{checkpoint}"\nfreeze = "hidden.*"\n')

    result = dlkit("inspect", "lr", "--config", "more.toml", "--json")

    assert result.code == 0
    assert "--init took 4 of 4 tensors" in result.stderr
    assert "frozen: hidden.0.linear.weight" in result.stderr
    assert json.loads(result.stdout)["curve"][0]["loss"] < 2.0
    assert checkpoint.read_bytes() == before


def test_out_writes_the_curve_as_csv(dlkit: Run, home: Path) -> None:
    result = dlkit("inspect", "lr", "mlp", "-o", "curve.csv")

    with Path("curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = json.loads(dlkit("inspect", "lr", "mlp", "--json").stdout)
    assert f"{float(result.stdout):g}\n" == result.stdout
    assert "curve.csv" in result.stderr
    assert [{name: float(cell) for name, cell in row.items()} for row in rows] == shown["curve"]
    assert files_under(home) == {"curve.csv"}


@pytest.mark.parametrize(("name", "magic"), [("c.png", b"\x89PNG"), ("c.PDF", b"%PDF")])
@pytest.mark.quick(1)
def test_out_plots_the_curve(dlkit: Run, home: Path, name: str, magic: bytes) -> None:
    result = dlkit("inspect", "lr", "mlp", "-o", name, "--json")

    assert Path(name).read_bytes().startswith(magic)
    assert name in result.stderr
    assert json.loads(result.stdout)["lr"]


def test_a_network_that_cannot_learn_is_exit_1_with_causes(dlkit: Run, home: Path) -> None:
    result = dlkit("inspect", "lr", "mlp", "-s", "init=zeros", "-o", "curve.png")

    assert result.code == 1
    assert result.stdout == ""
    ((_, hint),) = faults(result.stderr)
    assert "hidden.0.linear.weight" in hint
    assert files_under(home) == set()


def test_a_loss_that_still_falls_at_the_end_is_a_warning(dlkit: Run) -> None:
    result = dlkit("inspect", "lr", "mlp", "--end", "0.01")

    assert result.code == 0
    assert re.search(r"^warning: .*--end 0\.01", result.stderr, re.MULTILINE)


def test_all_faults_are_reported_together(dlkit: Run) -> None:
    result = dlkit(
        *("inspect", "lr", "mpl", "--data", "mnst", "--batch-size", 0, "--optimizer", "adm"),
        *("--device", "gpu", "--start", 0, "--end", -1, "--steps", 3, "-o", "curve.jpg"),
    )

    assert (result.code, result.stdout) == (2, "")
    found = dict(faults(result.stderr))
    for start, hint in {
        "MODEL mpl ": "mlp?",
        "--data mnst ": "mnist",
        "--batch-size 0 ": "",
        "--optimizer adm ": "adam?",
        "--device gpu ": "auto",
        "--start 0 ": "1e-6",
        "--end -1 ": "--start",
        "--steps 3 ": "100",
        "-o curve.jpg ": ".png",
    }.items():
        (message,) = (message for message in found if message.startswith(start))
        assert hint in found[message]


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        ([], 2, "MODEL ", "dlkit inspect lr mlp"),
        (["mlp", "--start", "nan"], 2, "--start nan ", "1e-6"),
        (["mlp", "--end", "inf"], 2, "--end inf is outside (1e-06, inf)", "10"),
        (["mlp", "--start", "1", "--end", "1"], 2, "--end 1 is outside (1, inf)", "--start"),
        (["mlp", "-o", "curve"], 2, "-o curve ", "-o lr.png"),
        (["mlp", "-o", "nowhere/curve.png"], 1, "nowhere", "path"),
        (["--config", "none.toml"], 2, "--config none.toml", "--print-config"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_with_a_hint(
    dlkit: Run, words: list[str], code: int, message: str, hint: str
) -> None:
    assert_refused(dlkit("inspect", "lr", *words), code, message, hint)


@pytest.mark.parametrize("name", ["", "best.safetensors"], ids=["folder", "checkpoint"])
def test_a_run_is_refused_with_its_config(dlkit: Run, trained_run: Path, name: str) -> None:
    result = dlkit("inspect", "lr", trained_run / name)

    assert_refused(result, 2, f"MODEL {trained_run / name} ", f"--config {trained_run}/config.toml")


def test_a_file_of_a_run_is_not_replaced(dlkit: Run, trained_run: Path) -> None:
    before = (trained_run / "curves.png").read_bytes()

    result = dlkit("inspect", "lr", "mlp", "-o", trained_run / "curves.png")

    assert_refused(result, 2, f"-o {trained_run}/curves.png ", "lr.png")
    assert (trained_run / "curves.png").read_bytes() == before
