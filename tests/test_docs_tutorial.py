"""The page on the tutorial's loop: its blocks run on images of noise, and its options exist."""

import re
import shlex
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_docs_learn import blocks, run

from dlkit.data.prepared import write_prepared
from dlkit.settings.config import FIELDS, flag

PAGE = Path(__file__).resolve().parent.parent / "docs" / "from-the-tutorial.md"


@pytest.fixture
def noise_home(home: Path) -> Path:
    """A working folder with files of the size of MNIST's images, few of them, for torchvision and for dlkit."""
    raw = home / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    parts = {}
    for part, prefix, count in (("train", "train", 400), ("test", "t10k", 50)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (raw / f"{prefix}-{name}-ubyte").write_bytes(head + values.tobytes())
        parts[part] = (torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels).long())
    write_prepared("mnist", parts)
    return home


@pytest.mark.slow
def test_loop_and_commands_run(noise_home: Path, dlkit: Callable[..., Any]) -> None:
    printed, names = "", {}
    for language, source in blocks(PAGE):
        if language == "python":
            printed = run(source, names)
        elif language == "text":
            assert printed == source
        else:
            for line in source.splitlines():
                result = dlkit(*shlex.split(line)[1:])
                assert result.code == 0, f"{line}: {result.stderr}"
    assert names["model"][1].weight.shape == names["weights"]["hidden.0.linear.weight"].shape


def test_every_option_of_the_table_exists() -> None:
    table = "\n".join(line for line in PAGE.read_text().splitlines() if line.startswith("|"))
    shown = set(re.findall(r"--[a-z][a-z-]*", table))

    assert {"--seed", "--val", "--optimizer", "--resume"} < shown
    assert shown <= {flag(name) for name in FIELDS} | {"--resume", "--kind"}


def test_options_said_to_be_the_default_are() -> None:
    from dlkit.settings.resolve import resolve

    for option, text in re.findall(r"\*`(--[a-z-]+) ([^`]+)`\*", PAGE.read_text()):
        name = next(name for name in FIELDS if flag(name) == option)
        assert str(getattr(resolve({"model": "mlp", "data": "mnist"}, {}), name)) == text, option
