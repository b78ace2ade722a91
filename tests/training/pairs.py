"""Cases in which every two values of any two factors meet."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

Case = dict[str, Any]
Pair = tuple[tuple[str, Any], tuple[str, Any]]


def all_pairs(factors: Mapping[str, Sequence[Any]]) -> set[Pair]:
    """Return every two values of any two factors."""
    return {
        ((first, one), (second, other))
        for first, second in combinations(factors, 2)
        for one, other in product(factors[first], factors[second])
    }


def pairs_of(case: Case) -> set[Pair]:
    """Return the pairs of values that meet in a case."""
    return set(combinations(case.items(), 2))


def cover_pairs(factors: Mapping[str, Sequence[Any]]) -> list[Case]:
    """Return cases with all pairs: each begins with one not held yet, and takes what adds most (Cohen et al. 1997).

    Args:
        factors: The values of each factor, hashable. The same factors give the same cases.
    """
    order = sorted(all_pairs(factors), key=repr)
    missing = set(order)
    cases = []
    while missing:
        seed = next(pair for pair in order if pair in missing)
        case = dict(seed)
        others = [name for name in factors if name not in case]
        for name in sorted(others, key=lambda name: -len(factors[name])):
            case[name] = max(factors[name], key=lambda value, name=name: _gain(case, name, value, missing))
        case = {name: case[name] for name in factors}
        missing -= pairs_of(case)
        cases.append(case)
    return cases


def _gain(case: Case, name: str, value: Any, missing: set[Pair]) -> int:
    """Count the pairs that a value adds, whichever of the two factors stands first."""
    added = [((known, given), (name, value)) for known, given in case.items()]
    return sum(pair in missing or pair[::-1] in missing for pair in added)
