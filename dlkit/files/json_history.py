"""Histories in JSON, as programs dump them: a mapping of lists (Keras), or a list of mappings (Hugging Face)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlkit.errors import DataError

_LISTS = ("history", "log_history")  # what a dump of a whole object calls it
_HINT = 'json.dump(model.fit(...).history, file) writes one: {"loss": [...], "val_loss": [...]}'


def json_rows(text: str, path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns of a history and its rows with their numbers, cells as texts, empty where there is no value.

    Args:
        text: The file.
        path: Its place, for messages.

    Raises:
        DataError: It is not JSON, or neither lists of one length by name nor a list of mappings.
    """
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise DataError(f"{path} is not JSON: {err}", _HINT) from err
    if isinstance(found, Mapping):
        found = next((found[name] for name in _LISTS if name in found), found)
    if isinstance(found, Mapping):
        lists = {name: each for name, each in found.items() if isinstance(each, list)}
        if len({len(each) for each in lists.values()}) != 1:
            raise DataError(f"{path} is not a history: it has no lists of one length by name", _HINT)
        found = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    if not isinstance(found, list) or not found or not all(isinstance(row, Mapping) for row in found):
        raise DataError(f"{path} is not a history: it has no rows of named values", _HINT)
    header = list(dict.fromkeys(name for row in found for name in row))
    return header, [
        (number, ["" if (cell := row.get(name)) is None else str(cell) for name in header])
        for number, row in enumerate(found, 1)
    ]
