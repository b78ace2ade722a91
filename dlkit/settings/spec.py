"""What stands behind --data: a built-in name with arguments, a file, a folder, a function, or stdin."""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.catalogue import DATA

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")
ARRAY_SUFFIXES = (".npz", ".npy")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_CODE = re.compile(r"(.+\.py):([A-Za-z_][A-Za-z0-9_]*)", re.DOTALL)


@dataclass(frozen=True)
class CodeSpec:
    """A class or function of the user's own: `file.py:Name`, the file absolute."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"

    @property
    def short(self) -> str:
        """File and name without the folder, for messages."""
        return f"{self.path.name}:{self.name}"


def parse_code(text: str) -> CodeSpec | None:
    """Take `file.py:Name` apart; None for anything else."""
    match = _CODE.fullmatch(text)
    return CodeSpec(Path(match[1]).absolute(), match[2]) if match else None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A data spec, taken apart.

    Args:
        text: As it is loaded by: a built-in name with its arguments, or an absolute path.
        kind: `pictures`, `spatial` or `pbpk` for built-in ones; `table`, `arrays`, `folder` or `function`.
        name: The built-in name, or the name of the file or folder without its suffix.
        path: The file or folder; None for built-in ones and stdin.
        code: The function of a Python file that makes the data.
        arguments: Of a built-in data set, defaults filled in.
    """

    text: str
    kind: str
    name: str
    path: Path | None = None
    code: CodeSpec | None = None
    arguments: Mapping[str, ArgumentValue] = field(default_factory=dict)

    @property
    def built_in(self) -> bool:
        """Whether it is a built-in data set."""
        return self.name in DATA and self.path is None


def parse_spec(text: str, option: str = "--data") -> Spec:
    """Take a data spec apart; whether a file is there is not looked at.

    Args:
        text: As typed.
        option: What it was typed after, for the message.

    Raises:
        ConfigError: It is none of the forms that a spec has.
    """
    name, colon, rest = text.partition(":")
    if name in DATA:
        arguments = DATA[name].resolve(text, _pairs(text, rest) if colon else {})
        return Spec(text=text, kind=DATA[name].kind, name=name, arguments=arguments)
    if text == "-":
        return Spec(text=text, kind="table", name="stdin")
    _check_path(text, option)
    if code := parse_code(text):
        return Spec(text=str(code), kind="function", name=code.path.stem, path=code.path, code=code)
    path = Path(text).absolute()
    suffix, packed = table_suffixes(path)
    if suffix:
        return Spec(
            text=str(path), kind="table", name=path.name[: -len(suffix + packed)], path=path
        )
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        return Spec(text=str(path), kind="arrays", name=path.stem, path=path)
    # Through os.path, which has no error for a name too long to be one.
    if ("/" in text and not os.path.isfile(path)) or (text and os.path.isdir(path)):  # noqa: PTH112, PTH113
        return Spec(text=str(path), kind="folder", name=path.name, path=path)
    raise ConfigError(
        f"{option} {text} is not known; choose from {', '.join(DATA)}, or name a file "
        f"({', '.join((*TABLE_SUFFIXES, *ARRAY_SUFFIXES))}), a folder of pictures, file.py:function or -",
        did_you_mean(text, DATA) or did_you_mean(text, _folders_here()) or _way_out(text, suffix),
    )


def table_suffixes(path: Path) -> tuple[str, str]:
    """Return how the name of a table's file ends, as `.csv` and `.gz`; the first is empty if it is no table's."""
    *_, before, last = ["", "", *(suffix.lower() for suffix in path.suffixes)]
    if last in TABLE_SUFFIXES:
        return last, ""
    return (before, last) if last in PACKED_SUFFIXES and before in TABLE_SUFFIXES else ("", "")


def _way_out(text: str, suffix: str) -> str:
    if suffix == ".py":
        return f"name its function too: {text}:make"
    return "unpack it, and name the folder" if suffix in _ARCHIVES else ""


def _folders_here() -> list[str]:
    """Give the folders in the working folder, which a name without a slash may be meant for."""
    with contextlib.suppress(OSError), os.scandir() as entries:
        return [entry.name for entry in entries if entry.is_dir()]
    return []


def _check_path(text: str, option: str) -> None:
    """Refuse a path that is no text: it could stand in no JSON and no TOML."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{option} {printable(text, 200)}: the path is not UTF-8 text", "rename the file or its folder"
        ) from None


def _pairs(text: str, rest: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name or name in pairs:
            raise ConfigError(
                f"--data {text}: {part!r} is not name=value, or stands twice",
                "for example spatial:n=5000,noise=0.1",
            )
        pairs[name] = value
    return pairs
