"""Networks of the user's own: built, tried with two batches of zeros, and held to what the data ask for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from descriptions import OF_CLASSES, OF_NUMBERS
from refusals import assert_reports
from torch import nn

from dlkit.errors import CheckpointError, ConfigError
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.description import DataDescription
from dlkit.models.build import build_model, restore_model
from dlkit.models.own import build_own, notes_on_outputs, own_arguments
from dlkit.settings.resolve import resolve
from dlkit.settings.spec import CodeSpec

HEAD = "import torch\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self, in_features, num_outputs, width: int = 8, squeeze: bool = False):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(in_features, width), nn.Linear(width, num_outputs))
        self.squeeze = squeeze

    def forward(self, x):
        outputs = self.layers(x)
        return outputs.squeeze(1) if self.squeeze else outputs
"""


def code(folder: Path, source: str = NET, name: str = "Net") -> CodeSpec:
    (folder / "net.py").write_text(HEAD + source)
    return CodeSpec(folder / "net.py", name)


def fault(
    folder: Path, source: str, description: DataDescription = OF_CLASSES, name: str = "Net"
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        build_own(code(folder, source, name), description, {})
    return caught.value


def forward(body: str, extra: str = "") -> str:
    return (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.a = nn.Linear(4, 3)\n{extra}    def forward(self, x):\n        {body}\n"
    )


@pytest.mark.parametrize(
    ("description", "arguments", "shape"),
    [
        (OF_CLASSES, {}, (5, 3)),
        (OF_NUMBERS, {}, (5, 1)),
        (OF_NUMBERS, {"squeeze": "true"}, (5,)),
        (replace(OF_NUMBERS, target_shape=(4,)), {"width": 16}, (5, 4)),
        (replace(OF_CLASSES, input_shape=(2, 3, 3)), {}, (5, 3)),
    ],
    ids=["classes", "number", "squeezed", "numbers", "images"],
)
def test_a_network_is_fitted_to_the_data(
    tmp_path: Path, description: DataDescription, arguments: dict[str, object], shape: tuple[int, ...]
) -> None:
    model = build_own(code(tmp_path), description, arguments)

    assert model(torch.zeros(5, *description.input_shape)).shape == shape
    assert model.training


def test_a_function_may_give_the_network(tmp_path: Path) -> None:
    source = "def make(in_features, num_classes):\n    return nn.Linear(in_features, num_classes)\n"

    model = build_model(str(code(tmp_path, source, "make")), OF_CLASSES, {})

    assert isinstance(model, nn.Linear)


def test_curves_are_given_in_their_own_shape(tmp_path: Path) -> None:
    source = forward("return self.a(x)[:, :2, None].expand(-1, -1, 5)")
    curves = replace(OF_NUMBERS, target_shape=(2, 5))

    assert build_own(code(tmp_path, source), curves, {})(torch.zeros(3, 4)).shape == (3, 2, 5)


def test_lazy_layers_get_their_sizes(tmp_path: Path) -> None:
    source = (
        "class Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(nn.LazyLinear(3))\n"
    )

    assert build_own(code(tmp_path, source), OF_CLASSES, {}).state_dict()["0.weight"].shape == (3, 4)


def test_trying_a_network_draws_no_random_number(tmp_path: Path) -> None:
    source = forward("return self.a(x) + torch.rand(1)")
    torch.manual_seed(3)
    nn.Linear(4, 3)
    expected = torch.rand(1)

    torch.manual_seed(3)
    build_own(code(tmp_path, source), OF_CLASSES, {})

    assert torch.equal(torch.rand(1), expected)


FAULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "shapes": (forward("return x @ torch.zeros(5, 3)"), ("(2, 4)", "RuntimeError", "--debug")),
    "fixed-batch": (
        forward("return self.a(x).view(2, 3)"),
        ("(3, 4)", "shape '[2, 3]' is invalid", "2 samples"),
    ),
    "tuple": (forward("return (x, self.a(x))"), ("a tuple", "return only")),
    "outputs": (forward("return self.a(x)[:, :2]"), ("(2, 2)", "toy has 3 classes", "(2, 3)", "num_classes")),
    "one-output": (
        forward("return self.a(x)[:, 0]"),
        ("(2,)", "toy has 3 classes", "one output for each class", "num_classes"),
    ),
    "raises": (
        forward("return self.a(x)", "        raise ValueError('no luck')\n"),
        ("ValueError: no luck", "net.py line 7", "net.py:Net()"),
    ),
    "bare": (
        "class Net(nn.Module):\n    def forward(self, x):\n        return x[:, :3]\n",
        ("no parameters", "nn.ModuleList"),
    ),
    "frozen": (
        forward("return self.a(x)", "        self.requires_grad_(False)\n"),
        ("nothing to train", "requires_grad=False", "--freeze"),
    ),
    "sparse gradients": (
        forward("return self.a(x)", "        self.e = nn.Embedding(5, 2, sparse=True)\n"),
        ("layer e", "sparse=True"),
    ),
    "lazy layer never called": (
        forward("return self.a(x)", "        self.b = nn.LazyLinear(2)\n"),
        ("forward does not use b.weight", "nn.Linear"),
    ),
    "weights out of the state_dict": (
        forward("return self.a(x)", "        self.state_dict = lambda *a, **k: {}\n"),
        ("state_dict leaves out a.weight",),
    ),
    "sparse buffer": (
        forward("return self.a(x)", "        self.register_buffer('adj', torch.eye(2).to_sparse())\n"),
        ("buffer adj is sparse", "persistent=False"),
    ),
    "no-module": ("class Net: pass\n", ("a Net", "torch.nn.Module")),
    "number": ("Net = 3\n", ("an int", "class")),
    "made": ("Net = nn.Linear(4, 3)\n", ("a Linear", "class")),
}


