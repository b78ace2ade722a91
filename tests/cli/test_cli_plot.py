import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

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
    ("words", "picture"),
    [
        pytest.param(["history.csv"], "history.png", id="beside-the-history"),
        pytest.param(["runs/mlp-001"], "runs/mlp-001/history.png", id="in-the-run-folder"),
        pytest.param(["predictions.csv"], "predictions.png", id="beside-the-predictions"),
        pytest.param(["runs/mlp-001", "runs/cnn-001/history.csv"], "histories.png", id="several-here"),
        pytest.param(["history.csv", "-o", "a.png"], "a.png", id="where-asked"),
    ],
)
def test_plot_prints_the_path_of_the_picture_it_wrote(dlkit, files, words, picture):
    result = dlkit("plot", *words)
    assert (result.code, result.stdout, result.stderr) == (0, f"{picture}\n", "")
    assert is_png(files / picture)


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_plot_writes_the_format_of_the_suffix(dlkit, files, suffix, magic):
    assert dlkit("plot", "predictions.csv", "--out", f"a.{suffix}").code == 0
    assert (files / f"a.{suffix}").read_bytes().startswith(magic)


def test_plot_gives_the_paths_as_json(dlkit, files):
    assert json.loads(dlkit("plot", "history.csv", "--json").stdout) == {"files": ["history.png"]}


@pytest.mark.parametrize(
    "words",
    [
        ["-y", "loss,lr", "-x", "step", "--smooth", "2"],
        ["-y", "val_loss, lr", "-x", "seconds", "--log-y"],
        ["--kind", "history", "--label", "a run"],
    ],
    ids=" ".join,
)
def test_plot_takes_its_options_together(dlkit, files, words):
    result = dlkit("plot", "history.csv", *words)
    assert (result.code, result.stderr) == (0, "")


def test_plot_names_the_runs_by_their_folders(dlkit, files):
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "-o", "a.svg").code == 0
    drawn = (files / "a.svg").read_text()
    assert ">mlp-001, best epoch 2<" in drawn
    assert ">cnn-001, best epoch 2<" in drawn


def test_plot_names_the_runs_by_their_paths_when_the_folders_are_called_alike(dlkit, files):
    (files / "more").mkdir()
    (files / "runs/mlp-001").rename(files / "more/cnn-001")
    assert dlkit("plot", "runs/cnn-001", "more/cnn-001", "-o", "a.svg").code == 0
    assert ">more/cnn-001/history.csv, best epoch 2<" in (files / "a.svg").read_text()


