"""`file.py:Name` -> object: a file of the user's own, run only for callers whose command line names it."""

import contextlib
import hashlib
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dlkit.errors import ConfigError, DlkitError, did_you_mean, printable, reason
from dlkit.settings.spec import CodeSpec

_MAX_LENGTH = 300
_DLKIT = Path(__file__).parent
_STDLIB = Path(traceback.__file__).parent


@dataclass(frozen=True)
class _Loaded:
    sha256: str
    module: ModuleType


_loaded: dict[Path, _Loaded] = {}


def check_file(code: CodeSpec, option: str) -> None:
    """Check that the file of a network or a function can be read, without running it.

    Raises:
        ConfigError: It is missing or cannot be read.
    """
    _source(code, option)


def load_code(code: CodeSpec, option: str, failure: type[DlkitError] = ConfigError) -> Any:
    """Run a Python file and return its object `name`; an unchanged file is not run again.

    Imports are searched in its folder, as `python file.py` does; relative ones in the package that it is part of.

    Args:
        code: The file and the name.
        option: The option that named it, for messages.
        failure: The exception to raise when the code fails.

    Raises:
        ConfigError: The file is missing.
        DlkitError: It cannot be run, or defines nothing of that name.
    """
    source = _source(code, option)
    sha256 = hashlib.sha256(source).hexdigest()
    found = _loaded.get(code.path)
    if found is None or found.sha256 != sha256:
        found = _Loaded(sha256, _run(code, source, sha256, option, failure))
        _loaded[code.path] = found
    if not hasattr(found.module, code.name):
        defined = [
            name
            for name, value in vars(found.module).items()
            if getattr(value, "__module__", None) == found.module.__name__
        ]
        raise failure(
            f"{option} {code.short}: {code.path} has no {code.name}",
            did_you_mean(code.name, defined) or f"it defines {', '.join(defined[:8]) or 'nothing'}",
        )
    return getattr(found.module, code.name)


def source_digest(code: CodeSpec) -> str:
    """Return the SHA-256 of the file as it was run, or as it is now if it was not; empty if it is missing."""
    if code.path in _loaded:
        return _loaded[code.path].sha256
    try:
        return hashlib.sha256(code.path.read_bytes()).hexdigest()
    except OSError:
        return ""


@contextlib.contextmanager
def running(code: CodeSpec, what: str, failure: type[DlkitError], hint: str = "") -> Iterator[None]:
    """Run code of the user: its exceptions are reported with their line.

    The working folder and what NumPy does about overflows are set back after it.

    Args:
        code: Its file.
        what: What is run, for the message.
        failure: The exception to raise instead of its own.
        hint: The hint; by default that --debug shows the traceback.

    Raises:
        DlkitError: It raised an exception, or asked Python to exit.
    """
    import numpy as np

    # Paths of the command line are relative to where it was typed.
    with contextlib.chdir("."), np.errstate():
        try:
            yield
        except DlkitError:
            raise
        except SystemExit as err:
            raise failure(
                f"{what} asked Python to exit{_place(err, code)}",
                "put what should run only as a script under if __name__ == '__main__':",
            ) from err
        except KeyboardInterrupt:
            raise
        except BaseException as err:
            raise failure(
                f"{what} raised {_error_text(err)}{_place(err, code)}", hint or "--debug shows the traceback"
            ) from err


def blame(err: BaseException) -> str:
    """Return the line of the user's code that raised an error, with the error; empty if none was involved.

    Args:
        err: The error; one that another led to is looked for where the other was raised too, as Python turns a
            StopIteration within a generator into a RuntimeError.
    """
    found: BaseException | None = err
    while found is not None:
        if place := users_line(traceback.extract_tb(found.__traceback__)):
            return f"{place}: {_error_text(found)}"
        found = found.__cause__
    return ""


