"""dlkit inspect history: what the losses alone tell, and what they do not."""

import json
from pathlib import Path

import pytest

HEADER = "epoch,step,seconds,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm,update_ratio"


@pytest.mark.parametrize(
    "rows",
    [
        [(0.5, 0.6)],
        [(0.08, 0.081), (0.04, 0.081), (0.02, 0.08)],
        [(0.30, 0.31), (0.29, 0.30), (0.28, 0.30), (0.27, 0.29), (0.26, 0.29)],
    ],
    ids=["one epoch", "tuned further", "nearly all in the first epoch"],
)
def test_no_warning_where_the_first_loss_may_be_low_already(
    rows: list[tuple[float, float]], dlkit, home: Path
) -> None:
    lines = [f"{epoch},{100 * epoch},{train},{val}" for epoch, (train, val) in enumerate(rows, 1)]
    (home / "h.csv").write_text("\n".join(["epoch,step,train_loss,val_loss", *lines]) + "\n")

    found = dlkit("inspect", "history", "h.csv", "--strict")

    assert found.code == 0
    assert "warning" not in found.stdout


def test_without_a_finding_only_the_losses_are_named(dlkit, home: Path) -> None:
    (home / "h.csv").write_text("epoch,train_loss,val_loss\n1,2.0,2.0\n2,1.0,1.1\n")

    found = dlkit("inspect", "history", "h.csv")

    assert (found.code, found.stdout) == (0, "")
    assert "2 epochs" in found.stderr
    assert "rules" not in found.stderr


def test_a_loss_that_stays_is_found_without_steps(dlkit, home: Path) -> None:
    (home / "h.csv").write_text("epoch,loss,val_loss\n" + "".join(f"{n},2.3,2.3\n" for n in range(5)))

    found = dlkit("inspect", "history", "h.csv", "--json")

    first = json.loads(found.stdout)["findings"][0]
    assert first["rule"] == "flat_loss"
    assert "first epoch" in first["message"]
    assert first["confirm"] == "dlkit plot h.csv"


def test_the_cure_starts_from_the_rate_of_the_history_in_a_run_folder(dlkit, home: Path) -> None:
    (home / "run").mkdir()
    lines = [f"{n},{50 * n},{n},0.05,{2.0**n},{2.0**n},0.1,0.1,1,3.5" for n in range(1, 6)]
    (home / "run" / "history.csv").write_text("\n".join([HEADER, *lines]) + "\n")

    found = dlkit("inspect", "history", "run", "--json")

    first = json.loads(found.stdout)["findings"][0]
    assert first["rule"] == "lr_high"
    assert "from 0.05 to " in first["cure"]["text"]
    assert first["confirm"] == "dlkit plot run/history.csv"
