"""Concentration curves as a user trains, evaluates, plots and inspects them."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

from dlkit.cli.app import run
from dlkit.data.pbpk.organs import ORGANS, draw_compounds, simulate

Dlkit = Callable[..., Any]
SMALL = "pbpk:n=60,times=9"
TINY = ["-s", "hidden=4", "-s", "rounds=1", "--no-plot"]


@pytest.fixture(scope="session")
def curves_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of simulated compounds after a few epochs; not to be changed."""
    folder = tmp_path_factory.mktemp("curves") / "run"
    words = ["train", "pbpk", "--data", SMALL, "--epochs", "6", "--batch-size", "16", "--quiet", *TINY]
    assert run([*words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def curves_copy(curves_run: Path, home: Path) -> Path:
    """A copy of it in the working folder, named `run`."""
    return Path(shutil.copytree(curves_run, home / "run"))


def write(path: Path, count: int = 20, **changes: np.ndarray | None) -> Path:
    compounds, times = draw_compounds(count, 500), np.linspace(0, 48, 6)
    arrays = {
        "doses": compounds.doses,
        "clearances_hepatic": compounds.hepatic,
        "clearances_renal": compounds.renal,
        "partition_coeffs": compounds.partition,
        "concentrations": simulate(compounds, times),
        "time_points": times,
    }
    kept = {name: array for name, array in {**arrays, **changes}.items() if array is not None}
    np.savez(path, **kept)
    return path


def test_pbpk_trains_without_data(dlkit: Dlkit) -> None:
    result = dlkit("train", "pbpk", "--epochs", 1, "--limit", 64, *TINY)

    assert result.code == 0, result.stderr
    assert result.stdout == "runs/pbpk-pbpk-001/best.safetensors\n"
    assert "on pbpk (64 train, 200 val, 100 test), adam" in result.stderr
    stored = Path("runs/pbpk-pbpk-001/config.toml").read_text()
    assert 'target_weights = "blood=2,liver=2,kidney=2,brain=2"' in stored


def test_an_own_file_trains(dlkit: Dlkit, home: Path) -> None:
    path = write(home / "own.npz")
    with np.load(path) as file:
        write(home / "turned.npz", concentrations=file["concentrations"].transpose(0, 2, 1))

    losses = []
    for name in ("own", "turned"):
        result = dlkit(
            "train", "pbpk", "--data", f"{name}.npz", "--epochs", 1, "--out", name, *TINY, "--json"
        )
        assert result.code == 0, result.stderr
        losses.append(json.loads(result.stdout)["metrics"]["val_loss"])

    assert losses[0] == losses[1]


def test_a_faulty_file_is_refused(dlkit: Dlkit, home: Path) -> None:
    write(home / "own.npz", partition_coeffs=np.ones((20, 13)))

    result = dlkit("train", "pbpk", "--data", "own.npz")

    assert_refused(result, 3, "own.npz: partition_coeffs ", "doses (N,), clearances_hepatic (N,)")
    assert "(20, 13)" in result.stderr
    assert "(20, 14)" in result.stderr
    assert not (home / "runs").exists()


def test_scores_are_reported_overall_and_per_organ(curves_copy: Path, dlkit: Dlkit) -> None:
    shown = json.loads(dlkit("eval", "run", "--json").stdout)

    assert list(shown["metrics"]) == [
        *("r2", "rmse", "mae", "gmfe", "within_1.25x", "within_1.5x", "within_2x", "cmax_error", "auc_error")
    ]
    assert shown["floor"] == 0.01
    assert [row["organ"] for row in shown["per_organ"]] == list(ORGANS)
    result = dlkit("eval", "run")
    _, organs = result.stdout.split("\n\n")
    assert organs.splitlines()[0].split("\t") == ["organ", *shown["metrics"], "n"]
    assert "t = 0" in result.stderr


def test_other_doses_hours_and_times_need_no_training(curves_copy: Path, dlkit: Dlkit, home: Path) -> None:
    for data in ("pbpk:n=10,seed=5000,dose_max=5000,hours=48,times=61", str(write(home / "own.npz"))):
        result = dlkit("eval", "run", "--data", data, "--json")

        assert result.code == 0, result.stderr
        assert json.loads(result.stdout)["metrics"]["r2"]["value"] > 0.3


def test_compounds_without_concentrations_are_predicted_and_not_scored(
    curves_copy: Path, dlkit: Dlkit, home: Path
) -> None:
    write(home / "new.npz", concentrations=None)
    write(home / "known.npz")

    new, labelled = (
        dlkit("eval", "run", "--data", f"{name}.npz", "--predict", "-") for name in ("new", "known")
    )

    assert new.code == 0, new.stderr
    rows, same = (list(csv.DictReader(result.stdout.splitlines())) for result in (new, labelled))
    assert len(rows) == 20 * len(ORGANS) * 6
    assert {row["target"] for row in rows} == {""}
    assert [row | {"target": ""} for row in same] == rows
    assert "not scored" in new.stderr
    assert json.loads(dlkit("eval", "run", "--data", "new.npz", "--json").stdout)["metrics"] == {}
    assert dlkit("eval", "run", "--data", "new.npz", "--min", "r2=0.1").code == 6
    assert_refused(dlkit("train", "pbpk", "--data", "new.npz"), 3, "concentrations", "doses (N,)")
    write(home / "new.npz", concentrations=None, doses=None)
    assert_refused(dlkit("eval", "run", "--data", "new.npz"), 3, "has no array doses", "doses (N,)")


@pytest.mark.slow
def test_intervals_of_curves_contain_about_as_many_values_as_asked_for(
    curves_copy: Path, dlkit: Dlkit, home: Path
) -> None:
    result = dlkit("eval", "run", "--interval", "0.8", "--json", "--predict", "p.csv")

    assert result.code == 0, result.stderr
    held = {row["organ"]: row for row in json.loads(result.stdout)["interval"]}
    assert list(held) == list(ORGANS)
    assert dlkit("eval", "run", "--split", "val", "--predict", "val.csv").code == 0
    val, test = (pd.read_csv(name) for name in ("val.csv", "p.csv"))
    assert (test.lo[test.time == 0] - test.pred[test.time == 0]).abs().max() < 1e-4
    for organ in ("blood", "brain"):
        known, new = (rows[(rows.organ == organ) & (rows.time > 0)] for rows in (val, test))
        folds = np.sort(np.abs(np.log((known.pred + 0.01) / (known.target + 0.01))))
        compounds, times = known["index"].nunique(), known.time.nunique()
        factor = np.exp(folds[int(np.ceil((compounds + 1) * times * 0.8)) - 1])
        assert held[organ]["factor"] == pytest.approx(factor, rel=1e-3)
        assert new.hi.to_numpy() == pytest.approx((new.pred + 0.01) * factor - 0.01, rel=1e-3)
        assert new.lo.to_numpy() == pytest.approx(np.maximum((new.pred + 0.01) / factor - 0.01, 0), abs=1e-3)
        inside = ((new.lo <= new.target) & (new.target <= new.hi)).mean()
        assert held[organ]["coverage"] == pytest.approx(inside, abs=0.02)
        assert held[organ]["n"] == len(new)
    write(home / "new.npz", concentrations=None)
    other = dlkit("eval", "run", "--data", "new.npz", "--interval", "0.8", "--predict", "-")
    assert other.stdout.startswith("index,organ,time,target,pred,lo,hi\n")
    assert dlkit("plot", "p.csv").code == 0
    assert_refused(dlkit("eval", "run", "--interval", "0.99"), 3, "99", "--val")


def test_compounds_of_the_training_data_are_reported(curves_copy: Path, dlkit: Dlkit) -> None:
    result = dlkit("eval", "run", "--data", "pbpk:n=30,hours=48")

    assert "30 of the 30" in result.stderr
    assert "pbpk:n=60,times=9" in result.stderr


@pytest.mark.slow
def test_predictions_are_plotted_by_organ_and_as_folds(curves_copy: Path, dlkit: Dlkit) -> None:
    assert dlkit("eval", "run", "--predict", "p.csv").code == 0
    with Path("p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * len(ORGANS) * 9

    assert dlkit("plot", "p.csv").stdout == "p.png\n"
    assert dlkit("plot", "p.csv", "--kind", "fold").stdout == "p-fold.png\n"
    assert Path("p.png").stat().st_size > 20_000
    assert_refused(dlkit("plot", "p.csv", "p.csv"), 2, "2")


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ("acts", ["encode", "message.0", "update.0", "conductance", "affinity"]),
        ("grads", ["place", "encode.weight", "message.0.weight", "update.0.weight", "conductance.weight"]),
    ],
)
def test_parts_are_inspected_by_name(curves_copy: Path, dlkit: Dlkit, verb: str, names: list[str]) -> None:
    layers = [row["layer"] for row in json.loads(dlkit("inspect", verb, "run", "--json").stdout)]

    assert set(names) <= set(layers)


@pytest.mark.slow
def test_the_learned_correction_is_inspected_too(dlkit: Dlkit) -> None:
    words = ["--data", "pbpk:n=10,times=3,saturable=true", "--epochs", 1, *TINY]
    assert dlkit("train", "pbpk", *words, "--out", "run").code == 0

    for verb in ("acts", "grads"):
        layers = [row["layer"] for row in json.loads(dlkit("inspect", verb, "run", "--json").stdout)]
        assert any(name.startswith("saturation") for name in layers), verb


def test_log1p_and_weights_of_organs_make_the_loss(dlkit: Dlkit) -> None:
    words = ["train", "pbpk", "--data", SMALL, "--epochs", 1, *TINY, "--json"]
    losses = {}
    for name, options in {
        "plain": [],
        "log1p": ["--loss", "log1p"],
        "weights": ["--target-weights", "liver=2,blood=2"],
    }.items():
        result = dlkit(*words, *options, "--out", name)
        assert result.code == 0, result.stderr
        losses[name] = json.loads(result.stdout)["metrics"]["val_loss"]

    assert losses["log1p"] < losses["weights"] < losses["plain"]
    refused = dlkit(*words, "--target-weights", "livr=2", "--out", "refused")
    assert_refused(refused, 2, "--target-weights livr", "liver")


def test_data_are_shown_and_checked(dlkit: Dlkit, home: Path) -> None:
    shown = json.loads(dlkit("data", "show", SMALL, "--json").stdout)
    assert shown["targets"][:3] == ["blood", "liver", "kidney"]

    assert dlkit("data", "check", SMALL).code == 0
    write(home / "own.npz", doses=np.full(20, np.nan))
    result = dlkit("data", "check", "own.npz")
    assert result.code == 3
    assert "doses[0] is nan" in result.stdout + result.stderr


def test_the_mean_curve_stands_beside_the_network(home: Path, dlkit: Dlkit) -> None:
    dlkit("train", "pbpk", "--data", "pbpk:n=40", "--epochs", "1", "--out", "run", "-q")

    result = dlkit("eval", "run", "--baselines", "--json")

    assert result.code == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found["baselines"]) == ["mean"]
    lead = found["leads"]["mean"]
    assert lead["lo"] <= lead["value"] <= lead["hi"]
    network, mean = found["metrics"]["rmse"]["value"], found["baselines"]["mean"]["rmse"]
    assert lead["value"] == pytest.approx(mean - network)
