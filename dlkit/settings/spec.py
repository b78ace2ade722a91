"""Parse the value of --data: a built-in name with arguments, a file, a folder, a function, or stdin."""

import contextlib
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.catalogue import DATA
from dlkit.settings.kinds import data_kinds

_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_BY_PANDAS = (
    'python -c "import sys, pandas as pd; pd.{reader}.to_csv(sys.argv[2], index=False)" {{old}} {{new}}'
)
_BY_FUNCTION = "a function of your own can load it: --data file.py:make, as in docs/own-code.md"
_BY_NUMPY = (
    "python -c 'import sys, numpy as np; {code}; "
    "np.savez(sys.argv[2], **d)' {{old}} {{new}}, then --data {{new}}"
)
_NAMED = 'd = d if isinstance(d, dict) else dict(zip(("x", "y"), getattr(d, "tensors", d)))'
# What makes a table of a file that is none, by how its name ends.
_TO_CSV = {
    **{
        suffix: f"{_BY_PANDAS.format(reader='read_excel(sys.argv[1])')} makes a table of it (pip install {package})"
        for suffix, package in (
            (".xlsx", "openpyxl"),
            (".xlsm", "openpyxl"),
            (".xls", "xlrd"),
            (".ods", "odfpy"),
        )
    },
    **{
        suffix: f"{_BY_PANDAS.format(reader=reader)} makes a table of it"
        for suffix, reader in (
            (".json", "read_json(sys.argv[1])"),
            (".jsonl", "read_json(sys.argv[1], lines=True)"),
            (".ndjson", "read_json(sys.argv[1], lines=True)"),
            (".dta", "read_stata(sys.argv[1])"),
            (".sas7bdat", "read_sas(sys.argv[1])"),
            (".xpt", "read_sas(sys.argv[1])"),
            (".feather", "read_feather(sys.argv[1])"),
        )
    },
    **dict.fromkeys((".nc", ".rds"), _BY_FUNCTION),
}
# What makes arrays by name of a file that holds some.
_TO_NPZ = {
    suffix: _BY_NUMPY.format(code=code)
    for suffixes, code in (
        (
            (".mat",),
            "from scipy.io import loadmat; "
            'd = {{k: v for k, v in loadmat(sys.argv[1]).items() if k[:2] != "__" and v.dtype.kind in "fiubcU"}}',
        ),
        ((".pt", ".pth"), f"import torch; d = torch.load(sys.argv[1], weights_only=True); {_NAMED}"),
        ((".pkl", ".pickle"), f'import pickle; d = pickle.load(open(sys.argv[1], "rb")); {_NAMED}'),
        ((".safetensors",), "from safetensors.numpy import load_file; d = load_file(sys.argv[1])"),
        (
            (".h5", ".hdf5"),
            "import h5py; d = {{}}; "
            'h5py.File(sys.argv[1]).visititems(lambda k, v: d.update({{k.replace("/", "_"): v[()]}}) '
            'if hasattr(v, "shape") else None)',
        ),
    )
    for suffix in suffixes
}
_PICKLED = "unpickling can run any code, so only with a file that you trust: "
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
    files = [kind for kind in kinds if not kind.folder]
    suffixes = [suffix for kind in files for suffix in kind.suffixes if suffix.count(".") == 1]
    raise ConfigError(
        f"{option} {text} is not known; choose from {', '.join(DATA)}, or name a file "
        f"({', '.join(suffixes)}), an image or a folder of images, file.py:function or -",
        did_you_mean(text, DATA)
        or did_you_mean(text, _local_folders())
        or _same_name(text, path.suffix, suffixes)
        or _suggestion(text, path.suffix.lower()),
    )


def _suggestion(text: str, suffix: str) -> str:
    if suffix == ".py":
        return f"add the name of its function: {text}:make"
    if suffix in _ARCHIVES:
        return "unpack it and give the folder"
    if not os.path.isfile(text):  # noqa: PTH113 - has no error for a name too long to be one
        return ""
    for commands, new_suffix in ((_TO_CSV, ".csv"), (_TO_NPZ, ".npz")):
        if suffix in commands:
            old, new = shlex.quote(text), shlex.quote(f"{text[: -len(suffix)]}{new_suffix}")
            trust = _PICKLED if suffix in (".pkl", ".pickle") else ""
            return trust + commands[suffix].format(old=old, new=new)
    copy = shlex.quote(f"{text[: len(text) - len(suffix)]}.csv")
    return f"if it is a table of text: cp {shlex.quote(text)} {copy}, and name that"


def _same_name(text: str, suffix: str, suffixes: Iterable[str]) -> str:
    """Return the file that a path with a mistyped suffix may mean, if there is one."""
    found = [text.removesuffix(suffix) + other for other in suffixes if did_you_mean(suffix, (other,))]
    return did_you_mean(text, filter(os.path.isfile, found)) if len(suffix) > 1 else ""


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
