"""A grid of sample images, each under its title."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dlkit.plotting.style import CM, PAGE_WIDTH, house_style, shorten

_CELL_WIDTH = 1.6 * CM
_TITLE_HEIGHT = 0.4 * CM
_LETTERS = 12
_TITLE_TYPE = 5.8


@house_style()
def plot_samples(images: np.ndarray, titles: Sequence[str]) -> Figure:
    """Draw images side by side, their pixels as squares.

    One channel is drawn grey, three are red, green and blue; of two the first is shown, of four or more the
    first three.

    Args:
        images: Shape (N, H, W, C), values in [0, 1]; what lies outside is cut off.
        titles: N short texts, one above each image.

    Raises:
        ValueError: There is no image, or another number of titles.
    """
    if images.ndim != 4 or len(images) == 0 or len(images) != len(titles):
        raise ValueError(f"{len(titles)} titles for images of shape {images.shape}, not (N, H, W, C)")
    count, height, width, channels = images.shape
    num_columns = min(count, int(PAGE_WIDTH / _CELL_WIDTH), math.ceil(math.sqrt(count * 1.6)))
    num_rows = math.ceil(count / num_columns)
    cell_height = _CELL_WIDTH * min(3.0, height / width) + _TITLE_HEIGHT
    figure = Figure(figsize=(num_columns * _CELL_WIDTH, num_rows * cell_height), layout="constrained")
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    shown = np.clip(images[..., :3] if channels >= 3 else images[..., 0], 0, 1)
    for axes, image, title in zip(all_axes, shown, titles, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(shorten(title, _LETTERS), pad=2, fontsize=_TITLE_TYPE)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color="0.7", linewidth=0.4)
    for axes in all_axes[count:]:
        axes.set_axis_off()
    return figure
