"""Where the result goes: a copy of stdout; what else writes to stdout, in this process or a child, gets stderr."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

_STDIN, _STDOUT, _STDERR = range(3)

_kept: TextIO | None = None


def result() -> TextIO:
    """Return the stream for the result."""
    return _kept or sys.stdout


def open_closed_streams() -> None:
    """Open what the shell closed as the null device, so that no file is opened under the number of a stream."""
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            os.set_inheritable(number, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # stays open until the end
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - never closed


@contextlib.contextmanager
def result_apart() -> Iterator[None]:
    """Keep stdout for the result while the block runs: descriptor 1 and `sys.stdout` write to stderr.

    So `print`, `os.write(1, ...)`, libraries and child processes cannot write into the result.
    """
    global _kept
    stdout = sys.stdout
    _flush(stdout)
    former = os.dup(_STDOUT)
    copy = _copy_of(stdout, former)
    os.dup2(_STDERR, _STDOUT)
    _kept = copy or stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _kept = None
        _flush(stdout)  # what was written through a reference to the old sys.stdout belongs to stderr
        os.dup2(former, _STDOUT)
        if copy is None:
            os.close(former)
        else:
            _close(copy)


@contextlib.contextmanager
def result_to_children() -> Iterator[None]:
    """Let processes that are started while the block runs write the result: their stdout is this one's own."""
    if _kept is None:
        yield
        return
    os.dup2(_kept.fileno(), _STDOUT)
    try:
        yield
    finally:
        os.dup2(_STDERR, _STDOUT)


def end_result() -> None:
    """Let what is still written to stdout go to stderr: the result is complete."""
    _flush(sys.stdout)
    with contextlib.suppress(OSError):
        os.dup2(_STDERR, _STDOUT)
    sys.stdout = sys.stderr


def discard_stderr() -> None:
    """Discard what is still written to stderr, since its reader has gone."""
    discard(sys.stderr)
    if _kept is not None:
        _discard_descriptor(_STDOUT)


def discard(stream: TextIO) -> None:
    """Discard what is still written to a stream whose reader has closed it."""
    with contextlib.suppress(OSError, ValueError):
        _discard_descriptor(stream.fileno())


def _discard_descriptor(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _copy_of(stdout: TextIO, descriptor: int) -> TextIO | None:
    """Return a stream like stdout on another descriptor; None where stdout does not write to descriptor 1."""
    try:
        if stdout.fileno() != _STDOUT:
            return None
    except (OSError, ValueError):  # a stand-in, such as a StringIO
        return None
    buffering = 1 if os.isatty(descriptor) else -1
    return open(descriptor, "w", buffering, encoding=stdout.encoding, errors=stdout.errors)


def _flush(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.flush()


def _close(stream: TextIO) -> None:
    """Close a stream; what it cannot write any more was reported before."""
    try:
        stream.close()
    except OSError:
        discard(stream)
        stream.close()
