"""What functions return in tutorials: loaders, datasets, generators, split arrays, tables."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.errors import DataError
from dlkit.settings.resolve import resolve

HEAD = """
import numpy as np, torch
from torch.utils.data import DataLoader, Dataset, TensorDataset
x = np.arange(120.0).reshape(40, 3) ** 1.5
y = x[:, 0] / 7
ds = TensorDataset(torch.tensor(x), torch.tensor(y))
class Items(Dataset):
    def __len__(self): return 40
    def __getitem__(self, i): return {"row": x[i], "label": y[i]}
def pairs():
    for row, label in zip(x, y): yield row, label
def ragged():
    for i, row in enumerate(x): yield row[: 1 + i % 2], i
"""
X = np.arange(120.0).reshape(40, 3) ** 1.5


def load(folder: Path, body: str, **settings: Any) -> DataSet:
    (folder / "data.py").write_text(f"{HEAD}\ndef make():\n    return {body}\n")
    return load_dataset(resolve({"model": "mlp", "data": f"{folder}/data.py:make", **settings}, {}))


@pytest.mark.parametrize(
    ("body", "sizes"),
    [
        ("ds", (32, 4, 4)),
        ("Items()", (32, 4, 4)),
        ("pairs()", (32, 4, 4)),
        ("DataLoader(ds, 7, shuffle=True, drop_last=True)", (32, 4, 4)),
        (
            "DataLoader(ds, 7, collate_fn=lambda b: (np.stack([i[0] for i in b]), [i[1] for i in b]))",
            (32, 4, 4),
        ),
        ("DataLoader(ds, 7), DataLoader(ds, 7)", (36, 4, 40)),
        ("DataLoader(ds), DataLoader(ds), DataLoader(ds)", (40, 40, 40)),
        ("{'train': DataLoader(ds, 9), 'val': ds}", (36, 40, 4)),
        ("x[:30], x[30:], y[:30], y[30:]", (27, 3, 10)),
        ("x[:30], y[:30], x[30:], y[30:]", (27, 3, 10)),
        ("x[:25], x[25:30], x[30:], y[:25], y[25:30], y[30:]", (25, 5, 10)),
        ("x[:20], x[20:], y[:20], y[20:]", (18, 2, 20)),
        ("x[:20], y[:20], x[20:], y[20:]", (18, 2, 20)),
        ("(x[:30], y[:30]), (x[30:], y[30:])", (27, 3, 10)),
    ],
)
def test_each_form_gives_all_samples_with_their_targets(
    tmp_path: Path, body: str, sizes: tuple[int, int, int]
) -> None:
    dataset = load(tmp_path, body)

    assert tuple(dataset.description.split_sizes.values()) == sizes
    assert dataset.description.task == "regression"
    for split in dataset.splits.values():
        rows = split.rows
        assert split.targets[rows].numpy() == pytest.approx(split.inputs[rows, 0].numpy() / 7, rel=1e-5)
    test = dataset.splits["test"]
    if sizes[2] in (10, 20):  # the part that was returned, in its order
        assert test.inputs[test.rows].numpy() == pytest.approx(X[-sizes[2] :].astype("float32"))


def test_the_order_of_split_arrays_is_reported(tmp_path: Path) -> None:
    assert any(
        "x_train, x_test, y_train, y_test" in note
        for note in load(tmp_path, "x[:30], x[30:], y[:30], y[30:]").notes
    )
    assert any("train, test" in note for note in load(tmp_path, "ds, ds").notes)


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("ragged()", "1 and 2", "Resize"),
        ("iter([1, 2])", "a sample is int", "pair"),
        ("iter([])", "no samples", "pairs"),
        ("TensorDataset(torch.tensor(x), torch.tensor(y), torch.tensor(y))", "tuple of 3", "pair"),
        ("x, y, x", "tuple of 3", "DataLoader"),
    ],
)
def test_samples_that_cannot_be_stacked_are_refused(
    tmp_path: Path, body: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, body)

    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("returned", "asked", "target"),
    [("f", ("--target", "b"), "b"), ("f.drop(columns='b'), f['b']", (), "target")],
    ids=["table", "texts"],
)
def test_a_table_is_refused_with_a_command_that_saves_it(
    dlkit: Any, home: Path, returned: str, asked: tuple[str, ...], target: str
) -> None:
    (home / "frames.py").write_text(
        "import pandas as pd\n"
        "f = pd.DataFrame({'a': range(40), 'c': ['u', 'v'] * 20, 'b': [i * 2.5 for i in range(40)]})\n"
        f"def load(): return {returned}\n"
    )

    refused = dlkit("train", "mlp", "--data", "frames.py:load", *asked)
    command, options = re.search(r"(python -c .*); then (--data .*)", refused.stderr).groups()  # type: ignore[union-attr]
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, cwd=home)
    followed = dlkit("train", "mlp", *options.split(), "--epochs", "1", "--no-plot")

    assert refused.code == 3
    assert followed.code == 0, followed.stderr
    assert options == f"--data frames.csv --target {target}"
    assert set((home / "frames.csv").read_text().splitlines()[0].split(",")) == {"a", "c", target}
