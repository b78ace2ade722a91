"""Look at a recording with every rule; find the cause, and what follows from it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from dlkit.diagnosis.findings import Evidence, Finding
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import Rule
from dlkit.diagnosis.table import RULES


def diagnose(recording: Recording, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return what the rules find: the cause, its consequences, then what stands by itself.

    While a run trains, only the rules look that are sure enough.
    """
    found = []
    for rule in rules:
        if not recording.finished and not rule.live:
            continue
        evidence = rule.find(recording, rule.threshold)
        if evidence is not None:
            found.append((rule, _finding(rule, evidence, recording)))
    return _ordered(found)


def _finding(rule: Rule, evidence: Evidence, recording: Recording) -> Finding:
    return Finding(
        rule=rule.name,
        title=rule.title,
        threshold=rule.threshold if evidence.threshold is None else evidence.threshold,
        healthy=evidence.healthy or rule.healthy,
        evidence=replace(evidence, confirm=_confirm(evidence.confirm, recording)),
    )


def _confirm(text: str, recording: Recording) -> str:
    """Return how to confirm a finding with the names of the run and its data; of a history alone, its figure."""
    if "RUN" in text and not recording.folder:
        return f"dlkit plot {shlex.quote(recording.file)}" if recording.file else ""
    if "config.toml" in text and not recording.config:
        return "dlkit plot " + shlex.quote(recording.folder)
    data = str(recording.config.get("data", "DATA"))
    return text.replace("RUN", shlex.quote(recording.folder)).replace("DATA", shlex.quote(data))


def _ordered(found: Sequence[tuple[Rule, Finding]]) -> list[Finding]:
    """Mark the first warning that no other explains, or that explains most, and put what follows from it below it."""
    warnings = [(rule, finding) for rule, finding in found if finding.level == "warning"]
    if not warnings:
        return [finding for _, finding in found]
    explained = {name for rule, _ in warnings for name in rule.explains}
    names = {rule.name for rule, _ in warnings}
    most = max(
        warnings, key=lambda pair: len(names & set(pair[0].explains))
    )  # of some that explain each other
    cause, first = next((pair for pair in warnings if pair[0].name not in explained), most)
    others = sorted(
        (finding for _, finding in found if finding is not first),
        key=lambda finding: (finding.rule not in cause.explains, finding.level == "note"),
    )
    below = [finding.marked(because_of=cause.name) for finding in others if finding.rule in cause.explains]
    return [first.marked(cause=True), *below, *others[len(below) :]]
