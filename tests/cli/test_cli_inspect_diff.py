import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refusals import assert_refused

from dlkit.inspection.layer_table import COLUMNS

Run = Callable[..., Any]


def test_diff_names_the_settings_and_compares_the_weights(dlkit: Run, trained_run: Path, home: Path) -> None:
    options = ("--epochs", "1", "--lr", "0.02", "--out", "other", "--quiet", "--no-plot")
    assert dlkit("train", "mlp", *options).code == 0

    found = json.loads(dlkit("inspect", "diff", trained_run, "other", "--json").stdout)

    settings = {row["name"]: (row["a"], row["b"]) for row in found["settings"]}
    assert settings["lr"] == ("0.01", "0.02")
    assert settings["epochs"] == ("2", "1")
    assert "best val_loss" in settings
    assert "seed" not in settings
    assert [row["change"] for row in found["tensors"]] == ["changed"] * 4
    assert tuple(found["tensors"][0]) == COLUMNS["diff"]

    text = dlkit("inspect", "diff", trained_run, "other", "--sort", "relative", "--top", "1").stdout
    head, tensors = text.split("\n\n")
    assert "lr\t0.01\t0.02" in head.splitlines()
    assert len(tensors.splitlines()) == 1 + 1


def test_diff_of_a_run_with_itself_says_so(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "diff", trained_run, trained_run / "best.safetensors")
    header, *rows = (line.split("\t") for line in result.stdout.splitlines())
    assert result.code == 0
    assert header == list(COLUMNS["diff"])
    assert {row[1] for row in rows} == {"same"}
    assert "the same" in result.stderr


def test_diff_refuses_what_is_no_checkpoint(dlkit: Run, trained_run: Path, home: Path) -> None:
    (home / "x.safetensors").write_text("no")
    assert_refused(dlkit("inspect", "diff", trained_run, "x.safetensors"), 4, "x.safetensors")
    assert_refused(dlkit("inspect", "diff", trained_run, "missing"), 4, "missing")
    assert_refused(
        dlkit("inspect", "diff", trained_run, trained_run, "--layers", "z*"), 2, "z*", "output.bias"
    )
    assert_refused(dlkit("inspect", "diff", trained_run, trained_run, "--sort", "size"), 2, "size", "")


def test_env_is_a_block_of_names_and_values(dlkit: Run) -> None:
    result = dlkit("inspect", "env")
    pairs = dict(line.split("\t") for line in result.stdout.splitlines())
    assert result.code == 0
    assert {"dlkit", "python", "system", "torch", "devices"} <= set(pairs)
    assert json.loads(dlkit("inspect", "env", "--json").stdout)["torch"] == pairs["torch"]
