"""The candidates of each point: enough of them, or an error that counts the points that have too few."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dlkit.data.spatial.neighbor_lists import kept_lists
from dlkit.data.spatial.neighbors import Points, find_neighbors, straight
from dlkit.data.spatial.stored_points import Stored
from dlkit.errors import DataError
from dlkit.settings.config import TrainConfig


def lists_of_splits(
    name: str, stored: Stored, rows: Mapping[str, np.ndarray], config: TrainConfig, notes: list[str]
) -> Tensor:
    """Return each point's candidates among the training points.

    Args:
        name: Of the data, for the prepared file.
        stored: The points.
        rows: The rows of each split.
        config: What counts as near, and how many are enough.
        notes: Messages if the lists could not be kept.

    Returns:
        Positions among the rows of train, nearest first, padded with -1, shape (N, C), int32; rows in no split have
        none.

    Raises:
        DataError: Points have too few.
    """
    every, train = np.concatenate(list(rows.values())), rows["train"]
    position = np.full(len(stored.coords), -1)
    position[train] = np.arange(len(train))
    reach, window = limits(config, config.distance)
    found = kept_lists(
        name,
        stored.of(every),
        stored.of(train),
        position[every],
        reach=reach,
        window=window,
        note=notes.append,
    )
    lists = torch.full((len(stored.coords), found.shape[1]), -1, dtype=torch.int32)
    lists[torch.from_numpy(every)] = found
    _check_counts(lists, rows, config, timed=stored.times is not None)
    return lists


def lists_of_others(
    stored: Stored,
    rows: Mapping[str, np.ndarray],
    own: np.ndarray,
    among: Points,
    config: TrainConfig,
    distance: str,
) -> Tensor:
    """Return the candidates of points that are not in the table trained on, shape (N, C), int32.

    Args:
        stored: The points.
        rows: Those that have a place.
        own: Where each of them stands among the training points, -1 for those that do not, shape (N,).
        among: The training points.
        config: What counts as near, and how many are enough.
        distance: How the run measured.

    Raises:
        DataError: Points have too few.
    """
    reach, window = limits(config, distance)
    lists = torch.from_numpy(find_neighbors(stored.places, among, own=own, reach=reach, window=window))
    _check_counts(lists, rows, config, timed=stored.times is not None)
    return lists


def limits(config: TrainConfig, distance: str) -> tuple[float, float]:
    """Return the straight line to the farthest that counts, and the span of time; infinity where there is no limit."""
    radius, window = (np.inf if limit is None else limit for limit in (config.radius, config.window))
    return straight(radius, distance), window


def _check_counts(lists: Tensor, rows: Mapping[str, np.ndarray], config: TrainConfig, *, timed: bool) -> None:
    counts = (lists >= 0).sum(1)
    few = {
        name: int((counts[torch.from_numpy(own)] < config.min_neighbors).sum()) for name, own in rows.items()
    }
    if not sum(few.values()):
        return
    shown = ", ".join(f"{count:,} {name}" for name, count in few.items() if count)
    limiting = [name for name in ("radius", "window") if getattr(config, name) is not None]
    where = " and ".join(f"--{name} {getattr(config, name):g}" for name in limiting)
    before = " before them" if timed else ""
    wider = f"a larger {' or '.join(f'--{name}' for name in limiting)}, or " if limiting else ""
    total = sum(map(len, rows.values()))
    raise DataError(
        f"{sum(few.values()):,} of {total:,} points ({shown}) have fewer than {config.min_neighbors} neighbours"
        f"{before}{f' within {where}' if where else ''}",
        f"{wider}--min-neighbors 0, which accepts any number",
    )
