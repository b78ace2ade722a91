"""Texts of a target that mean the same, or several things at once, and numbers that have words around them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

from dlkit.data.tables.oddities.spellings import alike, folded, one_spelling
from dlkit.data.tables.table import table_of
from dlkit.data.tables.targets import read_targets, targets_like

RNG = np.random.default_rng(0)
TRAIN = ("train", "mlp", "--target", "y", "--epochs", "1", "--no-plot", "--force", "--out", "run", "--data")
Run = Callable[..., Any]
ANSWERS = ["Yes", "Yes", "yes", "No", "NO ", "Yes\u00a0", "No"]


def run_hint(stderr: str, end: str) -> None:
    command = stderr.partition("python -c")[2].partition(end)[0]
    subprocess.run(f"{sys.executable} -c{command}", shell=True, check=True)


def test_spellings_of_one_class_are_one_and_reported(dlkit: Run, home: Path) -> None:
    pd.DataFrame({"a": RNG.random(140), "y": ANSWERS * 20}).to_csv("t.csv", index=False)
    pd.DataFrame({"a": RNG.random(4), "y": ["YES", "no", "Yes", "no"]}).to_csv("new.csv", index=False)

    said = dlkit(*TRAIN, "t.csv").stderr
    evaluated = dlkit("eval", "run", "--data", "new.csv")

    assert "--task classification" in said
    assert "'Yes' and 'yes'" in said
    assert evaluated.code == 0


def test_the_most_frequent_spelling_names_the_class() -> None:
    table = table_of("t", {"y": np.array(ANSWERS * 10, dtype=object)})
    targets = read_targets(table, ("y",), "auto")
    new = table_of("new", {"y": np.array(["YES ", "nO"], dtype=object)})
    other = targets_like(new, ("y",), "classification", ["No", "Yes"])

    plain = pd.Series(ANSWERS * 10).str.strip().str.lower()
    assert targets.class_names == ("No", "Yes")
    assert targets.values.tolist() == (plain == "yes").astype(int).tolist()
    assert len(read_targets(table, ("y",), "classification").class_names) == 5
    assert other.values.tolist() == [1, 0]


def test_short_texts_are_no_spellings_of_each_other() -> None:
    table = table_of("t", {"y": np.array(["aa", "Aa", "AA"] * 10, dtype=object)})

    targets = read_targets(table, ("y",), "auto")

    assert targets.class_names == ("AA", "Aa", "aa")
    assert "'aa' and 'Aa' and 'AA'" in targets.note
    assert one_spelling(table.column("y"), table.codes("y")) == {}


@pytest.mark.parametrize(
    ("one", "other"), [("10-20", "10\u201320"), ("10 - 20", "10-20"), ("At  Home", "at home")]
)
def test_kinds_of_dashes_and_spaces_are_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert alike(table_of("t", {"a": np.array([one, other, "x"], dtype=object)}).column("a")) == [
        [one, other]
    ]


def test_features_spelt_differently_are_reported(dlkit: Run, home: Path) -> None:
    depth = RNG.choice(["10-20", "10\u201320", "20-40"], 100)
    pd.DataFrame({"depth": depth, "y": RNG.random(100)}).to_csv("t.csv", index=False)

    assert "depth ('" in dlkit(*TRAIN, "t.csv").stderr


@pytest.mark.parametrize("joint", ["|", ";", ", "])
@pytest.mark.quick(1)
def test_several_labels_in_a_field_are_refused_with_ways_that_work(
    joint: str, dlkit: Run, home: Path
) -> None:
    names = np.array(["Action", "Comedy", "Drama", "Horror"])
    sets = [names[RNG.random(4) < 0.5] for _ in range(200)]
    frame = pd.DataFrame({"a": RNG.random(200), "y": [joint.join(each) or "Drama" for each in sets]})
    frame.to_csv("t.csv", index=False)

    refused = dlkit(*TRAIN, "t.csv")
    run_hint(refused.stderr, " writes a column")

    assert_refused(refused, 3, "4 labels", "--task classification")
    wanted = frame.y.str.get_dummies(joint)
    pd.testing.assert_frame_equal(pd.read_csv("new.csv")[list(wanted)], wanted)
    assert dlkit(*TRAIN, "t.csv", "--task", "classification").code == 0
    assert dlkit("train", "mlp", "--data", "new.csv", "--target", "Action", "--epochs", "1").code == 0


@pytest.mark.slow
def test_numbers_with_words_around_are_refused_with_ways_that_work(dlkit: Run, home: Path) -> None:
    numbers = RNG.integers(1, 60, 300)
    pd.DataFrame({"a": RNG.random(300), "y": [f"built {n} years ago" for n in numbers]}).to_csv(
        "t.csv", index=False
    )

    refused = dlkit(*TRAIN, "t.csv")
    run_hint(refused.stderr, " keeps the first")

    assert_refused(refused, 3, "--target y", "--task classification")
    assert pd.read_csv("new.csv").y.tolist() == numbers.tolist()
    assert dlkit(*TRAIN, "new.csv").code == 0


def test_plain_classes_are_neither_sets_nor_numbers() -> None:
    words = [
        f"{word} {n}" for word in ("red", "blue", "green", "pink", "grey", "black", "white") for n in range(6)
    ]
    plants = [
        "Iris, setosa",
        "Iris, virginica",
        "Rosa, canina",
        "Rosa, alba",
        "Tilia, cordata",
        "Acer, rubrum",
    ]
    for texts in (words, plants, ["1|2", "3|4", "5|6", "7|8", "9|0", "1|0"]):
        targets = read_targets(table_of("t", {"y": np.array(texts * 5, dtype=object)}), ("y",), "auto")
        assert len(targets.class_names) == len(texts)