def default_device_error(err: Exception) -> DlkitError | None:
    """Return the error for one that comes from another default device than the CPU, which user code has set."""
    torch = sys.modules.get("torch")
    device = str(torch.get_default_device()) if torch is not None and _loaded else "cpu"
    if device == "cpu":
        return None
    return DlkitError(
        f"your code has made {device} the device of all tensors, on which this fails: {printable(str(err), 200)}",
        "leave torch.set_default_device out; --device moves the network and its batches",
    )


def users_line(frames: Sequence[traceback.FrameSummary]) -> str:
    """Return the innermost line of the user's code among the frames of a call, with its function; else empty."""
    folders = {path.parent for path in _loaded}
    for frame in reversed(frames):
        if _is_users(Path(frame.filename), folders):
            return f"{Path(frame.filename).name} line {frame.lineno}, in {frame.name}"
    return ""


def _is_users(path: Path, folders: Iterable[Path]) -> bool:
    """Return whether a file is one of the user's, or lies in the folder of one; installed packages do not count."""
    if path in _loaded:
        return True
    installed = "site-packages" in path.parts or any(path.is_relative_to(each) for each in (_DLKIT, _STDLIB))
    return not installed and any(path.is_relative_to(folder) for folder in folders)


def _source(code: CodeSpec, option: str) -> bytes:
    try:
        return code.path.read_bytes()
    except FileNotFoundError as err:
        near = sorted(path.name for path in code.path.parent.glob("*.py"))
        raise ConfigError(
            f"{option} {code.short}: no such file: {code.path}",
            did_you_mean(code.path.name, near) or "check the path",
        ) from err
    except OSError as err:
        raise ConfigError(f"{option} {code.short}: cannot read {code.path}: {reason(err)}") from err


def _run(code: CodeSpec, source: bytes, sha256: str, option: str, failure: type[DlkitError]) -> ModuleType:
    """Run a file as a module with a unique name."""
    try:
        compiled = compile(source, str(code.path), "exec")
    except (SyntaxError, ValueError) as err:
        line = f" line {err.lineno}" if isinstance(err, SyntaxError) and err.lineno else ""
        text = err.msg if isinstance(err, SyntaxError) else str(err)
        raise failure(
            f"{option} {code.short}: {code.path}{line} is not valid Python: {printable(text, _MAX_LENGTH)}"
        ) from err
    module = ModuleType(f"_dlkit_{code.path.stem}_{sha256[:8]}")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module
    root, module.__package__ = _package_of(code.path)
    what = f"{option} {code.short}: the file"
    try:
        with (
            _on_sys_path(root),
            _on_sys_path(code.path.parent),
            running(code, what, failure, _hint(source, code)),
        ):
            exec(compiled, vars(module))  # noqa: S102 - the command line names this file
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _package_of(path: Path) -> tuple[Path, str]:
    """Return the package that a file is part of, empty where it is in none, and the folder that holds it."""
    root = path.parent
    names: list[str] = []
    while (root / "__init__.py").exists():
        names.insert(0, root.name)
        root = root.parent
    return root, ".".join(names)


def _hint(source: bytes, code: CodeSpec) -> str:
    """Return the hint for a file that fails: relative imports need a package."""
    if b"from ." not in source or (code.path.parent / "__init__.py").exists():
        return ""
    return f"relative imports need a package: make an empty {code.path.parent.name}/__init__.py"


@contextlib.contextmanager
def _on_sys_path(folder: Path) -> Iterator[None]:
    """Search a folder first for the imports in this block, and last for later ones."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def _error_text(err: BaseException) -> str:
    text = " ".join(str(err).split())
    return type(err).__name__ + (f": {printable(text, _MAX_LENGTH)}" if text else "")


def _place(err: BaseException, code: CodeSpec) -> str:
    """Return the deepest line in the user's folder that led to an error, in brackets."""
    folder = code.path.parent
    for frame in reversed(traceback.extract_tb(err.__traceback__)):
        if Path(frame.filename).parent == folder:
            return f" ({Path(frame.filename).name} line {frame.lineno})"
    return ""
