"""Parse the value of --data: a built-in name with arguments, a file, a folder, a function, or stdin."""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.catalogue import DATA
from dlkit.settings.kinds import data_kinds

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
    """Parse `file.py:Name`; None for anything else."""
    match = _CODE.fullmatch(text)
    return CodeSpec(Path(match[1]).absolute(), match[2]) if match else None


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A parsed data spec.

    Args:
        text: Its resolved form: a built-in name with its arguments, or an absolute path.
        kind: The name of its `DataKind`.
        name: The built-in name, or the name of the file or folder without its suffix.
        path: The file or folder; None for built-in ones and stdin.
        code: The function of a Python file that makes the data.
        arguments: Of a built-in data set, with defaults filled in.
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
    """Parse a data spec, without checking that a file exists.

    Args:
        text: As typed.
        option: The option it was given with, for the message.

    Raises:
        ConfigError: It has none of the forms of a spec.
    """
    name, colon, rest = text.partition(":")
    kinds = data_kinds().values()
    if name in DATA:
        arguments = DATA[name].resolve(text, _pairs(text, rest) if colon else {})
        return Spec(text=text, kind=DATA[name].kind, name=name, arguments=arguments)
    if text == "-":
        return Spec(text=text, kind=next(kind.name for kind in kinds if kind.stdin), name="stdin")
    _check_path(text, option)
    if code := parse_code(text):
        kind = next(kind.name for kind in kinds if kind.code)
        return Spec(text=str(code), kind=kind, name=code.path.stem, path=code.path, code=code)
    path = Path(text).absolute()
    for found in kinds:
        suffix = next((end for end in found.suffixes if path.name.lower().endswith(end)), "")
        if suffix and path.name != suffix:
            return Spec(text=str(path), kind=found.name, name=path.name[: -len(suffix)], path=path)
    # Through os.path, which has no error for a name too long to be one.
    if ("/" in text and not os.path.isfile(path)) or (text and os.path.isdir(path)):  # noqa: PTH112, PTH113
        kind = next(kind.name for kind in kinds if kind.folder)
        return Spec(text=str(path), kind=kind, name=path.name, path=path)
    suffixes = [suffix for found in kinds for suffix in found.suffixes if suffix.count(".") == 1]
    raise ConfigError(
        f"{option} {text} is not known; choose from {', '.join(DATA)}, or name a file "
        f"({', '.join(suffixes)}), an image folder, file.py:function or -",
        did_you_mean(text, DATA)
        or did_you_mean(text, _local_folders())
        or _suggestion(text, path.suffix.lower()),
    )


def _suggestion(text: str, suffix: str) -> str:
    if suffix == ".py":
        return f"add the name of its function: {text}:make"
    return "unpack it and give the folder" if suffix in _ARCHIVES else ""


def _local_folders() -> list[str]:
    """List the folders in the working folder, which a name without a slash may mean."""
    with contextlib.suppress(OSError), os.scandir() as entries:
        return [entry.name for entry in entries if entry.is_dir()]
    return []


def _check_path(text: str, option: str) -> None:
    """Refuse a path that is not valid text, which neither JSON nor TOML could hold."""
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
                f"--data {text}: {part!r} is not name=value, or is given twice",
                "for example spatial:n=5000,noise=0.1",
            )
        pairs[name] = value
    return pairs
