import pytest
import torch
from torch import nn

from dlkit.inspection.mode import as_in_training


def make_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))


def test_batch_norm_uses_the_batch_and_dropout_drops_nothing() -> None:
    model = make_model()
    inputs = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, -1.0]])

    with as_in_training(model):
        first, second = model(inputs), model(inputs)

    assert torch.equal(first, second)
    torch.testing.assert_close(first.mean(0), torch.zeros(4))


@pytest.mark.parametrize("training", [True, False])
def test_model_is_left_unchanged(training: bool) -> None:
    model = make_model().train(training)
    model[2].train(not training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    with as_in_training(model):
        model(torch.randn(5, 3))

    assert [module.training for module in model] == [training, training, not training]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not torch.backends.cudnn.deterministic


def test_model_is_left_unchanged_after_an_error() -> None:
    model = make_model()

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), as_in_training(model):
        model(torch.randn(5, 2))

    assert model.training
    assert all(module.training for module in model)
