"""--verbose: the time of each phase, the files read, the threads and the versions of the libraries, on stderr."""

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlkit import __version__
from dlkit.cli import console
from dlkit.files.atomic import TEMPORARY_PREFIX

_LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "matplotlib",
    "safetensors",
)
_MODULES = {"scikit-learn": "sklearn"}
_NOT_DATA = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]), "/proc", "/sys", "/dev", "/etc")
_PACKAGES = {"site-packages", "dist-packages", "__pycache__"}  # also those of `pip install --user`


class _Recorder:
    """Notes the files that are opened for reading; Python calls it for every file once it is added."""

    def __init__(self) -> None:
        self.files: dict[str, None] | None = None
        self._added = False

    def start(self) -> None:
        self.files = {}
        if not self._added:
            sys.addaudithook(self._hear)
            self._added = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.files is None or event != "open":
            return
        path, _, flags = arguments
        if isinstance(path, str | os.PathLike) and not flags & (os.O_WRONLY | os.O_RDWR):
            text = os.path.abspath(os.fspath(path))  # noqa: PTH100 - no symbolic link is followed
            own = text.startswith(_NOT_DATA) or TEMPORARY_PREFIX in text or _PACKAGES & set(Path(text).parts)
            if not own and Path(text).is_file():
                self.files[text] = None


_recorder = _Recorder()


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Report the time that a part of a command takes."""
    start = time.perf_counter()
    yield
    console.detail(f"{name}: {time.perf_counter() - start:.2f} s")


@contextmanager
def report(words: list[str]) -> Iterator[None]:
    """Report files, threads, versions and the time of a command, if --verbose is among its words."""
    if not {"-v", "--verbose"} & set(words):
        yield
        return
    start = time.perf_counter()
    _recorder.start()
    try:
        yield
    finally:
        files, _recorder.files = _recorder.files or {}, None
        for line in (*(f"read {path}" for path in files), *_threads(), _versions()):
            console.detail(line)
        console.detail(f"total: {time.perf_counter() - start:.2f} s")


def _threads() -> Iterator[str]:
    if torch := sys.modules.get("torch"):
        yield f"threads: {torch.get_num_threads()} of {os.cpu_count()} cores"


def _versions() -> str:
    """Return the versions of Python, dlkit and the libraries that this command has loaded."""
    import importlib.metadata

    loaded = [name for name in _LIBRARIES if _MODULES.get(name, name) in sys.modules]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in loaded]
    return ", ".join([f"versions: python {platform.python_version()}", f"dlkit {__version__}", *versions])
