"""Names of arrays: of inputs and targets, of the parts of data, of groups of samples, and of what is neither."""

import re
from collections.abc import Sequence
from pathlib import Path

from dlkit.data.part_names import PARTS as ALL_PARTS

INPUT_NAMES = ("x", "inputs", "input", "images", "image", "features", "data", "arr_0")
TARGET_NAMES = ("y", "targets", "target", "labels", "label", "arr_1")
PARTS = {
    **ALL_PARTS,
    **dict.fromkeys(("tr", "trn"), "train"),
    **dict.fromkeys(("va", "vl"), "val"),
    **dict.fromkeys(("te", "ts", "tst"), "test"),
}
GROUP = re.compile(
    "subj(ect)?s?|patients?|participants?|persons?|groups?|speakers?|users?|sessions?|animals?"
)
TARGET = re.compile("|".join((*TARGET_NAMES, "onehot", "class", "classes", "outcome")))
ASIDE = re.compile(
    "(id|idx|index|epoch|time|timestamp|date|weight|fold|split|name|file|filename|path|site|run|block|trial)s?|indices|"
    f"mean|std|{GROUP.pattern}"
)


def files_of_targets(path: Path, others: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Return pairs of files of inputs and targets by their names, that of the file itself first.

    Args:
        path: The file of inputs.
        others: Files beside it.
    """
    part, inputs = split_name(path.stem)
    found = {split_name(other.stem): other for other in others}
    names = [name for _, name in found if has_word(name, TARGET) and name != inputs]
    if not names:
        return []
    parts = [part, *(each for each, name in found if name == inputs and each != part)]
    return [
        (path if each == part else found[each, inputs], found[each, names[0]])
        for each in parts
        if (each, names[0]) in found
    ]


def split_name(name: str) -> tuple[str, str]:
    """Take `x_train`, `train_x`, `trainX` or `Xtr` apart into part and name."""
    for pattern in (r"(?P<part>[a-zA-Z]+)[_.-](?P<name>.+)", r"(?P<name>.+)[_.-](?P<part>[a-zA-Z]+)"):
        match = re.fullmatch(pattern, name)
        if match and match["part"].lower() in PARTS:
            return PARTS[match["part"].lower()], match["name"]
    for word, part in PARTS.items():
        for rest in (name[len(word) :] if name.lower().startswith(word) else "", name[: -len(word)]):
            if rest.lower() in INPUT_NAMES + TARGET_NAMES and name.lower() in (
                f"{word}{rest}".lower(),
                f"{rest}{word}".lower(),
            ):
                return part, rest
    return "all", name


def has_word(name: str, words: re.Pattern[str]) -> bool:
    """Return whether one of the words of a name such as `stage_onehot` or `subjectId` is among those of a pattern."""
    found = re.split("[^a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower())
    return any(words.fullmatch(word) for word in found)
