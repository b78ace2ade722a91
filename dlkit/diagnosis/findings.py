"""A finding: what a rule found, on what evidence, and what to change; as text and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

LEVELS = ("warning", "note")
_SHOWN = 3


@dataclass(frozen=True)
class Cure:
    """What to change.

    Args:
        text: In words, with the number.
        option: An option of `dlkit train`, or `code` where the network's own code is to be changed.
        value: The value to give it; None where there is none.
    """

    text: str
    option: str = "code"
    value: str | int | float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a rule found in a recording.

    Args:
        message: In words.
        value: What was measured.
        layer: Where; empty for the whole network.
        step: Where it was first seen; None where that has no step.
        cure: What to change.
        confirm: How to see that this is the cause.
        level: `warning`, or `note` for what may be meant.
        threshold: What the value is compared with, where it is not the rule's.
        healthy: What healthy runs have of this value, where it is not the rule's.
    """

    message: str
    value: float
    cure: Cure
    layer: str = ""
    step: int | None = None
    confirm: str = ""
    level: str = "warning"
    threshold: float | None = None
    healthy: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Evidence with the rule that it is for, and its place among the findings.

    Args:
        rule: Name of the rule.
        title: What the rule is about, in a few words.
        threshold: What the value was compared with.
        healthy: What healthy runs have.
        evidence: What was found.
        cause: It is the primary cause.
        because_of: The rule of the cause that it follows from; None where it stands by itself.
    """

    rule: str
    title: str
    threshold: float
    healthy: str
    evidence: Evidence
    cause: bool = False
    because_of: str | None = None

    @property
    def level(self) -> str:
        """`warning` or `note`."""
        return self.evidence.level

    def marked(self, *, cause: bool = False, because_of: str | None = None) -> "Finding":
        """Return it as the cause, or as a consequence of one."""
        return replace(self, cause=cause, because_of=because_of)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, as `inspect run --json` prints it."""
        found = self.evidence
        return {
            "rule": self.rule,
            "level": self.level,
            "cause": self.cause,
            "because_of": self.because_of,
            "layer": found.layer or None,
            "step": found.step,
            "value": found.value if math.isfinite(found.value) else None,
            "threshold": self.threshold,
            "healthy": self.healthy,
            "message": found.message,
            "cure": {"option": _option(found.cure), "value": found.cure.value, "text": found.cure.text},
            "confirm": found.confirm,
        }


def _option(cure: Cure) -> str | None:
    return None if cure.option == "code" else cure.option


def listed(names: Sequence[str]) -> str:
    """Return the first names of layers, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(name or "the network" for name in names[:_SHOWN]) + more


def learned(skill: float) -> str:
    """Return a skill in words, for the end of a message."""
    return f"and validation is {max(skill, 0):.0%} of the way from a constant answer to a perfect one"


def to_lines(findings: Sequence[Finding]) -> list[str]:
    """Return findings as text: the cause, its consequences indented below it, then what stands by itself."""
    lines = []
    for finding in findings:
        indent = "  " if finding.because_of else ""
        lines.append(f"{indent}{finding.level}: {finding.title}: {finding.evidence.message}")
        lines.append(f"{indent}  {_measured(finding)}")
        if not finding.because_of:
            lines.append(f"  cure: {finding.evidence.cure.text}")
            if finding.evidence.confirm:
                lines.append(f"  confirm: {finding.evidence.confirm}")
    return lines


def _measured(finding: Finding) -> str:
    """Return what was measured beside what it is compared with, and when it was first seen."""
    value, threshold = f"{finding.evidence.value:.3g}", f"{finding.threshold:.3g}"
    step = finding.evidence.step
    seen = "" if step is None else f"; first seen at step {step}"
    return f"measured: {value}; threshold: {threshold}; healthy: {finding.healthy}{seen}"


def to_hint(findings: Sequence[Finding]) -> str:
    """Return what stands by itself among findings in one line, each with its cure."""
    return "; ".join(
        f"{finding.evidence.message}: {finding.evidence.cure.text}"
        for finding in findings
        if not finding.because_of
    )


def to_json(run: str, findings: Sequence[Finding]) -> str:
    """Return the text of findings.json."""
    document = {"run": run, "findings": [finding.to_dict() for finding in findings]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
