"""Which rows belong to train, val and test: a function of the seed, the method, the shares and the data alone."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dlkit.errors import DataError

if TYPE_CHECKING:
    from dlkit.settings.config import TrainConfig

NAMES = ("train", "val", "test")
Rows = Mapping[str, np.ndarray]


def is_random(config: "TrainConfig") -> bool:
    """Return whether rows are split at random, one by one."""
    ways = (config.group, config.by_time, config.split_file, config.split_by_block)
    return all(way is None for way in ways)


def split_rows(targets: np.ndarray, share: float, seed: int, salt: str) -> tuple[np.ndarray, np.ndarray]:
    """Cut a share off at random, each class in proportion.

    The draw comes from NumPy's legacy generator, whose stream is promised never to change.

    Args:
        targets: Class indices, shape (N,).
        share: Share to cut off, in (0, 1).
        seed: The run's seed.
        salt: What the split is for and of, e.g. `val/<fingerprint>`.

    Returns:
        The rows that stay and the rows cut off, both sorted; together all of 0..N-1.
    """
    order = _shuffled(len(targets), seed, salt)
    _, inverse, sizes = np.unique(targets, return_inverse=True, return_counts=True)
    counts = _apportion(sizes, share)
    by_class = order[np.argsort(inverse[order], kind="stable")]
    starts = sizes.cumsum() - sizes
    place = np.arange(len(targets)) - np.repeat(starts, sizes)  # of a row among those of its class
    cut = np.zeros(len(targets), dtype=bool)
    cut[by_class[place < np.repeat(counts, sizes)]] = True
    return np.flatnonzero(~cut), np.flatnonzero(cut)


def split_at_random(strata: np.ndarray, *, val: float, test: float, seed: int, fingerprint: str) -> Rows:
    """Cut test and val off at random, each stratum in proportion.

    Args:
        strata: Group of each row, shape (N,), of which every split gets its share; all alike for none.
        val: Share of all rows that validates.
        test: Share of all rows that tests.
        seed: The run's seed.
        fingerprint: Of the data.

    Raises:
        DataError: A split would be empty.
    """
    rest, tested = split_rows(strata, test, seed, f"test/{fingerprint}")
    kept, validated = split_rows(strata[rest], val / (1 - test), seed, f"val/{fingerprint}")
    return checked({"train": rest[kept], "val": rest[validated], "test": tested}, len(strata))


def split_groups(groups: np.ndarray, *, val: float, test: float, seed: int, fingerprint: str) -> Rows:
    """Cut test and val off at random, the rows of a group never apart.

    Groups are drawn until a split has its share of the rows; one that would overshoot it by more than it falls
    short without it is passed over.

    Args:
        groups: Group of each row, shape (N,).
        val: Share of all rows that validates.
        test: Share of all rows that tests.
        seed: The run's seed.
        fingerprint: Of the data.

    Raises:
        DataError: There are too few groups to fill each split.
    """
    part = _draw_groups(groups, (test, val), seed, fingerprint)
    drawn = {"train": part == 0, "val": part == 2, "test": part == 1}
    return checked({name: np.flatnonzero(own) for name, own in drawn.items()}, len(groups))


def split_by_time(times: np.ndarray, *, val: float, test: float) -> Rows:
    """Train on the past, validate on what comes after it and test on the newest rows.

    Rows of the same time are never apart.

    Args:
        times: Time of each row, shape (N,), any numbers that grow; none is NaN.
        val: Share of all rows that validates.
        test: Share of all rows that tests.

    Raises:
        DataError: A split would be empty.
    """
    part = np.zeros(len(times), dtype=np.int64)
    ordered = np.sort(times)
    for index, share in ((1, val + test), (2, test)):
        first = min(max(round(len(times) * (1 - share)), 0), len(times) - 1)
        part[times >= ordered[first]] = index
    return checked({name: np.flatnonzero(part == index) for index, name in enumerate(NAMES)}, len(times))


def split_folds(
    strata: np.ndarray,
    *,
    fold: int,
    folds: int,
    val: float,
    seed: int,
    fingerprint: str,
    grouped: bool = False,
) -> Rows:
    """Test on one of K parts of the rows; cut val off the others.

    Args:
        strata: Group of each row, shape (N,).
        fold: Which part tests, from 1 to K.
        folds: K.
        val: Share of the other rows that validates.
        seed: The run's seed.
        fingerprint: Of the data.
        grouped: The rows of a group are never apart; otherwise each part gets its share of every group.

    Raises:
        DataError: A split would be empty.
    """
    if grouped:
        number = _fold_of_groups(strata, folds, seed, fingerprint)
    else:
        order = _shuffled(len(strata), seed, f"folds/{fingerprint}")
        by_stratum = order[np.argsort(strata[order], kind="stable")]
        number = np.empty(len(strata), dtype=np.int64)
        number[by_stratum] = np.arange(len(strata)) % folds
    tested = np.flatnonzero(number == fold - 1)
    rest = np.flatnonzero(number != fold - 1)
    if not len(rest) or not len(tested):
        raise DataError(
            f"--folds {folds} leaves {len(tested)} of {len(strata)} rows to test in fold {fold}",
            "fewer folds, or more rows or groups",
        )
    salt = f"{fingerprint}/{fold}/{folds}"
    if grouped:
        part = _draw_groups(strata[rest], (val,), seed, salt)
        kept, validated = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    else:
        kept, validated = split_rows(strata[rest], val, seed, f"val/{salt}")
    return checked({"train": rest[kept], "val": rest[validated], "test": tested}, len(strata))


def checked(rows: Rows, total: int) -> Rows:
    """Hold splits to having a row each.

    Raises:
        DataError: One is empty; the message has the counts of all.
    """
    if empty := [name for name, members in rows.items() if not len(members)]:
        counts = ", ".join(f"{name} {len(members):,}" for name, members in rows.items())
        noun = "row leaves" if total == 1 else "rows leave"
        raise DataError(
            f"{total:,} {noun} none for {' and '.join(empty)}: {counts}",
            "more rows, or other shares with --val and --test",
        )
    return rows


def _draw_groups(groups: np.ndarray, shares: tuple[float, ...], seed: int, salt: str) -> np.ndarray:
    """Return the number of the share that each row's group is drawn for, from 1; 0 for what is left.

    Raises:
        DataError: There are fewer groups than shares.
    """
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) <= len(shares):
        raise DataError(
            f"--group gives {len(names)} groups; {len(shares) + 1} are needed, at least one for each part",
            "group by a column with more different values",
        )
    order = _shuffled(len(names), seed, f"group/{salt}")
    part = np.zeros(len(names), dtype=np.int64)
    free = len(names)
    for number, share in enumerate(shares, 1):
        wanted, held = share * len(groups), 0
        for group in order[part[order] == 0]:
            if held >= wanted or free <= len(shares) - number + 1:
                break
            if held == 0 or held + int(sizes[group]) - wanted <= wanted - held:
                part[group] = number
                held += int(sizes[group])
                free -= 1
    return part[inverse]


def _fold_of_groups(groups: np.ndarray, folds: int, seed: int, fingerprint: str) -> np.ndarray:
    """Return the part of each row: groups, the largest first, go to the part that has the fewest rows yet."""
    names, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = _shuffled(len(names), seed, f"folds/{fingerprint}")
    held = np.zeros(folds, dtype=np.int64)
    part = np.zeros(len(names), dtype=np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        part[group] = held.argmin()
        held[part[group]] += sizes[group]
    return part[inverse]


def _shuffled(count: int, seed: int, salt: str) -> np.ndarray:
    """Return a permutation of 0..N-1, shape (N,), that depends on the seed and the salt alone."""
    digest = hashlib.sha256(f"{seed}/{salt}".encode()).digest()
    order: np.ndarray = np.random.RandomState(np.frombuffer(digest, dtype="<u4")).permutation(count)
    return order


def _apportion(sizes: np.ndarray, share: float) -> np.ndarray:
    """Share out round(N * share) places among classes by largest remainder, none emptied of its last row."""
    total = max(1, round(int(sizes.sum()) * share))
    exact = sizes * (total / max(1, int(sizes.sum())))
    counts: np.ndarray = np.floor(exact).astype(int)
    by_remainder = np.argsort(-(exact - counts), kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    kept: np.ndarray = np.minimum(counts, np.maximum(sizes - 1, 0))
    return kept
