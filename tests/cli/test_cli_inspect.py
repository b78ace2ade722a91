import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file
from safetensors.torch import load_file

from dlkit.inspection.layer_table import COLUMNS

Run = Callable[..., Any]
KINDS = ("weights", "grads", "acts")


def table(text: str) -> tuple[list[str], list[list[str]]]:
    header, *rows = (line.split("\t") for line in text.splitlines())
    return header, rows


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_show_tells_what_the_checkpoint_holds(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "show", trained_run)

    pairs, tensors = result.stdout.split("\n\n")
    said = dict(line.split("\t") for line in pairs.splitlines())
    assert result.code == 0
    assert result.stderr == ""
    assert said["file"] == f"{trained_run}/best.safetensors"
    assert said["checksum"].startswith("not verified")
    assert said["model"] == "mlp"
    assert said["arguments"].startswith("activation=relu, bins=128, dropout=0.0, frequencies=16, hidden=128")
    assert said["data"] == "digits (classification, 1x8x8, 10 classes, train 1455 val 162 test 180)"
    assert said["parameters"] == str(64 * 128 + 128 + 128 * 10 + 10)
    assert int(said["bytes"]) == (trained_run / "best.safetensors").stat().st_size
    assert table(tensors)[0] == ["tensor", "dtype", "shape", "mib"]
    assert table(tensors)[1][1] == ["hidden.0.linear.weight", "F32", "128x64", "0.03125"]


def test_show_gives_one_json_object(dlkit: Run, trained_run: Path) -> None:
    said = json.loads(dlkit("inspect", "show", trained_run / "last.safetensors", "--json").stdout)

    assert said["model"] == "mlp"
    assert said["verified"] is False
    assert said["data"]["name"] == "digits"
    assert said["config"]["lr"] == 0.01
    assert said["num_tensors"] == len(said["tensors"])
    assert set(said["tensors"][0]) == {"tensor", "dtype", "shape", "mib"}


def test_show_takes_a_file_of_another_program(dlkit: Run, home: Path) -> None:
    import numpy as np

    save_file({"a\x1b[31m": np.zeros((2, 3), np.float32)}, home / "foreign.safetensors")

    result = dlkit("inspect", "show", "foreign.safetensors")

    assert result.code == 0
    assert "another program: only its tensors are known" in result.stdout
    assert "a\ufffd[31m\tF32\t2x3" in result.stdout


