"""Code of the user: run once, and reported with its line when it fails."""

import sys
from pathlib import Path

import pytest
from refusals import assert_reports

from dlkit.errors import CheckpointError, ConfigError, DataError
from dlkit.settings.spec import CodeSpec
from dlkit.user_code import blame, check_file, load_code, running, source_digest


def code(folder: Path, source: str, name: str = "Net", file: str = "net.py") -> CodeSpec:
    (folder / file).write_text(source)
    return CodeSpec(folder / file, name)


def test_the_named_object_is_returned(tmp_path: Path) -> None:
    assert load_code(code(tmp_path, "Net = 3\n"), "MODEL") == 3


def test_a_file_runs_once_until_it_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = code(tmp_path, "print('ran')\nNet = 1\n")
    first = source_digest(spec)

    assert [load_code(spec, "MODEL") for _ in range(3)] == [1, 1, 1]
    (tmp_path / "net.py").write_text("print('ran')\nNet = 2\n")

    assert source_digest(spec) == first, "of the source that was run, not of the file now"
    assert load_code(spec, "MODEL") == 2
    assert source_digest(spec) != first
    assert capsys.readouterr().out == "ran\nran\n"


def test_modules_in_the_same_folder_are_found_and_shadow_nothing_later(tmp_path: Path) -> None:
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
        ("def f(:\n", "{file} line 1 is not valid Python: invalid syntax", ""),
        ("\0", "{file} is not valid Python: source code string cannot contain null bytes", ""),
        ("x = 1\n", "{file} has no Net", ""),
        ("class Nett: pass\n", "{file} has no Net", "Nett?"),
        ("def make(): pass\n", "{file} has no Net", "make"),
        (
            "\nimport nothing_here\n",
            "ModuleNotFoundError: No module named 'nothing_here' (net.py line 2)",
            "--debug",
        ),
        ("raise SystemExit(1)\n", "(net.py line 1)", "__main__"),
        ("raise ValueError\n", "ValueError (net.py line 1)", "--debug"),
    ],
)
def test_a_faulty_file_is_reported_with_its_line(
    tmp_path: Path, source: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=r"^MODEL net\.py:Net: ") as caught:
        load_code(code(tmp_path, source), "MODEL")

    assert message.format(file=tmp_path / "net.py") in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_raises_leaves_no_module(tmp_path: Path) -> None:
    before = set(sys.modules)

    with pytest.raises(ConfigError):
        load_code(code(tmp_path, "raise ValueError\n"), "MODEL")

    assert set(sys.modules) == before


def test_a_missing_file_is_reported_with_a_similar_one(tmp_path: Path) -> None:
    code(tmp_path, "", file="network.py")

    with pytest.raises(ConfigError) as caught:
        check_file(CodeSpec(tmp_path / "netwrk.py", "Net"), "MODEL")

    assert_reports(caught.value, "MODEL netwrk.py:Net", str(tmp_path / "netwrk.py"), "network.py?")


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.py").mkdir()

    with pytest.raises(ConfigError) as caught:
        check_file(CodeSpec(tmp_path / "net.py", "Net"), "--data")

    assert_reports(caught.value, "--data net.py:Net", str(tmp_path / "net.py"), "is a directory")


def test_the_digest_of_a_file_that_is_gone_is_empty(tmp_path: Path) -> None:
    assert source_digest(CodeSpec(tmp_path / "gone.py", "Net")) == ""


def test_our_own_errors_pass_unchanged(tmp_path: Path) -> None:
    spec = CodeSpec(tmp_path / "net.py", "Net")

    with pytest.raises(CheckpointError), running(spec, "MODEL", DataError):
        raise CheckpointError("as it is")


def test_ctrl_c_is_no_fault_of_the_code(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), running(CodeSpec(tmp_path / "n.py", "N"), "MODEL", DataError):
        raise KeyboardInterrupt


def test_an_error_after_loading_is_reported_with_its_line(tmp_path: Path) -> None:
    function = load_code(code(tmp_path, "def Net():\n    return {}['width']\n"), "MODEL")

    with pytest.raises(KeyError) as caught:
        function()

    assert blame(caught.value) == "net.py line 2, in Net: KeyError: 'width'"
    assert blame(KeyError("width")) == ""


@pytest.mark.parametrize(
    "line", ["from .blocks_of import WIDTH", "from package_of.inner.blocks_of import WIDTH"]
)
def test_a_file_in_a_package_imports_from_it(tmp_path: Path, line: str) -> None:
    inner = tmp_path / "package_of" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "blocks_of.py").write_text("WIDTH = 5\n")

    assert load_code(code(inner, f"{line}\nNet = WIDTH\n"), "MODEL") == 5


def test_a_relative_import_outside_a_package_is_led_to_what_works(tmp_path: Path) -> None:
    folder = tmp_path / "no_package_yet"
    folder.mkdir()
    (folder / "blocks_beside.py").write_text("WIDTH = 5\n")
    spec = code(folder, "from .blocks_beside import WIDTH as Net\n")

    with pytest.raises(ConfigError) as caught:
        load_code(spec, "MODEL")
    (folder / "__init__.py").touch()

    assert "no_package_yet/__init__.py" in caught.value.hint
    assert load_code(spec, "MODEL") == 5


def test_the_working_folder_is_set_back(tmp_path: Path) -> None:
    before = Path.cwd()

    found = load_code(code(tmp_path, "import os\nos.chdir('/')\nNet = os.getcwd()\n"), "MODEL")

    assert found == "/"
    assert Path.cwd() == before
