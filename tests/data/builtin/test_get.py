import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import loopback
import pytest
import torch

from dlkit.data.builtin.download import Patience
from dlkit.data.builtin.get import check_mirror, get
from dlkit.data.home import downloads_folder, prepared_path
from dlkit.data.prepared import read_prepared
from dlkit.errors import ConfigError, DataError, DlkitError
from dlkit.settings.catalogue import DATA, RemoteFile

FILES = [file.name for file in DATA["mnist"].files]
ONCE = Patience(timeout=5, tries=1, pause=0)


@pytest.fixture
def mnist(shared_data: Path) -> Path:
    return shared_data / "mnist"


@pytest.fixture
def server(mnist: Path, home: Path) -> Iterator[loopback.Server]:
    with loopback.serve({f"mnist/{name}": (mnist / name).read_bytes() for name in FILES}) as running:
        yield running


@pytest.fixture(scope="module")
def prepared_mnist(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder in which MNIST was prepared; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(folder))
        get("mnist", from_dir=shared_data / "mnist")
    return folder


def test_mnist_is_downloaded_resumed_and_prepared(server: loopback.Server) -> None:
    server.replies = [loopback.cut(4_000_000)]
    calls: list[tuple[int, int]] = []
    mirror = f"{server.url}mnist"
    with pytest.raises(DataError) as caught:
        get("mnist", mirror=mirror, patience=ONCE)
    assert "was cut off at byte 4,000,000 of 9,912,422" in caught.value.message
    assert caught.value.hint == (
        "with train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz downloaded elsewhere into DIR: dlkit data get mnist --from DIR"
    )
    assert not prepared_path("mnist").exists()
    path = get(
        "mnist", mirror=mirror, patience=ONCE, progress=lambda done, total: calls.append((done, total))
    )
    assert path == prepared_path("mnist")
    assert server.ranges == [None, "bytes=4000000-", None, None, None]
    total = DATA["mnist"].download_bytes
    assert calls[0] == (4_000_000, total)
    assert calls[-1] == (total, total)
    source = read_prepared("mnist")
    assert source.scale == 255
    assert source.parts["train"][0].shape == (60_000, 1, 28, 28)
    assert source.parts["train"][0].dtype == torch.uint8
    assert source.parts["test"][1].dtype == torch.int64


