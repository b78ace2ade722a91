"""dlkit eval --predict for new samples whose targets nobody knows."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from refusals import assert_refused

Dlkit = Callable[..., Any]
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(120, 3)).astype(np.float32)
NEW = INPUTS[:7]


def predicted(dlkit: Dlkit, run: str, data: str, *words: str) -> list[dict[str, str]]:
    result = dlkit("eval", run, "--data", data, "--predict", "-", *words)
    assert result.code == 0, result.stderr
    assert "not scored" in result.stderr
    return list(csv.DictReader(result.stdout.splitlines()))


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_arrays_without_targets(home: Path, dlkit: Dlkit, task: str) -> None:
    targets = (INPUTS[:, 0] > 0).astype(int) if task == "classes" else INPUTS.sum(1)
    np.savez("xy.npz", x=INPUTS, y=targets)
    np.savez("x.npz", x=NEW)
    np.save("x.npy", NEW)
    Path("f.py").write_text("import numpy as np\ndef make():\n    return np.load('x.npy'), None\n")
    assert dlkit("train", "mlp", "--data", "xy.npz", "--epochs", "1", "--out", "run", "-q").code == 0

    every = dlkit("eval", "run", "--data", "xy.npz", "--split", "all", "--predict", "-").stdout
    by_row = {row["index"]: row for row in csv.DictReader(every.splitlines())}
    for data in ("x.npz", "x.npy", "f.py:make"):
        rows = predicted(dlkit, "run", data)
        assert [row["index"] for row in rows] == list("0123456")
        assert {row["target"] for row in rows} == {""}
        assert len({row["pred"] for row in rows}) > 1
        if data == "x.npz" and len(by_row) == len(INPUTS):
            assert all(len(row) == len(by_row["0"]) for row in rows)


def test_an_array_of_another_name_is_not_taken_for_unlabelled(home: Path, dlkit: Dlkit) -> None:
    np.savez("xy.npz", x=INPUTS, y=(INPUTS[:, 0] > 0).astype(int))
    np.savez("other.npz", x=NEW, kind=np.arange(7) % 2)
    np.savez("unclear.npz", x=NEW, kind=np.arange(7) % 2, place=np.arange(7) % 2)
    np.savez("shorter.npz", x=NEW, kind=np.arange(3) % 2)
    dlkit("train", "mlp", "--data", "xy.npz", "--epochs", "1", "--out", "run", "-q")

    result = dlkit("eval", "run", "--data", "other.npz", "--predict", "-")

    assert result.code == 0
    assert "the targets kind" in result.stderr
    rows = csv.DictReader(result.stdout.splitlines())
    assert [row["target"] for row in rows] == [str(value) for value in np.arange(7) % 2]
    for name in ("unclear.npz", "shorter.npz"):
        refused = dlkit("eval", "run", "--data", name, "--predict", "-")
        assert (refused.code, refused.stdout) == (3, "")
        assert name in refused.stderr


def test_images_in_no_class_folder(home: Path, dlkit: Dlkit) -> None:
    for number in range(40):
        pixels = RANDOM.integers(0, 100, (8, 8), dtype=np.uint8)
        pixels[:, : 4 * (number % 2) + 1] += 120
        for folder in (f"known/{'ab'[number % 2]}", "new"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            if folder != "new" or number < 5:
                Image.fromarray(pixels).save(f"{folder}/{number}.png")
    assert dlkit("train", "mlp", "--data", "known", "--epochs", "2", "--out", "run", "-q").code == 0

    rows = predicted(dlkit, "run", "new")

    assert [row["index"] for row in rows] == [f"{number}.png" for number in range(5)]
    assert {row["target"] for row in rows} == {""}
    with Image.open("new/3.png") as image:
        image.save("3.tif")
    for single in ("new/3.png", "3.tif"):
        (row,) = predicted(dlkit, "run", single)
        assert row.pop("index") == Path(single).name
        assert row == {name: value for name, value in rows[3].items() if name != "index"}
    gate = dlkit("eval", "run", "--data", "new", "--min", "accuracy=0.5")
    assert gate.code == 6
    assert "not defined" in gate.stderr


def test_a_single_image_cannot_be_trained_on(home: Path, dlkit: Dlkit) -> None:
    Image.new("L", (8, 8)).save("one.png")

    for words in (["train", "mlp", "--data", "one.png"], ["data", "show", "one.png"]):
        assert_refused(dlkit(*words), 3, "one.png", "folder")
