"""Points as a user trains, evaluates, maps and inspects them."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import assert_refused, faults

from dlkit.cli.app import run
from dlkit.evaluation.subject import load_subject
from dlkit.files.checkpoint import load_checkpoint
from dlkit.settings.eval_config import EvalConfig

Dlkit = Callable[..., Any]
TINY = ["-s", "phi=8", "-s", "omega=", "-s", "theta=8", "-s", "heads=1", "--no-plot"]


@pytest.fixture(scope="session")
def points_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of simulated points after two epochs; not to be changed."""
    folder = tmp_path_factory.mktemp("points")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(folder / "home"))
        words = ["train", "spatial", "--data", "spatial:n=300", "--epochs", "2", "--quiet", *TINY]
        assert run([*words, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def points_copy(points_run: Path, home: Path) -> Path:
    """A copy of it in the working folder, named `run`."""
    return Path(shutil.copytree(points_run, home / "run"))


def test_spatial_trains_without_data(dlkit: Dlkit) -> None:
    result = dlkit("train", "spatial", "--epochs", 1, "--limit", 100, *TINY)

    assert result.code == 0, result.stderr
    assert result.stdout == "runs/spatial-spatial-001/best.safetensors\n"
    assert "spatial (" in result.stderr
    stored = Path("runs/spatial-spatial-001/config.toml").read_text()
    assert 'coords = "lon,lat"' in stored
    assert "window = 1.0" in stored


def test_a_table_trains_by_its_columns(dlkit: Dlkit, home: Path) -> None:
    lines = ["x,y,depth,clay"]
    lines += [
        f"{index % 20},{index // 20},{(index * 7) % 31},{'' if index % 9 == 0 else index % 5}"
        for index in range(200)
    ]
    (home / "wells.csv").write_text("\n".join(lines) + "\n")

    words = ["train", "spatial", "--data", "wells.csv", "--coords", "x,y", "--target", "depth", "--epochs", 1]
    result = dlkit(*words, "--balance", "sampler", *TINY)

    assert result.code == 0, result.stderr
    assert re.search(r"missing values .*clay \(", result.stderr)
    evaluated = dlkit("eval", result.stdout.strip(), "--json")
    assert set(json.loads(evaluated.stdout)["metrics"]) == {"mae", "rmse", "r2", "median_error"}


@pytest.mark.slow
def test_baselines_are_listed_with_the_model(points_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--baselines")

    assert result.code == 0, result.stderr
    _, block, *_ = result.stdout.split("\n\n")
    rows = [line.split("\t") for line in block.splitlines()]
    assert rows[0] == ["method", "mae", "rmse", "r2", "median_error"]
    assert [row[0].partition(" (")[0] for row in rows[1:]] == [
        "run/best.safetensors",
        "mean",
        "inverse distance",
        "local linear",
        "gradient boosting",
    ]
    shown = json.loads(dlkit("eval", "run", "--baselines", "--json").stdout)
    assert list(shown["baselines"]) == [row[0] for row in rows[2:]]
    assert shown["baselines"]["gradient boosting"]["rmse"] == pytest.approx(float(rows[5][2]), abs=5e-5)


def test_draws_give_a_mean_and_a_standard_deviation(points_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--draws", 4, "--predict", "-")

    assert result.code == 0, result.stderr
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["index", "target", "pred", "sd_draws", "lo", "hi"]
    assert max(float(row["sd_draws"]) for row in rows) > 0
    assert result.stdout == dlkit("eval", "run", "--draws", 4, "--predict", "-").stdout
    nearest = list(csv.DictReader(io.StringIO(dlkit("eval", "run", "--predict", "-").stdout)))
    assert list(nearest[0]) == ["index", "target", "pred"]
    assert [row["pred"] for row in nearest] != [row["pred"] for row in rows]


def test_a_map_is_predicted_from_the_checkpoint_alone_and_drawn(points_copy: Path, dlkit: Dlkit) -> None:
    shutil.copy(points_copy / "best.safetensors", "alone.safetensors")

    result = dlkit("eval", "alone.safetensors", "--grid", 8, "--draws", 3, "-o", "map.csv")

    assert (result.code, result.stdout) == (0, "map.csv\n"), result.stderr
    assert "t = " in result.stderr
    assert Path("map.csv").read_text().startswith("lon,lat,mean,sd_draws,half_width,value\n")
    drawn = dlkit("plot", "map.csv")
    assert (drawn.code, drawn.stdout) == (0, "map.png\n"), drawn.stderr
    assert Path("map.png").stat().st_size > 10_000
    half = {
        row["half_width"] for row in csv.DictReader(Path("map.csv").read_text().splitlines()) if row["mean"]
    }
    assert half != {""}
    assert all(float(text) > 0 for text in half)


def test_a_map_goes_to_stdout_without_a_file(points_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--grid", 3, "--draws", 2, "--at", 30)

    assert result.code == 0, result.stderr
    assert result.stdout.startswith("lon,lat,mean,sd_draws,half_width,value\n")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--grid", 0], ["--grid 0 "]),
        (["--draws", 1], ["--draws 1 "]),
        (["--at", 3.0], ["--at 3.0 ", "--grid"]),
        (["-o", "map.csv"], ["--out map.csv ", "--grid"]),
        (["--grid", 5, "-o", "map.png"], ["--out map.png ", ".csv"]),
        (["--grid", 5, "-o", "run/history.csv"], ["--out run/history.csv "]),
        (["--grid", 5, "--at", "inf"], ["--at inf "]),
        (["--grid", 5, "--json"], ["--grid", "JSON"]),
        (["--grid", 5, "--predict", "p.csv"], ["--grid", "--predict"]),
        (["--grid", 5, "--baselines"], ["--grid", "--baselines"]),
        (["--grid", 5, "--data", "digits"], ["--grid", "--data"]),
        (["run", "--grid", 5], ["--grid", "2"]),
    ],
    ids=str,
)
def test_options_of_maps_are_checked(
    points_copy: Path, dlkit: Dlkit, words: list[str], named: list[str]
) -> None:
    result = dlkit("eval", "run", *words)

    assert (result.code, result.stdout) == (2, "")
    ((message, hint),) = faults(result.stderr)
    assert all(part in message for part in named), message
    assert hint


@pytest.mark.parametrize("words", [["--draws", 3]], ids=str)
def test_options_of_points_are_refused_for_images(run_copy: Path, dlkit: Dlkit, words: list[str]) -> None:
    assert_refused(dlkit("eval", "run", *words), 2, " ".join(map(str, words)))


def test_layers_are_named_by_part(points_copy: Path, dlkit: Dlkit) -> None:
    for words in (["grads", "run"], ["acts", "run"], ["weights", "run"], ["model", "spatial"]):
        result = dlkit("inspect", *words)
        assert result.code == 0, result.stderr
        layers = {line.partition("\t")[0].partition(".")[0] for line in result.stdout.splitlines()[1:]}
        assert {"phi", "omega", "theta"} <= layers


def test_data_show_and_split_take_the_simulated_points(dlkit: Dlkit) -> None:
    shown = json.loads(dlkit("data", "show", "spatial", "--json").stdout)
    assert (shown["train"], shown["features"]) == (1852, ["lon", "lat", "t"])

    split = dlkit("data", "split", "spatial:n=100")
    assert split.stdout.splitlines()[0] == "row,split"
    assert len(split.stdout.splitlines()) == 101


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["mlp", "--coords", "a,b"], ["--coords", "MODEL spatial", "mlp"]),
        (["mlp", "--data", "spatial"], ["MODEL mlp ", "coords, features, neighbors, times"]),
        (["spatial", "--min-neighbors", 60], ["--min-neighbors 60 ", "--neighbors 50"]),
        (
            ["spatial", "--data", "p.csv", "--coords", "a,b", "--target", "c", "--window", 3],
            ["--window", "--time"],
        ),
        (["spatial", "--split-by-block", 1, "--group", "t"], ["--split-by-block", "--group"]),
        (["spatial", "--task", "classification"], ["--task classification", "MODEL spatial"]),
        (["spatial", "-s", "phi="], ["-s phi= "]),
        (["spatial", "-s", "phi=10,6", "-s", "heads=4"], ["-s heads=4", "-s phi=10,8"]),
        (["spatial", "--neighbors", 201, "--radius", 0], ["--neighbors 201 ", "--radius 0.0 "]),
        (["spatial", "--data", "spatial:m=3"], ["--data spatial:m=3"]),
        (["spatial", "--min-neighbors", 5], ["of 2,316 points", "fewer than 5 neighbours"]),
    ],
    ids=str,
)
def test_settings_of_points_are_checked(dlkit: Dlkit, words: list[str], named: list[str]) -> None:
    result = dlkit("train", *words)

    assert result.code in (2, 3)
    assert all(part in result.stderr for part in named), result.stderr
    assert not result.stdout