def test_plot_names_the_runs_as_told(dlkit, files):
    assert dlkit("plot", "runs/mlp-001", "runs/cnn-001", "--label", "one,two", "-o", "a.svg").code == 0
    assert ">one, best epoch 2<" in (files / "a.svg").read_text()


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        pytest.param(["none.csv"], 3, "no file at none.csv", "run folder", id="missing-file"),
        pytest.param(["foreign.csv"], 3, "its columns are x, y", "dlkit train writes", id="foreign"),
        pytest.param(
            ["halfway.csv"], 3, "has no column pred; its columns are", "dlkit eval", id="missing-column"
        ),
        pytest.param(["empty.csv"], 3, "empty.csv is empty", "", id="empty"),
        pytest.param(
            ["header.csv"], 3, "header.csv has no epochs yet", "when an epoch ends", id="header-only"
        ),
        pytest.param(["binary.csv"], 3, "binary.csv is not text", "", id="binary"),
        pytest.param(["runs"], 3, "runs has no history.csv", "its folders have one", id="folder-of-runs"),
        pytest.param(
            ["bare"], 3, "bare has no history.csv", "dlkit train writes", id="folder-without-history"
        ),
        pytest.param(
            ["runs/mlp-001/best.safetensors"], 3, "is a checkpoint", "plot runs/mlp-001", id="checkpoint"
        ),
        pytest.param(["history.csv", "-y", "val_los"], 2, "-y val_los is no column", "val_loss", id="column"),
        pytest.param(
            ["history.csv", "-y", "loss,"], 2, "-y loss, has an empty name", "-y loss,lr", id="no-column"
        ),
        pytest.param(
            ["noval.csv", "-y", "val_loss"],
            3,
            "no number to draw in val_loss",
            "not measured",
            id="no-number",
        ),
        pytest.param(
            ["history.csv", "--kind", "histroy"], 2, "--kind histroy is not known", "history", id="kind"
        ),
        pytest.param(
            ["history.csv", "-x", "epocs"], 2, "-x epocs is not known", "did you mean epoch?", id="x"
        ),
        pytest.param(
            ["noval.csv", "-x", "seconds"], 2, "-x seconds: noval.csv has no number", "-x epoch", id="no-x"
        ),
        pytest.param(
            ["history.csv", "--label", "a,b"], 2, "--label a,b names 2 of 1 inputs", "one name", id="labels"
        ),
        pytest.param(
            ["history.csv", "--label", ""], 2, "--label  has an empty name", "one name", id="empty-label"
        ),
        pytest.param(
            ["history.csv", "--smooth", "0"], 2, "--smooth 0 is outside [1, inf)", "1 draws", id="smooth"
        ),
        pytest.param(
            ["history.csv", "--smooth", "x"],
            2,
            "--smooth",
            "plot --help",
            id="no-number-smooth",
        ),
        pytest.param(
            ["history.csv", "-o", "a.gif"], 2, "-o a.gif has the unknown suffix", "a.png", id="suffix"
        ),
        pytest.param(
            ["history.csv", "-o", "bare"], 2, "-o bare has no suffix", "bare.png", id="folder-as-output"
        ),
        pytest.param(
            ["history.csv", "--json", "-o", "-"], 2, "both want stdout", "name a file", id="json-and-stdout"
        ),
        pytest.param(
            ["history.csv", "predictions.csv"], 2, "1 of the 2 inputs are histories", "one after", id="mixed"
        ),
        pytest.param(
            ["predictions.csv"] * 2,
            2,
            "--kind confusion is of one file",
            "predictions.csv",
            id="two-tables",
        ),
        pytest.param(
            ["predictions.csv", "--smooth", "3"], 2, "--smooth is for histories", "leave it", id="not-for-it"
        ),
        pytest.param(
            ["predictions.csv", "--kind", "history"],
            3,
            "it has no column epoch",
            "dlkit train",
            id="kind-wrong",
        ),
        pytest.param(
            ["history.csv", "--kind", "confusion"], 3, "has no column target", "dlkit eval", id="kind-wrong-2"
        ),
        pytest.param(
            ["zero.csv", "-y", "lr", "--log-y"], 2, "--log-y needs values above 0", "leave", id="log"
        ),
        pytest.param(
            ["history.csv", "-o", "none/a.png"],
            1,
            "cannot write none/a.png",
            "check the path",
            id="no-folder",
        ),
        pytest.param(
            ["history.csv", "-o", "empty.csv/a.png"],
            1,
            "not a directory",
            "check the path",
            id="file-as-folder",
        ),
        pytest.param([], 2, "missing argument", "dlkit plot --help", id="nothing"),
    ],
)
def test_plot_refuses_bad_input_in_one_line(dlkit, files, words, code, message, hint):
    (files / "bare").mkdir()
    (files / "foreign.csv").write_text("x,y\n1,2\n")
    (files / "halfway.csv").write_text("target,y\n1,2\n")
    (files / "empty.csv").write_text("")
    (files / "header.csv").write_text(HISTORY.splitlines()[0] + "\n")
    (files / "binary.csv").write_bytes(b"\x93NUMPY\x01\x00v\x00\xff")
    (files / "noval.csv").write_text("epoch,train_loss,val_loss\n1,0.5,\n")
    (files / "zero.csv").write_text("epoch,train_loss,lr\n1,0.5,0.0\n")
    before = sorted(files.rglob("*"))
    result = dlkit("plot", *words)
    assert (result.code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr.splitlines()[0]
    assert hint in result.stderr.split("hint: ")[-1]
    assert result.stderr.count("\n") <= 2
    assert sorted(files.rglob("*")) == before


def test_plot_tells_all_faults_of_the_options_at_once(dlkit, files):
    result = dlkit(
        "plot", "none.csv", "--smooth", 0, "-x", "time", "--kind", "pie", "-o", "a.txt", "--label", "a,b"
    )
    assert result.code == 2
    assert result.stderr.count("error: ") == 5


def test_plot_says_when_it_cannot_write_into_a_folder(dlkit, files):
    folder = files / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    result = dlkit("plot", "history.csv", "-o", "locked/a.png")
    assert result.code == 1
    assert "cannot write locked/a.png: permission denied" in result.stderr


def test_plot_leaves_a_line_out_that_is_being_written(dlkit, files):
    (files / "history.csv").write_text(HISTORY + "4,92,2.0,0.0")
    result = dlkit("plot", "history.csv")
    assert result.code == 0
    assert result.stderr == "the last line of history.csv is cut off and left out\n"
    assert dlkit("plot", "history.csv", "--quiet").stderr == ""


def test_plot_warns_of_what_it_cannot_draw(dlkit, files):
    (files / "other.csv").write_text("epoch,val_loss\n1,0.5\n2,0.0\n")
    result = dlkit("plot", "history.csv", "other.csv", "-y", "val_loss,grad_norm", "--log-y")
    assert result.code == 0
    assert "other.csv has no grad_norm; it is left out of that panel" in result.stderr
    assert "--log-y leaves out 1 value that is not above 0" in result.stderr


def test_plot_says_nothing_a_terminal_would_obey(dlkit, files):
    (files / "history.csv").write_text("\x1b[31mx,\x1b]0;y\x07\n1,2\n")
    result = dlkit("plot", "history.csv")
    assert result.code == 3
    assert result.stderr.replace("\n", "").isprintable()


def test_plot_replaces_the_picture_that_was_there(dlkit, files):
    (files / "history.png").write_text("old")
    assert dlkit("plot", "history.csv").code == 0
    assert is_png(files / "history.png")
    assert not list(files.glob(".dlkit-tmp-*"))


def in_fresh_interpreter(code, **streams):
    """Run Python code in a process of its own, with what it needs to say which heavy modules were loaded."""
    prelude = f"import sys\nfrom dlkit.cli.app import run\nheavy = lambda: sorted(set({HEAVY}) & set(sys.modules))\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + code], timeout=120, check=False, **streams
    )


