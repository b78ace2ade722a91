"""JSON from a stranger: no name twice, no NaN, no more values than there should be."""

import contextlib
import gc
import json
from collections.abc import Iterator
from typing import Any

_MAX_DIGITS = 40


class OversizedError(ValueError):
    """The text has more values than it may have."""


def parse_strictly(text: str, *, max_parts: int, max_objects: int) -> Any:
    """Parse JSON of a bounded size: small objects take 30 times their length in memory.

    Args:
        text: The JSON.
        max_parts: How many keys and values it may have.
        max_objects: How many objects.

    Raises:
        OversizedError: It has more.
        ValueError: It is no JSON, goes too deep, or a name stands twice in an object.
    """
    if is_oversized(text, max_parts=max_parts, max_objects=max_objects):
        raise OversizedError("too many values")
    try:
        return json.loads(
            text, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant, parse_int=_short_int
        )
    except RecursionError as err:
        raise ValueError(str(err)) from err


def is_oversized(text: str, *, max_parts: int, max_objects: int) -> bool:
    """Say whether JSON has more keys and values, or more objects, than it may have; texts count as they look."""
    return text.count(",") + text.count(":") > max_parts or text.count("{") > max_objects


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector from going through a million small things, none of them garbage, again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name stands twice")
    return unique


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _short_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)
