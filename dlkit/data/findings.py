"""What is wrong with data: one finding for each fault, with its place and its cure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

LEVELS = ("error", "warning", "note")
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Args:
        level: `error` for what cannot be trained on as it is, `warning` for what makes the result worth less, `note`
            for what reading had to decide.
        rule: Short name of what was looked for.
        where: Column, line, row or file.
        count: How many values, rows or files are concerned.
        message: What was found.
        cure: What to do.
    """

    level: str
    rule: str
    where: str
    count: int
    message: str
    cure: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values by name."""
        return asdict(self)


def some_of(places: Sequence[object]) -> str:
    """List the first few places and say how many there are."""
    shown = ", ".join(map(str, places[:_SHOWN]))
    return f"{shown} and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else shown
