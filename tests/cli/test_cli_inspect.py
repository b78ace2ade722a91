import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, faults
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


def test_show_lists_metadata_and_tensors(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "show", trained_run)

    pairs, tensors = result.stdout.split("\n\n")
    shown = dict(line.split("\t") for line in pairs.splitlines())
    assert result.code == 0
    assert result.stderr == ""
    assert shown["file"] == f"{trained_run}/best.safetensors"
    assert shown["checksum"].startswith("not verified")
    assert shown["model"] == "mlp"
    assert shown["arguments"].startswith("activation=relu, bins=128, dropout=0.0, frequencies=16, hidden=128")
    assert shown["data"] == "digits (classification, 1x8x8, 10 classes, train 1455 val 162 test 180)"
    assert shown["parameters"] == str(64 * 128 + 128 + 128 * 10 + 10)
    assert int(shown["bytes"]) == (trained_run / "best.safetensors").stat().st_size
    assert table(tensors)[0] == ["tensor", "dtype", "shape", "mib"]
    assert table(tensors)[1][1] == ["hidden.0.linear.weight", "F32", "128x64", "0.03125"]


def test_show_prints_one_json_object(dlkit: Run, trained_run: Path) -> None:
    shown = json.loads(dlkit("inspect", "show", trained_run / "last.safetensors", "--json").stdout)

    assert shown["model"] == "mlp"
    assert shown["verified"] is False
    assert shown["data"]["name"] == "digits"
    assert shown["config"]["lr"] == 0.01
    assert shown["num_tensors"] == len(shown["tensors"])
    assert set(shown["tensors"][0]) == {"tensor", "dtype", "shape", "mib"}


def test_show_takes_a_file_of_another_program(dlkit: Run, home: Path) -> None:
    import numpy as np

    save_file({"a\x1b[31m": np.zeros((2, 3), np.float32)}, home / "foreign.safetensors")

    result = dlkit("inspect", "show", "foreign.safetensors")

    assert result.code == 0
    assert "another program" in result.stdout
    assert "a\ufffd[31m\tF32\t2x3" in result.stdout


