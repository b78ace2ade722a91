"""dlkit eval as a user runs it."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import assert_refused, faults

from dlkit.data.prepared import write_prepared

Dlkit = Callable[..., Any]
DEFAULT = ("accuracy", "macro_f1", "balanced_accuracy", "roc_auc", "brier", "ece")
HEADER = [column for name in DEFAULT for column in (name, f"{name}_lo", f"{name}_hi")]


@pytest.fixture
def run_copy(trained_run: Path, home: Path) -> Path:
    """A run folder that may be changed, named `run`."""
    shutil.copytree(trained_run, "run")
    return Path("run")


def tables(stdout: str) -> list[list[list[str]]]:
    return [[line.split("\t") for line in block.splitlines()] for block in stdout.split("\n\n")]


def test_three_tables_come_tab_separated_in_a_pipe(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run/best.safetensors")

    assert (result.code, result.stderr) == (0, "")
    scores, classes, confusion = tables(result.stdout)
    assert scores[0] == ["checkpoint", "data", "split", "n", "loss", *HEADER]
    assert scores[1][:4] == ["run/best.safetensors", "digits", "test", "180"]
    assert classes[0] == ["class", "precision", "recall", "f1", "support"]
    assert [row[0] for row in classes[1:]] == list("0123456789")
    assert confusion[0] == ["true \\ predicted", *"0123456789"]
    counts = [[int(cell) for cell in row[1:]] for row in confusion[1:]]
    correct = sum(counts[index][index] for index in range(10))
    assert float(scores[1][5]) == pytest.approx(correct / 180, abs=5e-5)


def test_a_run_folder_stands_for_its_best_checkpoint(run_copy: Path, dlkit: Dlkit) -> None:
    assert dlkit("eval", "run").stdout == dlkit("eval", "run/best.safetensors").stdout


def test_the_checkpoint_alone_is_enough(run_copy: Path, dlkit: Dlkit, home: Path) -> None:
    expected = json.loads(dlkit("eval", "run", "--json").stdout)
    shutil.copy("run/best.safetensors", "alone.safetensors")
    shutil.rmtree("run")

    found = json.loads(dlkit("eval", "alone.safetensors", "--json").stdout)

    assert {**found, "checkpoint": ""} == {**expected, "checkpoint": ""}


def test_json_is_one_object_a_line_for_each_checkpoint(run_copy: Path, dlkit: Dlkit) -> None:
    one = json.loads(dlkit("eval", "run", "--json").stdout)
    lines = dlkit("eval", "run", "run/last.safetensors", "--json", "--split", "val").stdout.splitlines()
    two = [json.loads(line) for line in lines]

    assert list(one) == [
        *("checkpoint", "data", "split", "n", "loss"),
        *("metrics", "per_class", "confusion", "baselines"),
    ]
    assert [each["checkpoint"] for each in two] == ["run/best.safetensors", "run/last.safetensors"]
    assert {each["n"] for each in two} == {162}
    assert two[1]["difference"]["against"] == two[0]["checkpoint"]


def test_several_checkpoints_share_one_table(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "run/last.safetensors", "run/last.prev.safetensors")

    table, differences = tables(result.stdout)
    assert len(table) == 4
    assert [row[0] for row in table[1:]] == [
        "run/best.safetensors",
        "run/last.safetensors",
        "run/last.prev.safetensors",
    ]
    assert differences[0] == ["metric", "checkpoint", "against", "difference", "lo", "hi"]
    assert len(differences) == 1 + 2 * len(DEFAULT)
    assert result.stderr.count("McNemar") == 2


@pytest.mark.parametrize(("split", "count"), [("val", "162"), ("train", "1455"), ("all", "1797")])
def test_other_splits_are_evaluated(split: str, count: str, run_copy: Path, dlkit: Dlkit) -> None:
    scores = tables(dlkit("eval", "run", "--split", split).stdout)[0]

    assert scores[1][2:4] == [split, count]


def test_metrics_are_those_asked_for(run_copy: Path, dlkit: Dlkit) -> None:
    found = json.loads(dlkit("eval", "run", "--metrics", "log_loss, mcc", "--json").stdout)

    assert list(found["metrics"]) == ["log_loss", "mcc"]
    assert found["metrics"]["log_loss"]["value"] == pytest.approx(found["loss"], rel=1e-4)


def test_intervals_are_left_out_on_request_and_are_those_of_the_seed(run_copy: Path, dlkit: Dlkit) -> None:
    none = json.loads(dlkit("eval", "run", "--ci", "0", "--json").stdout)
    some = json.loads(dlkit("eval", "run", "--json").stdout)

    assert tables(dlkit("eval", "run", "--ci", "0").stdout)[0][0][5:] == list(DEFAULT)
    assert {end for each in none["metrics"].values() for end in (each["lo"], each["hi"])} == {None}
    assert all(each["lo"] < each["value"] < each["hi"] for each in some["metrics"].values())
    assert json.loads(dlkit("eval", "run", "--json").stdout) == some


def test_a_terminal_has_a_line_for_each_metric(
    run_copy: Path, dlkit: Dlkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    one, two = dlkit("eval", "run").stdout, dlkit("eval", "run", "run/last.safetensors").stdout

    one = re.sub("\x1b\\[[0-9;]*m", "", one)
    assert [line.split()[0] for line in one.splitlines()[1:9]] == ["metric", "loss", *DEFAULT]
    assert len(one.splitlines()[3].split()) == 4
    assert " to " in next(line for line in two.splitlines() if line.startswith("accuracy"))


def test_predictions_go_to_a_file(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--predict", "p.csv")

    assert "180" in result.stderr
    assert "p.csv" in result.stderr
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 180
    assert list(rows[0]) == ["index", "target", "pred", *(f"prob_{digit}" for digit in range(10))]
    right = sum(row["target"] == row["pred"] for row in rows) / 180
    assert right == pytest.approx(float(tables(result.stdout)[0][1][5]), abs=5e-5)
    for row in rows:
        probs = [float(row[f"prob_{digit}"]) for digit in range(10)]
        assert sum(probs) == pytest.approx(1, abs=1e-4)
        assert row["pred"] == str(probs.index(max(probs)))


def test_predictions_go_to_stdout_alone(run_copy: Path, dlkit: Dlkit) -> None:
    dlkit("eval", "run", "--predict", "p.csv")

    result = dlkit("eval", "run", "--predict", "-")

    assert result.stdout == Path("p.csv").read_text()
    assert "run/best.safetensors on digits test (180 samples)" in result.stderr


def test_a_missing_class_is_an_empty_cell_and_null(run_copy: Path, dlkit: Dlkit) -> None:
    parts = {
        name: (torch.randint(256, (40, 1, 8, 8), dtype=torch.uint8), torch.arange(40) % 9)
        for name in ("train", "test")
    }
    write_prepared("mnist", parts, 255.0)

    table = tables(dlkit("eval", "run", "--data", "mnist").stdout)[1]
    found = json.loads(dlkit("eval", "run", "--data", "mnist", "--json").stdout)

    assert table[10][0] == "9"
    assert (table[10][2], table[10][4]) == ("", "0")
    assert found["per_class"][9]["recall"] is None
    assert len(found["confusion"]) == 10


def test_data_of_another_shape_are_refused(run_copy: Path, dlkit: Dlkit) -> None:
    write_prepared(
        "mnist",
        {
            name: (torch.zeros(40, 1, 28, 28, dtype=torch.uint8), torch.arange(40) % 10)
            for name in ("train", "test")
        },
        255.0,
    )

    result = dlkit("eval", "run", "--data", "mnist")

    assert_refused(result, 3, "--data mnist has samples of shape (1, 28, 28)", "digits")


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["run", "--split", "tset"], 2, "--split tset ", "test?"),
        (["run", "--data", "mnits"], 2, "--data mnits ", "mnist"),
        (["run", "--data", "kmnist"], 3, "--data kmnist ", "dlkit data get kmnist"),
        (["run", "--device", "gpu"], 2, "--device gpu ", "auto"),
        (["run", "--predict", "x.png"], 2, "--predict x.png ", "predictions.csv"),
        (["run", "--predict", "run/history.csv"], 2, "--predict run/history.csv ", "name"),
        (["run", "--predict", "no/x.csv"], 1, "no/x.csv", "path"),
        (["run", "run", "--predict", "x.csv"], 2, "--predict", ""),
        (["run", "--predict", "-", "--json"], 2, "--predict - and --json", ""),
        (["run", "--metrics", "acuracy"], 2, "--metrics acuracy ", "accuracy"),
        (["run", "--metrics", "mae"], 2, "--metrics mae ", ""),
        (["run", "--ci", "5"], 2, "--ci 5 ", "1000"),
        (["nothing.safetensors"], 4, "nothing.safetensors", "dlkit train"),
        (["run/none.safetensors"], 4, "run/none.safetensors", "best.safetensors"),
        (["run/history.csv"], 4, "run/history.csv", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_and_nothing_is_changed(
    words: list[str], code: int, message: str, hint: str, run_copy: Path, dlkit: Dlkit
) -> None:
    before = {path: path.read_bytes() for path in run_copy.iterdir()}

    assert_refused(dlkit("eval", *words), code, message, hint)
    assert {path: path.read_bytes() for path in run_copy.iterdir()} == before


def test_all_faults_are_reported_together(dlkit: Dlkit, home: Path) -> None:
    result = dlkit("eval", "x", "--split", "tset", "--data", "mnits", "--device", "gpu")

    assert result.code == 2
    assert sorted(message.split()[0] for message, _ in faults(result.stderr)) == [
        "--data",
        "--device",
        "--split",
    ]
