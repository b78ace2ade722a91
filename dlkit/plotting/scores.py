"""Numbers with their intervals, a line each: importance of columns, worst samples, scores of checkpoints."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlkit.errors import DataError, file_error
from dlkit.plotting.eval_inputs import Importance, Scores, WorstSamples
from dlkit.plotting.samples import plot_samples
from dlkit.plotting.style import CM, COLOURS, COLUMN_WIDTH, GUIDE, house_style, shorten

_ROW = 0.5 * CM
_AXIS = 1.4 * CM
_MOST_ROWS = 40
_MOST_METRICS = 6
_LETTERS = 28


@house_style()
def plot_importance(found: Importance) -> Figure:
    """Draw how much each column matters, with its interval; of more than 40 columns the most important.

    Args:
        found: As read from importance.csv.
    """
    names, points = found.features[:_MOST_ROWS], list(zip(found.values, found.lo, found.hi, strict=True))
    figure, (axes,) = _rows(len(names), 1)
    _draw_points(axes, names, points[:_MOST_ROWS])
    axes.axvline(0, color=GUIDE, linewidth=0.7, zorder=1)
    axes.set_xlabel(f"how much worse {shorten(found.metric, 20)} is\nwith the column shuffled")
    if len(found.features) > _MOST_ROWS:
        axes.set_title(f"{_MOST_ROWS} of {len(found.features):,} columns")
    return figure


@house_style()
def plot_scores(found: Scores) -> Figure:
    """Draw a panel a metric, with a point and an interval for each checkpoint.

    Args:
        found: As read from the table of `dlkit eval` with several checkpoints.
    """
    metrics = list(found.metrics.items())[:_MOST_METRICS]
    names = _distinct(found.names[:_MOST_ROWS])
    figure, panels = _rows(len(names), len(metrics))
    for axes, (metric, points) in zip(panels, metrics, strict=True):
        _draw_points(axes, names, points[:_MOST_ROWS])
        axes.set_xlabel(metric.replace("_", " "))
    return figure


def plot_worst(found: WorstSamples) -> Figure:
    """Draw the images that a model was most wrong about, or the errors of other samples.

    Args:
        found: As read from worst-SPLIT.csv.

    Raises:
        DataError: An image is missing or damaged.
    """
    if not found.images:
        return _plot_errors(found)
    images = [_read_image(path) for path in found.images]
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    depth = max(image.shape[2] for image in images)
    sheet = np.ones((len(images), height, width, depth))
    for cell, image in zip(sheet, images, strict=True):
        cell[: image.shape[0], : image.shape[1]] = image
    return plot_samples(sheet, found.captions)


@house_style()
def _plot_errors(found: WorstSamples) -> Figure:
    names = found.captions[:_MOST_ROWS]
    figure, (axes,) = _rows(len(names), 1)
    _draw_points(axes, names, [(error, math.nan, math.nan) for error in found.errors[:_MOST_ROWS]])
    axes.set_xlim(left=0)
    axes.set_xlabel(found.of)
    return figure


def _rows(count: int, num_panels: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with a line for each name in every panel, the first at the top."""
    height = num_panels * (count * _ROW + _AXIS)
    figure = Figure(figsize=(COLUMN_WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(num_panels, 1, squeeze=False)[:, 0])


def _draw_points(axes: Axes, names: Sequence[str], points: Sequence[tuple[float, float, float]]) -> None:
    places = range(len(names))
    for place, (value, lo, hi) in zip(places, points, strict=True):
        if math.isfinite(lo) and math.isfinite(hi):
            axes.plot([lo, hi], [place, place], color=COLOURS[0], linewidth=1, marker="|", markersize=4)
        axes.plot(value, place, marker="o", color=COLOURS[0])
    axes.set_yticks(places, [shorten(name, _LETTERS) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(visible=True, axis="x")


def _distinct(names: Sequence[str]) -> list[str]:
    """Name checkpoints by what differs in their paths."""
    parts = [Path(name).parts for name in names]
    while len({path[-1:] for path in parts}) == 1 and min(map(len, parts)) > 1:
        parts = [path[:-1] for path in parts]
    short = [path[-1] for path in parts]
    return short if len(set(short)) == len(short) else list(names)


def _read_image(path: Path) -> np.ndarray:
    """Return an image, shape (H, W, C) with C of 1 or 3, values in [0, 1]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB")) / 255
    except UnidentifiedImageError as err:
        raise DataError(f"{path} is not an image", "dlkit eval RUN --worst 16 writes it again") from err
    except OSError as err:
        error = file_error(err, path, "read")
        raise DataError(error.message, "dlkit eval RUN --worst 16 writes it again") from err
    return pixels
