"""A data spec, taken apart."""

from pathlib import Path

import pytest

from dlkit.errors import ConfigError
from dlkit.settings.spec import CodeSpec, parse_code, parse_spec


def test_a_built_in_name_is_what_it_is() -> None:
    spec = parse_spec("digits")

    assert (spec.kind, spec.name, spec.text, spec.path, spec.built_in) == (
        "pictures",
        "digits",
        "digits",
        None,
        True,
    )


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
        ("pictures/", "folder", "pictures"),
    ],
)
def test_a_path_becomes_absolute(text: str, kind: str, name: str) -> None:
    spec = parse_spec(text)

    assert (spec.kind, spec.name, spec.built_in) == (kind, name, False)
    assert spec.text == str(Path.cwd() / text.rstrip("/"))
    assert parse_spec(spec.text + ("/" if kind == "folder" else "")) == spec


def test_a_folder_that_is_there_needs_no_slash(tmp_path: Path) -> None:
    assert parse_spec(str(tmp_path)).kind == "folder"


def test_a_function_in_a_file_is_named_after_the_file() -> None:
    spec = parse_spec("d.py:make")

    assert (spec.kind, spec.name) == ("function", "d")
    assert spec.code == CodeSpec(Path.cwd() / "d.py", "make")
    assert spec.code.short == "d.py:make"
    assert spec.text == f"{Path.cwd() / 'd.py'}:make"


@pytest.mark.parametrize("text", ["net.py", "net:Net", "net.py:", "net.py:3d", "mlp", "", "net.py:a.b"])
def test_what_names_no_code_is_none(text: str) -> None:
    assert parse_code(text) is None


def test_a_folder_that_is_gone_is_still_a_folder() -> None:
    assert parse_spec("/nowhere/pictures").kind == "folder"


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec("caf\udce9/x.csv")

    assert caught.value.message == "--data caf\N{REPLACEMENT CHARACTER}/x.csv: the path is not UTF-8 text"
    assert caught.value.hint == "rename the file or its folder"


def test_a_folder_is_found_whose_name_was_typed_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        parse_spec("flowres")

    assert caught.value.hint == "did you mean flowers?"


def test_a_file_in_a_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()

    with pytest.raises(ConfigError, match=r"photo\.png is not known"):
        parse_spec(f"{tmp_path}/photo.png")


def test_stdin_is_a_table() -> None:
    assert parse_spec("-").kind == "table"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("digit", "--data digit is not known; choose from digits, mnist, ", "did you mean digits?"),
        ("photo.jpeg", "--data photo.jpeg is not known; ", ""),
        ("photos.zip", "--data photos.zip is not known; ", "unpack it, and name the folder"),
        ("make.py", "--data make.py is not known; ", "name its function too: make.py:make"),
        ("n" * 300, f"--data {'n' * 300} is not known; ", ""),
        ("digits:n=3", "--data digits:n=3: it takes no such argument; it takes none", ""),
        ("digits:n", "--data digits:n: 'n' is not name=value, or stands twice", "for example spatial:n=5000"),
        ("digits:n=1,n=2", "--data digits:n=1,n=2: 'n=2' is not name=value, or stands twice", ""),
    ],
)
def test_what_is_none_of_these_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)

    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)
