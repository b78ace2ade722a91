import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import loopback
import pytest
from refusals import assert_refused

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
    assert rows[0] == ["digits", "classification", "1797", "1x8x8", "0.10", "CC BY 4.0", "embedded"]
    assert rows[1] == ["mnist", "classification", "70000", "1x28x28", "52.90", "CC BY-SA 3.0", "no"]


def test_ls_marks_a_data_set_that_is_downloaded(with_mnist: Path, dlkit: Dlkit) -> None:
    rows = {row["name"]: row for row in json.loads(dlkit("data", "ls", "--json").stdout)}
    assert list(rows["mnist"]) == COLUMNS
    assert rows["mnist"]["here"] == "yes"
    assert rows["kmnist"]["here"] == "no"
    size = (with_mnist / "prepared" / "mnist.safetensors").stat().st_size / 2**20
    assert rows["mnist"]["size_mib"] == pytest.approx(size, abs=0.05)
    assert rows["kmnist"]["size_mib"] == rows["mnist"]["size_mib"], "the size to come is the size that comes"


def test_get_prints_the_prepared_file_alone(shared_data: Path, home: Path, dlkit: Dlkit) -> None:
    path = home.parent / "home" / "prepared" / "mnist.safetensors"
    result = dlkit("data", "get", "mnist", "--from", shared_data / "mnist")
    assert (result.code, result.stdout, result.stderr) == (0, f"{path}\n", "")
    again = dlkit("data", "get", "mnist", "--json")
    assert again.code == 0
    assert json.loads(again.stdout) == {"files": [str(path)]}
    assert "--force" in again.stderr


@pytest.mark.slow
def test_get_downloads_from_the_mirror_and_shows_progress(
    shared_data: Path, home: Path, dlkit: Dlkit
) -> None:
    folder = shared_data / "mnist"
    with loopback.serve({path.name: path.read_bytes() for path in folder.iterdir()}) as server:
        server.replies = [loopback.status(503), loopback.cut(2_000_000)]
        result = dlkit("data", "get", "mnist", "--mirror", server.url)
    assert result.code == 0
    assert result.stdout == f"{home.parent / 'home' / 'prepared' / 'mnist.safetensors'}\n"
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{server.url}train-images-idx3-ubyte.gz ")
    assert "503" in lines[0]
    assert lines[1] == "mnist: 0.0 of 11.1 MiB"
    assert any("2,000,000 of 9,912,422" in line for line in lines)
    assert lines[-1] == "mnist: 11.1 of 11.1 MiB"
    assert len(lines) <= 15


def test_get_is_silent_when_quiet(shared_data: Path, dlkit: Dlkit) -> None:
    folder = shared_data / "mnist"
    with loopback.serve({path.name: path.read_bytes() for path in folder.iterdir()}) as server:
        result = dlkit("data", "get", "mnist", "--mirror", server.url, "--quiet")
    assert (result.code, result.stderr) == (0, "")


def test_get_reports_url_digest_and_the_way_without_a_network(home: Path, dlkit: Dlkit) -> None:
    url = loopback.closed_port_url()

    result = dlkit("data", "get", "cifar10", "--mirror", url)

    assert_refused(result, 3, f"{url}cifar-10-binary.tar.gz ", "dlkit data get cifar10 --from DIR")
    assert str(home.parent / "home" / "downloads" / "cifar10" / "cifar-10-binary.tar.gz") in result.stderr
    assert "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" in result.stderr


def test_get_has_nothing_to_do_when_the_data_are_embedded(dlkit: Dlkit) -> None:
    result = dlkit("data", "get", "digits")

    assert (result.code, result.stdout) == (0, "")
    assert result.stderr.startswith("digits ")
    assert json.loads(dlkit("data", "get", "digits", "--json").stdout) == {"files": []}


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["get", "mnits"], 2, "NAME mnits ", "mnist"),
        (["get", "mnist", "--mirror", "here"], 2, "--mirror here ", ""),
        (["get", "mnist", "--from", ".", "--mirror", "http://a.org"], 2, "--from and --mirror", "--from DIR"),
        (["get", "mnist", "--from", "nowhere"], 3, "--from nowhere ", "train-images"),
        (["get", "mnist", "--from", "."], 3, "--from .: train-images-idx3-ubyte.gz", ""),
        (["show", "digit"], 2, "SPEC digit ", "digits?"),
        (["show", "mnist"], 3, "mnist ", "dlkit data get mnist"),
        (["show", "digits", "-o", "grid.jpg"], 2, "-o grid.jpg ", ""),
        (["show", "digits", "-o", "no/grid.png"], 1, "no/grid.png", "path"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.quick(2)
def test_bad_input_is_refused_with_a_hint(
    dlkit: Dlkit, words: list[str], code: int, message: str, hint: str
) -> None:
    assert_refused(dlkit("data", *words), code, message, hint)


def test_damaged_prepared_file_is_refused(dlkit: Dlkit, home: Path) -> None:
    path = home.parent / "home" / "prepared" / "mnist.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not tensors")

    assert_refused(dlkit("data", "show", "mnist"), 3, str(path), "dlkit data get mnist")


def test_show_prints_facts_and_class_counts(dlkit: Dlkit) -> None:
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


def test_show_prints_one_json_document(dlkit: Dlkit) -> None:
    about = json.loads(dlkit("data", "show", "digits", "--json").stdout)
    assert about["input_shape"] == [1, 8, 8]
    assert about["classes"] == 10
    assert about["mean"] == [pytest.approx(0.3053, abs=2e-3)]
    assert about["class_counts"][3]["class"] == "3"
    assert about["class_counts"][3]["total"] == 183


def test_show_of_mnist_matches_published_numbers(with_mnist: Path, dlkit: Dlkit) -> None:
    about = json.loads(dlkit("data", "show", "mnist", "--json").stdout)
    assert (about["train"], about["val"], about["test"]) == (54_000, 6_000, 10_000)
    assert about["mean"] == [pytest.approx(0.1307, abs=2e-4)]
    assert about["std"] == [pytest.approx(0.3081, abs=2e-4)]
    assert about["class_counts"][1]["test"] == 1135
    assert about["licence"] == "CC BY-SA 3.0"


@pytest.mark.slow
def test_show_plots_samples_of_every_class(dlkit: Dlkit, home: Path) -> None:
    from matplotlib.image import imread

    result = dlkit("data", "show", "digits", "-o", "grid.png")
    assert result.code == 0
    assert "\tgrid.png\n" in result.stdout
    height, width, _ = imread(home / "grid.png").shape
    assert math.isclose(width / height, 10 / 7.5, rel_tol=0.2), "six rows of ten"
