"""Parsing of data specs."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from refusals import assert_reports

from dlkit.data.images.image_file import SUFFIXES
from dlkit.data.images.kind import IMAGE_SUFFIXES
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
    (tmp_path / "photo.heic").touch()

    with pytest.raises(ConfigError, match=r"photo\.heic is not known"):
        parse_spec(f"{tmp_path}/photo.heic")


def test_stdin_is_a_table() -> None:
    assert parse_spec("-").kind == "table"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("digit", "choose from digits, mnist, ", "digits?"),
        ("photo.heic", "choose from", ""),
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


@pytest.mark.parametrize("name", ["t.json", "rows of.jsonl", "t.dta", "t.feather"])
@pytest.mark.quick(1)
def test_a_file_of_another_kind_is_refused_with_a_command_that_makes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    {
        "t.json": frame.to_json,
        "rows of.jsonl": lambda path: frame.to_json(path, orient="records", lines=True),
        "t.dta": lambda path: frame.to_stata(path, write_index=False),
        "t.feather": frame.to_feather,
    }[name](name)

    with pytest.raises(ConfigError) as caught:
        parse_spec(name)
    command = caught.value.hint.partition(" makes a table")[0]
    run_command = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(command, shell=True, check=True, env=run_command)

    made = pd.read_csv(Path(name).with_suffix(".csv"))
    pd.testing.assert_frame_equal(made, frame, check_dtype=False)


@pytest.mark.parametrize(
    ("name", "hint"), [("b.xlsx", "pip install openpyxl"), ("b.xls", "xlrd"), ("x.mat", "loadmat")]
)
def test_a_file_that_needs_more_is_refused_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()

    with pytest.raises(ConfigError) as caught:
        parse_spec(name)

    assert hint in caught.value.hint


def test_a_single_image_is_a_folder_of_one(tmp_path: Path) -> None:
    spec = parse_spec(str(tmp_path / "cat.JPG"))

    assert (spec.kind, spec.name, spec.path) == ("folder", "cat", tmp_path / "cat.JPG")


def test_every_image_format_is_known_before_pillow_is_loaded() -> None:
    assert set(IMAGE_SUFFIXES) == SUFFIXES


def test_a_text_file_of_an_unknown_name_is_answered_with_the_copy_that_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("well logs.LOGGED").write_text("a,y\n1,2\n")

    with pytest.raises(ConfigError) as caught:
        parse_spec("well logs.LOGGED")
    command = caught.value.hint.partition(": ")[2].partition(",")[0]
    subprocess.run(shlex.split(command), check=True)

    assert parse_spec("well logs.csv").kind == "table"
    assert parse_spec("dv.rdb").kind == "table"
