"""A small convolutional network for pictures of any size and number of bands."""

from torch import Tensor, nn

_THIRD_STAGE_FROM = 16


class ConvStage(nn.Module):
    """A 3 x 3 convolution, batch norm and ReLU; every stage but the first halves the resolution before it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        pool: Halve the resolution first, by the maximum of each 2 x 2 patch.
    """

    def __init__(self, in_channels: int, out_channels: int, *, pool: bool) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2) if pool else None
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, in_channels, H, W), to outputs, shape (N, out_channels, H', W')."""
        pooled = inputs if self.pool is None else self.pool(inputs)
        outputs: Tensor = self.activation(self.norm(self.conv(pooled)))
        return outputs


class Cnn(nn.Module):
    """Two or three convolutional stages, the mean over all places, and a linear output.

    Args:
        input_shape: Shape of one sample, (C, H, W); two stages below 16 pixels, else three.
        num_outputs: Numbers given for one sample.
        width: Channels of the first stage; each stage doubles them.
        dropout: Share of the averaged features dropped while training.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], num_outputs: int, *, width: int, dropout: float
    ) -> None:
        super().__init__()
        bands, height, breadth = input_shape
        stages = 3 if min(height, breadth) >= _THIRD_STAGE_FROM else 2
        widths = [bands, *(width * 2**stage for stage in range(stages))]
        self.stages = nn.Sequential(
            *(ConvStage(widths[stage], widths[stage + 1], pool=stage > 0) for stage in range(stages))
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.output = nn.Linear(widths[-1], num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, C, H, W), to outputs, shape (N, num_outputs)."""
        features = self.flatten(self.pool(self.stages(inputs)))
        if self.dropout is not None:
            features = self.dropout(features)
        outputs: Tensor = self.output(features)
        return outputs
