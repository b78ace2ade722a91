import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import assert_refused, faults

from dlkit.files.run_lock import hold_lock

HISTORY = (
    "epoch,step,seconds,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm\n"
    "1,23,0.5,0.01,2.0,1.6,0.4,0.8,3.5\n"
    "2,46,1.0,0.01,1.1,0.7,0.8,0.85,nan\n"
    "3,69,1.5,0.01,0.5,,0.9,,2.5\n"
)
PREDICTIONS = "index,target,pred,prob_cat,prob_dog\n0,cat,cat,0.9,0.1\n1,dog,cat,0.6,0.4\n2,dog,dog,0.2,0.8\n"
HEAVY = ("torch", "torchvision", "pandas", "matplotlib", "sklearn", "numpy")


@pytest.fixture
def files(home):
    """Two run folders, a history and predictions in the working folder."""
    for name, text in {
        "runs/mlp-001/history.csv": HISTORY,
        "runs/cnn-001/history.csv": HISTORY,
        "history.csv": HISTORY,
        "predictions.csv": PREDICTIONS,
    }.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "figure"),
    [
        pytest.param(["history.csv"], "history.png", id="beside-the-history"),
        pytest.param(["runs/mlp-001"], "runs/mlp-001/curves.png", id="in-the-run-folder"),
        pytest.param(["predictions.csv"], "predictions.png", id="beside-the-predictions"),
        pytest.param(["runs/mlp-001", "runs/cnn-001/history.csv"], "histories.png", id="several-here"),
        pytest.param(["history.csv", "-o", "a.png"], "a.png", id="where-asked"),
    ],
)
@pytest.mark.quick(1)
def test_plot_prints_the_path_of_the_figure(dlkit, files, words, figure):
    result = dlkit("plot", *words)
    assert (result.code, result.stdout, result.stderr) == (0, f"{figure}\n", "")
    assert is_png(files / figure)


def test_plot_prints_the_paths_as_json(dlkit, files):
    assert json.loads(dlkit("plot", "history.csv", "--json").stdout) == {"files": ["history.png"]}


@pytest.mark.parametrize(
    "words",
    [
        ["-y", "loss,lr", "-x", "step", "--smooth", "2"],
        ["-y", "val_loss, lr", "-x", "seconds", "--log-y"],
        ["--kind", "curves", "--label", "a run"],
    ],
    ids=" ".join,
)
@pytest.mark.quick(1)
def test_plot_accepts_combined_options(dlkit, files, words):
    result = dlkit("plot", "history.csv", *words)
    assert (result.code, result.stderr) == (0, "")


def test_plot_names_the_runs_by_their_folders(dlkit, files):
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "-o", "a.svg").code == 0
    drawn = (files / "a.svg").read_text()
    assert ">mlp-001, 0.7 in epoch 2<" in drawn
    assert ">cnn-001, 0.7 in epoch 2<" in drawn


def test_plot_names_the_runs_by_the_setting_that_differs(dlkit, files):
    for run, lr in (("mlp-001", 0.1), ("cnn-001", 0.02)):
        (files / "runs" / run / "config.toml").write_text(f"lr = {lr}\n")
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "-o", "a.svg").code == 0
    assert ">lr 0.1, 0.7 in epoch 2<" in (files / "a.svg").read_text()


def test_plot_draws_the_mean_of_runs_and_a_title(dlkit, files):
    words = ["runs/mlp-001", "runs/cnn-001", "--group", "--title", "Seeds", "--style", "dark", "-o", "a.svg"]
    assert dlkit("plot", *words).code == 0
    drawn = (files / "a.svg").read_text()
    assert ">mean (2 runs)<" in drawn
    assert ">Seeds<" in drawn


def test_plot_joins_pieces_of_a_run(dlkit, files):
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "--join", "-o", "a.svg").code == 0
    assert ">best epoch 2: val loss 0.7<" in (files / "a.svg").read_text()


def test_plot_names_the_runs_by_their_paths_when_folder_names_are_equal(dlkit, files):
    (files / "more").mkdir()
    (files / "runs/mlp-001").rename(files / "more/cnn-001")
    assert dlkit("plot", "runs/cnn-001", "more/cnn-001", "-o", "a.svg").code == 0
    assert ">more/cnn-001/history.csv, 0.7 in epoch 2<" in (files / "a.svg").read_text()


