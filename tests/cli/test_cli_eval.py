"""dlkit eval as a user runs it."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import assert_refused, faults
from sklearn.datasets import load_digits

from dlkit.data.prepared import write_prepared

Dlkit = Callable[..., Any]
DEFAULT = ("accuracy", "macro_f1", "balanced_accuracy", "roc_auc", "brier", "ece")
HEADER = [column for name in DEFAULT for column in (name, f"{name}_lo", f"{name}_hi")]


@pytest.fixture
def run_copy(trained_run: Path, home: Path) -> Path:
    """A run folder that may be changed, named `run`."""
    shutil.copytree(trained_run, "run")
    return Path("run")


def read_csv(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def tables(stdout: str) -> list[list[list[str]]]:
    return [[line.split("\t") for line in block.splitlines()] for block in stdout.split("\n\n")]


def test_three_tables_come_tab_separated_in_a_pipe(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run/best.safetensors")

    assert (result.code, result.stderr) == (0, "")
    scores, classes, confusion, confused = tables(result.stdout)
    assert confused[0] == ["true", "predicted", "count", "share"]
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
        *("metrics", "per_class", "confusion", "baselines", "confused"),
    ]
    assert [each["checkpoint"] for each in two] == ["run/best.safetensors", "run/last.safetensors"]
    assert {each["n"] for each in two} == {162}
    assert two[1]["difference"]["against"] == two[0]["checkpoint"]


def test_several_checkpoints_share_one_table(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "run/last.safetensors", "run/last.prev.safetensors")

    table, spread, differences = tables(result.stdout)
    assert spread[0] == ["metric", "runs", "mean", "sd", "min", "max"]
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
    write_prepared("mnist", parts)

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
        (["run", "--interval", "1.5"], 2, "--interval 1.5 ", "0.9"),
        (["run", "--interval", "0.9"], 2, "--interval 0.9 ", "--calibrate"),
        (["run", "--min", "accuracy"], 2, "--min accuracy ", "accuracy=0.95"),
        (["run", "--min", "acuracy=1"], 2, "--min acuracy ", "accuracy"),
        (["run", "--max", "mae=1"], 2, "--max mae ", ""),
        (["run", "--min", "accuracy.lo=0.5", "--ci", "0"], 2, "--ci 0 ", ""),
        (["run", "--worst", "-1"], 2, "--worst -1 ", "20"),
        (["run", "--by", "clas"], 2, "--by clas", "class"),
        (["run", "--importance"], 2, "--importance ", ""),
        (["run", "--grid", "5", "--by", "class"], 2, "--by", ""),
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


def test_worst_images_are_kept_in_the_run_folder(run_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--worst", "3", "--by", "class", "--json")

    found = json.loads(result.stdout)
    assert [row["class"] for row in found["by"]] == list("0123456789")
    rows = read_csv("run/worst-test.csv")
    assert [int(row["index"]) for row in rows] == [row["index"] for row in found["worst"]]
    digits = load_digits()
    for row in rows:
        assert digits.target[int(row["index"])] == int(row["target"])
        pixels = np.asarray(Image.open(Path("run") / row["image"]))
        np.testing.assert_allclose(pixels, digits.images[int(row["index"])] / 16 * 255, atol=1)


def test_calibration_is_reported_and_stands_in_the_predictions(run_copy: Path, dlkit: Dlkit) -> None:
    before = json.loads(dlkit("eval", "run", "--metrics", "accuracy,log_loss", "--json").stdout)
    result = dlkit(
        "eval", "run", "--calibrate", "--metrics", "accuracy,log_loss", "--json", "--predict", "p.csv"
    )

    after = json.loads(result.stdout)
    assert f"temperature of {after['temperature']:.4g}" in result.stderr
    assert after["metrics"]["accuracy"] == before["metrics"]["accuracy"]
    assert after["metrics"]["log_loss"]["value"] < before["metrics"]["log_loss"]["value"]
    assert after["loss"] == pytest.approx(after["metrics"]["log_loss"]["value"], rel=1e-4)
    lines = read_csv("p.csv")
    assert [float(line["temperature"]) for line in lines] == pytest.approx(
        [after["temperature"]] * 180, rel=1e-5
    )


def test_importance_and_residuals_of_a_table(home: Path, dlkit: Dlkit) -> None:
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(2, 400))
    kind = random.choice(["a", "b"], 400)
    y = 3 * x + 2 * (kind == "a") + 0.1 * random.normal(size=400)
    lines = [f"{a},{b},{k},{c}" for a, b, k, c in zip(x, noise, kind, y, strict=True)]
    Path("t.csv").write_text("\n".join(["x,noise,kind,y", *lines]))
    dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "30", "--out", "t", "-q")

    found = json.loads(dlkit("eval", "t", "--importance", "--json").stdout)
    Path("few.csv").write_text("\n".join(["x,noise,kind,y", lines[0]]))
    assert_refused(dlkit("eval", "t", "--data", "few.csv", "--importance"), 3, "--importance", "leave it out")
    assert dlkit("eval", "t", "--data", "few.csv", "--worst", "2", "--by", "kind").code == 0

    rows = read_csv("t/importance.csv")
    assert [row["feature"] for row in rows] == ["x", "kind", "noise"]
    assert [float(row["importance"]) for row in rows] == [row["importance"] for row in found["importance"]]
    assert {row["metric"] for row in rows} == {"mae"}
    assert float(rows[0]["lo"]) > 0.5 * float(rows[0]["importance"]) > 10 * abs(float(rows[2]["importance"]))
    assert {row["column"] for row in found["residuals"]} == {"x", "noise", "kind"}


def test_gates_decide_the_exit_code(run_copy: Path, dlkit: Dlkit) -> None:
    met = dlkit("eval", "run", "--min", "accuracy=0.5", "--max", "log_loss=5", "--max", "loss=5")
    unmet = dlkit("eval", "run", "--min", "accuracy=0.999", "--min", "accuracy.lo=0.99", "--json")

    assert (met.code, met.stderr) == (0, "")
    accuracy = json.loads(unmet.stdout)["metrics"]["accuracy"]
    assert unmet.code == 6
    first, second = unmet.stderr.splitlines()
    assert "accuracy=0.999" in first
    assert f"{accuracy['value']:.6g}" in first
    assert "accuracy.lo=0.99" in second
    assert f"{accuracy['lo']:.6g}" in second


@pytest.mark.slow
def test_forward_passes_are_timed_by_batch_size(run_copy: Path, dlkit: Dlkit) -> None:
    found = json.loads(dlkit("eval", "run", "--bench", "--json").stdout)["bench"]

    assert [row["batch_size"] for row in found] == [1, 8, 32, 128, 512]
    for row in found:
        assert 0 < row["ms_5"] <= row["ms"] <= row["ms_95"]
        assert row["samples_per_second"] == pytest.approx(row["batch_size"] / row["ms"] * 1000)


def test_a_network_that_learned_nothing_is_said_to_be_no_better_than_the_majority(
    home: Path, dlkit: Dlkit
) -> None:
    random = np.random.default_rng(0)
    lines = [
        f"{x},{'yes' if y else 'no'}"
        for x, y in zip(random.random(400), random.random(400) < 0.2, strict=True)
    ]
    Path("t.csv").write_text("\n".join(["x,y", *lines]))
    dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "3", "--out", "t", "-q")

    result = dlkit("eval", "t")

    assert result.code == 0
    assert "majority class (no)" in result.stderr


def test_intervals_of_numbers_hold_about_as_many_as_asked_for(home: Path, dlkit: Dlkit) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=3000)
    y = x + random.normal(size=3000)
    Path("t.csv").write_text("\n".join(["x,y", *(f"{a},{b}" for a, b in zip(x, y, strict=True))]))
    dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "3", "--out", "t", "-q")
    Path("new.csv").write_text("x\n0.5\n-1\n")

    (held,) = json.loads(dlkit("eval", "t", "--interval", "0.8", "--json").stdout)["interval"]
    new = dlkit("eval", "t", "--data", "new.csv", "--interval", "0.8", "--predict", "-")

    assert held["level"] == 0.8
    assert held["coverage"] == pytest.approx(0.8, abs=0.1)
    rows = list(csv.DictReader(new.stdout.splitlines()))
    assert all(
        float(row["hi"]) - float(row["lo"]) == pytest.approx(held["mean_width"], rel=1e-5) for row in rows
    )
    assert new.code == 0
