"""What `inspect run` and `inspect history` share: printing findings, and the exit code of --strict."""

from collections.abc import Sequence
from typing import Annotated

from typer import Exit, Option

from dlkit.cli import console
from dlkit.diagnosis.findings import Finding, to_lines
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.table import RULES
from dlkit.errors import counted

StrictOption = Annotated[bool, Option("--strict", help="Exit with 1 if there is a warning.")]


def print_findings(
    name: str, recording: Recording, findings: Sequence[Finding], notes: Sequence[str], *, strict: bool
) -> None:
    """Print findings, and notes about what was read on stderr.

    Raises:
        Exit: With 1 where `strict` and a finding is a warning.
    """
    for note in notes:
        console.note(note)
    if console.mode.json:
        console.print_json({"run": name, "findings": [finding.to_dict() for finding in findings]})
    for line in [] if console.mode.json else to_lines(findings):
        console.print_line(line)
    if not findings:
        console.note(f"nothing found: {_what_was_read(recording)}")
    if strict and any(finding.level == "warning" for finding in findings):
        raise Exit(1)


def _what_was_read(recording: Recording) -> str:
    """Return how many rules looked, and at how much; a history alone has the losses only."""
    epochs, steps = counted(recording.epochs, "epoch"), counted(recording.steps, "step")
    if not recording.signals:
        return f"the losses of {epochs}, without the layers"
    rules = [rule for rule in RULES if recording.finished or rule.live]
    return f"{counted(len(rules), 'rule')}, {epochs}, {steps}"
