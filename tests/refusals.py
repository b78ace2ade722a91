"""What an error must report: the exit code, the value, the option and a hint; never its exact wording."""

from typing import Any

from dlkit.errors import DlkitError


def faults(stderr: str) -> list[tuple[str, str]]:
    """Return message and hint of each fault on stderr."""
    found: list[tuple[str, str]] = []
    for line in stderr.splitlines():
        kind, _, text = line.partition(": ")
        if kind == "error":
            found.append((text, ""))
        elif kind == "hint":
            found[-1] = (found[-1][0], text)
    return found


def assert_refused(result: Any, code: int, message: str = "", hint: str = "") -> None:
    """Check exit code and streams of a refused command, and what its only fault names."""
    assert (result.code, result.stdout) == (code, ""), result
    ((found, cure),) = faults(result.stderr)
    assert message in found
    assert hint in cure
    assert len(result.stderr.splitlines()) == 1 + bool(cure), result.stderr


def assert_reports(err: DlkitError, *parts: str) -> None:
    """Check that the message or the hint of an error has each part."""
    text = f"{err.message}\n{err.hint}"
    assert [part for part in parts if part not in text] == [], text
