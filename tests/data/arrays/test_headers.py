"""The arrays of a file by their headers, and which of them are inputs and targets."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dlkit.data.arrays.headers import ArrayEntry, read_entries
from dlkit.data.arrays.roles import find_roles, recipe_of
from dlkit.errors import DataError
from dlkit.settings.spec import parse_spec


def entries(*names: str) -> dict[str, ArrayEntry]:
    return {name: ArrayEntry(name, np.dtype("<f4"), (5, 3)) for name in names}


def npy(header: bytes, version: bytes = b"\x01\x00") -> bytes:
    width = 2 if version[0] == 1 else 4
    return b"\x93NUMPY" + version + len(header).to_bytes(width, "little") + header


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4)),
        np.zeros((2, 3, 4, 5), dtype=np.uint8),
        np.asfortranarray(np.zeros((3, 4), dtype=">f4")),
        np.array(["a", "bcd"]),
        np.array(5),
        np.zeros(0, dtype=bool),
        np.zeros(3, dtype=[("a", "f4"), ("b", "i8")]),
        np.array([b"ab"]),
        np.array(["2024-01-01"], dtype="datetime64[D]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_headers_agree_with_numpy(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array, y=array)

    (single,) = read_entries(tmp_path / "a.npy").values()
    zipped = read_entries(tmp_path / "a.npz")

    assert list(zipped) == ["x", "y"]
    for entry in (single, *zipped.values()):
        assert entry.shape == array.shape
        assert entry.kind == array.dtype.kind
        if entry.kind != "V":
            assert np.dtype(entry.dtype) == array.dtype
            assert entry.nbytes == array.nbytes


def test_long_headers_have_another_version(tmp_path: Path) -> None:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }" + b" " * 100 + b"\n"
    (tmp_path / "a.npy").write_bytes(npy(text, b"\x02\x00") + bytes(24))

    assert read_entries(tmp_path / "a.npy")[""].shape == (3,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ".npy"),
        (b"\x93NUMPY", ".npy"),
        (b"\x80\x04\x95", ".npy"),
        (npy(b"{'descr': '<f8'"), "header"),
        (npy(b"{'descr': '<f8'}"), "header"),
        (npy(b"3"), "header"),
        (npy(b"__import__('os').system('touch canary')"), "header"),
        (npy(b"[" * 30000), "header"),
        (npy(b"{'descr': '<f8', 'shape': (-1,)}"), "header"),
        (npy(b"{'descr': '<f8', 'shape': (2.5,)}"), "header"),
        (npy(b"{'descr': '<f8', 'shape': [3]}"), "header"),
        (npy(b"{'descr': '<f8', 'shape': (9999999999999999,)}"), "header"),
    ],
    ids=[
        "empty",
        "cut",
        "pickle",
        "open",
        "no-shape",
        "number",
        "code",
        "deep",
        "negative",
        "half",
        "list",
        "huge",
    ],
)
def test_invalid_headers_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)

    with pytest.raises(DataError) as caught:
        read_entries(tmp_path / "a.npy")

    assert caught.value.message.startswith(f"{tmp_path / 'a.npy'} ")
    assert message in caught.value.message
    assert not Path("canary").exists()


def test_an_archive_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", buffer.getvalue())

    with pytest.raises(DataError, match=r"a\.npz .*\bx\b.*twice"):
        read_entries(tmp_path / "a.npz")


def test_other_members_of_an_archive_are_passed_over(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("../../readme.txt", "hello")

    assert list(read_entries(tmp_path / "a.npz")) == ["x"]


@pytest.mark.parametrize("length", [0, 10, 200])
def test_a_truncated_archive_is_refused(tmp_path: Path, length: int) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(300))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[:length])

    with pytest.raises(DataError, match=r"a\.npz "):
        read_entries(tmp_path / "a.npz")


def test_a_missing_file_is_reported_with_a_similar_one(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros(3))

    with pytest.raises(DataError) as caught:
        read_entries(tmp_path / "row.npz")

    assert str(tmp_path / "row.npz") in caught.value.message
    assert "rows.npy?" in caught.value.hint


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("x", "y"), {"all": ("x", "y")}),
        (("X", "Y", "other"), {"all": ("X", "Y")}),
        (("images", "labels"), {"all": ("images", "labels")}),
        (("arr_0", "arr_1"), {"all": ("arr_0", "arr_1")}),
        (
            ("x_train", "y_train", "x_test", "y_test"),
            {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
        ),
        (
            ("train_images", "train_labels", "valid.images", "valid.labels", "TEST-images", "TEST-labels"),
            {
                "train": ("train_images", "train_labels"),
                "val": ("valid.images", "valid.labels"),
                "test": ("TEST-images", "TEST-labels"),
            },
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, tuple) else "",
)
def test_usual_names_are_known(names: tuple[str, ...], roles: dict[str, tuple[str, str]]) -> None:
    assert find_roles(entries(*names), "a.npz", None, None) == roles


def test_typed_names_are_used() -> None:
    assert find_roles(entries("a", "b", "c"), "a.npz", "c", "a") == {"all": ("c", "a")}
    parts = find_roles(entries("a_train", "b_train", "a_test", "b_test"), "a.npz", "a", "b")
    assert parts == {"train": ("a_train", "b_train"), "test": ("a_test", "b_test")}
    assert find_roles(entries("x_train", "x", "y"), "a.npz", "x", "y") == {"all": ("x", "y")}


@pytest.mark.parametrize(
    ("names", "features", "message", "hint"),
    [
        (("a", "b"), None, "inputs", "--features NAME"),
        (("x",), None, "targets", "--target NAME"),
        (("x", "y"), "rows", "--features rows", "x (5x3, "),
        (("images_a", "y"), "image_a", "--features image_a", "images_a?"),
        (("x", "images", "y"), None, "x and images", "--features NAME"),
        (("x_train", "y_test"), None, "x_train", ""),
        (("x_test", "y_test"), None, "test", "x_train and y_train"),
        (("x", "y", "x_test", "y_test"), None, "test", ""),
        ((), None, "inputs", "--features NAME"),
    ],
)
def test_unknown_names_are_refused_with_a_list(
    names: tuple[str, ...], features: str | None, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        find_roles(entries(*names), "a.npz", features, None)

    assert "a.npz" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


def test_nothing_to_train_on_is_needed_to_evaluate() -> None:
    assert find_roles(entries("x_test", "y_test"), "a.npz", None, None, need_train=False) == {
        "test": ("x_test", "y_test")
    }


def test_images_are_distinguished_from_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2, 5)), y=np.zeros(3))
    np.save(tmp_path / "b.npy", np.zeros((3, 2)))
    sequences, rows = (parse_spec(str(tmp_path / name)) for name in ("a.npz", "b.npy"))

    assert recipe_of(rows, {}) == "table"
    assert recipe_of(sequences, {"model": "cnn"}) == "image"
    assert recipe_of(sequences, {"model": "net.py:Net"}) == "few"
    assert recipe_of(sequences, {"model": "net.py:Net", "layout": "nhw"}) == "image"
