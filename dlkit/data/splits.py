"""Which rows belong to train, val and test: a function of the seed, the shares and the data alone."""

import hashlib

import numpy as np


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
    digest = hashlib.sha256(f"{seed}/{salt}".encode()).digest()
    random = np.random.RandomState(np.frombuffer(digest, dtype="<u4"))
    order = random.permutation(len(targets))
    classes, inverse = np.unique(targets, return_inverse=True)
    counts = _apportion(np.bincount(inverse, minlength=len(classes)), share)
    cut = np.zeros(len(targets), dtype=bool)
    for index, count in enumerate(counts):
        cut[order[inverse[order] == index][:count]] = True
    return np.flatnonzero(~cut), np.flatnonzero(cut)


def _apportion(sizes: np.ndarray, share: float) -> np.ndarray:
    """Share out round(N * share) places among classes by largest remainder, none emptied of its last row."""
    total = max(1, round(int(sizes.sum()) * share))
    exact = sizes * (total / max(1, int(sizes.sum())))
    counts: np.ndarray = np.floor(exact).astype(int)
    by_remainder = np.argsort(-(exact - counts), kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    kept: np.ndarray = np.minimum(counts, np.maximum(sizes - 1, 0))
    return kept
