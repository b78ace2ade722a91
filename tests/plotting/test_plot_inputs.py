import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_reports

from dlkit.errors import DataError
from dlkit.files.history import History
from dlkit.plotting import kinds
from dlkit.plotting.inputs import find_csv, is_cut_off
from dlkit.plotting.predictions.reading import Predictions

HISTORY = "epoch,train_loss,val_loss\n1,0.5,0.6\n2,0.4,\n"
PREDICTIONS = "index,target,pred,prob_dog,prob_cat\n0,cat,cat,0.1,0.9\n1,dog,cat,0.4,0.6\n"


def read_input(*args: Any) -> Any:
    return kinds.read_input(*args)[1]


@pytest.fixture
def written(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path, kind=None):
    with pytest.raises(DataError) as caught:
        read_input(path, kind)
    assert str(path) in caught.value.message
    return caught.value


def test_read_input_knows_a_history_by_its_header(written):
    found = read_input(written(HISTORY))
    assert isinstance(found, History)
    assert found.columns["val_loss"] == [0.6, None]


def test_read_input_knows_predictions_by_their_header(written):
    found = read_input(written(PREDICTIONS))
    assert found == Predictions(["cat", "dog"], ["cat", "cat"], ["dog", "cat"])


def test_read_input_sorts_classes_when_no_column_gives_their_order(written):
    found = read_input(written("target,pred\n10,9\n9,b\na,2\n"))
    assert found.class_names == ["2", "9", "10", "a", "b"]


def test_read_input_keeps_a_class_that_the_network_does_not_know(written):
    assert read_input(written(PREDICTIONS + "2,owl,cat,0,1\n")).class_names == ["dog", "cat", "owl"]


def test_read_input_leaves_a_cut_off_line_out(written):
    path = written(HISTORY + "3,0.")
    assert len(read_input(path)) == 2
    assert is_cut_off(path)
    assert not is_cut_off(written(HISTORY))


def test_read_input_reads_a_pipe_once(written):
    reading, writing = os.pipe()
    os.write(writing, HISTORY.encode())
    os.close(writing)
    try:
        path = find_csv(type(written(""))(f"/dev/fd/{reading}"))
        assert len(read_input(path)) == 2
        assert not is_cut_off(path)
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("epoch,train_loss,val_loss\n", "no epochs", id="history-header-only"),
        pytest.param("target,pred\n", "no predictions", id="predictions-header-only"),
        pytest.param("epoch,lr\n1,2\n", "train_loss, val_loss", id="no-loss"),
        pytest.param("pred,truth\na,b\n", "pred, truth", id="no-target"),
        pytest.param("x,y\n1,2\n", "x, y", id="foreign"),
        pytest.param("epoch,val_loss\n1,abc\n", "line 2: val_loss is 'abc'", id="no-number"),
        pytest.param(b"\x00\x01\x02,\x1b[31m\n1,2\n", "CSV", id="binary-that-is-text"),
    ],
)
def test_read_input_refuses_a_faulty_file(written, content, message):
    error = refused(written(content))
    assert message in error.message
    assert error.message.isprintable()


def test_read_input_names_the_columns_of_a_foreign_file(written):
    assert_reports(refused(written("x,y\n1,2\n")), "x, y", "epoch, train_loss, val_loss", "dlkit train")


def test_read_input_suggests_the_column_that_was_meant(written):
    assert refused(written("target,preds\na,b\n")).hint.endswith("preds?")


def test_read_input_refuses_more_classes_than_a_figure_shows(written):
    rows = "".join(f"c{index},c0\n" for index in range(1001))
    assert_reports(refused(written(f"target,pred\n{rows}")), "1,001 classes", "1,000")


def test_read_input_takes_the_kind_that_was_asked_for(written):
    both = "epoch,val_loss,target,pred\n1,0.5,a,b\n"
    assert isinstance(read_input(written(both)), Predictions)
    assert read_input(written("epoch,val_loss\n1,0.5\n"), "curves").columns["val_loss"] == [0.5]
    assert "no column target" in refused(written(HISTORY), "confusion").message
    assert "no column epoch" in refused(written(PREDICTIONS), "curves").message


def test_find_csv_takes_the_history_of_a_run_folder(written, tmp_path):
    path = written(HISTORY, "history.csv")
    assert find_csv(tmp_path) == path
    assert find_csv(path) == path


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        pytest.param([], "dlkit train", id="nothing"),
        pytest.param(["p.csv"], "p.csv", id="other-tables"),
        pytest.param(["m-001/history.csv", "m-002/history.csv"], "dlkit plot {}/m-002", id="folder-of-runs"),
    ],
)
def test_find_csv_names_what_a_folder_without_a_history_has(tmp_path, files, hint):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(DataError) as caught:
        find_csv(tmp_path)
    assert_reports(caught.value, f"{tmp_path} has no history.csv", hint.format(tmp_path))


def test_find_csv_leads_from_a_checkpoint_to_its_run(tmp_path):
    with pytest.raises(DataError) as caught:
        find_csv(tmp_path / "best.safetensors")
    assert_reports(caught.value, "checkpoint", f"dlkit plot {tmp_path}")


def test_find_csv_quotes_a_path_with_a_blank(tmp_path):
    with pytest.raises(DataError) as caught:
        find_csv(tmp_path / "my run" / "best.safetensors")

    command = (caught.value.hint or "").partition(" draws")[0]
    assert shlex.split(command) == ["dlkit", "plot", str(tmp_path / "my run")]


def test_read_input_refuses_a_missing_file(tmp_path):
    assert refused(tmp_path / "none.csv")


def test_gallery_shows_every_kind_and_every_figure_of_it_is_there():
    docs = Path(__file__).resolve().parents[2] / "docs"
    text = (docs / "gallery.md").read_text()
    by_header = {"curves", "map"}
    assert [name for name in kinds.PLOT_KINDS if f"--kind {name}" not in text and name not in by_header] == []
    shown = re.findall(r"\(gallery/(\w+)\.png\)", text)
    assert sorted(shown) == sorted(file.stem for file in (docs / "gallery").glob("*.png"))
