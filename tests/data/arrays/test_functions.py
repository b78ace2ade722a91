"""Data that a function of the user's own makes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dlkit.data.kinds import load_dataset
from dlkit.errors import CheckpointError, DataError
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

HEAD = "import numpy as np\nimport torch\n"
RANDOM = "x = np.random.rand(40, 3)\n"


def configure(folder: Path, body: str, **settings: Any) -> TrainConfig:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "data.py").write_text(f"{HEAD}def make():\n{lines}")
    return resolve({"model": "mlp", "data": f"{folder}/data.py:make", **settings}, {})


@pytest.mark.parametrize(
    ("body", "sizes", "task"),
    [
        (RANDOM + "return x, x.sum(1)", (32, 4, 4), "regression"),
        (RANDOM + "return x.tolist(), (x[:, 0] > 0.5).tolist()", (32, 4, 4), "classification"),
        (
            "x = torch.rand(40, 1, 8, 8, requires_grad=True)\nreturn x, (x.mean((1, 2, 3)) > 0.5)",
            (32, 4, 4),
            "classification",
        ),
        ("x = torch.rand(40, 3).bfloat16()\nreturn x, x[:, 0]", (32, 4, 4), "regression"),
        (RANDOM + "return {'train': (x, x[:, 0]), 'test': (x[:9], x[:9, 0])}", (36, 4, 9), "regression"),
        (
            RANDOM + "return {'train': (x, x), 'valid': [x[:5], x[:5]], 'test': (x[:9], x[:9])}",
            (40, 5, 9),
            "regression",
        ),
        (RANDOM + "return {'all': (x, x)}", (32, 4, 4), "regression"),
        (RANDOM + "return {'x': x, 'y': x[:, 0]}", (32, 4, 4), "regression"),
        (
            RANDOM + "return {'x_train': x, 'y_train': x, 'x_test': x[:3], 'y_test': x[:3]}",
            (36, 4, 3),
            "regression",
        ),
        (
            "import pandas as pd\nf = pd.DataFrame({'a': range(40), 'b': ['u', 'v'] * 20})\nreturn f[['a']], f['b']",
            (32, 4, 4),
            "classification",
        ),
    ],
    ids=[
        "arrays",
        "lists",
        "tensors",
        "bfloat16",
        "parts",
        "three-parts",
        "all",
        "names",
        "names-of-parts",
        "pandas",
    ],
)
def test_what_a_function_returns_is_taken(
    tmp_path: Path, body: str, sizes: tuple[int, ...], task: str
) -> None:
    dataset = load_dataset(configure(tmp_path, body))

    assert tuple(dataset.description.split_sizes.values()) == sizes
    assert dataset.description.task == task
    assert dataset.description.name == f"{tmp_path}/data.py:make"


def test_random_data_are_drawn_alike_each_time(tmp_path: Path) -> None:
    config = configure(tmp_path, "x = np.random.rand(40, 3)\nreturn x, torch.rand(40)", seed=4)

    first = load_dataset(config)
    again = load_dataset(config, first.description, named=True)
    other = load_dataset(configure(tmp_path, "x = np.random.rand(40, 3)\nreturn x, torch.rand(40)", seed=5))

    assert torch.equal(first.splits["train"].inputs, again.splits["train"].inputs)
    assert first.description.fingerprint != other.description.fingerprint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "--data data.py:make returned an int"),
        ("x = 3", "--data data.py:make returned nothing"),
        ("return 1, 2, 3", "--data data.py:make returned a tuple of 3"),
        ("return {}", "--data data.py:make returned a dict"),
        (
            "return {'holdout': ([1], [2])}",
            "--data data.py:make returned holdout, which are none of train, val and test",
        ),
        (
            "return {'val': ([1], [2]), 'valid': ([1], [2])}",
            "--data data.py:make returned a part twice: val, valid",
        ),
        ("return {'test': ([1], [2])}", "--data data.py:make returned no part to train on, only test"),
        (
            "return [[1, 2], [3]], [1, 2]",
            "--data data.py:make returned rows of different lengths, or values that are not numbers: ",
        ),
        (
            "return torch.eye(4).to_sparse(), [1, 2, 1, 2]",
            "--data data.py:make returned rows of different lengths, or values that are not numbers: ",
        ),
        (
            "return torch.zeros(4, 2, device='meta'), [1, 2, 1, 2]",
            "--data data.py:make returned rows of different lengths, or values that are not numbers: ",
        ),
        (
            "return [{}, {}], [1, 2]",
            "--data data.py:make returned an array of Python objects, the first a dict",
        ),
        (
            "return np.zeros(3) + undefined, 1",
            "--data data.py:make raised NameError: name 'undefined' is not defined (data.py line 4)",
        ),
        ("raise SystemExit", "--data data.py:make asked Python to exit (data.py line 4)"),
        (
            "return {'alpha': [1], 'beta': [2]}",
            "--data data.py:make has no array of inputs that its name identifies",
        ),
    ],
    ids=[
        "number",
        "nothing",
        "three",
        "empty",
        "foreign",
        "twice",
        "test-only",
        "ragged",
        "sparse",
        "meta",
        "objects",
        "raises",
        "exits",
        "names",
    ],
)
def test_what_a_function_cannot_return_is_told(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(configure(tmp_path, body))

    assert caught.value.message.startswith(message)
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_what_is_no_function_is_told(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("make = 3\n")

    with pytest.raises(DataError, match="make is no function but an int"):
        load_dataset(resolve({"model": "mlp", "data": f"{tmp_path}/data.py:make"}, {}))


def test_a_function_that_needs_arguments_is_not_called(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("def make(n, m=3, *rest, k, **more): raise ValueError\n")

    with pytest.raises(DataError) as caught:
        load_dataset(resolve({"model": "mlp", "data": f"{tmp_path}/data.py:make"}, {}))

    assert caught.value.message == "--data data.py:make needs n and k; it is called without arguments"
    assert caught.value.hint == "give each a default, or name a function that takes none and calls it"


def test_a_checkpoint_never_runs_a_function_by_itself(tmp_path: Path, home: Path) -> None:
    config = configure(
        tmp_path,
        "with open('canary', 'a') as f:\n    f.write('x')\nx = np.random.rand(40, 3)\nreturn x, x[:, 0]",
    )
    trained = load_dataset(config).description
    canary = home / "canary"
    before = canary.read_text()

    with pytest.raises(CheckpointError) as caught:
        load_dataset(config, trained)

    assert canary.read_text() == before
    assert caught.value.message == (
        "the data are made by data.py:make, a function of your own; a checkpoint never runs code by itself"
    )
    assert caught.value.hint == f"name it: --data {tmp_path}/data.py:make"
    assert len(load_dataset(config, trained, other=config.data).splits["test"]) == 4


def test_data_to_evaluate_need_no_part_to_train_on(tmp_path: Path) -> None:
    config = configure(tmp_path, "x = np.random.rand(40, 3)\nreturn x, x[:, 0]")
    trained = load_dataset(config).description
    (tmp_path / "more.py").write_text(
        f"{HEAD}def make():\n    x = np.ones((6, 3))\n    return {{'test': (x, x[:, 0])}}\n"
    )

    other = load_dataset(config, trained, other=f"{tmp_path}/more.py:make")

    assert {name: len(split) for name, split in other.splits.items()} == {"test": 6}
