"""torch.compile: names stay plain, bits stay the run's, and a missing compiler is told in one line."""

from pathlib import Path

import pytest
import torch
from runs import STEPS_PER_EPOCH, configure, drive, essence, resume
from safetensors.torch import load_file

from dlkit.errors import DlkitError, MissingError
from dlkit.training.compiling import check_compiler
from dlkit.training.run import start_run
from dlkit.training.torch_errors import raise_as_told


def test_a_missing_cpp_compiler_is_exit_7() -> None:
    with pytest.raises(MissingError) as caught:
        check_compiler("cpu", cxx="no-such-compiler -O3")

    assert caught.value.message == "--compile needs a C++ compiler: no-such-compiler -O3 is not here"
    assert caught.value.hint == "install one, name it in CXX, or leave --compile out"
    assert caught.value.exit_code == 7


def test_the_compiler_of_the_environment_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "another-compiler")

    with pytest.raises(MissingError, match="another-compiler is not here"):
        check_compiler("cpu")
    monkeypatch.setenv("CXX", "sh -c")
    check_compiler("cpu")


def test_a_missing_triton_is_exit_7() -> None:
    with pytest.raises(MissingError) as caught:
        check_compiler("cuda", has_triton=False)

    assert caught.value.message == "--compile needs triton for a CUDA device, and it is not here"
    assert caught.value.hint == "pip install triton, or leave --compile out"
    check_compiler("cuda", has_triton=True)


def test_the_run_folder_is_not_made_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")

    with pytest.raises(MissingError):
        start_run(configure(compile=True), tmp_path / "run")

    assert not (tmp_path / "run").exists()


class CompilerError(RuntimeError):
    """An error as torch's compiler raises it."""


CompilerError.__module__ = "torch._inductor.exc"


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (
            "\nInvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx: (None, 'g++')"
            "\nmore",
            7,
            "--compile needs a compiler that works: InvalidCxxCompiler: No working C++ compiler found in "
            "torch._inductor.config.cpp.cxx: (None, 'g++')",
            "install one (g++ for a CPU, triton for CUDA), or leave --compile out",
        ),
        (
            "ImportError: x.so: file too short",
            1,
            "--compile failed: ImportError: x.so: file too short",
            "leave --compile out; a compiler that was killed may have left a broken file in torch's cache, which "
            "TORCHINDUCTOR_CACHE_DIR names",
        ),
    ],
    ids=["no-compiler", "another"],
)
def test_what_the_compiler_raises_is_told_in_one_line(words: str, code: int, message: str, hint: str) -> None:
    with pytest.raises(DlkitError) as caught:
        raise_as_told(CompilerError(words))

    assert (caught.value.exit_code, caught.value.message, caught.value.hint) == (code, message, hint)


def test_other_errors_are_not_told() -> None:
    raise_as_told(RuntimeError("InvalidCxxCompiler"))
    raise_as_told(ValueError("x"))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_compiled_run_learns_keeps_plain_names_and_resumes_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    whole, parts, plain = tmp_path / "whole", tmp_path / "parts", tmp_path / "plain"
    settings = {"model": "mlp", "compile": True, "epochs": 2}
    drive(start_run(configure({"hidden": "8"}, **settings), whole))
    drive(
        start_run(configure({"hidden": "8"}, **settings), parts), STEPS_PER_EPOCH - 1
    )  # before a smaller batch
    torch.compiler.reset()
    drive(resume(parts))
    drive(start_run(configure({"hidden": "8"}, epochs=2), plain))

    assert essence(parts) == essence(whole)
    compiled, eager = (load_file(folder / "best.safetensors") for folder in (whole, plain))
    assert compiled.keys() == eager.keys()
    for name, weight in compiled.items():
        torch.testing.assert_close(weight, eager[name], rtol=1e-3, atol=1e-5)
