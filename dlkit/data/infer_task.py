"""Whether targets are classes or numbers: one rule for tables, arrays and functions."""

import numpy as np

FEW_CLASSES = 20
MAX_CLASSES = 10_000
_ROWS_A_CLASS = 5


def infer_task(what: str, values: np.ndarray) -> tuple[str, str]:
    """Return the task that targets are for, `classification` or `regression`, and why.

    Texts and booleans are classes, and so are up to 20 different whole numbers that each have 5 rows on average,
    whatever their dtype; other numbers are a regression.

    Args:
        what: What the targets are called in the message.
        values: Shape (N,): texts, booleans, or numbers, NaN where one is missing.
    """
    if values.dtype.kind in "OSU":
        return "classification", f"{what} is text, so its values are classes"
    if values.dtype.kind == "b":
        return "classification", f"{what} is true or false, so its values are classes"
    different = np.unique(values[~np.isnan(values)])
    count = len(different)
    whole = bool(np.isfinite(different).all() and (different == np.round(different)).all())
    if whole and count <= FEW_CLASSES and count * _ROWS_A_CLASS <= len(values):
        return "classification", (
            f"{what} has {count} different whole numbers, so they are classes; --task regression takes them as numbers"
        )
    return "regression", (
        f"{what} is a number ({count:,} different values), so it is a regression; --task classification takes its "
        "values as classes"
    )
