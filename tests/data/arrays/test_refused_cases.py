"""Arrays that cannot be learned as they are: each hint is followed, and then works."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NETS = """
from torch import nn
class Pictures(nn.Module):
    def __init__(self, in_channels):
        super().__init__(); self.conv = nn.Conv2d(in_channels, in_channels, 3, padding=1)
    def forward(self, x):
        outputs = self.conv(x)
        return {result}
class Siamese(nn.Module):
    def __init__(self, num_classes):
        super().__init__(); self.f = nn.Linear(4, 4); self.out = nn.Linear(4, num_classes)
    def forward(self, {inputs}):
        {split}
        return self.out((self.f(x1) - self.f(x2)).abs())
"""
DRAW = np.random.default_rng(0)


@pytest.fixture
def train(dlkit: Any, home: Path) -> Any:
    def call(model: str, data: str = "a.npz", *options: str, **code: str) -> Any:
        filled = {"result": "outputs", "inputs": "x1, x2", "split": "pass", **code}
        (home / "net.py").write_text(NETS.format(**filled))
        return dlkit(
            "train", model, "--data", data, "--epochs", "1", "--no-plot", "--force", "--out", "run", *options
        )

    return call


@pytest.mark.parametrize(
    ("mask", "different"),
    [
        (lambda n: DRAW.integers(0, 2, (n, 12, 10)), 2),
        (lambda n: 255 * DRAW.integers(0, 2, (n, 1, 12, 10)).astype("uint8"), 2),
        (lambda n: DRAW.integers(0, 2, (n, 12, 10, 1)) > 0, 2),
        (lambda n: DRAW.integers(0, 5, (n, 12, 10)), 5),
    ],
    ids=["zero-one", "bytes", "bool", "classes"],
)
def test_masks_are_refused_and_their_share_is_learned(
    train: Any, home: Path, mask: Any, different: int
) -> None:
    x, y = DRAW.integers(0, 256, (60, 12, 10)).astype("uint8"), mask(60)
    np.savez(home / "a.npz", images=x, targets=y)

    refused = train("cnn")
    np.savez(home / "a.npz", images=x, targets=(y > 0).reshape(len(y), -1).mean(1))
    followed = train("cnn")

    assert refused.code == 3
    assert f"12x10 with {different} different values" in refused.stderr
    assert "(y > 0).reshape(len(y), -1).mean(1)" in refused.stderr
    assert followed.code == 0, followed.stderr


@pytest.mark.parametrize("form", ["file", "tuple", "named"])
def test_several_inputs_are_refused_and_joined_ones_are_learned(train: Any, home: Path, form: str) -> None:
    x1, x2, y = DRAW.normal(size=(40, 4)), DRAW.normal(size=(40, 4)), np.arange(40) % 2
    np.savez(home / "a.npz", x1=x1, x2=x2, y=y)
    returned = {"tuple": "(d['x1'], d['x2']), d['y']", "named": "{'x1': d['x1'], 'x2': d['x2']}, d['y']"}
    (home / "data.py").write_text(
        f"import numpy as np\nd = np.load('a.npz')\ndef make(): return {returned.get(form, '')}\n"
    )

    refused = train("net.py:Siamese", "a.npz" if form == "file" else "data.py:make")
    np.savez(home / "b.npz", x=np.concatenate((x1, x2), 1), y=y)
    followed = train("net.py:Siamese", "b.npz", inputs="x", split="x1, x2 = x.chunk(2, 1)")

    assert refused.code == 3
    assert "numpy.concatenate((x1, x2), 1)" in refused.stderr
    assert "x1, x2 = x.chunk(2, 1)" in refused.stderr
    assert followed.code == 0, followed.stderr


def test_a_list_of_samples_is_no_list_of_inputs(train: Any, home: Path) -> None:
    (home / "data.py").write_text(
        "import numpy as np\ndef make(): return [np.full(4, float(i)) for i in range(40)], [i % 2 for i in range(40)]\n"
    )

    assert train("mlp", "data.py:make").code == 0


def test_an_autoencoder_of_grey_images_is_led_to_what_works(train: Any, home: Path) -> None:
    x = DRAW.uniform(size=(40, 8, 8)).astype("float32")
    np.savez(home / "a.npz", x=x, y=x)

    unread = train("net.py:Pictures")
    shape = train("net.py:Pictures", "a.npz", "--layout", "nhw")
    followed = train(
        "net.py:Pictures", "a.npz", "--layout", "nhw", result="outputs.reshape(len(outputs), 8, 8)"
    )

    assert (unread.code, shape.code) == (2, 2)
    assert "--layout nhw" in unread.stderr
    assert "outputs.reshape(len(outputs), 8, 8)" in shape.stderr
    assert followed.code == 0, followed.stderr


def test_an_autoencoder_of_bands_last_is_led_to_what_works(train: Any, home: Path) -> None:
    x = DRAW.uniform(size=(40, 8, 8, 3)).astype("float32")
    np.savez(home / "a.npz", x=x, y=x)

    refused = train("net.py:Pictures")
    followed = train("net.py:Pictures", result="outputs.movedim(1, -1)")

    assert refused.code == 2
    assert "outputs.movedim(1, -1)" in refused.stderr
    assert followed.code == 0, followed.stderr


def test_data_without_labels_are_predicted(train: Any, dlkit: Any, home: Path) -> None:
    x = DRAW.normal(size=(200, 3)) * 3
    y = (x[:, 0] > 0).astype(int)
    np.savez(home / "a.npz", x=x, y=y)
    np.savez(home / "new.npz", x=x[:20])
    assert train("mlp", "a.npz", "--epochs", "20").code == 0

    followed = dlkit("eval", "run", "--data", "new.npz", "--predict", "p.csv")

    assert followed.code == 0, followed.stderr
    preds = [int(line.split(",")[2]) for line in (home / "p.csv").read_text().splitlines()[1:]]
    assert np.mean(preds == y[:20]) > 0.9


def follow(hint: str, home: Path) -> None:
    """Run the command of a hint."""
    command = hint[hint.index("python -c ") :].strip()
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, cwd=home)


def test_sequences_of_unequal_length_are_led_to_padded_ones(train: Any, home: Path) -> None:
    lengths = DRAW.integers(5, 9, 60)
    lengths[0] = 8
    made = [np.full((length, 3), place, "float32") for place, length in enumerate(lengths)]
    sequences = np.empty(60, object)
    sequences[:] = made
    np.savez(home / "a.npz", gestures=sequences, label=np.array(["wave", "fist"] * 30, dtype=object))

    refused = train("mlp")
    follow(refused.stderr.rpartition("; then")[0], home)
    padded = np.load(home / "a-plain.npz")["x"]
    followed = train("mlp", "a-plain.npz")

    assert refused.code == 3
    assert padded.shape == (60, 8, 3)
    assert (~np.isnan(padded)).sum((1, 2)).tolist() == (3 * lengths).tolist()
    assert all((np.nan_to_num(padded[i])[: lengths[i]] == i).all() for i in range(60))
    assert followed.code == 0, followed.stderr


@pytest.mark.parametrize("form", ["npz", "npy"])
def test_texts_stored_as_objects_are_led_to_texts(train: Any, home: Path, form: str) -> None:
    x, y = DRAW.normal(size=(60, 3)), np.array(["01", "02", "03"] * 20, dtype=object)
    np.savez(home / "a.npz", x=x, y=y)
    np.save(home / "x.npy", x)
    np.save(home / "y.npy", y)

    refused = train("mlp") if form == "npz" else train("mlp", "x.npy", "--target", "y.npy")
    follow(refused.stderr.rpartition("; then")[0], home)
    followed = (
        train("mlp", "a-plain.npz") if form == "npz" else train("mlp", "x.npy", "--target", "y-plain.npy")
    )

    assert refused.code == 3
    assert followed.code == 0, followed.stderr


def test_inputs_of_other_shapes_are_joined_by_the_hint(train: Any, home: Path) -> None:
    (home / "data.py").write_text(
        "import numpy as np\nx1, x2 = np.random.rand(40, 3, 8, 8), np.random.rand(40, 2)\n"
        "def make(): return {'a': x1, 'b': x2}, np.arange(40) % 2\n"
    )
    refused = train("mlp", "data.py:make")
    match = re.search(
        r"(numpy.concatenate\(.*?\), 1\)), and take.*: (x1, x2 = x.split\(.*?\)), then (\S+\(.*?\))$",
        refused.stderr,
        re.MULTILINE,
    )
    assert match is not None, refused.stderr
    joined, apart, shaped = match.groups()
    (home / "data.py").write_text(
        f"import numpy, numpy as np\nx1, x2 = np.random.rand(40, 3, 8, 8), np.random.rand(40, 2)\n"
        f"def make(): return {joined}, np.arange(40) % 2\n"
    )
    (home / "two.py").write_text(
        "import torch\nfrom torch import nn\nclass Two(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.c, self.o = nn.Conv2d(3, 2, 3), nn.Linear(74, 2)\n"
        f"    def forward(self, x):\n        {apart}\n        x1 = {shaped}\n"
        "        return self.o(torch.cat([self.c(x1).flatten(1), x2], 1))\n"
    )

    assert train("two.py:Two", "data.py:make").code == 0


def test_files_of_parts_are_joined_by_the_hint(train: Any, home: Path) -> None:
    y = np.array(["01", "08", "03"] * 20)
    for part, count in (("train", 60), ("test", 15)):
        np.save(home / f"X_{part}.npy", DRAW.normal(size=(count, 4)))
        np.save(home / f"y_{part}.npy", y[:count].astype(object) if part == "train" else y[:count])

    refused = train("mlp", "X_train.npy")
    follow(refused.stderr.rpartition("; then")[0], home)
    followed = train("mlp", "X_train-joined.npz")

    assert refused.code == 2
    assert "(54 train, 6 val, 15 test)" in followed.stderr
    with np.load(home / "X_train-joined.npz") as made:
        assert made["y_train"].tolist() == y.tolist()


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("X.npy", "y.npy"), "y.npy"),
        (("features.npy", "any.npy", "labels.npy"), "labels.npy"),
        (("x_train.npy", "x_test.npy", "y_train.npy"), "y_train.npy"),
        (("X.npy", "notes.npy"), "y.npy"),
    ],
)
def test_the_file_of_targets_is_named(train: Any, home: Path, files: tuple[str, ...], named: str) -> None:
    for file in files:
        np.save(home / file, np.arange(40.0))

    assert train("mlp", files[0]).stderr.rstrip().endswith(named)


@pytest.mark.parametrize("form", ["dictionary", "fields"])
@pytest.mark.quick(1)
def test_a_file_of_one_odd_array_is_led_to_what_works(train: Any, home: Path, form: str) -> None:
    if form == "dictionary":
        np.save(home / "a.npy", {"x": DRAW.normal(size=(40, 3)), "y": np.arange(40) % 2})  # type: ignore[arg-type]
    else:
        made = np.zeros(40, dtype=[("height", "f4"), ("age", "i4")])
        made["height"], made["age"] = DRAW.normal(size=40), np.arange(40) * 3
        np.save(home / "a.npy", made)

    refused = train("mlp", "a.npy", "--target", "age") if form == "fields" else train("mlp", "a.npy")
    follow(refused.stderr.rpartition("; then")[0], home)
    followed = train("mlp", "a.csv", "--target", "age") if form == "fields" else train("mlp", "a.npz")

    assert refused.code == 3
    assert followed.code == 0, followed.stderr
