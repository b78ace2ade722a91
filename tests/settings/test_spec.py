"""Parsing of data specs."""

from pathlib import Path

import pytest
from refusals import assert_reports

from dlkit.errors import ConfigError
from dlkit.settings.spec import CodeSpec, parse_code, parse_spec


def test_a_built_in_name_has_no_path() -> None:
    spec = parse_spec("digits")

    assert (spec.name, spec.text, spec.path, spec.built_in) == ("digits", "digits", None, True)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("a/b.csv", "table", "b"),
        ("a/b.TSV", "table", "b"),
        ("b.parquet", "table", "b"),
        ("b.csv.gz", "table", "b"),
        ("b.2.TSV.ZIP", "table", "b.2"),
        ("b.npz", "arrays", "b"),
        ("b.npy", "arrays", "b"),
        ("images/", "folder", "images"),
    ],
)
def test_a_path_becomes_absolute(text: str, kind: str, name: str) -> None:
    spec = parse_spec(text)

    assert (spec.kind, spec.name, spec.built_in) == (kind, name, False)
    assert spec.text == str(Path.cwd() / text.rstrip("/"))
    assert parse_spec(spec.text + ("/" if kind == "folder" else "")) == spec


def test_an_existing_folder_needs_no_slash(tmp_path: Path) -> None:
    assert parse_spec(str(tmp_path)).kind == "folder"


def test_a_function_in_a_file_is_named_after_the_file() -> None:
    spec = parse_spec("d.py:make")

    assert (spec.kind, spec.name) == ("function", "d")
    assert spec.code == CodeSpec(Path.cwd() / "d.py", "make")
    assert spec.code.short == "d.py:make"
    assert spec.text == f"{Path.cwd() / 'd.py'}:make"


@pytest.mark.parametrize("text", ["net.py", "net:Net", "net.py:", "net.py:3d", "mlp", "", "net.py:a.b"])
def test_text_that_is_no_code_is_none(text: str) -> None:
    assert parse_code(text) is None


def test_a_missing_folder_with_a_slash_is_a_folder() -> None:
    assert parse_spec("/nowhere/images").kind == "folder"


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec("caf\udce9/x.csv")

    assert_reports(caught.value, "--data caf\N{REPLACEMENT CHARACTER}/x.csv", "UTF-8")


def test_a_mistyped_folder_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        parse_spec("flowres")

    assert "flowers?" in caught.value.hint


def test_a_file_in_a_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()

    with pytest.raises(ConfigError, match=r"photo\.png is not known"):
        parse_spec(f"{tmp_path}/photo.png")


def test_stdin_is_a_table() -> None:
    assert parse_spec("-").kind == "table"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("digit", "choose from digits, mnist, ", "digits?"),
        ("photo.jpeg", "choose from", ""),
        ("photos.zip", "choose from", "unpack"),
        ("make.py", "choose from", "make.py:make"),
        ("n" * 300, "choose from", ""),
        ("digits:n=3", "no such argument", ""),
        ("digits:n", "'n' is not name=value", "spatial:n=5000"),
        ("digits:n=1,n=2", "'n=2'", ""),
    ],
)
def test_an_unknown_spec_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)

    assert caught.value.message.startswith(f"--data {text}")
    assert message in caught.value.message
    assert hint in caught.value.hint
