"""Whether targets are classes or numbers: one rule for tables, arrays and functions."""

import numpy as np

FEW_CLASSES = 10
SOME_CLASSES = 30
MAX_CLASSES = 10_000
_ROWS_A_CLASS = 5
_ORDERED = 1.2


def infer_task(what: str, values: np.ndarray, unit: str = "") -> tuple[str, str]:
    """Return the task that targets are for, `classification` or `regression`, and why.

    Texts and booleans are classes, and so are up to 10 different whole numbers that each have 5 rows on average,
    whatever their dtype. From 11 to 30 of them may be either: they are numbers if they have a unit or neighbouring ones
    are about equally frequent, as grades, counts and ages are, and else classes. Other numbers are a regression.

    Args:
        what: What the targets are called in the message.
        values: Shape (N,): texts, booleans, or numbers, NaN where one is missing.
        unit: What numbers are written with, as `%`.
    """
    if values.dtype.kind in "OSU":
        return "classification", f"{what} is text, so its values are classes"
    if values.dtype.kind == "b":
        return "classification", f"{what} is true or false, so its values are classes"
    different, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    count = len(different)
    if not _may_be_classes(different, len(values)):
        return "regression", (
            f"{what} is a number ({count:,} different values), so it is a regression; --task classification takes its "
            "values as classes"
        )
    if count <= FEW_CLASSES:
        return "classification", (
            f"{what} has {count} different whole numbers, so they are classes; --task regression takes them as numbers"
        )
    either = f"{what} is ambiguous, {count} different whole numbers from {different[0]:.0f} to {different[-1]:.0f}:"
    if unit:
        return "regression", (
            f"{either} taken as a regression, since they are written with a unit ({unit}); --task classification takes "
            "them as classes"
        )
    if _is_ordered(counts):
        return "regression", (
            f"{either} taken as a regression, since their frequencies rise and fall as those of grades, counts and "
            "ages do; --task classification takes them as classes"
        )
    return "classification", (
        f"{either} taken as classes, since their frequencies have no order, as those of labels; --task regression "
        "takes them as numbers"
    )


def is_ambiguous(values: np.ndarray) -> bool:
    """Return whether numbers, shape (N,), may be classes as well as numbers."""
    different = np.unique(values[~np.isnan(values)])
    return len(different) > FEW_CLASSES and _may_be_classes(different, len(values))


def _may_be_classes(different: np.ndarray, rows: int) -> bool:
    if len(different) > SOME_CLASSES or len(different) * _ROWS_A_CLASS > rows:
        return False
    return bool(np.isfinite(different).all() and (different == np.round(different)).all())


def _is_ordered(counts: np.ndarray) -> bool:
    """Return whether neighbours have alike counts, by von Neumann's ratio of their logarithms.

    It is near 2 where the order has no meaning, and below 1 for most quantities (von Neumann 1941,
    Ann. Math. Stat. 12).
    """
    logs = np.log(counts)
    spread = np.square(logs - logs.mean()).sum()
    return bool(counts.min() < counts.max() and np.square(np.diff(logs)).sum() < _ORDERED * spread)
