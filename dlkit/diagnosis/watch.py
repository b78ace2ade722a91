"""The rules while a run trains: a warning once for each cause, and all findings at the end."""

import time
from collections.abc import Iterable, Mapping

from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.findings import Finding
from dlkit.diagnosis.recording import Recording

_SHARE_OF_TIME = 0.005


class Watch:
    """Looks at a run after its epochs, for half a percent of its time at most.

    Args:
        recording: What the run has recorded so far.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._recording.finished = False
        self._reported: set[str] = set()
        self._next = 0.0

    def observe(
        self, row: Mapping[str, float | None], signals: Iterable[tuple[int, str, str, float]]
    ) -> list[Finding]:
        """Take in an epoch, and return the causes that were not returned before.

        Args:
            row: Of history.csv.
            signals: Rows of probes.csv.
        """
        start = time.perf_counter()
        self._recording.add_epoch(row)
        self._recording.add_signals(signals)
        if start < self._next:
            return []
        new = self._new(diagnose(self._recording))
        end = time.perf_counter()
        self._next = end + (end - start) / _SHARE_OF_TIME
        return new

    def finish(self) -> tuple[list[Finding], list[Finding]]:
        """Return all findings of the whole run, and the causes among them that were not returned before."""
        self._recording.finished = True
        findings = diagnose(self._recording)
        self._recording.finished = False
        return findings, self._new(findings)

    def _new(self, findings: Iterable[Finding]) -> list[Finding]:
        new = [
            finding
            for finding in findings
            if finding.level == "warning" and not finding.because_of and finding.rule not in self._reported
        ]
        self._reported.update(finding.rule for finding in findings)
        return new


def warning_text(finding: Finding) -> str:
    """Return a finding in one line, with its cure."""
    return f"{finding.title}: {finding.evidence.message}; {finding.evidence.cure.text}"
