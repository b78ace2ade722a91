"""Whether targets are classes or numbers is the same for a CSV, an .npz and a function."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.data.check import check_data
from dlkit.data.infer_task import infer_task
from dlkit.data.kinds import load_dataset
from dlkit.settings.config import TrainConfig


def repeated(*counts: int) -> list[int]:
    """Return 0, 1, ... as often as asked for."""
    return [value for value, count in enumerate(counts) for _ in range(count)]


TARGETS = {
    "few-whole": ([0, 1, 2] * 20, "classification"),
    "few-floats": ([1.0, 5.0] * 30, "classification"),
    "ten": (list(range(10)) * 5, "classification"),
    "labels-of-equal-size": (list(range(21)) * 6, "classification"),
    # training samples of the 16 classes of the Indian Pines scene, divided by 8
    "labels": (
        repeated(6, 178, 104, 30, 60, 91, 4, 60, 2, 122, 307, 74, 26, 158, 48, 12),
        "classification",
    ),
    # final grades of the 395 pupils of UCI 320, from 0, then from 4
    "grades": (
        [0] * 38 + [4 + v for v in repeated(1, 7, 15, 9, 32, 28, 56, 47, 31, 31, 27, 33, 16, 6, 12, 5, 1)],
        "regression",
    ),
    "counts": (repeated(90, 61, 40, 22, 15, 9, 4, 4, 1, 2, 1, 1), "regression"),
    "thirty-one": (list(range(31)) * 6, "regression"),
    "hundred": (list(range(100)) * 2, "regression"),
    "few-rows": (list(range(15)) * 4, "regression"),
    "fractions": ([0.5, 1.5] * 30, "regression"),
    "texts": (["cat", "dog"] * 30, "classification"),
    "truths": ([True, False] * 30, "classification"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_three_sources_agree_on_the_task(name: str, home: Path) -> None:
    values, task = TARGETS[name]
    array = np.array(values)
    inputs = np.random.default_rng(0).normal(size=(len(array), 2)).astype(np.float32)
    texts = [str(value).lower() if array.dtype.kind == "b" else str(value) for value in array]
    rows = [f"{a},{b},{text}" for (a, b), text in zip(inputs.tolist(), texts, strict=True)]
    (home / "t.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    np.savez(home / "t.npz", X=inputs, y=array)
    (home / "own.py").write_text(
        "import numpy as np\ndef make():\n    kept = np.load('t.npz')\n    return kept['X'], kept['y']\n"
    )

    found = {
        source: load_dataset(TrainConfig(model="mlp", data=source, target=target)).description.task
        for source, target in (("t.csv", "y"), ("t.npz", None), ("own.py:make", None))
    }

    assert found == dict.fromkeys(found, task)
    assert infer_task("y", array)[0] == task


@pytest.mark.parametrize(
    ("name", "ambiguous"), [("ten", False), ("labels", True), ("grades", True), ("thirty-one", False)]
)
def test_whole_numbers_that_may_be_either_are_said_to_be(name: str, ambiguous: bool) -> None:
    values, task = TARGETS[name]
    other = {"classification": "regression", "regression": "classification"}[task]

    _, why = infer_task("y", np.array(values))

    assert ("ambiguous" in why) == ambiguous
    assert f"--task {other}" in why


@pytest.mark.parametrize("source", ["t.csv", "t.npz"])
@pytest.mark.parametrize(
    ("name", "task", "found"),
    [
        ("grades", "auto", [18]),
        ("labels", "auto", [16]),
        ("ten", "auto", []),
        ("fractions", "auto", []),
        ("texts", "auto", []),
        ("grades", "regression", []),
        ("labels", "classification", []),
    ],
)
def test_data_check_finds_an_ambiguous_target(
    source: str, name: str, task: str, found: list[int], home: Path
) -> None:
    array = np.array(TARGETS[name][0])
    inputs = np.random.default_rng(0).normal(size=len(array))
    rows = [f"{a},{value}" for a, value in zip(inputs.tolist(), array.tolist(), strict=True)]
    Path("t.csv").write_text("\n".join(["a,y", *rows]) + "\n")
    np.savez("t.npz", x=inputs, y=array)
    target = "y" if source == "t.csv" else None

    findings = check_data(TrainConfig(model="mlp", data=source, target=target, task=task))

    assert [each.count for each in findings if each.rule == "ambiguous"] == found
