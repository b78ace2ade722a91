from pathlib import Path

import pytest

from dlkit.data.builtin.part_file import PartFile, difference
from dlkit.errors import DlkitError
from dlkit.settings.catalogue import RemoteFile

URL = "https://example.org/a.gz"


def test_tag_is_given_back_only_for_its_url(tmp_path: Path) -> None:
    PartFile(tmp_path / "a.gz").begin(URL, '"one"')
    part = PartFile(tmp_path / "a.gz")
    assert part.tag(URL) == '"one"'
    assert part.tag("https://example.org/b.gz") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"tag": 1}', '{"url": "x"}', "\udcff"])
def test_there_is_no_tag_when_its_file_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.gz.part.json").write_bytes(text.encode(errors="surrogateescape"))
    assert PartFile(tmp_path / "a.gz").tag(URL) is None


def test_beginning_forgets_what_was_there(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "a.gz")
    part.begin(URL, '"one"')
    part.append(iter([b"abc", b"def"]))
    part.append(iter([b"ghi"]))
    assert part.path.read_bytes() == b"abcdefghi"
    part.begin(URL, None)
    assert (part.size(), part.tag(URL)) == (0, None)


def test_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DlkitError) as caught:
        PartFile(tmp_path / "file" / "a.gz").size()
    assert caught.value.message == f"cannot read {tmp_path / 'file' / 'a.gz.part'}: not a directory"
    assert caught.value.hint.startswith("check the path")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is not there"),
        (b"", "has 0 bytes, not 3"),
        (b"abcd", "has 4 bytes, not 3"),
        (
            b"abd",
            "has the SHA-256 a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9, "
            "not ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (b"abc", ""),
    ],
    ids=["missing", "empty", "longer", "other bytes", "right"],
)
def test_difference_is_told_in_words(tmp_path: Path, content: bytes | None, told: str) -> None:
    abc = RemoteFile(
        name="abc", size=3, sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    if content is not None:
        (tmp_path / "abc").write_bytes(content)
    assert difference(tmp_path / "abc", abc) == told


def test_folder_in_the_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    assert difference(tmp_path, RemoteFile(name="a", size=3, sha256="")) == "is not there"
