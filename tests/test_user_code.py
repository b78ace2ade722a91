"""Files of the user's own: run once, told with their lines where they are at fault."""

import sys
from pathlib import Path

import pytest

from dlkit.errors import CheckpointError, ConfigError, DataError
from dlkit.settings.spec import CodeSpec
from dlkit.user_code import blame, check_file, load_code, running, source_digest


def code(folder: Path, source: str, name: str = "Net", file: str = "net.py") -> CodeSpec:
    (folder / file).write_text(source)
    return CodeSpec(folder / file, name)


def test_what_a_file_calls_by_the_name_is_given(tmp_path: Path) -> None:
    assert load_code(code(tmp_path, "Net = 3\n"), "MODEL") == 3


def test_a_file_runs_once_until_it_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = code(tmp_path, "print('ran')\nNet = 1\n")
    first = source_digest(spec)

    assert [load_code(spec, "MODEL") for _ in range(3)] == [1, 1, 1]
    (tmp_path / "net.py").write_text("print('ran')\nNet = 2\n")

    assert source_digest(spec) == first, "what was run is told, not what lies there now"
    assert load_code(spec, "MODEL") == 2
    assert source_digest(spec) != first
    assert capsys.readouterr() == ("", "ran\nran\n")


def test_what_a_file_prints_later_goes_to_stderr_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = load_code(code(tmp_path, "def Net(x):\n    print(x, end='!')\n    return x\n"), "MODEL")

    assert function(5) == 5
    assert capsys.readouterr() == ("", "5!")


def test_modules_beside_a_file_are_found_and_shadow_nothing_later(tmp_path: Path) -> None:
    (tmp_path / "layers_beside.py").write_text("WIDTH = 7\n")
    (tmp_path / "wave.py").write_text("raise RuntimeError('not this one')\n")

    assert load_code(code(tmp_path, "from layers_beside import WIDTH as Net\n"), "MODEL") == 7

    sys.modules.pop("wave", None)
    import wave

    assert wave.open
    sys.path.remove(str(tmp_path))


def test_annotations_of_a_file_can_be_resolved(tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Net:\n    width: int = 3\n"
    )
    found = load_code(code(tmp_path, source), "MODEL")

    assert found().width == 3


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("def f(:\n", "MODEL net.py:Net: {file} line 1 is not Python: invalid syntax", ""),
        ("\0", "MODEL net.py:Net: {file} is not Python: source code string cannot contain null bytes", ""),
        ("x = 1\n", "MODEL net.py:Net: {file} has no Net", "it defines nothing"),
        ("class Nett: pass\n", "MODEL net.py:Net: {file} has no Net", "did you mean Nett?"),
        ("def make(): pass\n", "MODEL net.py:Net: {file} has no Net", "it defines make"),
        (
            "\nimport nothing_here\n",
            "MODEL net.py:Net: the file raised ModuleNotFoundError: No module named 'nothing_here' (net.py line 2)",
            "--debug shows the traceback",
        ),
        (
            "raise SystemExit(1)\n",
            "MODEL net.py:Net: the file asked Python to exit (net.py line 1)",
            "put what should run only as a script under if __name__ == '__main__':",
        ),
        ("raise ValueError\n", "MODEL net.py:Net: the file raised ValueError (net.py line 1)", "--debug "),
    ],
    ids=["syntax", "nul", "empty", "nearly", "another", "import", "exit", "raises"],
)
def test_a_file_at_fault_is_told_with_its_line(tmp_path: Path, source: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_code(code(tmp_path, source), "MODEL")

    assert caught.value.message.startswith(message.format(file=tmp_path / "net.py"))
    assert caught.value.hint.startswith(hint)


def test_a_file_that_raises_leaves_no_module(tmp_path: Path) -> None:
    before = set(sys.modules)

    with pytest.raises(ConfigError):
        load_code(code(tmp_path, "raise ValueError\n"), "MODEL")

    assert set(sys.modules) == before


def test_a_file_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    code(tmp_path, "", file="network.py")

    with pytest.raises(ConfigError) as caught:
        check_file(CodeSpec(tmp_path / "netwrk.py", "Net"), "MODEL")

    assert caught.value.message == f"MODEL netwrk.py:Net: there is no file {tmp_path / 'netwrk.py'}"
    assert caught.value.hint == "did you mean network.py?"


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()

    with pytest.raises(ConfigError) as caught:
        check_file(CodeSpec(tmp_path / "net.py", "Net"), "--data")

    assert caught.value.message == f"--data net.py:Net: cannot read {tmp_path / 'net.py'}: is a directory"


def test_the_digest_of_a_file_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert source_digest(CodeSpec(tmp_path / "gone.py", "Net")) == ""


def test_errors_that_are_told_already_pass(tmp_path: Path) -> None:
    spec = CodeSpec(tmp_path / "net.py", "Net")

    with pytest.raises(CheckpointError), running(spec, "MODEL", DataError):
        raise CheckpointError("as it is")


def test_ctrl_c_is_no_fault_of_the_code(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), running(CodeSpec(tmp_path / "n.py", "N"), "MODEL", DataError):
        raise KeyboardInterrupt


def test_an_error_long_after_loading_is_blamed_on_the_line(tmp_path: Path) -> None:
    function = load_code(code(tmp_path, "def Net():\n    return {}['width']\n"), "MODEL")

    with pytest.raises(KeyError) as caught:
        function()

    assert blame(caught.value) == "net.py line 2, in Net: KeyError: 'width'"
    assert blame(KeyError("width")) == ""
