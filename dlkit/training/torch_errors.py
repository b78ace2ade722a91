"""What torch refuses because of a setting, told in one line."""

from dlkit.errors import DlkitError, MissingError

_NOT_DETERMINISTIC = "does not have a deterministic implementation"
_NO_COMPILER = ("No working C++ compiler", "working triton installation", "InvalidCxxCompiler", "Python.h")


def raise_as_told(err: BaseException) -> None:
    """Raise the error as dlkit tells it; do nothing where it is none of a setting's doing.

    Raises:
        MissingError: No compiler for --compile.
        DlkitError: Something else that --compile or --deterministic brought about.
    """
    text = str(err)
    if _NOT_DETERMINISTIC in text:
        operation = text.partition(_NOT_DETERMINISTIC)[0].strip()
        raise DlkitError(
            f"--deterministic: {operation} has no deterministic form on this device",
            "leave --deterministic out, or try --device cpu",
        ) from err
    if type(err).__module__.startswith(("torch._dynamo", "torch._inductor")):
        raise _of_compiler(err) from err


def _of_compiler(err: BaseException) -> DlkitError:
    text = str(err)
    if any(words in text for words in _NO_COMPILER):
        return MissingError(
            f"--compile needs a compiler that works: {_first_line(text)}",
            "install one (g++ for a CPU, triton for CUDA), or leave --compile out",
        )
    return DlkitError(
        f"--compile failed: {_first_line(text)}",
        "leave --compile out; a compiler that was killed may have left a broken file in torch's cache, which "
        "TORCHINDUCTOR_CACHE_DIR names",
    )


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
