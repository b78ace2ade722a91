"""Names of the parts of data, train, val and test, as people spell them."""

import re

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FILLERS = ("set", "data", "dataset", "images", "image", "imgs", "img", "split", "folder", "samples", "files")
_GLUED = re.compile(f"({'|'.join(PARTS)})({'|'.join(_FILLERS)})")


def part_of(name: str) -> tuple[str, bool] | None:
    """Return the part that a name may mean, and whether the name says nothing else; None for other names.

    `Training`, `train_set`, `TestData` and `val2017` say nothing else, `seg_train` and `test_tube` do.
    """
    words = re.split("[^a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower())
    words = [part for word in words for part in _unglued(word)]
    parts = {PARTS[word] for word in words if word in PARTS}
    if len(parts) != 1:
        return None
    return parts.pop(), all(word in PARTS or word in _FILLERS for word in words if word)


def _unglued(word: str) -> tuple[str, ...]:
    match = _GLUED.fullmatch(word)
    return (word,) if match is None else match.groups()
