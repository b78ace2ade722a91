"""Complex inputs: their imaginary parts are learned from as well as their real parts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.kinds import load_dataset
from dlkit.errors import DataError
from dlkit.settings.resolve import resolve

DRAW = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return (DRAW.normal(size=shape) + 1j * DRAW.normal(size=shape)).astype("complex64")


@pytest.mark.parametrize(
    ("x", "axis", "settings"),
    [
        (drawn(40, 5), 1, {}),
        (drawn(40, 5).astype("complex128"), 1, {}),
        (drawn(40, 6, 3), 2, {"layout": "ntf"}),
        (drawn(40, 3, 6), 1, {"layout": "nft"}),
        (drawn(40, 3, 8, 8), 1, {"layout": "nchw"}),
        (drawn(40, 2, 3, 4, 5), 1, {}),
    ],
    ids=["rows", "double", "ntf", "nft", "images", "more"],
)
def test_real_and_imaginary_parts_are_side_by_side(
    tmp_path: Path, x: np.ndarray, axis: int, settings: dict[str, Any]
) -> None:
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) / 7)
    dataset = load_dataset(
        resolve({"model": "mlp", "data": str(tmp_path / "a.npz"), "normalize": "none", **settings}, {})
    )

    split = dataset.splits["train"]
    stored, _ = split.batch(torch.arange(40), torch.device("cpu"))
    assert isinstance(stored, torch.Tensor)
    assert np.array_equal(stored.numpy(), np.concatenate((x.real, x.imag), axis).astype("float32"))
    assert [note for note in dataset.notes if "complex" in note] == [
        "the inputs are complex: their real parts, then their imaginary parts, are "
        f"{2 * x.shape[axis]} {'features' if x.ndim < 4 else 'bands or channels'}"
    ]


def test_complex_images_of_one_band_become_two(tmp_path: Path) -> None:
    x = drawn(40, 8, 9)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)

    dataset = load_dataset(resolve({"model": "cnn", "data": str(tmp_path / "a.npz")}, {}))

    assert dataset.description.input_shape == (2, 8, 9)


@pytest.mark.parametrize("data", ["a.npz", "data.py:make"])
@pytest.mark.quick(1)
def test_classes_that_only_imaginary_parts_tell_are_learned(dlkit: Any, home: Path, data: str) -> None:
    x = drawn(900, 3)
    np.savez(home / "a.npz", feats=x, labels=np.where(x[:, 1].imag > 0, "up", "down"))
    (home / "data.py").write_text(
        "import numpy as np, torch\ndef make():\n    d = np.load('a.npz')\n"
        "    return torch.from_numpy(d['feats']).conj(), torch.from_numpy((d['labels'] == 'up').astype('int64'))\n"
    )

    trained = dlkit("train", "mlp", "--data", data, "--epochs", "60", "--no-plot", "--quiet", "--out", "run")
    scores = dlkit("eval", "run", "--data", data, "--json")

    assert trained.code == 0, trained.stderr
    assert json.loads(scores.stdout)["metrics"]["accuracy"]["value"] > 0.85


def test_complex_targets_are_refused_with_their_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=drawn(40, 2).real, y=drawn(40))

    with pytest.raises(DataError, match="targets of type complex64") as refused:
        load_dataset(resolve({"model": "mlp", "data": str(tmp_path / "a.npz")}, {}))

    assert "numpy.stack((y.real, y.imag), 1)" in refused.value.hint
