"""Which points train, validate and test: as rows of a table are split, or whole squares of ground at a time."""

import numpy as np

from dlkit.config import TrainConfig
from dlkit.data.spatial_columns import Located
from dlkit.data.splits import split_folds, split_groups, split_rows
from dlkit.data.table_splits import split_table
from dlkit.data.table_targets import Targets
from dlkit.data.tables import Table
from dlkit.errors import DataError


def split_points(
    table: Table, located: Located, targets: Targets, config: TrainConfig
) -> dict[str, np.ndarray]:
    """Give the rows of train, val and test; those without a place, a time or a target are in none.

    Raises:
        DataError: A split would be empty, or what it goes by is missing.
    """
    values = np.where(located.known[:, None], targets.values, np.nan)
    known = Targets(targets.task, targets.names, values)
    if config.split_by_block is None:
        rows = split_table(table, known, config)
    else:
        rows = _by_block(table, located, np.flatnonzero(known.known), config.split_by_block, config)
    rows["train"] = _limited(rows["train"], config, table.fingerprint)
    return rows


def _by_block(
    table: Table, located: Located, known: np.ndarray, size: float, config: TrainConfig
) -> dict[str, np.ndarray]:
    corners = np.floor(located.coords[known] / size)
    _, block = np.unique(corners, axis=0, return_inverse=True)
    count = int(block.max(initial=-1)) + 1
    if count < max(3, config.folds or 0):
        raise DataError(
            f"--split-by-block {size:g} cuts the points into {count} squares; {max(3, config.folds or 0)} are needed, "
            "one for each part at least",
            "a smaller side, in the unit of the coordinates",
        )
    if config.folds is not None:
        rows = split_folds(
            block,
            fold=config.fold or 1,
            folds=config.folds,
            val=config.val,
            seed=config.seed,
            fingerprint=table.fingerprint,
            grouped=True,
        )
    else:
        rows = split_groups(
            block, val=config.val, test=config.test, seed=config.seed, fingerprint=table.fingerprint
        )
    return {name: known[members] for name, members in rows.items()}


def _limited(train: np.ndarray, config: TrainConfig, fingerprint: str) -> np.ndarray:
    """Take --limit of the training points at random."""
    if config.limit is None or config.limit >= len(train):
        return train
    _, cut = split_rows(np.zeros(len(train)), config.limit / len(train), config.seed, f"limit/{fingerprint}")
    kept: np.ndarray = train[cut]
    return kept