@pytest.mark.slow
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
        (["resnet19"], 4, "resnet19 ", "resnet18"),
        (["xyz"], 4, "xyz ", "mlp, cnn"),
        (["x.safetensors"], 4, "x.safetensors", "dlkit train"),
        (["x.safetensors", "-s", "hidden=3"], 2, "-s, --data and --target", "mlp, cnn"),
        (["mlp", "-s", "hiden=3"], 2, "-s hiden=3", "hidden?"),
        (["mlp", "--data", "mnst"], 2, "--data mnst ", "mnist"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_model_refuses_what_it_cannot_build(
    dlkit: Run, words: list[str], code: int, message: str, hint: str
) -> None:
    assert_refused(dlkit("inspect", "model", *words), code, message, hint)


def test_weights_have_a_row_for_each_tensor_in_network_order(dlkit: Run, trained_run: Path) -> None:
    columns, rows = table(dlkit("inspect", "weights", trained_run).stdout)

    weights = load_file(trained_run / "best.safetensors")
    assert tuple(columns) == COLUMNS["weights"]
    assert [row[0] for row in rows] == [
        "hidden.0.linear.weight", "hidden.0.linear.bias", "output.weight", "output.bias",
    ]  # fmt: skip
    assert float(rows[0][2]) == pytest.approx(
        weights["hidden.0.linear.weight"].double().norm().item(), rel=1e-3
    )


@pytest.mark.parametrize("kind", ["grads", "acts"])
def test_table_comes_with_a_note_on_stderr(dlkit: Run, trained_run: Path, kind: str) -> None:
    result = dlkit("inspect", kind, trained_run, "--device", "cpu", "--batches", "2")

    columns, rows = table(result.stdout)
    assert result.code == 0
    assert tuple(columns) == COLUMNS[kind]
    assert len(rows) == {"grads": 4, "acts": 3}[kind]
    assert "128 samples (2 batches) of digits train" in result.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_json_is_a_list_of_objects_keyed_by_the_columns(dlkit: Run, trained_run: Path, kind: str) -> None:
    rows = json.loads(dlkit("inspect", kind, trained_run, "--json").stdout)

    assert all(tuple(row) == COLUMNS[kind] for row in rows)


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
@pytest.mark.quick(1)
def test_plot_is_written(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
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

    assert_refused(result, 2, f"-o run/{name} ", f"weights{Path(name).suffix}")
    assert digests(home / "run") == before


def test_checkpoint_itself_is_never_replaced(dlkit: Run, trained_run: Path, home: Path) -> None:
    shutil.copy(trained_run / "best.safetensors", home / "mine.safetensors")
    (home / "same.safetensors").symlink_to("mine.safetensors")

    assert dlkit("inspect", "weights", "mine.safetensors", "-o", "same.safetensors").code == 2
    assert dlkit("inspect", "weights", "mine.safetensors", "-o", "other.safetensors").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["weights", "RUN", "-o", "x.cvs"], 2, "-o x.cvs ", ".csv?"),
        (["grads", "RUN", "--layers", "conv*"], 2, "--layers conv* ", "hidden.0.linear.weight"),
        (["acts", "RUN", "--sort", "deat"], 2, "--sort deat ", "dead?"),
        (["grads", "RUN", "--split", "trian"], 2, "--split trian ", "train?"),
        (["acts", "RUN", "--device", "gpu"], 2, "--device gpu ", "auto"),
        (["weights", "RUN", "--top", "0"], 2, "--top 0 ", "dlkit inspect weights --help"),
        (["weights", "no.safetensors"], 4, "no.safetensors", ""),
        (["weights", "RUN", "-o", "no/x.csv"], 1, "no/x.csv", "path"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_with_a_hint(
    dlkit: Run, trained_run: Path, words: list[str], code: int, message: str, hint: str
) -> None:
    words = [str(trained_run) if word == "RUN" else word for word in words]

    result = dlkit("inspect", *words)

    (found, *_) = faults(result.stderr)
    assert (result.code, result.stdout) == (code, "")
    assert message in found[0]
    assert hint in found[1]


def test_all_wrong_options_are_reported_together(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "grads", trained_run, "--sort", "x", "--split", "y", "--device", "z", "-o", "w")

    assert result.code == 2
    assert result.stderr.count("error:") == 4


@pytest.mark.parametrize("kind", ["model", *KINDS])
def test_file_of_another_program_is_refused_when_the_model_is_needed(
    dlkit: Run, home: Path, kind: str
) -> None:
    import numpy as np

    save_file({"a": np.zeros(2, np.float32)}, home / "foreign.safetensors")

    result = dlkit("inspect", kind, "foreign.safetensors")

    assert_refused(result, 4, "foreign.safetensors")


def test_more_batches_than_there_are_is_a_warning(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "acts", trained_run, "--split", "val", "--batches", "50")

    assert result.code == 0
    (warning,) = (line for line in result.stderr.splitlines() if line.startswith("warning: "))
    assert "--batches 50" in warning
    assert warning.endswith(" 3")
    assert "162 samples (3 batches) of digits val" in result.stderr


@pytest.mark.parametrize("kind", ["grads", "acts"])
def test_missing_data_are_exit_3(dlkit: Run, trained_run: Path, home: Path, kind: str) -> None:
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

    assert_refused(result, 3, "--data mnist ", "dlkit data get mnist")


def test_updates_are_printed_written_and_drawn(dlkit: Run, trained_run: Path, home: Path) -> None:
    result = dlkit("inspect", "updates", trained_run, "--sort", "median", "--top", "2")
    header, rows = table(result.stdout)
    assert (result.code, header) == (0, list(COLUMNS["updates"]))
    assert float(rows[0][4]) >= float(rows[1][4])

    assert dlkit("inspect", "updates", trained_run, "-o", "u.csv").stdout == "u.csv\n"
    assert len((home / "u.csv").read_text().splitlines()) == 1 + 4
    assert dlkit("inspect", "updates", trained_run, "-o", "u.png", "--layers", "*.weight").code == 0
    assert (home / "u.png").read_bytes().startswith(b"\x89PNG")
    assert_refused(
        dlkit("inspect", "updates", trained_run, "-o", "u.safetensors"), 2, "u.safetensors", "updates.csv"
    )


def test_check_says_right_of_a_built_in_network(dlkit: Run, trained_run: Path) -> None:
    result = dlkit("inspect", "grads", trained_run, "--check", "--json")
    rows = json.loads(result.stdout)
    assert result.code == 0
    assert tuple(rows[0]) == COLUMNS["check"]
    assert [row["verdict"] for row in rows] == ["right"] * 4
    assert max(row["error"] for row in rows) < 1e-6


def test_check_exits_with_6_where_a_network_of_ones_own_is_wrong(dlkit: Run, home: Path) -> None:
    (home / "net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(64, 8), nn.Linear(8, 10)\n"
        "    def forward(self, x):\n"
        "        return self.b(self.a(x.flatten(1)).detach())\n"
    )
    options = ("--data", "digits", "--epochs", "1", "--out", "own", "--quiet", "--no-plot")
    assert dlkit("train", "net.py:Net", *options).code == 0

    result = dlkit("inspect", "grads", "own", "--check", "--model", "net.py:Net", "--json")

    verdicts = {row["layer"]: row["verdict"] for row in json.loads(result.stdout)}
    assert result.code == 6
    assert verdicts == {"a.weight": "wrong", "a.bias": "wrong", "b.weight": "right", "b.bias": "right"}
    assert "a.weight, a.bias" in result.stderr
    assert_refused(dlkit("inspect", "grads", "own", "--check", "-o", "x.png"), 2, "x.png", "check.csv")
