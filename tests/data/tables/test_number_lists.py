"""Columns of texts that are many numbers each: the command of the hint makes arrays that train."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.check import check_data
from dlkit.data.tables.number_lists import numbers_each
from dlkit.data.tables.table import table_of
from dlkit.settings.config import TrainConfig

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (90, 64))
WAVES = RNG.normal(size=(90, 10)).round(3)
CLASSES, NUMBERS = np.arange(90) % 3, WAVES.sum(1).round(4)
PARTS = ("Training", "Training", "PublicTest", "Training", "PrivateTest", "Training")


def write(columns: dict[str, Any]) -> None:
    with Path("fer.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def follow(stderr: str) -> str:
    """Run the command of a hint, and return the file that it names."""
    match = re.search(r"(python -c .*); then --data (\S+) without --target", stderr)
    assert match is not None, stderr
    subprocess.run(match[1].replace("python", sys.executable, 1), shell=True, check=True)
    return match[2]


def train(dlkit: Callable[..., Any], data: str, model: str, *words: str) -> Any:
    return dlkit("train", model, "--data", data, "--epochs", 1, "--no-plot", "--out", f"run-{model}", *words)


@pytest.mark.slow
def test_pixels_become_images_in_the_parts_that_a_column_names(home: Path, dlkit: Callable[..., Any]) -> None:
    texts = [" ".join(map(str, row)) for row in PIXELS.tolist()]
    parts = [PARTS[row % 6] for row in range(90)]
    write({"emotion": CLASSES.tolist(), "pixels": texts, "Usage": parts})

    refused = train(dlkit, "fer.csv", "mlp", "--target", "emotion")
    made = follow(refused.stderr)
    arrays = np.load(made)

    assert refused.code == 3
    assert "pixels has 64 numbers" in refused.stderr
    tested = np.array([part == "PrivateTest" for part in parts])
    np.testing.assert_array_equal(arrays["x_test"], PIXELS.reshape(-1, 8, 8)[tested])
    np.testing.assert_array_equal(arrays["y_test"].ravel(), CLASSES[tested])
    assert (len(arrays["x_train"]), len(arrays["x_val"])) == (60, 15)
    for model in ("mlp", "cnn"):
        run = train(dlkit, made, model)
        assert run.code == 0, run.stderr
        assert "60 train, 15 val, 15 test" in run.stderr


@pytest.mark.slow
def test_brackets_and_commas_become_features(home: Path, dlkit: Callable[..., Any]) -> None:
    write({"y": NUMBERS.tolist(), "wave": [str(row) for row in WAVES.tolist()]})

    refused = train(dlkit, "fer.csv", "mlp", "--target", "y")
    made = follow(refused.stderr)
    arrays = np.load(made)

    np.testing.assert_allclose(arrays["x"], WAVES, rtol=1e-6)
    np.testing.assert_allclose(arrays["y"].ravel(), NUMBERS)
    assert train(dlkit, made, "mlp").code == 0
    found = check_data(TrainConfig(model="mlp", data="fer.csv", target="y"))
    assert [(each.level, each.rule) for each in found if "numbers in each" in each.message] == [
        ("error", "stray")
    ]
    assert train(dlkit, "fer.csv", "mlp", "--target", "y", "--kinds", "wave=text", "--force").code != 0


@pytest.mark.parametrize(
    "texts",
    [
        ["147/92", "124/70"],
        ["1 2 3", "4 5 6"],
        ["12 345 678", "1 234 567"],
        ["a " + "1 " * 20, "b " + "2 " * 20],
        ["1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8"],
        ["1   2   3   4   5   6   7   8   9   10   11   12   13   14   15   16   17   18   19   x"] * 2
        + ["1"],
    ],
    ids=["pair", "few", "thousands", "words", "ragged", "many-blanks"],
)
def test_other_texts_are_no_lists_of_numbers(texts: list[str]) -> None:
    assert numbers_each(table_of("t.csv", {"a": texts}).column("a")) == 0
