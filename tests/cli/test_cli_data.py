import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import loopback
import pytest

from dlkit.settings.catalogue import DATA

Dlkit = Callable[..., Any]
COLUMNS = ["name", "task", "samples", "shape", "size_mib", "licence", "here"]


@pytest.fixture(scope="module")
def prepared_home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which MNIST was prepared; not to be changed."""
    from dlkit.data.builtin.get import get

    folder = tmp_path_factory.mktemp("home-with-mnist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(folder))
        get("mnist", from_dir=shared_data / "mnist")
    return folder


@pytest.fixture
def with_mnist(prepared_home: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLKIT_HOME", str(prepared_home))
    return prepared_home


def rows_of(stdout: str) -> list[list[str]]:
    return [line.split("\t") for line in stdout.splitlines()]


def test_ls_lists_every_data_set(dlkit: Dlkit) -> None:
    result = dlkit("data", "ls")
    assert result.code == 0
    assert result.stderr == ""
    header, *rows = rows_of(result.stdout)
    assert header == COLUMNS
    assert [row[0] for row in rows] == list(DATA)
    assert rows[0] == ["digits", "classification", "1797", "1x8x8", "0.1", "CC BY 4.0", "embedded"]
    assert rows[1] == ["mnist", "classification", "70000", "1x28x28", "52.9", "CC BY-SA 3.0", "no"]


def test_ls_says_yes_when_a_data_set_is_here(with_mnist: Path, dlkit: Dlkit) -> None:
    rows = {row["name"]: row for row in json.loads(dlkit("data", "ls", "--json").stdout)}
    assert list(rows["mnist"]) == COLUMNS
    assert rows["mnist"]["here"] == "yes"
    assert rows["kmnist"]["here"] == "no"
    size = (with_mnist / "prepared" / "mnist.safetensors").stat().st_size / 2**20
    assert rows["mnist"]["size_mib"] == pytest.approx(size, abs=0.05)
    assert rows["kmnist"]["size_mib"] == rows["mnist"]["size_mib"], "the size to come is the size that comes"


@pytest.mark.parametrize(
    "words", [["ls"], ["get", "mnits"], ["get", "digits"], ["show", "cifar10"]], ids=" ".join
)
def test_torch_is_not_loaded_when_it_is_not_needed(tmp_path: Path, words: list[str]) -> None:
    program = (
        "import sys; from dlkit.cli.app import run; run(sys.argv[1:]); "
        "print({'torch', 'numpy', 'pandas', 'matplotlib', 'torchvision'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "data", *words],
        env={**os.environ, "DLKIT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_get_prints_the_prepared_file_alone(shared_data: Path, home: Path, dlkit: Dlkit) -> None:
    path = home.parent / "home" / "prepared" / "mnist.safetensors"
    result = dlkit("data", "get", "mnist", "--from", shared_data / "mnist")
    assert (result.code, result.stdout, result.stderr) == (0, f"{path}\n", "")
    again = dlkit("data", "get", "mnist", "--json")
    assert again.code == 0
    assert json.loads(again.stdout) == {"files": [str(path)]}
    assert again.stderr == "mnist is here already; --force makes it anew\n"


def test_get_downloads_from_the_mirror_and_tells_its_progress(
    shared_data: Path, home: Path, dlkit: Dlkit
) -> None:
    folder = shared_data / "mnist"
    with loopback.serve({path.name: path.read_bytes() for path in folder.iterdir()}) as server:
        server.replies = [loopback.status(503), loopback.cut(2_000_000)]
        result = dlkit("data", "get", "mnist", "--mirror", server.url)
    assert result.code == 0
    assert result.stdout == f"{home.parent / 'home' / 'prepared' / 'mnist.safetensors'}\n"
    lines = result.stderr.splitlines()
    assert lines[0] == f"{server.url}train-images-idx3-ubyte.gz answered 503 Service Unavailable"
    assert lines[1] == "mnist: 0.0 of 11.1 MiB"
    assert f"{server.url}train-images-idx3-ubyte.gz was cut off at byte 2,000,000 of 9,912,422" in lines
    assert lines[-1] == "mnist: 11.1 of 11.1 MiB"
    assert len(lines) <= 15


def test_get_is_silent_when_quiet(shared_data: Path, dlkit: Dlkit) -> None:
    folder = shared_data / "mnist"
    with loopback.serve({path.name: path.read_bytes() for path in folder.iterdir()}) as server:
        result = dlkit("data", "get", "mnist", "--mirror", server.url, "--quiet")
    assert (result.code, result.stderr) == (0, "")


def test_get_tells_url_digest_and_cure_when_there_is_no_network(home: Path, dlkit: Dlkit) -> None:
    url = loopback.closed_port_url()
    result = dlkit("data", "get", "cifar10", "--mirror", url)
    assert (result.code, result.stdout) == (3, "")
    target = home.parent / "home" / "downloads" / "cifar10" / "cifar-10-binary.tar.gz"
    assert result.stderr == (
        f"error: {url}cifar-10-binary.tar.gz cannot be reached: connection refused; wanted: {target} with the "
        "SHA-256 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd\n"
        "hint: with cifar-10-binary.tar.gz fetched elsewhere into DIR: dlkit data get cifar10 --from DIR\n"
    )


def test_get_has_nothing_to_do_when_the_data_are_embedded(dlkit: Dlkit) -> None:
    result = dlkit("data", "get", "digits")
    assert (result.code, result.stdout) == (0, "")
    assert (
        result.stderr
        == "digits is embedded: it came with the installed packages, so there is nothing to get\n"
    )
    assert json.loads(dlkit("data", "get", "digits", "--json").stdout) == {"files": []}


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (
            ["get", "mnits"],
            2,
            "NAME mnits is not known; choose from digits, mnist,",
            "did you mean mnist or kmnist?",
        ),
        (["get"], 2, "missing argument 'NAME'", "dlkit data get --help lists what can be given"),
        (
            ["get", "mnist", "--mirror", "here"],
            2,
            "--mirror here is not a base URL",
            "file names are appended",
        ),
        (
            ["get", "mnist", "--from", ".", "--mirror", "http://a.org"],
            2,
            "--from and --mirror do not go together",
            "--from DIR takes files at hand, nothing is downloaded",
        ),
        (
            ["get", "mnist", "--from", "nowhere"],
            3,
            "--from nowhere is not there",
            "it has to hold train-images",
        ),
        (
            ["get", "mnist", "--from", "."],
            3,
            "--from .: train-images-idx3-ubyte.gz is not there;",
            "mnist is made of",
        ),
        (["show", "digit"], 2, "SPEC digit is not known; choose from digits,", "did you mean digits?"),
        (["show", "mnist"], 3, "mnist is not here yet", "dlkit data get mnist downloads it; add --from DIR"),
        (["show", "digits", "-o", "grid.jpg"], 2, "-o grid.jpg has the unknown suffix .jpg", ""),
        (
            ["show", "digits", "-o", "no/grid.png"],
            1,
            "cannot write no/grid.png: no such file or directory",
            "check",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistake_is_told_with_a_hint(
    dlkit: Dlkit, words: list[str], code: int, message: str, hint: str
) -> None:
    result = dlkit("data", *words)
    assert (result.code, result.stdout) == (code, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"error: {message}")
    assert second.startswith(f"hint: {hint}")


def test_damaged_prepared_file_is_told_when_it_is_shown(dlkit: Dlkit, home: Path) -> None:
    path = home.parent / "home" / "prepared" / "mnist.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not tensors")
    result = dlkit("data", "show", "mnist")
    assert (result.code, result.stdout) == (3, "")
    assert "hint: make it anew: dlkit data get mnist\n" in result.stderr


def test_show_gives_facts_and_class_counts(dlkit: Dlkit) -> None:
    result = dlkit("data", "show", "digits")
    assert (result.code, result.stderr) == (0, "")
    first, second = result.stdout.split("\n\n")
    facts = dict(line.split("\t") for line in first.splitlines())
    assert facts["input_shape"] == "1x8x8"
    assert facts["input_dtype"] == "uint8"
    assert (facts["input_min"], facts["input_max"], facts["scale"]) == ("0", "16", "16.0")
    assert int(facts["train"]) + int(facts["val"]) + int(facts["test"]) == 1797
    assert len(facts["fingerprint"]) == 64
    header, *rows = rows_of(second)
    assert header == ["class", "train", "val", "test", "total"]
    totals = [int(row[4]) for row in rows]
    assert totals == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as scikit-learn counts them
    assert [sum(map(int, row[1:4])) for row in rows] == totals


def test_show_is_one_document_when_json_is_asked_for(dlkit: Dlkit) -> None:
    about = json.loads(dlkit("data", "show", "digits", "--json").stdout)
    assert about["input_shape"] == [1, 8, 8]
    assert about["classes"] == 10
    assert about["mean"] == [pytest.approx(0.3053, abs=2e-3)]
    assert about["class_counts"][3]["class"] == "3"
    assert about["class_counts"][3]["total"] == 183
    assert "picture" not in about


def test_show_of_mnist_agrees_with_what_is_known(with_mnist: Path, dlkit: Dlkit) -> None:
    about = json.loads(dlkit("data", "show", "mnist", "--json").stdout)
    assert (about["train"], about["val"], about["test"]) == (54_000, 6_000, 10_000)
    assert about["mean"] == [pytest.approx(0.1307, abs=2e-4)]
    assert about["std"] == [pytest.approx(0.3081, abs=2e-4)]
    assert about["class_counts"][1]["test"] == 1135
    assert about["licence"] == "CC BY-SA 3.0"


def test_show_draws_samples_of_every_class(dlkit: Dlkit, home: Path) -> None:
    from matplotlib.image import imread

    result = dlkit("data", "show", "digits", "-o", "grid.png")
    assert result.code == 0
    assert "picture\tgrid.png\n" in result.stdout
    height, width, _ = imread(home / "grid.png").shape
    assert math.isclose(width / height, 10 / 7.5, rel_tol=0.2), "six rows of ten"
