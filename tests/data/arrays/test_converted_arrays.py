"""Arrays in files of other kinds: the hint is a command that makes an .npz of them, which is learned."""

import pickle  # noqa: TID251 - as others write it
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.io import savemat

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = np.arange(40) % 2

WRITERS: dict[str, Callable[[Path], object]] = {
    "a.mat": lambda path: savemat(path, {"feats": X, "labels": Y, "info": {"by": "me"}}),
    "b.pt": lambda path: torch.save((torch.tensor(X), torch.tensor(Y)), path),  # noqa: TID251 - as others write it
    "c.pth": lambda path: torch.save({"x": torch.tensor(X), "y": torch.tensor(Y)}, path),  # noqa: TID251
    "d.pkl": lambda path: path.write_bytes(pickle.dumps({"data": X, "labels": Y.tolist()})),
    "e.safetensors": lambda path: save_file({"images": X, "labels": Y}, path),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_the_hint_makes_arrays_of_a_file(dlkit: Any, home: Path, name: str) -> None:
    WRITERS[name](home / name)

    refused = dlkit("train", "mlp", "--data", name)
    match = re.search(r"(python -c .*), then --data (\S+)", refused.stderr)
    assert match is not None, refused.stderr
    subprocess.run(match[1].replace("python", sys.executable, 1), shell=True, check=True, cwd=home)
    followed = dlkit("train", "mlp", "--data", match[2], "--epochs", "1", "--no-plot")

    assert refused.code == 2
    assert followed.code == 0, followed.stderr
    with np.load(home / match[2]) as made:
        inputs = next(made[key] for key in made if made[key].size == X.size)
        targets = next(made[key] for key in made if made[key].size == Y.size)
        assert (inputs == X).all()
        assert (targets.reshape(-1) == Y).all()


FIELDS = np.zeros(40, [("a", "f4"), ("b", "f4"), ("label", "S3")])
FIELDS["a"], FIELDS["b"], FIELDS["label"] = X[:, 0], X[:, 1], np.where(Y, b"cat", b"dog")
PARTS = np.zeros((40, 3), [("real", "f8"), ("imag", "f8")])
PARTS["real"], PARTS["imag"] = X, 1 - X
OBJECTS = np.array([b"cat" if each else b"dog" for each in Y], dtype=object)

SAVED: dict[str, tuple[dict[str, Any], str, str]] = {
    "fields": ({"x": FIELDS[["a", "b"]], "y": Y}, "", "a,b,y"),
    "columns": ({"x": np.array([[1.5, "a"], [2.5, "b"]] * 20, dtype=object), "y": Y}, "", "c0,c1,y"),
    "one": ({"data": FIELDS}, " --target label", "a,b,label"),
    "targets": ({"x": X, "y": FIELDS[["a", "b"]]}, "", ""),
    "complex": ({"spectra": PARTS, "labels": Y}, "", ""),
    "bytes": ({"x": X, "y": OBJECTS}, "", ""),
    "numbers": ({"x": X, "y": (Y / 3).astype(object)}, "", ""),
}


def followed(dlkit: Any, home: Path, data: str, more: str) -> Any:
    """Train on what the hint's command makes, which comes as what was made of it and the result."""
    refused = dlkit("train", "mlp", "--data", data, *more.split())
    match = re.search(r"(python -c .*); then --data (.+)", refused.stderr)
    assert match is not None, refused.stderr
    subprocess.run(match[1].replace("python", sys.executable, 1), shell=True, check=True, cwd=home)
    typed = f"{match[2]}{more}".split()
    return refused, home / typed[0], dlkit("train", "mlp", "--data", *typed, "--epochs", "1", "--no-plot")


@pytest.mark.slow
@pytest.mark.parametrize("case", SAVED)
def test_the_hint_makes_plain_arrays_of_others(dlkit: Any, home: Path, case: str) -> None:
    arrays, more, names = SAVED[case]
    np.savez(home / "a.npz", **arrays)

    refused, made, trained = followed(dlkit, home, "a.npz", more)

    assert trained.code == 0, trained.stderr
    assert ("a file that you trust" in refused.stderr) == (case in ("bytes", "numbers", "columns"))
    if names:
        lines = made.read_text().splitlines()
        assert lines[0] == names
        assert lines[2].endswith(",cat" if case == "one" else ",1")
        return
    with np.load(made) as plain:
        if case == "targets":
            assert np.array_equal(plain["y"], X[:, :2])
        elif case == "complex":
            assert np.array_equal(plain["spectra"], X.astype("f8") + 1j * (1 - X))
        elif case == "bytes":
            assert plain["y"].tolist() == OBJECTS.tolist()
        else:
            assert np.array_equal(plain["y"], Y / 3)


@pytest.mark.slow
def test_complex_numbers_of_matlab_are_kept(dlkit: Any, home: Path) -> None:
    savemat(home / "a.mat", {"S": X + 1j * (1 - X), "labels": Y})
    refused = dlkit("train", "mlp", "--data", "a.mat")
    match = re.search(r"(python -c .*), then --data (\S+)", refused.stderr)
    assert match is not None, refused.stderr
    subprocess.run(match[1].replace("python", sys.executable, 1), shell=True, check=True, cwd=home)

    with np.load(home / match[2]) as made:
        assert np.array_equal(made["S"], X + 1j * (1 - X))


def test_values_that_a_mask_hides_are_missing(dlkit: Any, home: Path) -> None:
    (home / "data.py").write_text(
        "import numpy as np\ndef make():\n    x = np.ones((60, 2)); x[:, 0] = np.arange(60); x[::6] = -9999\n"
        "    return np.ma.masked_equal(x, -9999), np.arange(60) % 2\n"
    )

    trained = dlkit("train", "mlp", "--data", "data.py:make", "--epochs", "1", "--no-plot")

    assert trained.code == 0, trained.stderr
    assert "17 % of the values are missing (NaN), in 10 samples" in trained.stderr
