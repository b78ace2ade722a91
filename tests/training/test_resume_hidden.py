"""Networks that keep state beside their weights come to the same bits after a stop, and evaluate as in training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import STEPS_PER_EPOCH, essence, history

SETTINGS = ("--data", "digits", "--limit", "150", "--batch-size", "8", "--no-plot")
SETTINGS += ("--device", "cpu", "--epochs", "3")
HEAD = "import random\nimport numpy as np\nimport torch\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, num_classes))
        {made}

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            {change}
        return self.layers({use})

    {more}
"""
# What the constructor makes, what training changes, and how outputs depend on it.
KEPT: dict[str, tuple[str, str, str]] = {
    "buffer": (
        "self.register_buffer('s', torch.ones(1), persistent=False)",
        "self.s = 0.9 * self.s + x.std()",
        "x * self.s",
    ),
    "buffer-in-place": (
        "self.register_buffer('s', torch.ones(1), persistent=False)",
        "self.s.mul_(0.9).add_(x.std())",
        "x * self.s",
    ),
    "buffer-made-late": (
        "pass",
        "self.register_buffer('s', getattr(self, 's', torch.ones(1)) + 0.1, persistent=False)",
        "x * getattr(self, 's', 1.0)",
    ),
    "tensor": ("self.s = torch.ones(1)", "self.s = 0.9 * self.s + x.std()", "x * self.s"),
    "drawn-tensor": ("self.s = torch.randn(x_size := in_features)", "pass", "x * self.s"),
    "array": ("self.s = np.ones(1)", "self.s += 0.1", "x * float(self.s[0])"),
    "torch-generator": (
        "self.g = torch.Generator().manual_seed(3)",
        "x = x + torch.rand(x.shape, generator=self.g)",
        "x",
    ),
    "python-generator": ("self.g = random.Random(3)", "x = x + self.g.random()", "x"),
    "numpy-generator": ("self.g = np.random.default_rng(3)", "x = x + self.g.normal()", "x"),
    "legacy-generator": ("self.g = np.random.RandomState(3)", "x = x + self.g.normal()", "x"),
    "counter": ("self.n = 0", "self.n += 1", "x / (1 + self.n)"),
    "list": ("self.n = []", "self.n.append(float(x.std()))", "x * (1 + sum(self.n))"),
    "flag": ("self.n = False", "self.n = True", "x * (2 if self.n else 1)"),
}
MORE = {
    "extra-state": (
        ("self.n = (0,)", "self.n = (self.n[0] + 1,)", "x / (1 + self.n[0])"),
        "def get_extra_state(self):\n        return {'n': self.n, 't': torch.tensor(self.n)}\n\n"
        "    def set_extra_state(self, state):\n        self.n = state['n']\n",
    )
}
CASES = {**{name: (kept, "") for name, kept in KEPT.items()}, **MORE}


@pytest.fixture
def train(dlkit: Callable[..., Any], home: Path) -> Callable[..., Any]:
    """Train a network that keeps something; `train(case, ...)`."""

    def call(case: str, *words: object) -> Any:
        (made, change, use), more = CASES[case]
        (home / "net.py").write_text(HEAD + NET.format(made=made, change=change, use=use, more=more))
        result = dlkit("train", "net.py:Net", *words)
        assert result.code == 0, result.stderr
        return result

    return call


@pytest.mark.parametrize("case", CASES)
@pytest.mark.quick(3)
def test_a_resumed_run_has_the_bits_of_the_unbroken_one(
    case: str, train: Callable[..., Any], home: Path
) -> None:
    result = train(case, *SETTINGS, "--out", "whole")
    train(case, *SETTINGS, "--out", "parts", "--max-steps", STEPS_PER_EPOCH + 5)
    train(case, "--resume", "parts", "--max-steps", 2 * STEPS_PER_EPOCH)
    train(case, "--resume", "parts", "--max-steps", 3 * STEPS_PER_EPOCH)

    assert essence(home / "parts", settings=False) == essence(home / "whole", settings=False)
    assert "not saved" not in result.stderr


@pytest.mark.parametrize("ema", [(), ("--ema", "0.9")], ids=["plain", "ema"])
@pytest.mark.parametrize("case", [name for name in CASES if "generator" not in name])
@pytest.mark.quick(3)
def test_eval_and_inspect_see_the_network_that_training_validated(
    case: str, ema: tuple[str, ...], train: Callable[..., Any], dlkit: Callable[..., Any], home: Path
) -> None:
    train(case, *SETTINGS, *ema, "--out", "run")
    result = dlkit(
        "eval",
        "run/last.safetensors" if not ema else "run",
        "--model",
        "net.py:Net",
        "--split",
        "val",
        "--json",
    )

    rows = history(home / "run")
    expected = rows[-1] if not ema else min(rows, key=lambda row: float(row["val_loss"]))
    assert json.loads(result.stdout)["loss"] == pytest.approx(float(expected["val_loss"]), rel=1e-6)


@pytest.mark.parametrize("ema", [(), ("--ema", "0.9")], ids=["plain", "ema"])
def test_what_cannot_be_saved_is_reported_once_and_named(
    ema: tuple[str, ...], dlkit: Callable[..., Any], home: Path
) -> None:
    source = NET.format(made="self.bag = set()", change="self.bag.add(len(self.bag))", use="x", more="")
    (home / "net.py").write_text(HEAD + source)

    result = dlkit("train", "net.py:Net", *SETTINGS, *ema, "--out", "run")

    assert result.code == 0
    (line,) = [line for line in result.stderr.splitlines() if "not saved" in line]
    assert "net.py:Net" in line
    assert "self.bag (set)" in line


def test_training_starts_with_the_state_that_the_constructor_made(
    dlkit: Callable[..., Any], home: Path
) -> None:
    source = NET.format(
        made="self.calls = 0; self.register_buffer('seen', torch.zeros(1))",
        change="print('call', self.calls, self.seen.item())",
        use="x",
        more="",
    ).replace("x = x.flatten(1)\n", "x = x.flatten(1)\n        self.calls += 1; self.seen += 1\n")
    (home / "net.py").write_text(HEAD + source)

    result = dlkit("train", "net.py:Net", *SETTINGS, "--max-steps", "1", "--out", "run")

    assert "call 1 1.0" in result.stderr
