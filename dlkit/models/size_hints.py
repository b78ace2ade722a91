"""What to change where the layers of a user's own network do not fit the data, by what torch says."""

import math
import re

from torch import nn

from dlkit.files.description import DataDescription


def hint_for(err: BaseException | None, model: nn.Module, description: DataDescription) -> str:
    """Return the way out of an error in `forward`; empty where it is not known.

    Args:
        err: What torch or Python raised.
        model: The network.
        description: The data.
    """
    text, shape = " ".join(str(err).split()), description.input_shape
    if isinstance(err, NotImplementedError) and "forward" in text:
        return "write forward(self, x), or name the class that has one"
    if re.search(r"to have \d+ channels, but got \d+ channels", text):
        return _lazy(model, shape)
    if match := re.search(r"missing \d+ required positional arguments?: '(\w+)'", text):
        name = match[1]
        return f"a network gets one input: give {name} a default ({name}=None) and make it of the input in forward"
    if "to be 2D or 3D, got 4D" in text and shape[0] == 1:
        return f"x = x.squeeze(1) in forward makes sequences of {shape[1]} steps with {shape[2]} features of the images"
    if match := re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x(\d+)\)", text):
        got, wanted, _ = map(int, match.groups())
        if got == shape[-1] and len(shape) > 1 and wanted == math.prod(shape):
            return "flatten the inputs first: x = x.flatten(1), or nn.Flatten() before the first layer"
        return _lazy_linear(model, wanted)
    if "must be equal to input_size" in text and shape:
        return f"the inputs have {shape[-1]} features a step: take input_size as an argument, filled in from the data"
    flat = "dimension out of range" in text.lower() or "too many indices for tensor of dimension 2" in text
    if flat and len(shape) == 1:
        return (
            f"a sample is one row of {shape[0]} numbers; sequences are arrays, (N, T, F), e.g. the rows of each one "
            "stacked by a function: --data file.py:make"
        )
    if "indices" in text and "Long, Int" in text:
        return "an embedding takes whole numbers: save the inputs as such, e.g. x.astype('int64')"
    return ""


def _lazy(model: nn.Module, shape: tuple[int, ...]) -> str:
    """Return how the first convolution and the first linear layer get their sizes from the data."""
    convolutions = [
        (name, each)
        for name, each in model.named_modules()
        if isinstance(each, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    ]
    if not convolutions:
        return ""
    name, first = convolutions[0]
    kernel = first.kernel_size[0] if len(set(first.kernel_size)) == 1 else first.kernel_size
    linear = next(((name, each) for name, each in model.named_modules() if isinstance(each, nn.Linear)), None)
    also = "" if linear is None else f", and nn.LazyLinear({linear[1].out_features}) in that of {linear[0]}"
    kind = type(first).__name__
    return (
        f"a sample has the shape {'x'.join(map(str, shape))}: nn.Lazy{kind}({first.out_channels}, {kernel}) in the "
        f"place of {name}{also}: they take their sizes from the data"
    )


def _lazy_linear(model: nn.Module, wanted: int) -> str:
    layers = [
        (name, each)
        for name, each in model.named_modules()
        if isinstance(each, nn.Linear) and each.in_features == wanted
    ]
    if len(layers) != 1:
        return ""
    name, layer = layers[0]
    return f"nn.LazyLinear({layer.out_features}) in the place of {name}: it takes its size from the data"
