"""A map: what a checkpoint of points predicts on a grid, and how far random draws of neighbours disagree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.data.spatial.candidates import limits
from dlkit.data.spatial.load import Learned
from dlkit.data.spatial.neighbors import Points, find_neighbors, to_space
from dlkit.data.spatial.split import SpatialSplit
from dlkit.data.spatial.stored_points import points_of
from dlkit.errors import ConfigError, DlkitError
from dlkit.evaluation.certainty.conformal import USUAL_LEVEL, learn_widths
from dlkit.evaluation.evaluate import predict_draws
from dlkit.evaluation.spatial_distances import distances
from dlkit.evaluation.subject import load_subject
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.csv_text import csv_text
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.models.spatial.geometry import Geometry
from dlkit.settings.eval_config import EvalConfig

DRAWS = 20
MOST_OBSERVATIONS = 10_000
_BATCH_SIZE = 1024
_FOR_FEATURES = 10
_FARTHEST = 0.999  # quantile of the training points' distances beyond which nothing is known


@dataclass(frozen=True)
class Map:
    """A grid of predictions, and observations.

    Args:
        names: Of the two coordinates and the value.
        cells: Where the cells' middles are, shape (N, 2).
        mean: Mean over the draws, shape (N,); NaN where no training point was so far from its neighbours.
        spread: Standard deviation over the draws, shape (N,), likewise.
        half: Half width of the prediction interval, shape (N,), likewise.
        places: Where observations are that it can see, shape (M, 2).
        values: What they are, shape (M,).
        notes: Messages for the user.
    """

    names: tuple[str, str, str]
    cells: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    half: np.ndarray
    places: np.ndarray
    values: np.ndarray
    notes: tuple[str, ...]

    def to_csv(self) -> str:
        """Return a row a cell (mean, sd_draws, half_width), then a row an observation (the value)."""
        return csv_text(self._rows())

    def _rows(self) -> Iterator[list[str]]:
        x, y, value = self.names
        yield [x, y, "mean", "sd_draws", "half_width", value]
        for (east, north), mean, spread, half in zip(
            self.cells, self.mean, self.spread, self.half, strict=True
        ):
            shown = ["", "", ""]
            if not np.isnan(mean):
                shown = [f"{mean:.7g}", f"{spread:.4g}", "" if np.isnan(half) else f"{half:.4g}"]
            yield [f"{east:.8g}", f"{north:.8g}", *shown, ""]
        for (east, north), observed in zip(self.places, self.values, strict=True):
            yield [f"{east:.8g}", f"{north:.8g}", "", "", "", f"{observed:.7g}"]


def predict_map(
    checkpoint: Checkpoint,
    size: int,
    device: torch.device,
    *,
    draws: int = DRAWS,
    at: float | None = None,
    level: float | None = None,
) -> Map:
    """Predict on a grid over the training points, from the checkpoint; only intervals take the data, for their errors.

    A cell has the features that the nearest training points have on average.

    Args:
        checkpoint: Of a network for points.
        size: Cells along the longer side.
        device: Where to compute.
        draws: Random draws of neighbours for mean and standard deviation.
        at: The time to predict for, as in the table, dates in days since 1970; that of the newest training point by
            default.
        level: The share of new points that the intervals are to hold; None takes 0.9, and does without them where the
            data are not here.

    Raises:
        ConfigError: The points have no time, and one is asked for.
        DataError: The data are not here, have changed, or have too few validation points for the level.
        CheckpointError: It is of no points.
    """
    learned, context = Learned.of_run(checkpoint.description), context_in(checkpoint.weights)
    if at is not None and "times" not in context:
        raise ConfigError(f"--at {at:g} has no effect: the points of {checkpoint.path} have no time")
    model = restore_model(checkpoint, device)
    split = _cells(checkpoint, learned, context, size, at)
    scaling = checkpoint.description.target_scaling
    assert scaling is not None, "values are scaled"
    batches = [Batches(split.with_drawing(number), _BATCH_SIZE, device) for number in range(draws)]
    outputs = predict_draws(model, batches)[:, :, 0].double() * scaling.std[0] + scaling.mean[0]
    mean, spread = outputs.mean(0), outputs.std(0, correction=0)
    far = _too_far(split, context, learned, max(1, checkpoint.config.min_neighbors))
    half, about_half = _half_widths(checkpoint, split, context, (level, draws))
    mean[far] = spread[far] = half[far] = torch.nan
    centre = np.asarray(learned.geometry["centre"])
    seen = _seen(split, context, checkpoint.config.window)
    step = max(1, -(-len(seen) // MOST_OBSERVATIONS))
    values = context["values"][seen[::step]].double() * scaling.std[0] + scaling.mean[0]
    return Map(
        names=(*learned.columns.coords, learned.columns.target),
        cells=split.coords.double().numpy() + centre,
        mean=mean.numpy(),
        spread=spread.numpy(),
        half=half.numpy(),
        places=context["coords"][seen[::step]].double().numpy() + centre,
        values=values.numpy(),
        notes=(*_notes(split, far, learned, len(seen), step), about_half),
    )


def _cells(
    checkpoint: Checkpoint, learned: Learned, context: Mapping[str, Tensor], size: int, at: float | None
) -> SpatialSplit:
    """Lay a grid of square cells over the training points, as points to predict."""
    low, high = context["coords"].double().amin(0), context["coords"].double().amax(0)
    side = float((high - low).max()) / size or 1.0
    counts = [max(1, round(float(length) / side)) for length in high - low]
    axes = [
        torch.arange(count, dtype=torch.float64) * side + (low[i] + high[i] - (count - 1) * side) / 2
        for i, count in enumerate(counts)
    ]
    north, east = torch.meshgrid(axes[1], axes[0], indexing="ij")
    coords = torch.stack([east.flatten(), north.flatten()], dim=1).float()
    times = None
    if "times" in context:
        newest = float(context["times"].max())
        times = torch.full((len(coords),), newest if at is None else at - learned.time_origin)
    among, config = points_of(context, learned.geometry), checkpoint.config
    places = Points(_places(coords, learned), None if times is None else times.double().numpy())
    reach, window = limits(config, learned.distance)
    lists = torch.from_numpy(find_neighbors(places, among, reach=reach, window=window))
    nearest = find_neighbors(Points(places.places), Points(among.places), keep=_FOR_FEATURES)
    near = torch.from_numpy(nearest[:, : len(among)]).long()
    return SpatialSplit(
        coords=coords,
        times=times,
        features=context["features"][near].mean(1),
        targets=torch.full((len(coords), 1), torch.nan),
        candidates=lists,
        rows=torch.arange(len(coords)),
        neighbors=config.neighbors,
        seed=config.seed,
    )


def _places(coords: Tensor, learned: Learned) -> np.ndarray:
    return to_space(coords.double().numpy() + np.asarray(learned.geometry["centre"]), learned.distance)


def _too_far(split: SpatialSplit, context: Mapping[str, Tensor], learned: Learned, fewest: int) -> Tensor:
    """Return which cells lie farther from their nearest training points than training points do, shape (N,), bool."""
    fewest = min(fewest, len(context["values"]) - 1)
    among = points_of(context, learned.geometry).places
    own = np.arange(len(among))
    of_train = find_neighbors(Points(among), Points(among), own=own, keep=fewest)[:, -1]
    places = _places(split.coords, learned)
    of_cells = find_neighbors(Points(places), Points(among), keep=fewest)[:, -1]
    usual = np.quantile(np.linalg.norm(among - among[of_train], axis=1), _FARTHEST)
    far: np.ndarray = np.linalg.norm(places - among[of_cells], axis=1) > usual
    return torch.from_numpy(far) | (split.candidates >= 0).sum(1).lt(min(fewest, 1))


def _seen(split: SpatialSplit, context: Mapping[str, Tensor], window: float | None) -> Tensor:
    """Return the positions of the observations that the map can see: with time, those before it and in the window."""
    if split.times is None:
        return torch.arange(len(context["values"]))
    ago = split.times[0] - context["times"]
    return ((ago > 0) & (ago <= (torch.inf if window is None else window))).nonzero()[:, 0]


def _half_widths(
    checkpoint: Checkpoint, split: SpatialSplit, context: Mapping[str, Tensor], how: tuple[float | None, int]
) -> tuple[Tensor, str]:
    """Return the half width of the interval of each cell, shape (N,), and a message; NaN without the data."""
    level, draws = how
    try:
        subject = load_subject(checkpoint, EvalConfig(), torch.device("cpu"))
        widths = learn_widths(subject, level or USUAL_LEVEL, draws)
    except DlkitError as err:
        if level is not None:
            raise
        return torch.full((len(split),), torch.nan), f"half_width is empty: {err.message}"
    geometry = Geometry.from_dict(Learned.of_run(checkpoint.description).geometry)
    half = torch.from_numpy(widths.of(distances(split, context, geometry), len(split))[:, 0])
    return half.double(), widths.note()


def _notes(
    split: SpatialSplit, far: Tensor, learned: Learned, observations: int, step: int
) -> tuple[str, ...]:
    notes = []
    if count := int(far.sum()):
        notes.append(
            f"{count:,} of {len(far):,} cells are empty: no training point was so far from its neighbours"
        )
    if split.features.shape[1]:
        notes.append(f"the features of a cell are the mean of its {_FOR_FEATURES} nearest training points")
    if split.times is not None:
        when = float(split.times[0]) + learned.time_origin
        notes.append(f"the map is of {learned.columns.time} = {when:g}")
    if step > 1:
        notes.append(f"one of every {step} of the {observations:,} observations is in the file")
    return tuple(notes)
