"""dlkit train as a user runs it."""

import json
import math
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, faults
from shell import in_shell

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history

Dlkit = Callable[..., Any]
SHORT = ("train", "mlp", "--limit", "60", "--epochs", "2", "--device", "cpu", "--no-plot")


def spoil(path: Path) -> None:
    """Flip one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_stdout_is_one_line_and_stderr_one_an_epoch(
    dlkit: Dlkit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DLKIT_TRAIN_PLOT")
    result = dlkit("train", "mlp", "--epochs", "5", "--lr", "0.01")

    assert result.code == 0
    assert result.stdout == "runs/mlp-digits-001/best.safetensors\n"
    plan, *epochs, best = result.stderr.splitlines()
    assert plan.startswith(
        "mlp (9,610 parameters) on digits (1,455 train, 162 val, 180 test), sgd at lr 0.01"
    )
    assert len(epochs) == 5
    number = r"\d+\.\d{4}"
    line = (
        rf"epoch \d/5  loss {number}  accuracy {number}  val loss {number}  val accuracy {number}  lr 0.01  "
    )
    assert all(re.match(line + r"[\d,]+ samples/s$", epoch) for epoch in epochs)
    assert re.match(rf"best epoch \d: val loss {number}, accuracy {number}; the run is in runs/mlp", best)
    assert (home / "runs/mlp-digits-001/curves.png").is_file()


def test_runs_are_numbered(dlkit: Dlkit, home: Path) -> None:
    assert [dlkit(*SHORT).stdout for _ in range(2)] == [
        "runs/mlp-digits-001/best.safetensors\n",
        "runs/mlp-digits-002/best.safetensors\n",
    ]


def test_json_is_one_object(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*SHORT, "--out", "run", "--json")

    found = json.loads(result.stdout)
    assert found["run"] == "run"
    assert found["best"] == "run/best.safetensors"
    assert found["last"] == "run/last.safetensors"
    assert found["epochs"] == 2
    history = read_history(Path("run/history.csv"))
    assert found["metrics"]["val_accuracy"] == history.columns["val_accuracy"][history.best_row()]


def test_quiet_prints_the_result_only(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(
        "train", "mlp", "--epochs", "3", "--out", "run", "--quiet"
    )  # long enough to get no warning

    assert (result.stdout, result.stderr) == ("run/best.safetensors\n", "")


def test_log_every_prints_every_n_steps(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*SHORT, "-b", "6", "--log-every", "4")

    steps = [int(step) for step in re.findall(r"step (\d+) loss", result.stderr)]
    assert steps == [4, 8, 12, 16, 20]
    assert "epoch 2 [6/10] step 16 loss " in result.stderr


def test_settings_reach_the_run(dlkit: Dlkit, home: Path) -> None:
    words = "--optimizer adam -s hidden=8,4 -s norm=batch -b 5 --normalize 0.5,0.5 --seed 3 --l1 0.001"
    assert dlkit(*SHORT, *words.split(), "--weight-decay", "0.1", "--out", "run").code == 0

    config = load_checkpoint(Path("run")).config
    assert (config.optimizer, config.lr, config.batch_size, config.seed) == ("adam", 0.001, 5, 3)
    assert (config.l1, config.weight_decay, config.normalize) == (0.001, 0.1, "0.5,0.5")
    assert config.arguments["hidden"] == (8, 4)


def test_all_faults_are_reported_together(dlkit: Dlkit, home: Path) -> None:
    result = dlkit("train", "mpl", "--lr", "-1", "--val", "1.2", "--optimizer", "sgdd", "--device", "gpu")

    assert (result.code, result.stdout) == (2, "")
    found = {message.split()[0]: hint for message, hint in faults(result.stderr)}
    assert sorted(found) == ["--device", "--lr", "--optimizer", "--val", "MODEL"]
    assert "mlp?" in found["MODEL"]
    assert "0.1" in found["--val"]
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        ([], 2, "MODEL is missing", "dlkit train mlp"),
        (["--resume", "x"], 4, "no run to resume at x", "runs/mlp-digits-001"),
        (["mlp", "-s", "hidden"], 2, "-s hidden ", "-s hidden=128,64"),
        (["mlp", "--data", "mnist"], 3, "--data mnist ", "dlkit data get mnist"),
        (["mlp", "--out", "file"], 1, "file: not a directory", "path"),
        (["mlp", "--device", "cuda:99"], 7, "--device cuda:99 ", "--device auto"),
        (["resnet18", "-s", "steem=full"], 2, "-s steem=full", "stem"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_and_nothing_is_written(
    words: list[str], code: int, message: str, hint: str, dlkit: Dlkit, home: Path
) -> None:
    (home / "file").write_text("mine")

    assert_refused(dlkit("train", *words), code, message, hint)
    assert [path.name for path in home.iterdir()] == ["file"]


def test_resume_accepts_every_name_of_a_run(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SHORT, "--out", "run")

    for epochs, name in enumerate(("run", "run/last.safetensors", "run/history.csv"), start=3):
        result = dlkit("train", "--resume", name, "--epochs", epochs)
        assert (result.code, result.stdout) == (0, "run/best.safetensors\n")

    assert len(read_history(Path("run/history.csv"))) == 5


def test_a_finished_run_has_nothing_to_resume(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SHORT, "--out", "run")

    result = dlkit("train", "--resume", "run")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert re.search(r"^nothing to do: .*2 steps.*--epochs", result.stderr, re.MULTILINE)


def test_defaults_do_not_count_as_typed_on_resume(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SHORT, "--out", "run", "--seed", "5", "--momentum", "0.5", "--val", "0.2")

    result = dlkit("train", "mlp", "--resume", "run", "--epochs", "3")

    assert result.code == 0
    config = load_checkpoint(Path("run/last.safetensors")).config
    assert (config.epochs, config.seed, config.momentum, config.val) == (3, 5, 0.5, 0.2)


def test_a_damaged_last_is_replaced_by_the_previous_one(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SHORT, "--out", "run")
    spoil(Path("run/last.safetensors"))

    result = dlkit("train", "--resume", "run")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    for text in ("last.safetensors is damaged", "run/last.prev.safetensors", "run/last.safetensors.corrupt"):
        assert text in result.stderr


def test_two_damaged_checkpoints_are_refused_and_unchanged(dlkit: Dlkit, home: Path) -> None:
    dlkit(*SHORT, "--out", "run")
    spoil(Path("run/last.safetensors"))
    spoil(Path("run/last.prev.safetensors"))
    before = {path: path.read_bytes() for path in Path("run").iterdir()}

    result = dlkit("train", "--resume", "run")

    assert (result.code, result.stdout) == (4, "")
    assert "run/last.prev.safetensors is damaged" in result.stderr
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_adjusted_thread_count_is_reported(dlkit: Dlkit, home: Path) -> None:
    import torch

    dlkit(*SHORT, "--out", "run")
    torch.set_num_threads(2)
    try:
        result = dlkit("train", "--resume", "run", "--epochs", "3")
        assert "1 thread" in result.stderr
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_zeros_can_be_trained(dlkit: Dlkit, home: Path) -> None:
    result = dlkit(*SHORT, "-s", "init=zeros", "--out", "run")

    assert result.code == 0
    ratios = read_history(Path("run/history.csv")).columns["update_ratio"]
    assert all(ratio is None or math.isfinite(ratio) for ratio in ratios)
    assert "inf" not in Path("run/probes.csv").read_text()


@pytest.mark.slow
def test_the_four_lines_of_the_readme_work_in_a_shell(home: Path) -> None:
    result = in_shell(
        f"""
        ckpt=$(dlkit train mlp --epochs 5 --lr 0.01)
        dlkit eval "$ckpt" --json | "{sys.executable}" -m json.tool > eval.json
        dlkit plot "$(dirname "$ckpt")/history.csv"
        dlkit inspect grads "$ckpt"
        """
    )

    assert result.returncode == 0, result.stderr
    assert json.loads((home / "eval.json").read_text())["metrics"]["accuracy"]["value"] > 0.9
    figure, header, *rows = result.stdout.splitlines()
    assert (home / figure).is_file()
    assert header.split("\t")[0] == "layer"
    assert {row.split("\t")[0] for row in rows} >= {"hidden.0.linear.weight", "output.bias"}


@pytest.mark.slow
def test_training_continues_when_its_reader_has_gone(home: Path) -> None:
    result = in_shell("dlkit train mlp --epochs 3 --limit 60 --no-plot --out run 2>&1 | head -1")

    assert result.stdout.startswith("mlp (")
    assert "Traceback" not in result.stdout + result.stderr
    assert len(read_history(home / "run/history.csv")) == 3


@pytest.mark.slow
def test_a_terminal_shows_bars_and_a_dumb_one_lines(home: Path) -> None:
    for term, bars in (("xterm", True), ("dumb", False)):
        shown = on_terminal([*SHORT, "--out", term], TERM=term)
        assert ("━" in shown) == bars
        assert "epoch 2/2  loss" in shown
        assert shown.rstrip().endswith(f"{term}/best.safetensors")
        assert "Traceback" not in shown


def on_terminal(words: list[str], **variables: str) -> str:
    """Run a command with a terminal of 80 columns for its streams; give what it showed."""
    import pty

    leader, follower = pty.openpty()
    environment = {**os.environ, **variables, "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "-m", "dlkit", *words]
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # how Linux says that the other side has closed
                break
            if not part:
                break
            shown += part
    os.close(leader)
    assert process.returncode == 0, shown
    return shown.decode()


@pytest.mark.slow
def test_digits_are_learned_as_well_as_promised(dlkit: Dlkit, home: Path) -> None:
    accuracies = []
    for seed in range(10):
        result = dlkit(
            "train", "mlp", "--epochs", "5", "--lr", "0.01", "--seed", seed, "--json", "--no-plot", "-q"
        )
        history = read_history(Path(json.loads(result.stdout)["run"]) / "history.csv")
        accuracies.append(max(history.columns["val_accuracy"]))

    assert statistics.mean(accuracies) >= 0.935


@pytest.mark.slow
def test_folds_without_a_number_are_all_trained(home: Path, dlkit: Dlkit) -> None:
    rows = [f"{x},{'yes' if x % 3 else 'no'}" for x in range(60)]
    Path("t.csv").write_text("\n".join(["x,y", *rows]))
    words = ("train", "mlp", "--data", "t.csv", "--target", "y", "--folds", "3", "--epochs", "1")

    result = dlkit(*words, "--out", "cv")

    assert result.code == 0, result.stderr
    paths = [f"cv/fold-{number}/best.safetensors" for number in (1, 2, 3)]
    assert result.stdout.splitlines() == paths
    lines = [json.loads(line) for line in dlkit("eval", *paths, "--json").stdout.splitlines()]
    assert sum(line["n"] for line in lines) == 60, "each row is tested once"
    values = [line["metrics"]["accuracy"]["value"] for line in lines]
    spread = lines[-1]["over_runs"]["accuracy"]
    assert spread["mean"] == pytest.approx(statistics.mean(values))
    assert spread["sd"] == pytest.approx(statistics.stdev(values))
    assert f"accuracy {spread['mean']:.4g} ± {spread['sd']:.4g}" in result.stderr
    again = dlkit(*words, "--out", "cv", "--json")
    assert_refused(again, 2, "cv/fold-1", "--force")
    objects = [
        json.loads(line) for line in dlkit(*words, "--out", "cv", "--force", "--json").stdout.splitlines()
    ]
    assert [each["best"] for each in objects] == paths


def test_folds_of_standard_input_are_refused(home: Path, dlkit: Dlkit) -> None:
    result = dlkit("train", "mlp", "--data", "-", "--target", "y", "--folds", "3")

    assert_refused(result, 2, "--data -", "file")


def test_a_fold_that_diverges_does_not_stop_the_others(home: Path, dlkit: Dlkit) -> None:
    rows = [f"{x / 10},{x % 7}.5" for x in range(60)]
    rows[0] = (
        "0.5,1e22"  # among the validation samples of the first fold: the square of the error is infinite
    )
    Path("t.csv").write_text("\n".join(["x,y", *rows]))
    words = ("train", "mlp", "--data", "t.csv", "--target", "y", "--folds", "3", "--epochs", "1", "--no-plot")

    result = dlkit(*words, "--out", "cv")

    assert result.code == 5
    assert result.stdout.splitlines() == [f"cv/fold-{number}/best.safetensors" for number in (2, 3)]
    assert re.search(r"warning: fold 1: .*epoch 1", result.stderr)
    assert "\N{PLUS-MINUS SIGN}" in result.stderr
    assert "cv/fold-1" in faults(result.stderr)[-1][1]