@pytest.fixture(scope="module")
def wells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of points and a run on it; not to be changed."""
    folder = tmp_path_factory.mktemp("wells")
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.uniform(0, 10, (300, 2)), columns=["x", "y"])
    table["sand"] = random.normal(size=300)
    table["soil"] = random.choice(["clay", "peat", "loam"], 300)
    table["depth"] = table.x + 4 * table.sand + random.normal(0, 0.1, 300)
    table.to_csv(folder / "wells.csv", index=False)
    words = [
        "--data",
        str(folder / "wells.csv"),
        "--coords",
        "x,y",
        "--target",
        "depth",
        "--epochs",
        "3",
        *TINY,
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(folder / "home"))
        assert run(["train", "spatial", *words, "--out", str(folder / "run"), "-q"]) == 0
    return folder


def test_points_are_scored_by_a_column_of_their_table(wells: Path, home: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", wells / "run", "--by", "soil", "--json", "--predict", "p.csv")

    assert result.code == 0, result.stderr
    found = json.loads(result.stdout)
    rows = pd.read_csv("p.csv").join(pd.read_csv(wells / "wells.csv")["soil"], on="index")
    expected = (rows.pred - rows.target).abs().groupby(rows.soil).agg(["size", "mean"])
    assert [(row["soil"], row["n"]) for row in found["by"]] == [*expected["size"].items()]
    assert [row["mae"] for row in found["by"]] == pytest.approx(list(expected["mean"]))
    assert {row["column"] for row in found["residuals"]} == {"x", "y", "sand", "soil"}
    assert_refused(dlkit("eval", wells / "run", "--by", "sol"), 2, "--by sol", "soil")


def test_columns_of_points_are_shuffled(wells: Path, home: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", wells / "run", "--importance", "--json", "--draws", 3)

    assert result.code == 0, result.stderr
    found = {row["feature"]: row for row in json.loads(result.stdout)["importance"]}
    assert set(found) == {"x, y", "sand", "soil"}
    subject = load_subject(load_checkpoint(wells / "run/best.safetensors"), EvalConfig(), torch.device("cpu"))
    part = subject.dataset.split("test")
    inputs, targets = part.batch(part.rows, torch.device("cpu"))
    random = np.random.default_rng(0)
    random.permutation(len(part))
    orders = [torch.from_numpy(random.permutation(len(part))) for _ in range(10)]

    def error(order: torch.Tensor, names: set[str], columns: list[int]) -> float:
        changed = {
            name: values[order] if name in names else values.clone() for name, values in inputs.items()
        }
        changed["features"][:, columns] = inputs["features"][order][:, columns]
        with torch.inference_mode():
            preds = subject.objective.predictions(subject.model(**changed))
        return (preds - targets).abs().mean().item()

    usual = error(orders[0], set(), [])
    sand = subject.dataset.description.feature_names.index("sand") - 2
    for name, moved, columns in (("x, y", {"coords", "neighbors"}, []), ("sand", set(), [sand])):
        changes = [error(order, moved, columns) - usual for order in orders]
        assert found[name]["importance"] == pytest.approx(np.mean(changes), abs=1e-5)
        assert found[name]["sd"] == pytest.approx(np.std(changes, ddof=1), abs=1e-5)
