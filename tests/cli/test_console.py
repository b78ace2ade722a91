"""Printing to stdout and stderr."""

import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlkit.cli import console
from dlkit.errors import ConfigError

ROWS = [["a", 1234567, 0.000012345, None], ["b\tc\nd", 2, 123.456789, math.nan]]
COLUMNS = ["name", "count", "share", "extra"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def fresh_mode() -> Iterator[None]:
    console.mode.reset()
    yield
    console.mode.reset()


def test_table_is_tab_separated_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(COLUMNS, ROWS)

    assert capsys.readouterr().out == (
        "name\tcount\tshare\textra\na\t1234567\t1.234e-05\t\nb c d\t2\t123.5\tnan\n"
    )


def test_table_is_drawn_and_rounded_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")

    console.print_table(COLUMNS, ROWS)

    text = screen.getvalue()
    assert "1,234,567" in text
    assert "1.234e-05" in text
    assert "123.5" in text
    assert "\t" not in text


def test_names_that_look_like_markup_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)

    console.print_table(["[red]layer"], [["[bold]x[/bold]"]])

    assert all(text in screen.getvalue() for text in ("[red]layer", "[bold]x[/bold]"))


def test_a_narrow_terminal_breaks_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")

    console.print_table(["layer", "parameters"], [["hidden.0.linear.weight", 8192]])

    shown = re.sub(r"\x1b\[[01]m", "", screen.getvalue())
    assert "\x1b" not in shown
    assert shown.splitlines()[1].split() == ["hidden.0.li…weight", "8,192"]
    assert max(map(len, shown.splitlines())) <= 30


def test_table_is_a_list_of_objects_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.mode.json = True

    console.print_table(COLUMNS, ROWS)

    assert json.loads(capsys.readouterr().out) == [
        {"name": "a", "count": 1234567, "share": 1.2345e-05, "extra": None},
        {"name": "b\tc\nd", "count": 2, "share": 123.456789, "extra": None},
    ]


def test_json_has_null_for_nan_and_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf}, "d": "é"})

    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [None, [None, 1.5]], "b": {"c": None}, "d": "é"}
    assert "é" in text


@pytest.mark.parametrize("terminal", [False, True])
def test_pairs_are_a_line_each(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)

    console.print_pairs({"loss": 0.123456789, "samples": 12345})

    expected = "loss     0.1235\nsamples  12,345\n" if terminal else "loss\t0.123456789\nsamples\t12345\n"
    assert screen.getvalue() == expected


def test_pairs_are_one_object_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.mode.json = True

    console.print_pairs({"loss": math.inf, "samples": 3})

    assert json.loads(capsys.readouterr().out) == {"loss": None, "samples": 3}


@pytest.mark.parametrize(
    ("as_json", "text"), [(False, "a.png\nb.png\n"), (True, '{"files": ["a.png", "b.png"]}')]
)
def test_paths_are_a_line_each(as_json: bool, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.mode.json = as_json

    console.print_paths([Path("a.png"), Path("b.png")])

    out = capsys.readouterr().out
    assert (json.loads(out) == json.loads(text)) if as_json else out == text


def test_names_between_colons_are_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("data.py:two: nothing found")

    assert "data.py:two: nothing" in capsys.readouterr().err


def test_notes_warnings_and_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("a [note]")
    console.detail("a detail")
    console.warn("a [warning]")
    console.error(ConfigError.of([ConfigError("one [x]", "do"), ConfigError("two")]))

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "a [note]",
        "warning: a [warning]",
        "error: one [x]",
        "hint: do",
        "error: two",
    ]


@pytest.mark.parametrize(
    ("quiet", "verbose", "lines"),
    [
        (True, False, ["warning: w"]),
        (True, True, ["warning: w"]),
        (False, True, ["n", "d", "warning: w"]),
        (False, False, ["n", "warning: w"]),
    ],
)
def test_quiet_and_verbose_decide_what_is_printed(
    quiet: bool, verbose: bool, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    console.mode.quiet, console.mode.verbose = quiet, verbose

    console.note("n")
    console.detail("d")
    console.warn("w")

    assert capsys.readouterr().err.splitlines() == lines


def test_long_lines_are_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    path = "runs/" + "x" * 100

    console.note(f"the run is in {path}")

    assert capsys.readouterr().err == f"the run is in {path}\n"


def test_a_closed_stderr_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        for _ in range(3):
            console.note("is anybody there?")


def test_there_is_one_console_so_that_notes_appear_above_bars(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.progress import Progress

    first = console.stderr()
    with Progress(console=first):
        assert console.stderr() is first


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.12345, "0.1235"),
        (-2.5, "-2.5000"),
        (999.99994, "999.9999"),
        (31798.7371, "31,798.7"),
        (0.00012345, "0.000123"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_formatted_by_size(value: float, text: str) -> None:
    assert console.figure(value) == text
