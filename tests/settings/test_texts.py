"""Settings whose text has parts: durations, lists, weights."""

from collections.abc import Callable
from typing import Any

import pytest
from refusals import assert_reports

from dlkit.errors import ConfigError
from dlkit.settings.texts import (
    parse_duration,
    parse_kinds,
    parse_log,
    parse_missing,
    parse_num_workers,
    parse_save_every,
    parse_threads,
    parse_weights,
)

PARSED: dict[Callable[[str], Any], dict[str, Any]] = {
    parse_threads: {"auto": None, "1": 1, "12": 12, "1024": 1024},
    parse_num_workers: {"0": 0, "256": 256},
    parse_log: {
        "jsonl": ("jsonl",),
        "tensorboard, jsonl": ("tensorboard", "jsonl"),
        "jsonl,jsonl": ("jsonl",),
    },
    parse_duration: {
        "90s": 90,
        "90": 90,
        "0.5": 0.5,
        "30m": 1800,
        "2h": 7200,
        "1h30m": 5400,
        "1h30m15s": 5415,
        "1h5s": 3605,
        "1.5h": 5400,
        " 10m ": 600,
    },
    parse_save_every: {"500": (500, False), "1": (1, False), "2e": (2, True)},
    parse_weights: {
        "3=2": {"3": 2.0},
        "3=2,8=1.5": {"3": 2.0, "8": 1.5},
        " 3 = 2 , a b=1e-3": {"3": 2.0, "a b": 1e-3},
        "a=b=2": {"a=b": 2.0},
    },
}
LONG = "9" * 5000
REFUSED: dict[Callable[[str], Any], tuple[str, str, list[str]]] = {
    parse_threads: ("--threads", "auto", ["0", "-1", "1025", "two", "", "1.5", "\N{SUPERSCRIPT TWO}"]),
    parse_num_workers: ("--num-workers", "auto", ["-1", "257", "two", "", LONG]),
    parse_log: ("--log", "tensorboard", ["tensorbord", "jsonl,", ""]),
    parse_duration: (
        "--max-time",
        "1h30m",
        ["", "0", "0s", "-3", "m", "30 m", "1h30", "1m2h", "1e3", "nan", "inf", "1,5h", "30min", LONG],
    ),
    parse_save_every: (
        "--save-every",
        "500 or 2e",
        ["", "0", "0e", "e", "-5", "2ee", "1.5", "2 e", "two", "²", "٣", LONG],
    ),
    parse_weights: (
        "--target-weights",
        "3=2,8=1.5",
        ["", "3", "=2", " =2", "3=", "3=x", "3=0", "3=-1", "3=nan", "3=inf", "5=1,5=2"],
    ),
}


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [(p, text, value) for p, pairs in PARSED.items() for text, value in pairs.items()],
)
def test_a_valid_text_is_parsed(parse: Callable[[str], Any], text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "option", "hint", "text"),
    [(p, option, hint, text) for p, (option, hint, texts) in REFUSED.items() for text in texts],
)
def test_an_invalid_text_is_refused(parse: Callable[[str], Any], option: str, hint: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)

    assert caught.value.message.startswith(f"{option} {text}")
    assert hint in caught.value.hint


def test_no_log_is_the_default() -> None:
    assert parse_log(None) == ()


def test_an_unknown_log_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_log("jsonl,wandb")

    assert_reports(caught.value, "--log wandb ", "tensorboard, jsonl")


@pytest.mark.parametrize(
    ("text", "values", "of"),
    [
        ("-999,NA", ("-999", "NA"), {}),
        ('"a,b", x,x', ("a,b", "x"), {}),
        ("-9", ("-9",), {}),
        ("age=99,age=98,NA,a=b=-9", ("NA",), {"age": ("99", "98"), "a=b": ("-9",)}),
    ],
)
def test_values_of_missing_are_separated_by_commas(
    text: str, values: tuple[str, ...], of: dict[str, tuple[str, ...]]
) -> None:
    assert parse_missing(text) == (values, of)


@pytest.mark.parametrize("text", ["=9", "age="])
def test_missing_of_no_column_or_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_missing(text)
    assert_reports(caught.value, "--missing", text, "age=99")


@pytest.mark.parametrize("text", ["", ",", " , "])
def test_missing_without_a_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_missing(text)
    assert_reports(caught.value, "--missing", repr(text), "-999,NA")


def test_kinds_are_pairs_of_column_and_kind() -> None:
    assert parse_kinds('zip=text,"a=b,c=number", d=date') == {"zip": "text", "a=b,c": "number", "d": "date"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("zip", ("--kinds zip ", "number, boolean, date, text")),
        ("zip=texts", ("--kinds zip=texts", "did you mean text?")),
        ("=text", ("--kinds =text",)),
        ("a=text,a=date", ("--kinds a=date", "twice")),
        ("", ("--kinds ''",)),
        ("a=te\rxt", ("--kinds a=te", "xt")),
    ],
)
def test_kinds_that_are_no_pairs_are_refused(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_kinds(text)
    assert_reports(caught.value, *parts)
