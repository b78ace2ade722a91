"""Rows of a table that stand in places: which columns say where, and splits of whole squares."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from dlkit.data.findings import Finding
from dlkit.data.splits import split_folds, split_groups
from dlkit.data.tables.own_split import splits_at_random
from dlkit.data.tables.table import Table, in_shell
from dlkit.errors import ConfigError, DataError, counted, printable
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import fields_of

_WIDE = 100
_FEWEST_BLOCKS = 10
_PAIRS = (
    (r"(?:lon|lng|long|longitude)", r"(?:lat|latitude)"),
    (r"(?:easting|east|utm_?e|utm_?x)", r"(?:northing|north|utm_?n|utm_?y)"),
    (r"(?:x_?coord|coord_?x|x_?utm|pos_?x)", r"(?:y_?coord|coord_?y|y_?utm|pos_?y)"),
    (r"x", r"y"),
)


def guess_coordinates(names: Sequence[str]) -> tuple[str, str] | None:
    """Return the columns whose names say that they are coordinates, the one to the east first; None if none do."""
    for pair in _PAIRS:
        patterns = [re.compile(rf"(?:.*[ _.])?{pattern}(?:[ _.(].*)?", re.IGNORECASE) for pattern in pair]
        found = [list(filter(pattern.fullmatch, names)) for pattern in patterns]
        if len(found[0]) == len(found[1]) == 1:
            return found[0][0], found[1][0]
    return None


def coordinate_names(typed: str, table: Table) -> tuple[str, str]:
    """Take `--coords X,Y` apart.

    Raises:
        ConfigError: It does not name two columns.
        DataError: There is no such column.
    """
    names = list(filter(None, fields_of(typed)))
    if len(set(names)) != 2 or len(names) != 2:
        likely = guess_coordinates(table.names) or ("x", "y")
        raise ConfigError(
            f"--coords {printable(typed)} names {len(names)} columns; it takes two: X,Y",
            f"for example --coords {in_shell(*map(printable, likely))}",
        )
    for name in names:
        table.column(name, "--coords")
    return names[0], names[1]


def split_blocks(table: Table, known: np.ndarray, config: TrainConfig) -> dict[str, np.ndarray]:
    """Split rows by whole squares of `--split-by-block`, so that no test row has a training row beside it.

    Args:
        table: The table.
        known: Rows that count, shape (N,).
        config: Coordinates, side of a square, shares or folds, seed.

    Raises:
        ConfigError: The coordinates are not named.
        DataError: A row has none, or there are too few squares.
    """
    assert config.split_by_block is not None, "a side was given"
    coords = _coordinates(table, known, config)
    _, block = np.unique(np.floor(coords / config.split_by_block), axis=0, return_inverse=True)
    count, needed = int(block.max(initial=-1)) + 1, max(3, config.folds or 0)
    if count < needed:
        raise DataError(
            f"--split-by-block {config.split_by_block:g} cuts the points into {count} squares; {needed} are needed, "
            "at least one for each part",
            f"a smaller side, in the unit of the coordinates, e.g. {suggested_side(coords):g}",
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


def suggested_side(coords: np.ndarray) -> float:
    """Return a tenth of the longer extent of some coordinates, shape (N, 2), to one digit."""
    extent = float(np.ptp(coords, axis=0).max(initial=0))
    return float(f"{extent / 10:.0e}")


def find_random_split(table: Table, config: TrainConfig) -> Iterator[Finding]:
    """Find rows in places whose split at random makes scores better than they are for new places."""
    named = (
        guess_coordinates(table.names) if config.coords is None else coordinate_names(config.coords, table)
    )
    if named is None or config.target in named or not splits_at_random(table, config):
        return
    if any(table.column(name).kind != "number" for name in named):
        return
    coords = np.stack([table.numbers(name) for name in named], axis=1)
    coords = coords[np.isfinite(coords).all(1)]
    wide = len(coords) and np.ptp(coords, axis=0).min() > _WIDE
    if not len(coords) or (config.coords is None and set(map(str.lower, named)) == {"x", "y"} and not wide):
        return
    side = suggested_side(coords)
    if side > 0 and len(np.unique(np.floor(coords / side), axis=0)) >= max(_FEWEST_BLOCKS, config.folds or 0):
        typed = in_shell(*map(printable, named))
        yield Finding(
            level="warning",
            rule="random-split",
            where=f"columns {typed}",
            count=len(coords),
            message="rows have coordinates and are split at random, so most test rows are next to training rows",
            cure=f"--coords {typed} --split-by-block {side:g} holds out whole squares, which tests new places",
        )


def _coordinates(table: Table, known: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Return where some rows are, shape (N, 2)."""
    if config.coords is None:
        likely = guess_coordinates(table.names) or ("x", "y")
        raise ConfigError(
            "--split-by-block needs --coords, the two columns that say where a row is",
            f"add --coords {in_shell(*map(printable, likely))}",
        )
    columns = []
    for name in coordinate_names(config.coords, table):
        values = table.numbers(name, known)
        if len(gaps := np.flatnonzero(~np.isfinite(values))):
            raise DataError(
                f"--coords {printable(name)} is missing in {counted(len(gaps), 'row')}, first in "
                f"{table.place(int(known[gaps[0]]))}",
                "fill it in, or remove those rows",
            )
        columns.append(values)
    return np.stack(columns, axis=1)