def test_plot_writes_png_to_stdout_and_never_loads_torch(files):
    code = "code = run(['plot', 'history.csv', '-o', '-'])\nsys.stderr.write(f'{code} {heavy()}')"
    done = in_fresh_interpreter(code, capture_output=True)
    assert done.stderr.decode() == "0 ['matplotlib', 'numpy']"
    assert done.stdout.startswith(b"\x89PNG")
    assert done.stdout.endswith(b"IEND\xaeB`\x82")


def test_plot_checks_options_and_files_before_it_loads_anything_heavy(files):
    code = (
        "codes = [run(['plot', '--help']), run(['plot', 'history.csv', '--smooth', '0']), run(['plot', 'none.csv']),"
        " run(['plot', 'history.csv', '-y', 'x']), run(['plot', 'history.csv', '-o', 'a.gif'])]\n"
        "print(codes, heavy())"
    )
    done = in_fresh_interpreter(code, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[0, 2, 3, 2, 2] []"


def test_plot_refuses_to_write_a_picture_to_a_terminal(files):
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
    assert done.stderr.splitlines() == [
        "error: -o - would write a picture to the terminal",
        "hint: dlkit plot ... -o - > curves.png",
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_plot_says_that_stdout_takes_no_more(files):
    with Path("/dev/full").open("wb") as full:
        done = in_fresh_interpreter(
            "sys.exit(run(['plot', 'history.csv', '-o', '-']))",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: disk full: cannot write the picture to stdout (")


def test_plot_draws_what_train_and_eval_wrote(dlkit, trained_run, files):
    assert dlkit("plot", trained_run, "-o", "curves.png").code == 0
    assert dlkit("eval", trained_run, "--predict", "p.csv").code == 0
    result = dlkit("plot", "p.csv")
    assert (result.code, result.stdout) == (0, "p.png\n")
