"""Equal rows of columns with few values are no copies; and other texts of the check that fit what is there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Run = Callable[..., Any]
TRAIN = ("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "1", "--out", "run")
RNG = np.random.default_rng(0)


def findings(dlkit: Run, path: str, target: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(dlkit("data", "check", path, "--target", target, "--json").stdout)
    return {(each["rule"], each["where"]): each for each in found}


def test_equal_rows_of_few_answers_are_no_copies(dlkit: Run, home: Path) -> None:
    answers = pd.DataFrame({name: RNG.integers(1, 6, 300) for name in "abc"}).assign(
        y=RNG.choice(["no", "yes"], 300)
    )
    answers.to_csv("answers.csv", index=False)
    measured = pd.DataFrame(RNG.normal(size=(300, 3)).round(3), columns=list("abc")).assign(y=answers.y)
    pd.concat([measured, measured[:40]]).to_csv("copied.csv", index=False)

    few = {rule: each["cure"] for (rule, _), each in findings(dlkit, "answers.csv", "y").items()}
    many = {rule: each["cure"] for (rule, _), each in findings(dlkit, "copied.csv", "y").items()}

    for rule in ("duplicates", "shared"):
        assert "nothing to do" in few[rule]
        assert "drop" in many[rule]


def test_what_becomes_of_gaps_is_what_training_does(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(
        {"dose": np.nan, "rare": np.nan, "some": RNG.random(200), "y": RNG.random(200).round(3)}
    )
    frame.loc[::10, ["dose", "y"]] = [320.0, np.nan]
    frame.loc[[3, 50], "rare"] = [0.5, 0.75]
    frame.loc[::7, "some"] = np.nan
    frame.to_csv("t.csv", index=False)

    cures = {
        where: each["cure"]
        for (rule, where), each in findings(dlkit, "t.csv", "y").items()
        if rule == "missing"
    }
    said = dlkit(*TRAIN).stderr

    assert "training leaves the column out" in cures["column dose"]
    assert "dose is empty in the training rows" in said
    assert "--features" in cures["column rare"]
    assert "filled in" in cures["column some"]


def test_points_for_missing_texts_are_reported(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(
        {"C": ["."] * 195 + ["C"] * 5, "a": RNG.random(200).round(3), "y": RNG.random(200).round(3)}
    )
    frame.to_csv("t.csv", index=False)
    found = findings(dlkit, "t.csv", "y")

    assert "--missing C=." in found["missing-word", "column C"]["cure"]
    assert (
        dlkit(
            *[
                "train",
                "mlp",
                "--data",
                "t.csv",
                "--target",
                "y",
                "--epochs",
                "1",
                "--out",
                "run",
                "--missing",
                "C=.",
            ]
        ).code
        == 0
    )


def test_units_of_a_column_are_counted(dlkit: Run, home: Path) -> None:
    glucose = [f"{i % 60 / 10 + 4} mmol/L" if i % 3 else f"{100 + i % 60} mg/dL" for i in range(300)]
    pd.DataFrame({"glucose": glucose, "y": RNG.random(300).round(3)}).to_csv("t.csv", index=False)

    refused = dlkit(*TRAIN)

    assert "mmol/L in 200 rows, mg/dL in 100 rows" in refused.stderr
    assert "--kinds glucose=text" in refused.stderr
    assert "--missing" not in refused.stderr


def test_a_blank_line_above_the_names_is_reported_as_what_it_is(dlkit: Run, home: Path) -> None:
    rows = [f"{i},{i % 7},{i / 3:.2f}" for i in range(40)]
    Path("t.csv").write_text("\n".join(["# ---", "# Pages", "# ---", "", "a,b,y", *rows]) + "\n")
    Path("named.csv").write_text("\n".join(["", "Sales of June,,", "a,b,y", *rows]) + "\n")

    assert "1 line above the column names skipped, without a text" in dlkit("data", "show", "t.csv").stderr
    assert "skipped: Sales of June" in dlkit("data", "show", "named.csv").stderr
