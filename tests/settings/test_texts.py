"""What the text of --threads and --log says."""

import pytest

from dlkit.errors import ConfigError
from dlkit.settings.texts import parse_log, parse_threads


@pytest.mark.parametrize(("text", "threads"), [("auto", None), ("1", 1), ("12", 12), ("1024", 1024)])
def test_threads_are_a_number_or_auto(text: str, threads: int | None) -> None:
    assert parse_threads(text) == threads


@pytest.mark.parametrize("text", ["0", "-1", "1025", "two", "", "1.5", "\N{SUPERSCRIPT TWO}"])
def test_other_threads_are_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_threads(text)

    assert caught.value.message == f"--threads {text} is not auto or a number from 1 to 1024"
    assert caught.value.hint == "auto chooses by network, batch and cores"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, ()),
        ("jsonl", ("jsonl",)),
        ("tensorboard, jsonl", ("tensorboard", "jsonl")),
        ("jsonl,jsonl", ("jsonl",)),
    ],
)
def test_logs_are_a_list(text: str | None, names: tuple[str, ...]) -> None:
    assert parse_log(text) == names


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        ("tensorbord", "tensorbord", "did you mean tensorboard?"),
        ("jsonl,wandb", "wandb", "for example --log tensorboard,jsonl"),
        ("jsonl,", "jsonl,", "for example --log tensorboard,jsonl"),
        ("", "", "for example --log tensorboard,jsonl"),
    ],
)
def test_other_logs_are_refused(text: str, named: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_log(text)

    assert caught.value.message == f"--log {named} is not known; choose from tensorboard, jsonl"
    assert caught.value.hint == hint
