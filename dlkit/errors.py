"""Every error that a user can cause, as a tree of exceptions with exit codes.

DlkitError                 1  failed while running
├── FullMemoryError        1  not even small pieces of a batch fit into memory
├── StdoutError            1  the result cannot be written to stdout
├── ConfigError            2  a wrong flag, value or combination
├── RunExistsError         2  the run folder exists already
├── DataError              3  data that are missing, of another format or faulty
├── CheckpointError        4  a checkpoint that is missing, damaged or of another network
├── DivergedError          5  the loss or the gradients became NaN or infinite
├── GateError              6  a metric beyond a limit of --min or --max
├── MissingError           7  an extra or a device that is not installed
└── InterruptedRun         129, 130, 143  stopped by SIGHUP, Ctrl-C or SIGTERM
"""

import errno
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}


class DlkitError(Exception):
    """An error that is reported in one line, with a hint and an exit code."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.faults: tuple[DlkitError, ...] = (self,)


class FullMemoryError(DlkitError):
    """Memory ran out, and smaller pieces of a batch do not help."""


class StdoutError(DlkitError):
    """The result cannot be written to stdout."""


class ConfigError(DlkitError):
    """A flag, a value or a combination of them that cannot be used."""

    exit_code = 2
    faults: "tuple[ConfigError, ...]"

    @classmethod
    def of(cls, faults: Sequence["ConfigError"]) -> "ConfigError":
        """Join all faults of a configuration, so that they are reported together."""
        joined = cls("; ".join(fault.message for fault in faults), faults[-1].hint)
        joined.faults = tuple(faults)
        return joined


class RunExistsError(ConfigError):
    """The run folder asked for exists already."""


class GateError(DlkitError):
    """A metric is beyond a limit; each fault names one."""

    exit_code = 6

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(DlkitError(text) for text in faults)


class DataError(DlkitError):
    """Data that are missing, of another format or faulty."""

    exit_code = 3


class CheckpointError(DlkitError):
    """A checkpoint that is missing, damaged or of another network."""

    exit_code = 4


class DivergedError(DlkitError):
    """Training diverged: the loss or the gradients became NaN or infinite."""

    exit_code = 5


class MissingError(DlkitError):
    """An optional package or a device that this machine does not have."""

    exit_code = 7


class InterruptedRun(DlkitError):  # noqa: N818 - requested, not an error
    """Training stopped because a signal asked for it.

    Args:
        signal_number: 1 for SIGHUP, 2 for SIGINT, 15 for SIGTERM; the exit code is 128 plus it.
    """

    def __init__(self, signal_number: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.exit_code = 128 + signal_number


_LONGEST_NAME = 100


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return a suggestion for a mistyped name; empty where none is one or two typing errors away or has its words."""
    length = len(name.strip("-"))
    if length > _LONGEST_NAME:
        return ""
    close = sorted((_errors(name, other), other) for other in dict.fromkeys(allowed))
    most = (length > 1) + (length > 4)
    found = [other for errors, other in close if errors <= most and errors == close[0][0]]
    found += [other for _, other in close if length > 3 and other.startswith(name)]
    words = set(re.split(r"[\W_]+", name.lower())) - {""}
    found += [other for _, other in close if words and words <= set(re.split(r"[\W_]+", other.lower()))]
    found = list(dict.fromkeys(found))[:3]
    return f"did you mean {' or '.join(found)}?" if found else ""


def _errors(name: str, other: str) -> int:
    """Return how many letters are too many, too few, wrong or swapped (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(name, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            row.append(min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted)))
            if i > 1 and j > 1 and (name[i - 2], letter) == (wanted, other[j - 2]):
                row[j] = min(row[j], rows[-2][j - 2] + 1)
        rows.append(row)
    return rows[-1][-1]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 row", "1,234 rows", "2 copies"."""
    plural = noun[:-1] + "ies" if noun.endswith("py") else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"


def printable(text: str, limit: int = 80) -> str:
    """Return text from a file made safe to show: control and direction characters replaced, cut at a limit."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in text[: limit + 1]
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def first_of(values: Sequence[str | int], most: int = 8, longest: int = 40) -> str:
    """Return the first of several texts or numbers in a row, made safe to show, with dots where there are more."""
    shown = [f"{each:,}" if isinstance(each, int) else printable(each, longest) for each in values[:most]]
    return ", ".join(shown) + (", ..." if len(values) > most else "")


def is_full(err: OSError) -> bool:
    """Return whether an error means no space left: on the disk, in a quota, or within the file size limit."""
    return err.errno in _FULL


def file_error(
    err: OSError, path: Path, doing: str, *, needed: int | None = None, free: int | None = None
) -> DlkitError:
    """Turn an operating-system error at a file into one clear line.

    Args:
        err: What the system raised.
        path: The file that was being worked on.
        doing: What was being done, as in "write the checkpoint".
        needed: Size of what was to be written, in bytes; reported when the disk is full.
        free: Bytes that are free on the disk, if known; the message then has how many are missing.
    """
    if is_full(err):
        missing = (
            f", {needed - free:,} missing"
            if needed is not None and free is not None and free < needed
            else ""
        )
        size = f" ({needed:,} bytes needed{missing})" if needed is not None else ""
        return DlkitError(
            f"disk full: cannot {doing} {path}{size}", "existing files are unchanged; free some space"
        )
    if err.errno in _NOT_ALLOWED:
        hint = f"choose a path that you may {'read' if doing == 'read' else 'write to'}"
    elif err.errno in _NOT_THERE:
        hint = "check the path"
    else:
        hint = "the disk or the network drive may be failing"
    return DlkitError(f"cannot {doing} {path}: {reason(err)}", hint)


def reason(err: OSError) -> str:
    """Return the operating system's message, in lower case."""
    return (err.strerror or str(err)).lower()


def instance_of(value: object) -> str:
    """Return a description of a value by its type, e.g. `an int`; None is `nothing`."""
    name = type(value).__name__
    return "nothing" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