def test_plot_names_the_runs_by_label(dlkit, files):
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "--label", "one,two", "-o", "a.svg").code == 0
    assert ">one, 0.7 in epoch 2<" in (files / "a.svg").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["none.csv"], 3, "none.csv", ""),
        (["foreign.csv"], 3, "x, y", ""),
        (["halfway.csv"], 3, "column pred", "dlkit eval"),
        (["runs"], 3, "runs has no history.csv", "dlkit plot runs/"),
        (["runs/mlp-001/best.safetensors"], 3, "checkpoint", "dlkit plot runs/mlp-001"),
        (["history.csv", "-y", "val_los"], 2, "-y val_los ", "val_loss"),
        (["history.csv", "--kind", "curvse"], 2, "--kind curvse ", "curves"),
        (["history.csv", "-x", "epocs"], 2, "-x epocs ", "epoch?"),
        (["noval.csv", "-x", "seconds"], 2, "-x seconds", "-x epoch"),
        (["history.csv", "--label", "a,b"], 2, "--label a,b ", ""),
        (["history.csv", "--smooth", "0"], 2, "--smooth 0 is outside [1, inf)", ""),
        (["history.csv", "--smooth", "x"], 2, "--smooth x ", "dlkit plot --help"),
        (["history.csv", "--style", "darc"], 2, "--style darc ", "dark"),
        (["history.csv", "history.csv", "--join", "--group"], 2, "--join", "leave"),
        (["predictions.csv", "--join"], 2, "--join", "leave"),
        (["history.csv", "-o", "a.gif"], 2, "-o a.gif ", "a.png"),
        (["history.csv", "--json", "-o", "-"], 2, "stdout", ""),
        (["history.csv", "predictions.csv"], 2, "1 of the 2", ""),
        (["predictions.csv", "predictions.csv"], 2, "--kind confusion", "predictions.csv"),
        (["predictions.csv", "--smooth", "3"], 2, "--smooth", ""),
        (["predictions.csv", "--kind", "curves"], 3, "column epoch", "dlkit train"),
        (["history.csv", "--kind", "confusion"], 3, "column target", "dlkit eval"),
        (["history.csv", "-o", "none/a.png"], 1, "none/a.png", "path"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_plot_refuses_bad_input_in_one_line(dlkit, files, words, code, message, hint):
    (files / "foreign.csv").write_text("x,y\n1,2\n")
    (files / "halfway.csv").write_text("target,y\n1,2\n")
    (files / "noval.csv").write_text("epoch,train_loss,val_loss\n1,0.5,\n")
    before = sorted(files.rglob("*"))

    assert_refused(dlkit("plot", *words), code, message, hint)
    assert sorted(files.rglob("*")) == before


def test_plot_reports_all_faults_together(dlkit, files):
    result = dlkit(
        "plot", "none.csv", "--smooth", 0, "-x", "time", "--kind", "pie", "-o", "a.txt", "--label", "a,b"
    )
    assert result.code == 2
    assert result.stderr.count("error: ") == 5


def test_plot_refuses_a_folder_without_permission(dlkit, files):
    folder = files / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    result = dlkit("plot", "history.csv", "-o", "locked/a.png")
    assert_refused(result, 1, "locked/a.png: permission denied")


def test_plot_leaves_out_a_line_that_is_being_written(dlkit, files):
    (files / "history.csv").write_text(HISTORY + "4,92,2.0,0.0")
    result = dlkit("plot", "history.csv")
    assert result.code == 0
    assert "history.csv" in result.stderr
    assert dlkit("plot", "history.csv", "--quiet").stderr == ""


def test_plot_warns_about_values_it_cannot_draw(dlkit, files):
    (files / "other.csv").write_text("epoch,val_loss\n1,0.5\n2,0.0\n")
    result = dlkit("plot", "history.csv", "other.csv", "-y", "val_loss,grad_norm", "--log-y")
    assert result.code == 0
    assert "other.csv has no grad_norm" in result.stderr
    assert re.search(r"--log-y .*\b1 value", result.stderr)


def test_plot_takes_class_names_with_line_breaks(dlkit, files):
    (files / "p.csv").write_text('index,target,pred,"prob_a\nb",prob_c\n0,"a\nb",c,0.4,0.6\n1,c,c,0.1,0.9\n')
    result = dlkit("plot", "p.csv", "-o", "p.svg")
    assert result.code == 0, result.stderr
    assert "1 of 2" in (files / "p.svg").read_text()


def test_plot_prints_no_escape_sequences(dlkit, files):
    (files / "history.csv").write_text("\x1b[31mx,\x1b]0;y\x07\n1,2\n")
    result = dlkit("plot", "history.csv")
    assert result.code == 3
    assert result.stderr.replace("\n", "").isprintable()


def in_fresh_interpreter(code, **streams):
    """Run Python code in a process of its own, with what it needs to say which heavy modules were loaded."""
    prelude = f"import sys\nfrom dlkit.cli.app import run\nheavy = lambda: sorted(set({HEAVY}) & set(sys.modules))\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code], timeout=120, check=False, **streams
    )


