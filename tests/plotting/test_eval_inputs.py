"""What eval and inspect write beside predictions, as it is drawn."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused

from dlkit.errors import DataError
from dlkit.plotting.kinds import read_input

Dlkit = Callable[..., Any]


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_importance_is_read_by_its_header(tmp_path: Path) -> None:
    kind, found = read_input(
        written(tmp_path, "feature,importance,sd,lo,hi,metric\na,0.5,0.1,0.3,0.7,rmse\nb,0,0,,,rmse\n")
    )

    assert kind.name == "importance"
    assert (found.metric, found.features, found.values) == ("rmse", ["a", "b"], [0.5, 0.0])
    assert found.lo[0] == 0.3
    assert math.isnan(found.hi[1])


def test_scores_end_at_the_first_empty_line(tmp_path: Path) -> None:
    table = "checkpoint\tdata\tsplit\tn\tloss\tmae\tmae_lo\tmae_hi\na/best\td\ttest\t9\t0.5\t2\t1\t3\n"

    kind, found = read_input(written(tmp_path, f"{table}\nmetric\tdifference\nmae\t1\n", "t.tsv"))

    assert kind.name == "compare"
    assert found.names == ["a/best"]
    assert found.metrics["mae"] == [(2.0, 1.0, 3.0)]
    assert found.metrics.keys() == {"loss", "mae"}


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("feature,importance,lo,hi\n", "importance", "no rows"),
        ("feature,importance,lo,hi\na,much,0,1\n", "importance", "line 2: importance is 'much'"),
        ("rank,index,target\n1,5,3\n", "worst", "neither a column loss nor error"),
        ("a,b\n1,2\n", "layers", "is not a table of layers"),
        ("a,b\n1,2\n", "compare", "is not a table of scores"),
    ],
)
def test_other_files_are_refused(text: str, kind: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_input(written(tmp_path, text), kind)

    assert message in caught.value.message


def test_a_run_is_evaluated_for_its_worst_samples(run_copy: Path, dlkit: Dlkit, tmp_path: Path) -> None:
    figure = tmp_path / "worst.png"

    result = dlkit("plot", run_copy, "--kind", "worst", "-o", figure)

    assert result.code == 0, result.stderr
    with (run_copy / "worst-test.csv").open(newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses == sorted(losses, reverse=True)
    assert figure.stat().st_size > 1000


def test_an_image_that_is_missing_is_named(tmp_path: Path, dlkit: Dlkit) -> None:
    path = written(tmp_path, "rank,index,target,pred,loss,image\n1,5,a,b,2.5,worst-test/0001.png\n")

    assert_refused(dlkit("plot", path), 3, "worst-test/0001.png", "--worst")


def test_layers_of_a_checkpoint_are_drawn_from_their_table(
    trained_run: Path, dlkit: Dlkit, tmp_path: Path
) -> None:
    table, figure = tmp_path / "w.csv", tmp_path / "w.svg"
    dlkit("inspect", "weights", trained_run, "-o", table)

    kind, rows = read_input(table)
    assert dlkit("plot", table, "-o", figure).code == 0

    assert kind.name == "layers"
    assert rows[0]["layer"] in figure.read_text()
