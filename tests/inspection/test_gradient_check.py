import pytest
import torch
from refusals import assert_reports
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from dlkit.errors import DlkitError
from dlkit.inspection.gradient_check import TOLERANCE, check_gradients


class HalfSquare(torch.autograd.Function):
    """x squared, whose backward forgets the factor 2."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, slope: Tensor) -> Tensor:
        return slope * ctx.saved_tensors[0]


class Net(nn.Module):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.side, self.last = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.fault = fault

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(x))
        side = self.side(hidden)
        if self.fault == "backward":
            hidden = HalfSquare.apply(hidden)
        if self.fault == "detach":
            side = side.detach()
        if self.fault == "random":
            side = side + torch.rand(5)
        return self.last(F.dropout(hidden, training=self.training) + side)


X = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
Y = torch.tensor([0, 1] * 4)


def verdicts(model: nn.Module, inputs: Tensor = X) -> dict[str, object]:
    names = [name for name, _ in model.named_parameters()]
    return {row["layer"]: row["verdict"] for row in check_gradients(model, inputs, Y, F.cross_entropy, names)}


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        pytest.param("", [], id="as torch does it"),
        pytest.param("random", [], id="numbers drawn in the forward pass"),
        pytest.param("detach", ["first.weight", "first.bias", "side.weight", "side.bias"], id="detach"),
        pytest.param("backward", ["first.weight", "first.bias"], id="a wrong backward"),
    ],
)
def test_wrong_gradients_are_found(fault: str, wrong: list[str]) -> None:
    found = verdicts(Net(fault))

    assert [name for name, verdict in found.items() if verdict == "wrong"] == wrong
    assert set(found.values()) <= {"right", "wrong"}


def test_slopes_are_those_of_a_loss_worked_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(3.0)
    # (3 * 2 - 1)^2 has the slope 2 * 5 * 2 = 20; in one dimension a direction is 1 or -1.
    (row,) = check_gradients(model, torch.tensor([[2.0]]), torch.tensor([[1.0]]), F.mse_loss, ["weight"])

    assert abs(float(row["autograd"] or 0)) == pytest.approx(20)
    assert row["difference"] == pytest.approx(row["autograd"], rel=1e-8)
    assert float(row["error"] or 0) < TOLERANCE / 100


def test_a_kink_is_right_and_a_gradient_of_nothing_too_small() -> None:
    model = nn.Sequential(nn.Linear(3, 1), nn.ReLU(), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].bias.zero_()
        model[0].weight.zero_()

    found = verdicts(model)

    assert found["0.bias"] == "right"  # the unit stands at the kink of the ReLU
    assert found["2.weight"] == "too small to see"  # what it is multiplied with is 0


def test_model_and_random_state_stay_as_they_were() -> None:
    model = Net("random").train()
    before, state = {name: each.clone() for name, each in model.state_dict().items()}, torch.get_rng_state()

    verdicts(model)

    assert model.training
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() is torch.float32


class Single(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class Rounded(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).float()


@pytest.mark.parametrize("network", [Single, Rounded])
def test_a_network_that_computes_in_float32_is_refused(network: type[Net]) -> None:
    with pytest.raises(DlkitError) as caught:
        verdicts(network())
    assert_reports(caught.value, "float64", "dtype=x.dtype")


def test_a_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(DlkitError) as caught:
        verdicts(Net(), X.clone().fill_(torch.nan))
    assert_reports(caught.value, "nan", "inspect nan")
