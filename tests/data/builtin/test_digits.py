"""The digits that scikit-learn carries."""

import numpy as np
import torch
from sklearn.datasets import load_digits as reference

from dlkit.data.builtin.digits import load_digits
from dlkit.settings.catalogue import DATA


def test_digits_equal_scikit_learns() -> None:
    source = load_digits()
    inputs, targets = source.parts["all"]
    digits = reference()

    assert list(source.parts) == ["all"]
    assert inputs.dtype == torch.uint8
    assert inputs.shape == (1797, 1, 8, 8)
    assert targets.dtype == torch.int64
    np.testing.assert_array_equal(inputs[:, 0].numpy(), digits.images)
    np.testing.assert_array_equal(targets.numpy(), digits.target)
    assert source.scale == inputs.max() == 16


def test_fingerprint_is_that_of_every_earlier_version() -> None:
    assert load_digits().fingerprint == ("9b6f96db8e867fb8741e813a6c70f0f82da87fa51defe1932ca69bc95fe61fa4")


def test_catalogue_describes_them() -> None:
    inputs, targets = load_digits().parts["all"]
    entry = DATA["digits"]

    assert (entry.samples, entry.input_shape) == (len(inputs), tuple(inputs.shape[1:]))
    assert [int(name) for name in entry.class_names] == targets.unique().tolist()
