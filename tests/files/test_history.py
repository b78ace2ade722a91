from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_reports

from dlkit.errors import DataError, DlkitError
from dlkit.files.history import (
    PROBE_COLUMNS,
    EpochRecord,
    append_probes,
    append_record,
    cut_back,
    parse_history,
    read_history,
    read_rows,
)

HEADER = (
    "epoch,step,seconds,lr,train_loss,val_loss,train_accuracy,val_accuracy,"
    "grad_norm,update_ratio,samples_per_second,memory_mib"
)


def record(epoch: int, **changes: object) -> EpochRecord:
    values = {
        "epoch": epoch,
        "step": 10 * epoch,
        "seconds": 1.23456 * epoch,
        "lr": 0.01,
        "metric": "accuracy",
        "train_loss": 1 / (epoch + 2),
        "val_loss": 0.5,
        "train_metric": 0.25,
        "val_metric": None,
        "grad_norm": float("inf"),
        "update_ratio": 1e-05,
        "samples_per_second": 1234.5678,
        "memory_mib": None,
        **changes,
    }
    return EpochRecord(**values)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Three epochs of ten steps each."""
    path = tmp_path / "history.csv"
    for epoch in (1, 2, 3):
        append_record(path, record(epoch))
    return path


def test_header_and_one_line_an_epoch_are_written(history: Path) -> None:
    lines = history.read_bytes().split(b"\n")
    assert lines[0].decode() == HEADER
    assert lines[1] == b"1,10,1.235,0.01,0.3333333333333333,0.5,0.25,,inf,1e-05,1234.6,"
    assert len(lines) == 5
    assert lines[-1] == b""


def test_numbers_are_read_back_exactly(history: Path) -> None:
    read = read_history(history)
    assert len(read) == 3
    assert read.metric == "accuracy"
    assert read.columns["train_loss"] == [1 / 3, 1 / 4, 1 / 5]
    assert read.columns["val_accuracy"] == [None, None, None]
    assert read.columns["grad_norm"] == [float("inf")] * 3


@pytest.mark.parametrize(
    ("losses", "row"),
    [(["3", "1", "1"], 1), (["nan", "2", ""], 1), (["", "inf"], None)],
    ids=["first-of-equals", "not-measured", "none"],
)
def test_best_row_is_the_first_of_the_lowest_finite_ones(losses: list[str], row: int | None) -> None:
    rows = [(line, ["1", loss]) for line, loss in enumerate(losses, start=2)]
    history = parse_history(Path("history.csv"), ["epoch", "val_loss"], rows)
    assert history.best_row() == row


def test_metric_is_none_when_only_the_loss_is_there() -> None:
    assert parse_history(Path("h"), ["epoch", "val_loss"], [(2, ["1", "2"])]).metric is None


def test_every_cut_gives_the_rows_that_are_whole(history: Path) -> None:
    whole = history.read_bytes()
    for length in range(len(whole) + 1):
        history.write_bytes(whole[:length])
        lines = whole[:length].count(b"\n")
        if lines < 2:
            with pytest.raises(DataError):
                read_history(history)
        else:
            read = read_history(history)
            assert read.columns["epoch"] == list(range(1, lines))
            assert read.columns["train_loss"] == [1 / (epoch + 2) for epoch in range(1, lines)]


def test_run_resumes_with_whole_rows_when_the_file_was_cut_at_any_byte(history: Path) -> None:
    whole = b"".join(history.read_bytes().splitlines(keepends=True)[:3])
    backup = history.with_name("history.csv.bak")
    for length in range(len(whole) + 1):
        backup.unlink(missing_ok=True)
        history.write_bytes(whole[:length])
        rows = max(0, whole[:length].count(b"\n") - 1)
        cut_back(history, step=10)
        kept = min(rows, 1)
        if not backup.exists():
            assert history.read_bytes() == whole[:length]
        else:
            assert backup.read_bytes() == whole[:length]
        append_record(history, record(kept + 1))
        assert history.read_bytes() == b"".join(line + b"\n" for line in whole.split(b"\n")[: kept + 2])


def test_rows_past_the_step_are_dropped_and_kept_aside(history: Path) -> None:
    whole = history.read_bytes()
    cut_back(history, step=20)
    assert read_history(history).columns["step"] == [10, 20]
    assert history.with_name("history.csv.bak").read_bytes() == whole


def test_a_second_cut_leaves_what_the_first_kept(history: Path) -> None:
    first = history.read_bytes()
    cut_back(history, step=20)
    append_record(history, record(3, val_loss=0.25))
    second = history.read_bytes()
    cut_back(history, step=10)
    assert history.with_name("history.csv.bak").read_bytes() == first
    assert history.with_name("history.csv.bak-2").read_bytes() == second


def test_nothing_is_touched_when_no_row_is_past_the_step(history: Path) -> None:
    before = history.stat()
    cut_back(history, step=30)
    assert history.stat() == before
    assert not history.with_name("history.csv.bak").exists()


def test_empty_file_is_left_when_it_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "history.csv").touch()
    cut_back(tmp_path / "history.csv", step=3)
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]
    append_record(tmp_path / "history.csv", record(1))
    assert len(read_history(tmp_path / "history.csv")) == 1


def test_one_header_stands_when_a_run_is_resumed_three_times(history: Path) -> None:
    unbroken = history.read_bytes()
    for step in (20, 10, 0):
        cut_back(history, step)
        with history.open("ab") as file:
            file.write(b"3,30,0.1")
        cut_back(history, step)
    for epoch in (1, 2, 3):
        append_record(history, record(epoch))
    assert history.read_bytes() == unbroken
    assert history.read_bytes().count(b"epoch") == 1


def test_repeated_header_is_dropped_when_the_run_resumes(history: Path) -> None:
    whole = history.read_bytes()
    lines = whole.splitlines(keepends=True)
    history.write_bytes(b"".join([*lines[:2], lines[0], *lines[2:]]))
    with pytest.raises(DataError, match="line 3: epoch "):
        read_history(history)
    cut_back(history, step=30)
    assert history.read_bytes() == whole


@pytest.mark.parametrize(
    "dressed",
    [lambda text: b"\xef\xbb\xbf" + text, lambda text: text.replace(b"\n", b"\r\n")],
    ids=["bom", "crlf"],
)
def test_file_saved_by_a_spreadsheet_is_read_and_fixed(
    history: Path, dressed: Callable[[bytes], bytes]
) -> None:
    whole = history.read_bytes()
    history.write_bytes(dressed(whole))
    assert read_history(history).columns["step"] == [10, 20, 30]
    append_record(history, record(4))
    assert read_history(history).columns["step"] == [10, 20, 30, 40]
    cut_back(history, step=30)
    assert history.read_bytes() == whole


@pytest.mark.parametrize(
    "header",
    [
        "a,b",
        "step,layer,signal",
        HEADER.replace(",lr", ""),
        HEADER.replace("val_accuracy", "val_f1"),
        HEADER.replace("train_accuracy,val_accuracy", "val_accuracy,train_accuracy"),
    ],
)
def test_foreign_file_is_refused_and_left_alone(tmp_path: Path, header: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(f"{header}\n{','.join('5' * len(header.split(',')))}\n")
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        cut_back(path, step=3)
    assert_reports(caught.value, f"{path} ", "move it away")
    with pytest.raises(DataError) as caught:
        append_record(path, record(1))
    assert_reports(caught.value, HEADER.replace(",", ", "), "move the file away")
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_probes_are_appended_and_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "probes.csv"
    append_probes(path, [])
    assert path.read_text() == "step,layer,signal,value\n"
    append_probes(path, [(1, "a,b", "grad_norm", 0.5), (2, 'c"d', "grad_norm", float("nan"))])
    header, rows = read_rows(path)
    assert tuple(header) == PROBE_COLUMNS
    assert [row for _, row in rows] == [["1", "a,b", "grad_norm", "0.5"], ["2", 'c"d', "grad_norm", "nan"]]
    cut_back(path, step=1)
    assert [row for _, row in read_rows(path)[1]] == [["1", "a,b", "grad_norm", "0.5"]]


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (b"", "is empty", ""),
        (b"epoch,train_loss\n", "no epochs", "epoch"),
        (b"epoch,loss\n1,2\n", "train_loss, val_loss", ""),
        (b"a,b\n1,2\n", "epoch, train_loss, val_loss", "dlkit train"),
        (b"epoch,epoch\n1,2\n", "epoch, epoch", ""),
        (b"epoch,val_loss\n1,2\n1\n", "line 3 has 1 ", ""),
        (b"epoch,val_loss\n1,low\n", "line 2: val_loss is 'low'", ""),
        (b"epoch,val_loss\n1,\x1b[31m\n", "line 2: val_loss is '\N{REPLACEMENT CHARACTER}[31m'", ""),
        (b"epoch,val_loss\n1,\xff\n", "byte 17 ", ""),
        (b"epoch,val_loss\n1," + b"x" * 200_000 + b"\n", "is not CSV", ""),
        (b",".join(b"c%d" % i for i in range(99_999)) + b"\n", "\N{HORIZONTAL ELLIPSIS}", ""),
    ],
)
def test_faulty_file_is_refused(tmp_path: Path, content: bytes, says: str, hint: str) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_history(path)
    assert caught.value.message.startswith(f"{path} ")
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert len(caught.value.message) < 500


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_history(tmp_path / "history.csv")
    assert_reports(caught.value, f" {tmp_path}/history.csv", "run folder")


@pytest.mark.parametrize(
    "touch",
    [read_history, lambda path: cut_back(path, 3), lambda path: append_record(path, record(1))],
    ids=["read", "cut", "append"],
)
def test_folder_in_the_place_of_the_file_is_refused(tmp_path: Path, touch: object) -> None:
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(DlkitError, match=r"cannot (read|append to) .*/history.csv: is a directory"):
        touch(tmp_path / "history.csv")


def test_endless_header_is_refused_when_appending(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(b"x" * 200_000)
    with pytest.raises(DataError, match="line 1 is not CSV"):
        append_record(tmp_path / "history.csv", record(1))


def test_history_equals_the_unbroken_one_when_a_run_is_resumed_three_times(
    home: Path, dlkit: Callable[..., Any]
) -> None:
    train = ("train", "mlp", "--limit", "200", "--no-plot", "--quiet")
    assert dlkit(*train, "--epochs", "4", "--out", "unbroken").code == 0
    assert dlkit(*train, "--epochs", "1", "--out", "resumed").code == 0
    for epochs in (2, 3, 4):
        with (home / "resumed" / "history.csv").open("ab") as file:
            file.write(b"9,99,1.5,0.01,0.3")  # a row that a kill cut off
        assert dlkit("train", "--resume", "resumed", "--epochs", epochs, "--no-plot", "--quiet").code == 0
    unbroken, resumed = (
        read_history(home / name / "history.csv").columns for name in ("unbroken", "resumed")
    )
    for name in unbroken.keys() - {"seconds", "samples_per_second", "memory_mib"}:
        assert resumed[name] == unbroken[name], name
    assert unbroken["epoch"] == [1, 2, 3, 4]
    assert (home / "resumed" / "history.csv.bak").exists()
    assert (home / "resumed" / "probes.csv").read_bytes() == (home / "unbroken" / "probes.csv").read_bytes()
