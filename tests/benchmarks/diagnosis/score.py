"""What the diagnosis got right: detection, primary cause, false alarms and cures, with Wilson intervals."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.diagnosis.runs import Outcome
from tests.benchmarks.diagnosis.truth import Judged

# Names of rules that stand for the causes by which `faults.py` calls them.
CAUSES: Mapping[str, str] = {}


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval; 0 and 1 where there is nothing to count."""
        return wilson(self.count, self.total)

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval
        value = self.count / self.total if self.total else None
        return {"count": self.count, "total": self.total, "value": value, "lo": low, "hi": high}

    def __str__(self) -> str:
        if not self.total:
            return "none"
        low, high = self.interval
        return f"{self.count}/{self.total} = {self.count / self.total:.1%} ({low:.1%} to {high:.1%})"


def wilson(count: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, z * z / total
    centre = (share + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def cause_of(finding: Mapping[str, Any]) -> str:
    """Return the cause that a rule stands for."""
    return CAUSES.get(finding["rule"], finding["rule"])


def is_detected(run: Judged) -> bool:
    return bool(run.outcome.warnings)


def is_right(run: Judged) -> bool:
    """Return whether the primary cause is a right answer."""
    primary = run.outcome.primary
    return primary is not None and cause_of(primary) in run.case.causes


def summarise(runs: Iterable[Judged], cured: Mapping[str, Outcome]) -> dict[str, Share]:
    """Count the figures of a part.

    Args:
        runs: The runs of the part.
        cured: What came of the runs with the cure of their primary cause, by the key of the case.
    """
    runs = list(runs)
    harmful = [run for run in runs if run.truth == "harmful"]
    healthy = [run for run in runs if run.truth == "healthy"]
    detected = [run for run in harmful if is_detected(run)]
    by_option = [run for run in detected if run.outcome.cure is not None]
    by_hand = [run for run in detected if run.outcome.cure is None]
    back = {key for run in detected if (key := run.case.key) in cured and _is_back(run, cured[key])}
    return {
        "harmful runs detected": Share(len(detected), len(harmful)),
        "right primary cause": Share(sum(is_right(run) for run in harmful), len(harmful)),
        "right cause of the detected": Share(sum(is_right(run) for run in detected), len(detected)),
        "healthy runs with a warning": Share(sum(is_detected(run) for run in healthy), len(healthy)),
        "healthy runs with a warning while training": Share(sum(map(_warned, healthy)), len(healthy)),
        "cured by the printed option, of the detected that print one": _of(by_option, back),
        "cured in code or data, of the detected that print words": _of(by_hand, back),
        "cured, of all detected": _of(detected, back),
        "harmless faults with a warning": _share(runs, "harmless"),
        "weak variants with a warning": _share(runs, "weak"),
        "refused before training": Share(sum(run.truth == "refused" for run in runs), len(runs)),
        "failed": Share(sum(run.truth == "failed" for run in runs), len(runs)),
    }


def family_rows(runs: Iterable[Judged], cured: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Return a row for each family of faults: how many harmed, were detected, rightly named and cured."""
    families: dict[str, list[Judged]] = defaultdict(list)
    for run in runs:
        if run.case.causes:
            families[run.case.name].append(run)
    rows = []
    for name, members in families.items():
        harmful = [run for run in members if run.truth == "harmful"]
        rows.append(
            {
                "family": name,
                "runs": len(members),
                "harmful": len(harmful),
                "detected": sum(map(is_detected, harmful)),
                "right": sum(map(is_right, harmful)),
                "cures": sum(run.case.key in cured for run in harmful),
                "cured": sum(run.case.key in cured and _is_back(run, cured[run.case.key]) for run in harmful),
            }
        )
    return rows


def _warned(run: Judged) -> bool:
    return "warning: " in run.outcome.message


def _of(runs: Sequence[Judged], back: Collection[str]) -> Share:
    return Share(sum(run.case.key in back for run in runs), len(runs))


def _share(runs: Iterable[Judged], truth: str) -> Share:
    chosen = [run for run in runs if run.truth == truth]
    return Share(sum(map(is_detected, chosen)), len(chosen))


def _is_back(run: Judged, cured: Outcome) -> bool:
    return cured.code == 0 and cured.value is not None and cured.value >= run.band.floor
