import json
import os
from pathlib import Path

import pytest
from crafted import entry, raw_file, sealed_file, write
from refusals import assert_reports

from dlkit.errors import CheckpointError
from dlkit.files.digest import seal, tensor_digest, verify
from dlkit.files.header import TensorEntry, read_header

TWO = {"a": entry("F32", [2], 0, 8), "b": entry("U8", [3, 1], 8, 11)}


def refusal(path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        read_header(path)
    return caught.value


def test_header_has_the_tensors_with_offsets_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", raw_file({"__metadata__": {"x": "y"}, **TWO}, bytes(11)))
    header = read_header(path)
    start = path.stat().st_size - 11
    assert header.tensors == {
        "a": TensorEntry("F32", (2,), start, start + 8),
        "b": TensorEntry("U8", (3, 1), start + 8, start + 11),
    }
    assert header.metadata == {"x": "y"}
    assert header.file_bytes == path.stat().st_size


@pytest.mark.parametrize("length", [0x0280, 0x0380, 0x0480, 0x0580, 0x8B1F, 0x4B50])
def test_honest_file_is_read_when_its_length_looks_like_the_magic_of_another_format(
    tmp_path: Path, length: int
) -> None:
    text = json.dumps(TWO).ljust(length)
    path = write(tmp_path / "a", raw_file(text, bytes(11)))
    assert list(read_header(path).tensors) == ["a", "b"]


def test_empty_tensors_and_numbers_are_read(tmp_path: Path) -> None:
    tensors = {
        "none": entry("F32", [0, 5], 0, 0),
        "one": entry("F64", [], 0, 8),
        "last": entry("I8", [0], 8, 8),
    }
    header = read_header(write(tmp_path / "a", raw_file(tensors, bytes(8))))
    assert header.tensors["one"].shape == ()


def test_digest_is_over_name_dtype_shape_and_bytes() -> None:
    # printf '["a", "F32", [2]]\x00\x00\x00\x00\x00\x00\x00\x00' | sha256sum
    by_hand = "8686c2796443c1a732dbc290e1b84cd51f2af0ad888c0434fa0ccb027f50a9d7"
    assert tensor_digest("a", "F32", (2,), [bytes(8)]) == by_hand
    different = {
        tensor_digest("a", "F32", (2,), [bytes(8)]),
        tensor_digest("b", "F32", (2,), [bytes(8)]),
        tensor_digest("a", "I32", (2,), [bytes(8)]),
        tensor_digest("a", "F32", (1, 2), [bytes(8)]),
        tensor_digest("a", "F32", (2,), [bytes(7), b"\1"]),
    }
    assert len(different) == 5


def test_sealed_metadata_are_sorted_json_in_one_string() -> None:
    text = seal({"z": 1, "a": {"y": 2, "b": None}}, {"w": "00"})
    assert list(json.loads(text)) == ["a", "format", "sha256", "tensors", "z"]
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")) == text


def test_neighbours_are_named_when_the_file_is_missing(tmp_path: Path) -> None:
    for name in ("last", "best", "a\x1bb"):
        write(tmp_path / f"{name}.safetensors", b"")
    error = refusal(tmp_path / "bset.safetensors")
    assert_reports(error, f" {tmp_path}/bset.safetensors")
    assert_reports(error, "a\N{REPLACEMENT CHARACTER}b.safetensors, best.safetensors, last.safetensors")


def test_train_is_named_when_there_is_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere" / "a").hint.startswith("dlkit train ")


def test_best_is_named_when_the_path_is_a_folder(tmp_path: Path) -> None:
    assert_reports(refusal(tmp_path), f"{tmp_path} is a folder", f"{tmp_path}/best.safetensors")


def test_pipe_or_device_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        error = refusal(path)
        assert_reports(error, f"{path} is a pipe or a device")
        assert error.hint


@pytest.mark.parametrize(
    ("path", "says"),
    [("file/a", "not a directory"), ("loop", "too many levels of symbolic links")],
    ids=["below-a-file", "loop"],
)
def test_reason_of_the_system_is_reported_when_the_file_cannot_be_read(
    home: Path, path: str, says: str
) -> None:
    write(home / "file", b"")
    (home / "loop").symlink_to("loop")
    assert_reports(refusal(Path(path)), f" {path}", says)


@pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="needs a file whose first byte cannot be read"
)
def test_disk_that_fails_while_reading_is_reported() -> None:
    assert_reports(refusal(Path("/proc/self/mem")), "/proc/self/mem", "input/output error")