@pytest.mark.slow
def test_plot_writes_png_to_stdout_and_never_loads_torch(files):
    code = "code = run(['plot', 'history.csv', '-o', '-'])\nsys.stderr.write(f'{code} {heavy()}')"
    done = in_fresh_interpreter(code, capture_output=True)
    assert done.stderr.decode() == "0 ['matplotlib', 'numpy']"
    assert done.stdout.startswith(b"\x89PNG")
    assert done.stdout.endswith(b"IEND\xaeB`\x82")


def test_plot_refuses_to_write_a_figure_to_a_terminal(files):
    ours, terminal = pty.openpty()
    try:
        done = in_fresh_interpreter(
            "sys.exit(run(['plot', 'history.csv', '-o', '-']))",
            stdout=terminal,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert done.returncode == 2
    ((message, hint),) = faults(done.stderr)
    assert "-o - " in message
    assert "> curves.png" in hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.slow
def test_plot_reports_a_full_disk_behind_stdout(files):
    with Path("/dev/full").open("wb") as full:
        done = in_fresh_interpreter(
            "sys.exit(run(['plot', 'history.csv', '-o', '-']))",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert re.match(r"error: disk full: .* stdout \(", done.stderr)


def test_plot_draws_what_train_and_eval_wrote(dlkit, trained_run, files):
    assert dlkit("plot", trained_run, "-o", "curves.png").code == 0
    assert dlkit("eval", trained_run, "--predict", "p.csv").code == 0
    result = dlkit("plot", "p.csv")
    assert (result.code, result.stdout) == (0, "p.png\n")


@pytest.mark.slow
def test_plot_of_a_run_evaluates_it_once_for_a_kind_of_predictions(dlkit, home):
    assert dlkit("train", "mlp", "--epochs", "1", "--no-plot", "--quiet", "--out", "r").code == 0
    first = dlkit("plot", "r", "--kind", "confusion")
    assert (first.code, first.stdout) == (0, "r/confusion.png\n")
    assert "r/best.safetensors" in first.stderr
    assert dlkit("eval", "r", "--predict", "p.csv").code == 0
    assert (home / "r/predictions-test.csv").read_bytes() == (home / "p.csv").read_bytes()
    assert dlkit("plot", "r", "--kind", "calibration").stderr == ""
    for clock in (None, (1e9, 1e9), (4e9, 4e9)):  # now, and set back and forward meanwhile
        os.utime(home / "r/best.safetensors", clock)
        assert "evaluating" in dlkit("plot", "r", "--kind", "roc").stderr
        assert dlkit("plot", "r", "--kind", "roc").stderr == ""
    result = dlkit("plot", "r", "--kind", "parity")
    assert_refused(result, 3, "prob_", "--kind confusion")


def test_plot_of_a_run_of_own_code_needs_its_name(dlkit, home):
    (home / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n"
        "    def __init__(self, in_features, num_classes):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(in_features, num_classes))\n"
    )
    words = ["train", "net.py:Net", "--data", "digits", "--epochs", "1", "--no-plot", "--quiet", "--out", "r"]
    assert dlkit(*words).code == 0
    assert_refused(dlkit("plot", "r", "--kind", "confusion"), 4, "net.py", "--model")
    assert dlkit("plot", "r", "--kind", "confusion", "--model", "net.py:Net").code == 0


def test_plot_in_the_terminal_writes_no_file(dlkit, files):
    result = dlkit("plot", "runs/mlp-001", "--term")
    assert result.code == 0
    assert "accuracy" in result.stdout
    assert "\x1b" not in result.stdout
    assert not (files / "runs/mlp-001/curves.png").exists()
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["history.csv", "--term", "-o", "a.png"], "-o a.png", "leave"),
        (["history.csv", "--term", "--json"], "--json", "leave"),
        (["history.csv", "--term", "--follow"], "terminal", "--follow"),
        (["predictions.csv", "--term"], "--term", "--term"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_plot_in_the_terminal_is_refused_where_it_makes_no_sense(dlkit, files, words, message, hint):
    assert_refused(dlkit("plot", *words), 2, message, hint)


@pytest.mark.slow
def test_plot_follows_a_run_until_its_lock_is_free(dlkit, files):
    run = files / "runs" / "mlp-001"
    before = (run / "history.csv").read_text()

    with hold_lock(run / "run.lock"):
        following = subprocess.Popen(
            [sys.executable, "-m", "dlkit", "plot", "runs/mlp-001", "--follow"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert following.stdout.readline() == "runs/mlp-001/curves.png\n"
        (run / "history.csv").write_text(before + "4,92,2.0,0.01,0.3,0.4,0.95,0.9,2.0\n")
    assert following.communicate(timeout=60)[0] == ""  # the path is printed once
    assert following.returncode == 0
    first = (run / "curves.png").read_bytes()
    assert dlkit("plot", "runs/mlp-001").code == 0
    assert first == (run / "curves.png").read_bytes()  # with the row that was written meanwhile
