"""Which stored samples train, validate and test, where the data are no table."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dlkit.data.dataset import SPLITS
from dlkit.data.splits import split_folds, split_groups, split_rows
from dlkit.data.tables.splits import read_split_file
from dlkit.errors import ConfigError, DataError
from dlkit.settings.config import TrainConfig, flag

Places = dict[str, tuple[str, np.ndarray]]
_LEAST = {"train": 2, "val": 1, "test": 1}
_TENTHS = np.linspace(0.1, 0.9, 9)


def place_rows(
    strata: Mapping[str, np.ndarray],
    config: TrainConfig,
    salt: str,
    *,
    sorted_rows: bool,
    groups: np.ndarray | None = None,
) -> Places:
    """Return which rows of which part make each split; what the source does not keep apart is cut off.

    Args:
        strata: Group of each row, shape (N,), of which every split gets its share, by part: `all`, or `train` and
            maybe `val` and `test`.
        config: Seed, shares, limit, folds or a split file.
        salt: What the splits are drawn by, beside the seed.
        sorted_rows: The limit is drawn at random.
        groups: Group of each sample of `all`, shape (N,), which no two splits share; None for none.

    Returns:
        Part and rows of train, val and test.

    Raises:
        ConfigError: A way to split is asked for that these data do not have.
        DataError: A split file does not fit, or folds leave a split empty.
    """
    _check_way(strata, config, grouped=groups is not None)
    if config.split_file is not None:
        everything = np.arange(len(strata["all"]))
        rows = read_split_file(Path(config.split_file), len(everything), everything)
        places = {name: ("all", members) for name, members in rows.items()}
    elif config.folds is not None and config.fold is not None:
        rows = dict(
            split_folds(
                strata["all"] if groups is None else groups,
                fold=config.fold,
                folds=config.folds,
                val=config.val,
                seed=config.seed,
                fingerprint=salt,
                grouped=groups is not None,
            )
        )
        places = {name: ("all", members) for name, members in rows.items()}
    elif groups is not None:
        val = config.val * (1 - config.test)
        apart = split_groups(groups, val=val, test=config.test, seed=config.seed, fingerprint=salt)
        places = {name: ("all", members) for name, members in apart.items()}
    else:
        places = _cut(strata, config, salt)
    part, train = places["train"]
    if config.limit is not None and config.limit < len(train) and sorted_rows:
        share = config.limit / len(train)
        _, drawn = split_rows(strata[part][train], share, config.seed, f"limit/{salt}")
        train = train[drawn]
    places["train"] = (part, train[: config.limit])
    return {name: places[name] for name in SPLITS}


def as_they_are(sizes: Mapping[str, int]) -> Places:
    """Return which rows make each split of data that nothing was trained on: the parts they have, else all test."""
    return {"test" if part == "all" else part: (part, np.arange(size)) for part, size in sizes.items()}


def check_sizes(source: str, sizes: Mapping[str, int]) -> None:
    """Check that there is something to train on, to validate and to test.

    Raises:
        DataError: A split is too small; the message has the counts of all.
    """
    if short := [name for name, least in _LEAST.items() if sizes[name] < least]:
        counts = ", ".join(f"{name} {sizes[name]:,}" for name in SPLITS)
        raise DataError(
            f"--data {source} has too few samples for {' and '.join(short)}: {counts}",
            "training needs two samples, validation and test one each; --val and --test set their shares",
        )


def strata_of(targets: np.ndarray, stratify: bool | None) -> np.ndarray:
    """Return a group for each row, shape (N,): its class, or the decile of its number if that is asked for.

    Args:
        targets: Class indices, shape (N,), or numbers, (N,) or (N, D, ...).
        stratify: What --stratify says; None groups by class alone.
    """
    if stratify is False or (targets.dtype.kind == "f" and not stratify):
        return np.zeros(len(targets), dtype=np.int64)
    if targets.dtype.kind == "f":
        first = targets.reshape(len(targets), -1)[:, 0]
        return np.searchsorted(np.quantile(first, _TENTHS), first)
    return targets


def _check_way(strata: Mapping[str, np.ndarray], config: TrainConfig, *, grouped: bool) -> None:
    for name in ("group", "by_time"):
        if getattr(config, name) is not None and not grouped:
            raise ConfigError(
                f"{flag(name)} names a column of a table; {config.data} has none",
                "leave it out, or --split-file",
            )
    for name in ("split_file", "folds", "group"):
        if getattr(config, name) is not None and "all" not in strata:
            raise ConfigError(
                f"{flag(name)} cuts data that are in one piece; {config.data} comes in parts: {', '.join(strata)}",
                "leave it out: the parts are taken as they are",
            )


def _cut(strata: Mapping[str, np.ndarray], config: TrainConfig, salt: str) -> Places:
    """Take the parts there are, and cut those that are missing off the training part."""
    main = "train" if "train" in strata else "all"
    places: Places = {
        part: (part, np.arange(len(groups))) for part, groups in strata.items() if part != "all"
    }
    rows = np.arange(len(strata[main]))
    for name, share in (("test", config.test), ("val", config.val)):
        if name not in places:
            kept, cut = split_rows(strata[main][rows], share, config.seed, f"{name}/{salt}")
            places[name] = (main, rows[cut])
            rows = rows[kept]
    places["train"] = (main, rows)
    return places