LOADED = """
import sys
from dlkit.cli.app import run
code = run(sys.argv[1:])
heavy = {"torch", "numpy", "pandas", "matplotlib", "sklearn", "torchvision"}
print(code, *sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def last_line_of_fresh_interpreter(*words: object) -> str:
    """Run a command in a process of its own and give its exit code and the heavy packages it loaded."""
    command = [sys.executable, "-c", LOADED, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()[-1]


def test_show_loads_no_torch(trained_run: Path) -> None:
    assert last_line_of_fresh_interpreter("inspect", "show", trained_run) == "0"


def test_model_lists_layers_and_their_total(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "model", trained_run)

    assert result.code == 0
    assert table(result.stdout) == (
        list(COLUMNS["model"]),
        [
            ["flatten", "Flatten", "64", "0", "0"],
            ["hidden.0.linear", "Linear", "128", "8320", "16384"],
            ["hidden.0.activation", "ReLU", "128", "0", "0"],
            ["output", "Linear", "10", "1290", "2560"],
            ["total", "Mlp", "10", "9610", "18944"],
        ],
    )


def test_model_takes_a_name_with_arguments_and_data(dlkit: Run) -> None:
    result = dlkit("inspect", "model", "mlp", "-s", "hidden=128,64", "--data", "mnist", "--json")

    rows = json.loads(result.stdout)
    linear = [row["output"] for row in rows if row["type"] == "Linear"]
    assert linear == ["128", "64", "10"]
    assert rows[-1] == {
        "layer": "total",
        "type": "Mlp",
        "output": "10",
        "parameters": 109386,
        "flops": 218368,
    }


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (
            ["resnet19"],
            4,
            "resnet19 is neither a checkpoint nor a model",
            "did you mean resnet18 or resnet50?",
        ),
        (["xyz"], 4, "xyz is neither a checkpoint nor a model", "the models are mlp, cnn"),
        (["x.safetensors"], 4, "no checkpoint at x.safetensors", "dlkit train prints the path of one"),
        (
            ["x.safetensors", "-s", "hidden=3"],
            2,
            "-s, --data and --target go with the name of a model",
            "the models are mlp",
        ),
        (
            ["mlp", "-s", "hiden=3"],
            2,
            "-s hiden=3: the network takes no such argument",
            "did you mean hidden?",
        ),
        (["mlp", "--data", "mnst"], 2, "--data mnst is not known", "did you mean mnist"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_model_refuses_what_it_cannot_build(
    dlkit: Run, words: list[str], code: int, message: str, hint: str
) -> None:
    result = dlkit("inspect", "model", *words)

    assert result.code == code
    assert message in result.stderr
    assert f"hint: {hint}" in result.stderr
    assert result.stdout == ""


def test_weights_have_a_row_for_each_tensor_in_network_order(dlkit: Run, trained_run: Path) -> None:
    columns, rows = table(dlkit("inspect", "weights", trained_run).stdout)

    weights = load_file(trained_run / "best.safetensors")
    assert tuple(columns) == COLUMNS["weights"]
    assert [row[0] for row in rows] == [
        "hidden.0.linear.weight", "hidden.0.linear.bias", "output.weight", "output.bias",
    ]  # fmt: skip
    assert float(rows[0][2]) == pytest.approx(weights["hidden.0.linear.weight"].double().norm().item())


@pytest.mark.parametrize("kind", ["grads", "acts"])
def test_table_comes_with_a_note_on_stderr(dlkit: Run, trained_run: Path, kind: str) -> None:
    result = dlkit("inspect", kind, trained_run, "--device", "cpu", "--batches", "2")

    columns, rows = table(result.stdout)
    assert result.code == 0
    assert tuple(columns) == COLUMNS[kind]
    assert len(rows) == {"grads": 4, "acts": 3}[kind]
    assert result.stderr == "128 samples (2 batches) of digits train, on cpu (1 thread)\n"


@pytest.mark.parametrize("kind", KINDS)
def test_json_is_a_list_of_objects_keyed_by_the_columns(dlkit: Run, trained_run: Path, kind: str) -> None:
    rows = json.loads(dlkit("inspect", kind, trained_run, "--json").stdout)

    assert all(tuple(row) == COLUMNS[kind] for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_two_looks_print_the_same(dlkit: Run, trained_run: Path, kind: str) -> None:
    assert dlkit("inspect", kind, trained_run).stdout == dlkit("inspect", kind, trained_run).stdout


def test_dead_units_of_the_activations_have_no_gradient(dlkit: Run, trained_run: Path) -> None:
    acts = json.loads(dlkit("inspect", "acts", trained_run, "--json").stdout)
    grads = json.loads(dlkit("inspect", "grads", trained_run, "--json").stdout)

    dead = next(row["dead"] for row in acts if row["layer"] == "hidden.0.activation")
    silent = next(row["zeros"] for row in grads if row["layer"] == "hidden.0.linear.bias")
    assert dead == pytest.approx(silent)


def test_layers_sort_and_top_choose_the_rows(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "weights", trained_run, "--layers", "*.weight", "--sort", "norm", "--top", "1")

    _, rows = table(result.stdout)
    norms = {name: tensor.norm() for name, tensor in load_file(trained_run / "best.safetensors").items()}
    assert [row[0] for row in rows] == [max(norms, key=lambda name: norms[name])]


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_written_as_csv(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
    printed = json.loads(dlkit("inspect", kind, trained_run, "--json").stdout)

    result = dlkit("inspect", kind, trained_run, "-o", "x.csv")

    rows = list(csv.DictReader((home / "x.csv").read_text().splitlines()))
    assert result.stdout == "x.csv\n"
    assert tuple(rows[0]) == COLUMNS[kind]
    assert [float(row["norm"]) for row in rows] == [row["norm"] for row in printed]


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("weights", {"output.weight": (10, 128), "output.bias": (10,)}),
        ("grads", {"output.weight": (10, 128), "output.bias": (10,)}),
        ("acts", {"output": (64, 10)}),
    ],
)
def test_tensors_are_written_as_safetensors(
    dlkit: Run, trained_run: Path, home: Path, kind: str, shapes: dict[str, tuple[int, ...]]
) -> None:
    result = dlkit("inspect", kind, trained_run, "--layers", "output*", "-o", "x.safetensors", "--json")

    assert json.loads(result.stdout) == {"files": ["x.safetensors"]}
    assert {name: tuple(tensor.shape) for name, tensor in load_file(home / "x.safetensors").items()} == shapes


@pytest.mark.parametrize("kind", KINDS)
def test_picture_is_written(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
    result = dlkit("inspect", kind, trained_run, "-o", "x.png")

    assert result.stdout == "x.png\n"
    assert (home / "x.png").read_bytes().startswith(b"\x89PNG")


def test_no_file_of_the_run_is_changed(dlkit: Run, trained_run: Path, home: Path) -> None:
    before = digests(trained_run)

    for kind in ("show", "model", *KINDS):
        assert dlkit("inspect", kind, trained_run).code == 0
    for kind in KINDS:
        assert dlkit("inspect", kind, trained_run, "-o", home / "x.safetensors").code == 0

    assert digests(trained_run) == before


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "history.csv", "curves.png"])
def test_files_of_a_run_are_never_replaced(dlkit: Run, trained_run: Path, home: Path, name: str) -> None:
    shutil.copytree(trained_run, home / "run")
    before = digests(home / "run")

    result = dlkit("inspect", "weights", "run", "-o", f"run/{name}")

    assert result.code == 2
    assert f"-o run/{name} would replace a file of a run" in result.stderr
    assert f"hint: choose another name, as weights{Path(name).suffix}" in result.stderr
    assert digests(home / "run") == before


def test_checkpoint_itself_is_never_replaced(dlkit: Run, trained_run: Path, home: Path) -> None:
    shutil.copy(trained_run / "best.safetensors", home / "mine.safetensors")
    (home / "same.safetensors").symlink_to("mine.safetensors")

    assert dlkit("inspect", "weights", "mine.safetensors", "-o", "same.safetensors").code == 2
    assert dlkit("inspect", "weights", "mine.safetensors", "-o", "other.safetensors").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (
            ["weights", "RUN", "-o", "x.xlsx"],
            2,
            "-o x.xlsx ends in none of .csv, .safetensors, .png",
            "for example",
        ),
        (["weights", "RUN", "-o", "x.cvs"], 2, "-o x.cvs ends in none of", "did you mean .csv"),
        (
            ["grads", "RUN", "--layers", "conv*"],
            2,
            "--layers conv* matches no layer",
            "the layers are hidden.0.lin",
        ),
        (["acts", "RUN", "--sort", "deat"], 2, "--sort deat is not a column", "did you mean dead"),
        (["grads", "RUN", "--split", "trian"], 2, "--split trian is not known", "did you mean train"),
        (["acts", "RUN", "--device", "gpu"], 2, "--device gpu is not known", "auto takes the best"),
        (
            ["weights", "RUN", "--top", "0"],
            2,
            "--top 0 should be greater than or equal to 1",
            "dlkit inspect weights --help",
        ),
        (
            ["grads", "RUN", "--batches", "0"],
            2,
            "--batches 0 should be greater than or equal to 1",
            "dlkit inspect grads --help",
        ),
        (["weights", "no.safetensors"], 4, "no checkpoint at no.safetensors", ""),
        (["show", "no.safetensors"], 4, "no checkpoint at no.safetensors", ""),
        (["weights", "RUN", "-o", "no/x.csv"], 1, "no/x.csv", ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_told_in_one_line_with_a_hint(
    dlkit: Run, trained_run: Path, words: list[str], code: int, message: str, hint: str
) -> None:
    result = dlkit("inspect", *(str(trained_run) if word == "RUN" else word for word in words))

    assert result.code == code
    assert message in result.stderr
    assert re.search(f"^hint: {re.escape(hint)}", result.stderr, re.MULTILINE)
    assert result.stdout == ""


def test_all_wrong_flags_are_told_together(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "grads", trained_run, "--sort", "x", "--split", "y", "--device", "z", "-o", "w")

    assert result.code == 2
    assert result.stderr.count("error:") == 4


def test_wrong_flag_is_refused_before_torch_loads(trained_run: Path) -> None:
    assert last_line_of_fresh_interpreter("inspect", "grads", trained_run, "--sort", "nrom") == "2"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_checkpoint_is_refused(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
    data = bytearray((trained_run / "best.safetensors").read_bytes())
    data[-5] ^= 1
    (home / "bad.safetensors").write_bytes(data)

    result = dlkit("inspect", kind, "bad.safetensors")

    assert result.code == 4
    assert "bad.safetensors is damaged" in result.stderr


@pytest.mark.parametrize("kind", ["model", *KINDS])
def test_file_of_another_program_is_refused_where_the_network_is_needed(
    dlkit: Run, home: Path, kind: str
) -> None:
    import numpy as np

    save_file({"a": np.zeros(2, np.float32)}, home / "foreign.safetensors")

    result = dlkit("inspect", kind, "foreign.safetensors")

    assert result.code == 4
    assert "foreign.safetensors was not written by dlkit" in result.stderr


def test_more_batches_than_there_are_is_said(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "acts", trained_run, "--split", "val", "--batches", "50")

    assert result.code == 0
    assert "warning: --batches 50: the val split has 3" in result.stderr
    assert "162 samples (3 batches) of digits val" in result.stderr


@pytest.mark.parametrize("kind", ["grads", "acts"])
def test_data_that_are_not_here_are_exit_3(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
    from dataclasses import replace

    from dlkit.files.checkpoint import load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(trained_run)
    save_checkpoint(
        home / "mnist.safetensors",
        checkpoint.weights,
        config=replace(checkpoint.config, data="mnist"),
        description=checkpoint.description,
        progress={},
    )

    result = dlkit("inspect", kind, "mnist.safetensors")

    assert result.code == 3
    assert "--data mnist is not here yet" in result.stderr


def test_group_alone_shows_its_commands(dlkit: Run) -> None:
    result = dlkit("inspect")

    assert result.code == 0
    assert all(name in result.stdout for name in ("show", "model", *KINDS))