@pytest.mark.parametrize(("source", "parts"), FAULTS.values(), ids=FAULTS)
def test_a_network_at_fault_is_reported_before_a_step(
    tmp_path: Path, source: str, parts: tuple[str, ...]
) -> None:
    found = fault(tmp_path, source)

    assert_reports(found, "MODEL net.py:Net", *parts)
    assert found.hint
    assert found.exit_code == 2


def test_numbers_are_counted_in_the_message(tmp_path: Path) -> None:
    found = fault(tmp_path, forward("return self.a(x)"), OF_NUMBERS)

    assert_reports(found, "toy has 1 number", "(2, 1)", "num_outputs")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("return self.a(x).softmax(1)", "softmax"),
        ("return self.a(x).sigmoid()", "sigmoid"),
        ("return self.a(x).sigmoid().unsqueeze(1).squeeze(1)", "sigmoid"),
        ("return self.a(x)", ""),
        ("return self.a(x).log_softmax(1)", ""),
    ],
)
def test_an_activation_before_the_loss_is_noticed(tmp_path: Path, body: str, word: str) -> None:
    spec = code(tmp_path, forward(body))
    notes = notes_on_outputs(spec, build_own(spec, OF_CLASSES, {}), OF_CLASSES)

    assert [word in note for note in notes] == [True] * bool(word)
    assert (
        notes_on_outputs(spec, build_own(spec, replace(OF_NUMBERS, target_shape=(3,)), {}), OF_NUMBERS) == []
    )


def test_arguments_are_stored_as_the_types_they_have(tmp_path: Path) -> None:
    kept, told = own_arguments(code(tmp_path), OF_CLASSES, {"width": "16"})

    assert kept == {"width": 16, "squeeze": False}
    for part in ("net.py:Net", "in_features=4", "num_outputs=3", "width=16", "squeeze=false"):
        assert part in told


def test_nothing_is_said_of_a_network_that_takes_no_arguments(tmp_path: Path) -> None:
    assert own_arguments(code(tmp_path, forward("return self.a(x)")), OF_CLASSES, {}) == ({}, "")


def test_a_checkpoint_runs_no_code_that_was_not_named(tmp_path: Path) -> None:
    spec = code(tmp_path, "open('canary', 'w')\n" + NET)
    config = resolve({"model": str(spec), "data": "digits"}, {})
    stored = Checkpoint(Path("best.safetensors"), {}, {}, {}, config, OF_CLASSES)

    with pytest.raises(CheckpointError) as caught:
        restore_model(stored)

    assert_reports(caught.value, "best.safetensors", "net.py:Net", f"--model {spec}")
    assert not Path("canary").exists()


def test_code_that_changed_too_much_is_reported_as_the_checkpoint_s(tmp_path: Path) -> None:
    spec = code(tmp_path)
    config = resolve({"model": str(spec), "data": "digits"}, {})
    weights = build_own(spec, OF_CLASSES, {}).state_dict()
    named = Checkpoint(Path("best.safetensors"), {}, weights, {}, config, OF_CLASSES, code=spec)
    torch.testing.assert_close(restore_model(named).state_dict(), weights)

    (tmp_path / "net.py").write_text(HEAD + NET.replace("width: int = 8", "width: int = 9"))
    with pytest.raises(CheckpointError) as caught:
        restore_model(named)
    assert_reports(caught.value, "best.safetensors", "net.py:Net")

    (tmp_path / "net.py").write_text(HEAD + NET.replace("width: int = 8", "width"))
    with pytest.raises(CheckpointError) as caught:
        restore_model(named)
    assert_reports(caught.value, "best.safetensors", "net.py:Net", "width")
    assert caught.value.hint
