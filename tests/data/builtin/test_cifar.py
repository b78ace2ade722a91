import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkit.data.builtin.cifar import read_cifar10
from dlkit.errors import DataError, DlkitError

RECORDS = 3
FOLDER = "cifar-10-batches-bin"
TRAIN = [f"{FOLDER}/data_batch_{number}.bin" for number in range(1, 6)]
TEST = f"{FOLDER}/test_batch.bin"
SEEDS = {name: seed for seed, name in enumerate((*TRAIN, TEST))}
BYTES = RECORDS * 3073


def records(seed: int) -> bytes:
    """Records with labels 0..9 and noise for pixels, which does not shrink."""
    generator = torch.Generator().manual_seed(seed)
    content = torch.randint(0, 256, (RECORDS, 3073), dtype=torch.uint8, generator=generator)
    content[:, 0] %= 10
    return bytes(content.flatten().tolist())


def regular(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def sample_file(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return regular(name, records(SEEDS[name]))


def members() -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What the archive holds as published, not in the order of the numbers."""
    yield special(FOLDER, tarfile.DIRTYPE)
    yield sample_file(TRAIN[0])
    yield regular(f"{FOLDER}/batches.meta.txt", b"airplane\n")
    yield from map(sample_file, (TRAIN[2], TRAIN[3], TEST))
    yield regular(f"{FOLDER}/readme.html", b"<html>")
    yield from map(sample_file, (TRAIN[4], TRAIN[1]))


def pack(path: Path, *contents: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, content in contents:
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "cifar-10-binary.tar.gz", *members())


def refused(archive: Path) -> str:
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(DataError) as caught:
        read_cifar10(archive, RECORDS)
    assert sorted(archive.parent.parent.rglob("*")) == before, "nothing is unpacked to the disk"
    assert str(archive) in caught.value.message
    return caught.value.message


def test_pixels_and_labels_are_where_the_format_says(archive: Path) -> None:
    parts = read_cifar10(archive, RECORDS)
    inputs, targets = parts["train"]
    assert inputs.shape == (5 * RECORDS, 3, 32, 32)
    assert inputs.dtype == torch.uint8
    assert targets.dtype == torch.int64
    second = records(SEEDS[TRAIN[1]])
    assert targets[RECORDS].item() == second[0], "the batches stand in the order of their numbers"
    assert inputs[RECORDS, 0, 0, 1].item() == second[2]
    assert inputs[RECORDS, 1, 0, 0].item() == second[1 + 1024]
    assert inputs[RECORDS, 2, 31, 31].item() == second[3072]
    assert parts["test"][0].shape == (RECORDS, 3, 32, 32)
    assert bytes(parts["test"][1].tolist()) == records(SEEDS[TEST])[::3073]


def test_real_record_count_is_the_default(archive: Path) -> None:
    with pytest.raises(DataError, match=r"data_batch_1\.bin has 9,219 bytes, not 30,730,000"):
        read_cifar10(archive)


NOT_REGULAR = [
    special(TEST, tarfile.SYMTYPE, "/etc/passwd"),
    special(f"{FOLDER}/link", tarfile.SYMTYPE, "../.."),
    special(TEST, tarfile.LNKTYPE, TRAIN[0]),
    special(TEST, tarfile.CHRTYPE),
    special(TEST, tarfile.BLKTYPE),
    special(TEST, tarfile.FIFOTYPE),
    special("other", tarfile.DIRTYPE),
    special("..", tarfile.DIRTYPE),
    special(TEST, tarfile.CONTTYPE),
]


@pytest.mark.parametrize(
    "member",
    NOT_REGULAR,
    ids=[
        "symlink",
        "symlink up",
        "hard link",
        "device",
        "disk",
        "pipe",
        "folder",
        "folder above",
        "contiguous",
    ],
)
def test_archive_is_refused_when_it_holds_anything_but_regular_files(
    tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]
) -> None:
    path = pack(tmp_path / "x.tar.gz", member, *members())
    assert refused(path) == f"{path} holds '{member[0].name}', which is not a regular file"


@pytest.mark.parametrize(
    "name",
    [
        f"{FOLDER}/../../escaped",
        "../escaped",
        "/tmp/escaped",
        "escaped",
        f"{FOLDER}/TEST_BATCH.BIN",
        f"./{TEST}",
        f"/{TEST}",
        f"{FOLDER}//test_batch.bin",
        f"{FOLDER}/data_batch_6.bin",
    ],
    ids=[
        "up",
        "up at once",
        "absolute",
        "extra",
        "case",
        "dot",
        "absolute twin",
        "two slashes",
        "a sixth batch",
    ],
)
def test_archive_is_refused_when_a_name_does_not_belong(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "x.tar.gz", regular(name, records(0)), *members())
    assert refused(path) == f"{path} holds '{name}', which does not belong to CIFAR-10"


def test_control_characters_are_not_shown_when_a_name_has_them(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", regular("\x1b[2Jhidden\u202e", b""), *members())
    assert "\x1b" not in refused(path)
    assert "\u202e" not in refused(path)


def test_symlink_is_refused_when_a_file_behind_it_follows(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "x.tar.gz",
        special(FOLDER, tarfile.SYMTYPE, str(tmp_path)),
        regular(f"{FOLDER}/data_batch_1.bin", records(0)),
    )
    assert "which is not a regular file" in refused(path)


def test_archive_is_refused_when_a_name_stands_twice(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", *members(), regular(TEST, records(0)))
    assert refused(path) == f"{path} has {TEST} twice"


@pytest.mark.parametrize("change", [-3073, -1, 1, 3073])
def test_archive_is_refused_when_a_file_has_another_size(tmp_path: Path, change: int) -> None:
    path = pack(tmp_path / "x.tar.gz", regular(TRAIN[0], bytes(BYTES + change)))
    assert refused(path) == f"{path}: {TRAIN[0]} has {BYTES + change:,} bytes, not {BYTES:,}"


def test_archive_is_refused_when_a_text_is_too_long(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar.gz", regular(f"{FOLDER}/readme.html", bytes(70_000)), *members())
    assert refused(path) == f"{path}: {FOLDER}/readme.html has 70,000 bytes, more than 65,536"


def test_archive_is_refused_when_a_file_is_missing(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "x.tar.gz", *(member for member in members() if member[0].name not in (TEST, TRAIN[3]))
    )
    assert refused(path) == f"{path} has no {TRAIN[3]}, {TEST}"


def test_archive_is_refused_when_it_is_empty(tmp_path: Path) -> None:
    assert "has no " in refused(pack(tmp_path / "x.tar.gz"))


def test_archive_is_refused_when_a_label_is_no_class(tmp_path: Path) -> None:
    wrong = bytearray(records(0))
    wrong[0] = 10
    others = (member for member in members() if member[0].name != TRAIN[0])
    path = pack(tmp_path / "x.tar.gz", regular(TRAIN[0], bytes(wrong)), *others)
    assert refused(path) == f"{path} has 1 labels outside 0..9, the first is 10"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_archive_is_refused_when_it_is_cut_off(archive: Path, share: float) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    refused(archive)


@pytest.mark.parametrize("end", [1, 4, 8])
def test_archive_is_refused_when_the_end_of_the_gzip_is_missing(archive: Path, end: int) -> None:
    archive.write_bytes(archive.read_bytes()[:-end])
    assert "is not a whole .tar.gz archive: " in refused(archive)


def test_archive_is_refused_when_its_checksum_is_wrong(archive: Path) -> None:
    whole = bytearray(archive.read_bytes())
    whole[-8] ^= 1
    archive.write_bytes(whole)
    assert "crc check failed" in refused(archive)


def test_archive_is_refused_when_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(b"<html>not found</html>")
    assert "is not a whole .tar.gz archive: not a gzipped file" in refused(path)


def bomb(header: tarfile.TarInfo, zeros: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with gzip.open(path, "wb", compresslevel=9) as file:
            file.write(header.tobuf())
            for _ in range(zeros // 2**20):
                file.write(bytes(2**20))

    return write


def lying(kind: bytes, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(TEST)
    member.type, member.size = kind, size
    return member


@pytest.mark.parametrize(
    "write",
    [
        bomb(lying(tarfile.XHDTYPE, 8 * 2**30), 20 * 2**20),
        bomb(lying(tarfile.XGLTYPE, 8 * 2**30), 20 * 2**20),
        bomb(lying(tarfile.GNUTYPE_LONGNAME, 8 * 2**30), 20 * 2**20),
        bomb(lying(tarfile.REGTYPE, 0), 20 * 2**20),
    ],
    ids=["extended header", "global header", "long name", "zeros behind the end"],
)
def test_archive_is_refused_when_it_unpacks_to_far_more(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "x.tar.gz"
    write(path)
    refused(path)


def test_archive_is_refused_when_zeros_follow_its_end(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + gzip.compress(bytes(20 * 2**20)))
    assert "bytes; CIFAR-10 does not" in refused(archive)


def test_archive_is_refused_when_it_shrank_too_well(tmp_path: Path) -> None:
    flat = [regular(name, bytes(BYTES * 40)) for name in (*TRAIN, TEST)]
    path = pack(tmp_path / "x.tar.gz", *flat)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_cifar10(path, RECORDS * 40)


def test_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(DlkitError, match="no such file or directory"):
        read_cifar10(tmp_path / "x.tar.gz", RECORDS)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), unpacked=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_byte_is_read_or_refused_but_never_fails_otherwise(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, place: float, byte: int, unpacked: bool
) -> None:
    content = bytearray(gzip.decompress(archive.read_bytes()) if unpacked else archive.read_bytes())
    content[int(place * len(content))] = byte
    changed = tmp_path_factory.mktemp("changed") / "x.tar.gz"
    changed.write_bytes(gzip.compress(content, compresslevel=1) if unpacked else content)
    try:
        parts = read_cifar10(changed, RECORDS)
    except DataError:
        return
    assert parts["train"][0].shape == (5 * RECORDS, 3, 32, 32)
