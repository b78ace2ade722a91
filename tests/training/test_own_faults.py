"""A network of the user's own whose outputs have lost their gradients is refused with the line where they did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import faults

HEAD = """import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(64, 32)
        self.b = nn.Linear(32, 10)

    def forward(self, x):
        h = self.a(x.flatten(1)).relu()
        picked = h.argmax(1)
"""
FIRST = len(HEAD.splitlines()) + 1
ENDS = {
    "detach": ("return self.b(h).detach()", 0),
    "after layers": ("h = h.detach()\ny = self.b(h)\nreturn y.data * 1", 2),
    "no_grad": ("with torch.no_grad():\n    return self.b(h)", 1),
    "inference_mode": ("with torch.inference_mode():\n    return self.b(h)", 1),
    "argmax": ("y = self.b(h)\nreturn nn.functional.one_hot(y.argmax(1), 10).float()", 1),
    "list": ("y = self.b(h)\nvalues = y.tolist()\nreturn torch.tensor(values)", 1),
    "numpy": ("y = self.b(h).detach().numpy()\nreturn torch.from_numpy(y)", 0),
    "others after it": ("y = self.b(h).detach()\ny = y + 1\nself.mean = h.mean().item()\nreturn y * 2", 0),
    "helper": ("return cut(self.b(h))\n\n\ndef cut(y):\n    return y.detach()", 4),
}


@pytest.mark.parametrize("end", ENDS)
def test_outputs_without_gradients_are_refused_with_the_line_where_they_are_lost(
    end: str, dlkit: Callable[..., Any], tmp_path: Path
) -> None:
    text, offset = ENDS[end]
    body, _, after = text.partition("\n\n\n")
    indented = "".join(f"        {line}\n" for line in body.splitlines())
    (tmp_path / "net.py").write_text(HEAD + indented + (f"\n\n{after}\n" if after else ""))
    result = dlkit(
        *("train", f"{tmp_path}/net.py:Net", "--data", "digits", "--limit", "50", "--epochs", "1"),
        *("--device", "cpu", "--out", tmp_path / "run"),
    )
    assert (result.code, result.stdout) == (2, "")
    ((message, hint),) = faults(result.stderr)
    assert f"lost at net.py line {FIRST + offset}, in " in message
    assert ".detach()" in hint


@pytest.mark.parametrize(
    ("made", "run", "words", "code", "named"),
    [
        ("self.lazy = nn.LazyLinear(4)", "pass", (), 2, "lazy"),
        ("self.register_buffer('s', torch.eye(2).to_sparse())", "pass", (), 2, "buffer s is sparse"),
        ("self.lock = threading.Lock()", "pass", ("--ema", "0.9"), 2, "--ema"),
        (
            "pass",
            "if self.training: raise BrokenPipeError",
            (),
            1,
            "net.py line 11, in forward: BrokenPipeError",
        ),
    ],
    ids=["lazy", "sparse", "no copy", "broken pipe"],
)
def test_what_is_no_bug_of_dlkit_is_refused_and_named(
    made: str,
    run: str,
    words: tuple[str, ...],
    code: int,
    named: str,
    dlkit: Callable[..., Any],
    tmp_path: Path,
) -> None:
    (tmp_path / "net.py").write_text(
        "import threading\nimport torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__(); self.a = nn.Linear(64, 10); {made}\n\n    def forward(self, x):\n"
        f"        {run}\n        return self.a(x.flatten(1))\n"
    )
    result = dlkit(
        *("train", f"{tmp_path}/net.py:Net", "--data", "digits", "--limit", "50", "--epochs", "1"),
        *("--device", "cpu", "--out", tmp_path / "run", *words),
    )
    assert (result.code, result.stdout) == (code, "")
    ((message, _),) = faults(result.stderr)
    assert named in message
