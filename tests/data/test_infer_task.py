"""Whether targets are classes or numbers is the same for a CSV, an .npz and a function."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.data.infer_task import infer_task
from dlkit.data.kinds import load_dataset
from dlkit.settings.config import TrainConfig

TARGETS = {
    "few-whole": ([0, 1, 2] * 20, "classification"),
    "few-floats": ([1.0, 5.0] * 30, "classification"),
    "twenty": (list(range(20)) * 5, "classification"),
    "twenty-one": (list(range(21)) * 50, "regression"),
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
