"""What networks of the user's own return: tuples, mappings, one logit or one probability for two classes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from descriptions import OF_CLASSES, OF_NUMBERS
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.errors import ConfigError
from dlkit.models.own import build_own, notes_on_outputs
from dlkit.settings.spec import CodeSpec

OF_TWO = replace(OF_CLASSES, class_names=("no", "yes"))
NET = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, {width})
    def forward(self, x):
        z = self.a(x)
        return {result}
"""
X = torch.tensor(np.random.default_rng(0).normal(size=(6, 4)), dtype=torch.float32)


def build(folder: Path, result: str, description: Any = OF_CLASSES, width: int = 3) -> tuple[Any, list[str]]:
    (folder / "net.py").write_text(NET.format(result=result, width=width))
    spec = CodeSpec(folder / "net.py", "Net")
    model = build_own(spec, description, {})
    return model, notes_on_outputs(spec, model, description)


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ("z, x", "the first"),
        ("[z, (x, x)]", "the first"),
        ("{'features': x, 'logits': z}", "logits"),
        ("{'logits': z, 'aux': z}", "logits"),
        ("{'hidden': x, 'mine': z}", "mine"),
    ],
)
def test_the_outputs_are_taken_of_what_is_returned(tmp_path: Path, result: str, word: str) -> None:
    model, notes = build(tmp_path, result)

    assert torch.equal(model(X), X @ model.a.weight.T + model.a.bias)
    assert torch.equal(model.train()(X), model.eval()(X))
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    assert word in notes[0]


@pytest.mark.parametrize("result", ["x, z", "{'one': z, 'two': z}", "{'x': x}"])
def test_what_may_be_several_outputs_is_refused(tmp_path: Path, result: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, result)

    assert "return only" in caught.value.hint


@pytest.mark.parametrize(
    "result", ["z", "z.squeeze(1)", "torch.sigmoid(z)", "z.sigmoid().squeeze(-1)", "(z, x)"]
)
def test_one_value_for_two_classes_has_the_loss_of_bce(tmp_path: Path, result: str) -> None:
    model, notes = build(tmp_path, result, OF_TWO, width=1)
    targets = torch.tensor([0, 1, 1, 0, 1, 0])

    loss = F.cross_entropy(model(X), targets)
    loss.backward()  # type: ignore[no-untyped-call]
    logit = (X @ model.a.weight.T + model.a.bias).squeeze(1)
    wanted = F.binary_cross_entropy_with_logits(logit, targets.float())
    gradient = torch.autograd.grad(wanted, model.a.weight)[0]

    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.allclose(model.a.weight.grad, gradient, atol=1e-5)
    assert torch.allclose(model(X).softmax(1)[:, 1], logit.sigmoid(), atol=1e-6)
    assert "yes" in notes[0]
    assert ("probability" in notes[0]) == ("sigmoid" in result)


def test_numbers_keep_their_outputs(tmp_path: Path) -> None:
    model, notes = build(tmp_path, "z", OF_NUMBERS, width=1)

    assert model(X).shape == (6, 1)
    assert notes == []


@pytest.mark.slow
def test_a_network_of_one_probability_is_trained_evaluated_and_resumed(dlkit: Any, home: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 4))
    np.savez(home / "a.npz", x=x, y=np.where(x[:, 0] > 0, "yes", "no"))
    (home / "net.py").write_text(NET.format(result="torch.sigmoid(z), x", width=1))
    options = (
        "--data",
        "a.npz",
        "--lr",
        "0.05",
        "--out",
        "run",
        "--no-plot",
        "--epochs",
        "20",
        "--schedule",
        "none",
    )

    trained = dlkit("train", "net.py:Net", *options)
    scored = dlkit("eval", "run", "--model", "net.py:Net", "--json")
    again = dlkit("train", "net.py:Net", "--resume", "run", "--epochs", "21")
    looked = dlkit("inspect", "grads", "run", "--model", "net.py:Net")

    assert [trained.code, scored.code, again.code, looked.code] == [0] * 4, trained.stderr + looked.stderr
    assert json.loads(scored.stdout)["metrics"]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("layers", "shape", "old", "new", "hint"),
    [
        (
            "self.conv1 = nn.Conv2d(3, 6, 5); self.fc1 = nn.Linear(16, 3)",
            (1, 12, 12),
            ("nn.Conv2d(3, 6, 5)", "nn.Linear(16, 3)"),
            ("nn.LazyConv2d(6, 5)", "nn.LazyLinear(3)"),
            "self.fc1(self.conv1(x).flatten(1))",
        ),
        ("self.fc = nn.Linear(99, 3)", (4,), ("nn.Linear(99, 3)",), ("nn.LazyLinear(3)",), "self.fc(x)"),
        ("self.fc = nn.Linear(64, 3)", (1, 8, 8), ("self.fc(x)",), ("self.fc(x.flatten(1))",), "self.fc(x)"),
    ],
    ids=["convolution", "linear", "flat"],
)
def test_a_size_that_does_not_fit_has_a_hint_that_works(
    tmp_path: Path, layers: str, shape: tuple[int, ...], old: tuple[str, ...], new: tuple[str, ...], hint: str
) -> None:
    source = (
        f"from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__(); {layers}\n"
        f"    def forward(self, x): return {hint}\n"
    )
    about = replace(OF_CLASSES, input_shape=shape)
    (tmp_path / "net.py").write_text(source)
    spec = CodeSpec(tmp_path / "net.py", "Net")

    with pytest.raises(ConfigError) as caught:
        build_own(spec, about, {})
    for each, other in zip(old, new, strict=True):
        source = source.replace(each, other)
    (tmp_path / "net.py").write_text(source)

    assert build_own(spec, about, {}) is not None
    for each in new:
        assert (each if each.startswith("nn.") else "x.flatten(1)") in caught.value.hint
