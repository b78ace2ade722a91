"""A name of a column that is not in the line of names: in a line below it, or in front of a row."""

import shlex
from pathlib import Path

from dlkit.data.tables.reading.files.commands import from_to, other_file
from dlkit.data.tables.reading.files.fields import delimiter_of, split_line

_LINES_SEEN = 10


def elsewhere(source: str, name: str) -> str:
    """Return the command that writes a copy of a file with a name in its first line; empty where it is not nearby.

    Args:
        source: A path; anything else has no names.
        name: What is missed.
    """
    path = Path(source).expanduser()
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first, delimiter = "", ""
        for number, line in enumerate(file, 1):
            first = first or line
            delimiter = delimiter or delimiter_of(first)
            fields = [field.strip() for field in split_line(line, delimiter)]
            if len(fields) > 1 and fields[0] == name and number > 1:
                return _on_its_side(source)
            if name in fields and 1 < number <= _LINES_SEEN:
                return f"are the names in line {number}? tail -n +{number} {from_to(source)}"
    return ""


def _on_its_side(source: str) -> str:
    code = (
        "import sys, pandas as pd; pd.read_csv(sys.argv[1], sep=None, engine='python', header=None).T"
        ".to_csv(sys.argv[2], index=False, header=False)"
    )
    return (
        "a row begins with it, so the table seems to lie on its side; turned: "
        f'python -c "{code}" {shlex.quote(source)} {other_file(source)}'
    )
