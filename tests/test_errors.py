import errno
import os
import re
from pathlib import Path

import pytest

from dlkit import errors
from dlkit.errors import (
    ConfigError,
    DlkitError,
    InterruptedRun,
    RunExistsError,
    counted,
    did_you_mean,
    file_error,
    is_full,
    printable,
    reason,
)


def subclasses(kind: type) -> set[type]:
    return {kind} | {below for child in kind.__subclasses__() for below in subclasses(child)}


def test_drawn_tree_names_every_exception_with_its_exit_code() -> None:
    drawn = {}
    for line in (errors.__doc__ or "").splitlines()[2:]:
        name, code, *_ = re.split(r"\s{2,}", line.lstrip("├└─ "))
        drawn[name] = code
    kinds = {kind.__name__: str(kind.exit_code) for kind in subclasses(DlkitError)}
    kinds["InterruptedRun"] = "129, 130, 143"
    assert drawn == kinds


def test_interrupted_run_exits_with_128_and_the_signal() -> None:
    assert [InterruptedRun(number, "stopped").exit_code for number in (2, 15)] == [130, 143]


def test_existing_run_is_a_usage_error() -> None:
    assert isinstance(RunExistsError("there"), ConfigError)


def test_several_faults_are_joined() -> None:
    faults = [
        ConfigError("--lr -1 is outside (0, inf)"),
        ConfigError("--epochs 0 is outside [1, inf)", "take 1"),
    ]
    joined = ConfigError.of(faults)
    assert joined.message == "--lr -1 is outside (0, inf); --epochs 0 is outside [1, inf)"
    assert joined.hint == "take 1"
    assert joined.faults == tuple(faults)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("mpl", "did you mean mlp?"), ("cn", "did you mean cnn?"), ("zzz", "")],
)
def test_close_names_are_suggested(name: str, suggestion: str) -> None:
    assert did_you_mean(name, ["mlp", "cnn", "pbpk"]) == suggestion


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "free some space"),
        (errno.EACCES, "may write to"),
        (errno.EROFS, "may write to"),
        (errno.ENOENT, "check the path"),
        (errno.EISDIR, "check the path"),
        (errno.EIO, "disk"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_file_error_names_the_file_and_a_hint(number: int, hint: str) -> None:
    error = file_error(OSError(number, os.strerror(number)), Path("a.bin"), "write", needed=1234567)

    assert error.exit_code == 1
    assert "write a.bin" in error.message
    assert ("1,234,567 bytes" in error.message) == is_full(OSError(number, ""))
    assert hint in error.hint


def test_hint_for_a_file_that_may_not_be_read_is_about_reading() -> None:
    error = file_error(PermissionError(errno.EACCES, "Permission denied"), Path("a.bin"), "read")

    assert error.message == "cannot read a.bin: permission denied"
    assert "may read" in error.hint


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "disk full: cannot write a.bin"),
        ({"needed": 1000}, "disk full: cannot write a.bin (1,000 bytes needed)"),
        ({"needed": 1000, "free": 999}, "disk full: cannot write a.bin (1,000 bytes needed, 1 missing)"),
        ({"needed": 1000, "free": 1000}, "disk full: cannot write a.bin (1,000 bytes needed)"),
    ],
    ids=str,
)
def test_bytes_are_reported_when_they_are_known(sizes: dict[str, int], message: str) -> None:
    assert file_error(OSError(errno.ENOSPC, "no space"), Path("a.bin"), "write", **sizes).message == message


@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_full_disk_and_quota_count_as_full(number: int, full: bool) -> None:
    assert is_full(OSError(number, "")) is full


def test_reason_is_the_text_of_an_error_without_a_number() -> None:
    assert reason(OSError("Something Odd")) == "something odd"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("layers.0.weight", "layers.0.weight"),
        ("größe 大", "größe 大"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("\x9b31m", "\N{REPLACEMENT CHARACTER}31m"),
        ("a\nb\tc", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"),
        ("safe\u202egnp.exe", "safe\N{REPLACEMENT CHARACTER}gnp.exe"),
        ("zero\u200bwidth", "zero\N{REPLACEMENT CHARACTER}width"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 79 + "\N{HORIZONTAL ELLIPSIS}"),
        ("", ""),
    ],
)
def test_text_of_a_file_is_made_safe_to_show(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_endless_text_is_cut_at_once() -> None:
    assert len(printable("\x1b" * 10**8, limit=200)) == 200


def test_a_number_stands_with_its_noun() -> None:
    assert [counted(1, "row"), counted(1234, "row"), counted(0, "copy")] == [
        "1 row",
        "1,234 rows",
        "0 copies",
    ]