@pytest.mark.parametrize(
    ("metadata", "says", "hint"),
    [
        ({"format": "pt"}, "was not written by dlkit", "dlkit "),
        ({"dlkit": "[]"}, "is damaged", ""),
        ({"dlkit": '{"format":"1"}'}, "is damaged", ""),
        ({"dlkit": '{"format":2}'}, " 2; ", "update dlkit"),
        ({"dlkit": '{"format":1'}, "not JSON", "copy"),
        ({"dlkit": "[" * 99_999}, "not JSON", "copy"),
        ({"dlkit": "9" * 9_999}, "not JSON", "copy"),
    ],
)
def test_metadata_that_are_not_dlkits_are_refused(
    tmp_path: Path, metadata: dict[str, str], says: str, hint: str
) -> None:
    path = write(tmp_path / "a", raw_file({"__metadata__": metadata, **TWO}, bytes(11)))
    with pytest.raises(CheckpointError) as caught:
        read_header(path).dlkit_metadata(path)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_metadata_are_bounded_when_they_are_escaped(tmp_path: Path) -> None:
    text = '{"__metadata__":{"dlkit":"[' + "\\u002c" * 400_001 + ']"}}'
    path = write(tmp_path / "a", raw_file(text))
    with pytest.raises(CheckpointError, match="has an oversized header"):
        read_header(path).dlkit_metadata(path)


def resealed(**changes: object) -> str:
    """Return metadata with changes made after the seal was set."""
    said = json.loads(seal({"lr": 1e-05}, {"w": tensor_digest("w", "F32", (2,), [bytes(8)])}))
    return json.dumps({**said, **changes}, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (resealed(lr=2e-05), "metadata"),
        (resealed(sha256="0" * 64), "metadata"),
        (resealed().replace("1e-05", "1E-05"), "metadata"),
        (resealed(lr=0).replace(":0,", ":1e999,"), "metadata"),
        (seal({}, {"v": "00"}), "tensors"),
        (seal({}, {"w": "00"}), "tensor w "),
    ],
    ids=[
        "changed",
        "other-sum",
        "capital-e",
        "infinite",
        "other-tensor",
        "digest",
    ],
)
def test_damage_is_named_when_a_checksum_does_not_fit(tmp_path: Path, said: str, says: str) -> None:
    path = write(tmp_path / "a", sealed_file({"w": bytes(8)}, said=said))
    with pytest.raises(CheckpointError) as caught:
        verify(path)
    assert_reports(caught.value, f"{path} is damaged: ", says, "last.prev.safetensors")


def test_structure_is_checked_by_safetensors(tmp_path: Path) -> None:
    digests = {name: tensor_digest(name, "F32", (2,), [bytes(8)]) for name in "ab"}
    tensors = {"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}
    path = write(
        tmp_path / "a", raw_file({"__metadata__": {"dlkit": seal({}, digests)}, **tensors}, bytes(12))
    )
    with pytest.raises(CheckpointError, match=r"is damaged: .*invalid offset for tensor `b`"):
        verify(path)


def test_sealed_metadata_without_digests_are_refused(tmp_path: Path) -> None:
    import hashlib

    text = '{"format":1}'
    said = json.dumps(
        {"format": 1, "sha256": hashlib.sha256(text.encode()).hexdigest()},
        separators=(",", ":"),
        sort_keys=True,
    )
    path = write(tmp_path / "a", sealed_file({"w": bytes(8)}, said=said))
    with pytest.raises(CheckpointError, match="tensors"):
        verify(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"shape":[2],', b'"shape":[2 ],'),
        (b'{"__metadata__"', b'{"w\\u001b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"__metadata__"'),
        (b'"dtype":"F32"', b'"x":1,"dtype":"F32"'),
        (b'{"dtype":"F32","shape":[2],"data_offsets":[0,8]}', b'["F32",[2],[0,8]]'),
    ],
    ids=["space", "tensor-twice", "key-more", "list"],
)
def test_other_spelling_of_the_same_header_is_refused(tmp_path: Path, before: bytes, after: bytes) -> None:
    whole = sealed_file({"w\x1b": bytes(8)})
    length = int.from_bytes(whole[:8], "little")
    text = whole[8 : 8 + length]
    assert text.count(before) == 1
    path = write(tmp_path / "a", raw_file(text.replace(before, after), whole[8 + length :]))
    with pytest.raises(CheckpointError, match=r"is damaged: .*header"):
        verify(path)
