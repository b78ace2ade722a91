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
