"""A negative whole number that comes again and again below the rest of its column, as -200 or -1: no usual code."""

import numpy as np

_FEWEST_ROWS, _FEWEST_APART, _FEWEST_PILED = 3, 5, 10
_FEWEST_OTHERS = 10  # different ones
_STEPS, _SHARE = 10, 0.2
_NEXT, _TIMES = 5, 5


def may_lie_apart(values: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Return which columns may have such a number, shape (C,), bool, so that few are looked at.

    Args:
        values: Shape (C, N), NaN where missing.
        lowest: Of each column, shape (C,).
    """
    likely = (lowest < 0) & (lowest == np.floor(lowest)) & np.isfinite(lowest)
    places = np.flatnonzero(likely)
    likely[places] = (values[places] == lowest[places, None]).sum(1) >= _FEWEST_ROWS
    return np.asarray(likely)


def lowest_apart(different: np.ndarray, counts: np.ndarray, known: frozenset[float] = frozenset()) -> bool:
    """Return whether the lowest number of a column is a code.

    The only negative one is a code where it is far below the rest by its steps, or many times as frequent as the next
    ones; where others are negative too, it is further from them than they are from one another. What is a code in
    another column may come once, and needs only to be the only negative one, and far by the steps.

    Args:
        different: All numbers of a column, ascending, each once.
        counts: How often each comes.
        known: The codes of other columns.
    """
    if len(different) <= _FEWEST_OTHERS or different[0] >= 0 or different[0] % 1:
        return False
    again = different[0] in known
    if counts[0] < _FEWEST_ROWS and not again:
        return False
    others = different[1:]
    gap, span = others[0] - different[0], others[-1] - others[0]
    if others[0] < 0:
        return bool(gap > span and (again or counts[0] >= _FEWEST_APART))
    far = gap >= _STEPS * np.median(np.diff(others))
    piled = counts[0] >= max(_FEWEST_PILED, _TIMES * counts[1 : _NEXT + 1].max())
    return bool(piled or (far and (gap >= _SHARE * span or again)))