def test_prepared_file_is_mapped_when_torchvision_cannot_be_imported(
    prepared_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLKIT_HOME", str(prepared_mnist))
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert read_prepared("mnist").parts["test"][0].shape == (10_000, 1, 28, 28)


@pytest.mark.slow
def test_torchvision_is_not_loaded_when_the_prepared_file_is_mapped(prepared_mnist: Path) -> None:
    program = (
        "import sys; from dlkit.data.prepared import read_prepared; inputs, targets = read_prepared('mnist').parts"
        "['train']; print(tuple(inputs.shape), int(targets.sum()), 'torchvision' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "DLKIT_HOME": str(prepared_mnist)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(60000, 1, 28, 28) 267236 False\n"


def test_nothing_is_done_when_the_prepared_file_is_here(
    prepared_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLKIT_HOME", str(prepared_mnist))
    before = prepared_path("mnist").stat()
    notes: list[str] = []
    assert get("mnist", mirror=loopback.closed_port_url(), note=notes.append) == prepared_path("mnist")
    assert notes == ["mnist is already there; --force prepares it again"]
    assert prepared_path("mnist").stat() == before


def test_prepared_file_is_the_same_when_it_is_made_anew(
    prepared_mnist: Path, home: Path, mnist: Path
) -> None:
    first = (prepared_mnist / "prepared" / "mnist.safetensors").read_bytes()
    shutil.copytree(prepared_mnist, os.environ["DLKIT_HOME"])
    before = prepared_path("mnist").stat()
    get("mnist", from_dir=mnist, force=True)
    assert prepared_path("mnist").read_bytes() == first
    assert prepared_path("mnist").stat().st_ino != before.st_ino


@pytest.mark.slow
def test_damaged_prepared_file_is_made_anew_and_said(prepared_mnist: Path, home: Path, mnist: Path) -> None:
    shutil.copytree(prepared_mnist, os.environ["DLKIT_HOME"])
    path = prepared_path("mnist")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    notes: list[str] = []
    get("mnist", from_dir=mnist, note=notes.append)
    assert len(notes) == 1
    assert f"{path} is damaged" in notes[0]
    assert notes[0].endswith("; it is prepared again")
    assert path.read_bytes() == (prepared_mnist / "prepared" / "mnist.safetensors").read_bytes()


def test_prepared_file_of_another_set_does_not_pass_for_this_one(prepared_mnist: Path, home: Path) -> None:
    shutil.copytree(prepared_mnist, os.environ["DLKIT_HOME"])
    prepared_path("mnist").rename(prepared_path("kmnist"))
    notes: list[str] = []
    with pytest.raises(DataError):
        get("kmnist", mirror=loopback.closed_port_url(), note=notes.append)
    assert notes == [f"{prepared_path('kmnist')} is of another data set; it is prepared again"]


@pytest.mark.slow
def test_cifar10_is_prepared_from_its_archive(home: Path, tmp_path: Path) -> None:
    """60,000 records of noise: the true archive cannot be carried along."""
    noise = torch.randint(
        0, 256, (10_000, 3073), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    noise[:, 0] %= 10
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = noise.numel()
            tar.addfile(member, io.BytesIO(noise.numpy().tobytes()))
    content = archive.read_bytes()
    file = RemoteFile(name=archive.name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
    get("cifar10", from_dir=tmp_path, catalogue={"cifar10": replace(DATA["cifar10"], files=(file,))})
    source = read_prepared("cifar10")
    assert source.parts["train"][0].shape == (50_000, 3, 32, 32)
    assert torch.equal(source.parts["test"][0].flatten(1), noise[:, 1:])
    assert torch.equal(source.parts["train"][1][10_000:20_000], noise[:, 0].long())


def test_files_downloaded_already_are_used_when_there_is_no_network(home: Path, mnist: Path) -> None:
    shutil.copytree(mnist, downloads_folder("mnist"))
    assert get("mnist", mirror=loopback.closed_port_url(), patience=ONCE).exists()


def take_away(folder: Path) -> None:
    (folder / FILES[1]).unlink()
    (folder / FILES[3]).unlink()


def put_another(folder: Path) -> None:
    (folder / FILES[1]).write_bytes((folder / FILES[3]).read_bytes())


def change_a_byte(folder: Path) -> None:
    content = bytearray((folder / FILES[3]).read_bytes())
    content[100] ^= 1
    (folder / FILES[3]).write_bytes(content)


def unpack(folder: Path) -> None:
    (folder / FILES[0]).rename(folder / FILES[0].removesuffix(".gz"))


@pytest.mark.parametrize(
    ("change", "told", "hint"),
    [
        (
            take_away,
            f"{FILES[1]} is not there; {FILES[3]} is not there",
            "mnist is made of train-images-idx3-ubyte.gz,",
        ),
        (put_another, f"{FILES[1]} has 4,542 bytes, not 28,881", "as published at https://"),
        (
            lambda folder: (folder / FILES[0]).write_bytes(b""),
            f"{FILES[0]} has 0 bytes, not 9,912,422",
            "mnist is made of",
        ),
        (change_a_byte, f"{FILES[3]} has the SHA-256 ", DATA["mnist"].mirrors[0]),
        (
            unpack,
            f"{FILES[0]} is not there",
            "unpacked files cannot be checked; the .gz files are needed, as published",
        ),
    ],
    ids=["missing", "another file", "empty", "a wrong byte", "unpacked"],
)
def test_files_at_hand_are_refused_when_they_are_not_as_published(
    home: Path, tmp_path: Path, mnist: Path, change: object, told: str, hint: str
) -> None:
    folder = tmp_path / "at hand"
    shutil.copytree(
        mnist,
        folder,
        copy_function=lambda source, target: Path(target).write_bytes(Path(source).read_bytes()),
    )
    folder.chmod(0o755)
    change(folder)  # type: ignore[operator]
    with pytest.raises(DataError) as caught:
        get("mnist", from_dir=folder)
    assert caught.value.message.startswith(f"--from {folder}: {told}")
    assert hint in caught.value.hint
    assert not prepared_path("mnist").exists()


@pytest.mark.parametrize(("made", "told"), [(False, "is not there"), (True, "is not a folder")])
def test_folder_at_hand_is_named_when_it_is_none(home: Path, tmp_path: Path, made: bool, told: str) -> None:
    folder = tmp_path / "no folder"
    if made:
        folder.write_text("")
    with pytest.raises(DataError) as caught:
        get("mnist", from_dir=folder)
    assert caught.value.message == f"--from {folder} {told}"
    assert caught.value.hint.startswith("it must contain train-images-idx3-ubyte.gz, ")


@pytest.mark.parametrize("name", ["mnits", "digits", ""], ids=["mistyped", "embedded", "empty"])
def test_name_is_refused_when_it_cannot_be_got(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get(name)
    assert (
        caught.value.message == f"NAME {name} is not known; choose from mnist, fashion-mnist, kmnist, cifar10"
    )
    assert caught.value.hint == ("did you mean mnist?" if name == "mnits" else "")


@pytest.mark.parametrize(
    "mirror",
    [
        "",
        "mnist",
        "ftp://a.org/",
        "file:///srv/",
        "http://",
        "https:///a",
        "http://a b/",
        "http://a..b/",
        "http://[::1",
        "http://a.org:x/",
        "http://a.org:99999/",
        "http://a.org/?a=1",
        "http://a.org/\u00e4/",
        "http://a.org/\n",
    ],
)
def test_mirror_is_refused_when_it_is_no_base_url(mirror: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_mirror(mirror)
    assert caught.value.message == f"--mirror {mirror} is not a base URL of http or https"
    assert caught.value.hint.endswith("for example --mirror https://example.org/mnist/")


@pytest.mark.parametrize("mirror", [None, "http://127.0.0.1:8000", "https://a.org/b/c/", "http://[::1]:80/"])
def test_mirror_is_taken_when_it_is_a_base_url(mirror: str | None) -> None:
    check_mirror(mirror)


def test_second_process_waits_when_the_first_one_downloads(home: Path) -> None:
    folder = downloads_folder("mnist")
    folder.mkdir(parents=True)
    notes: list[str] = []
    failed: list[DlkitError] = []

    def second() -> None:
        try:
            get("mnist", mirror=loopback.closed_port_url(), note=notes.append)
        except DlkitError as err:
            failed.append(err)

    with (folder / "get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # keeps out only who wants to be alone
        thread = threading.Thread(target=second)
        thread.start()
        while not notes:
            time.sleep(0.01)
        assert failed == []
    thread.join(10)
    assert notes == [f"another process is downloading into {folder}; waiting for it"]
    assert "connection refused" in failed[0].message


@pytest.mark.parametrize("blocked", ["", "downloads", "downloads/mnist/get.lock", "prepared"])
def test_place_is_named_when_nothing_can_be_written_there(home: Path, mnist: Path, blocked: str) -> None:
    place = Path(os.environ["DLKIT_HOME"]) / blocked
    place.parent.mkdir(parents=True, exist_ok=True)
    if blocked.endswith("lock"):
        place.mkdir()
    else:
        place.write_text("a file in the way")
    from_dir = mnist if blocked == "prepared" else None
    with pytest.raises(DlkitError) as caught:
        get("mnist", mirror=loopback.closed_port_url(), from_dir=from_dir)
    assert caught.value.exit_code == 1
    assert str(place) in caught.value.message
