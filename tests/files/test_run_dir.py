import contextlib
import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from failing_disk import FailingDisk, using
from fork_server import ForkServer
from refusals import assert_reports, faults

from dlkit.errors import CheckpointError, ConfigError, DlkitError, RunExistsError
from dlkit.files.atomic import Disk
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import check_out, create_run, open_run
from dlkit.settings.resolve import resolve

HOLD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from dlkit.errors import DlkitError
from dlkit.files.run_dir import RunDir
print("ready", flush=True)
sys.stdin.readline()
try:
    with RunDir(Path(sys.argv[1])).locked():
        print("held", flush=True)
        sys.stdin.read()
except DlkitError as err:
    print(err.message, flush=True)
    sys.exit(err.exit_code)
"""
TRAIN = ("train", "mlp", "--epochs", "1", "--quiet")


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@contextlib.contextmanager
def lockers(folder: Path, count: int) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start processes that wait for a line before they all ask for the lock of a run folder."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Put a small disk of its own at a folder; the test is skipped where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Names


def test_files_are_those_that_are_there(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.files() == []
    names = {"history.csv", "history.csv.bak", "probes.csv.bak-12", "last.safetensors.corrupt"}
    for name in (
        *names,
        "notes.txt",
        "run.lock",
        "history.csv.bak-",
        "history.csv.bak-x",
        "history.csv.bak-2.txt",
    ):
        (tmp_path / name).touch()
    assert {file.name for file in run.files()} == names


def test_what_is_there_already_counts_when_room_is_needed(tmp_path: Path) -> None:
    class Small(Disk):
        def free_bytes(self, folder: Path) -> int:
            return 1000 if folder == tmp_path else 0

    (tmp_path / "last.safetensors").write_bytes(bytes(500))
    run = RunDir(tmp_path)
    with using(Small()):
        assert run.shortage(1500) == []
        (message,) = run.shortage(1501)
        assert [part for part in (str(tmp_path), "1,000", "1,001") if part not in message] == []


def test_disk_that_does_not_report_its_room_is_a_warning(tmp_path: Path) -> None:
    with using(FailingDisk(1, lambda: OSError(errno.EIO, "Input/output error"))):
        said = RunDir(tmp_path).shortage(1)
    assert str(tmp_path) in said[0]
    assert "input/output error" in said[0]


def test_run_without_a_name_takes_the_next_number(home: Path) -> None:
    for name in ("mlp-digits-007", "mlp-digits-x", "mlp-digits-²", "cnn-digits-009"):
        (home / "runs" / name).mkdir(parents=True)
    assert create_run(None, "mlp-digits").path == Path("runs/mlp-digits-008")
    assert create_run(None, "mlp-digits").path == Path("runs/mlp-digits-009")


def test_name_that_no_folder_can_have_is_refused(home: Path) -> None:
    with pytest.raises(DlkitError) as caught:
        create_run(None, "n" * 300)
    assert_reports(caught.value, f"runs/{'n' * 300}-001", "file name too long")


def create(out: Path, *, force: bool = False) -> RunDir:
    return create_run(out, "mlp-digits", force=force)


either = pytest.mark.parametrize("ask_for", [check_out, create])


@either
def test_run_is_not_replaced_unless_forced(run_copy: Path, ask_for: Callable[..., Any]) -> None:
    with pytest.raises(RunExistsError) as caught:
        ask_for(Path("run"))
    assert_reports(caught.value, "--out run", "--resume run", "--force")
    ask_for(Path("run"), force=True)


@either
@pytest.mark.parametrize("name", ["config.toml", "history.csv", "best.safetensors", "curves.png"])
@pytest.mark.parametrize("force", [False, True])
def test_files_that_are_no_runs_are_never_replaced(
    home: Path, ask_for: Callable[..., Any], name: str, force: bool
) -> None:
    (home / name).write_text("mine")
    with pytest.raises(ConfigError) as caught:
        ask_for(Path(), force=force)
    assert_reports(caught.value, "--out . ", name)
    assert caught.value.hint
    assert contents(home) == {name: b"mine"}


@either
def test_file_in_the_place_of_the_folder_is_refused(home: Path, ask_for: Callable[..., Any]) -> None:
    (home / "file").touch()
    for out in ("file", "file/below"):
        with pytest.raises(DlkitError, match="not a directory") as caught:
            ask_for(Path(out))
        assert caught.value.exit_code == 1


@pytest.mark.parametrize("ask_for", [check_out, create, open_run])
def test_path_that_cannot_be_is_refused(home: Path, ask_for: Callable[..., Any]) -> None:
    with pytest.raises(DlkitError) as caught:
        ask_for(Path("n" * 300))
    assert_reports(caught.value, "n" * 300, "file name too long")


def test_check_leaves_nothing_behind(home: Path) -> None:
    check_out(None)
    check_out(Path("a/b/c"))
    assert not list(home.iterdir())


def test_forced_run_removes_only_the_files_of_a_run(run_copy: Path) -> None:
    (run_copy / "notes.txt").write_text("mine")
    (run_copy / "step-folder").mkdir()
    RunDir(run_copy).clear()
    assert {path.name for path in run_copy.iterdir()} == {"notes.txt", "step-folder", "run.lock"}


def test_file_that_cannot_be_removed_is_reported(tmp_path: Path) -> None:
    (tmp_path / "history.csv").mkdir()
    with pytest.raises(DlkitError) as caught:
        RunDir(tmp_path).clear()
    assert_reports(caught.value, f"{tmp_path}/history.csv", "is a directory")


def test_run_is_opened_by_its_folder_or_a_file_in_it(trained_run: Path) -> None:
    assert open_run(trained_run).path == trained_run
    assert open_run(trained_run / "history.csv").path == trained_run


@pytest.mark.parametrize("path", ["missing", "empty", "empty/history.csv"])
def test_missing_run_is_refused(home: Path, path: str) -> None:
    (home / "empty").mkdir()
    with pytest.raises(CheckpointError) as caught:
        open_run(Path(path))
    assert_reports(caught.value, f" {path}", "runs/mlp-digits-001")


# The lock


def test_exactly_one_wins_when_many_start_at_once(tmp_path: Path) -> None:
    with lockers(tmp_path, 6) as processes:
        said = [process.stdout.readline() for process in processes]
    assert said.count("held\n") == 1
    assert all(f"{tmp_path} is locked" in line for line in said if line != "held\n")


def test_holder_is_named_and_its_death_frees_the_run(run_copy: Path, dlkit: Callable[..., Any]) -> None:
    before = contents(run_copy)
    with lockers(run_copy, 1) as (holder,):
        assert holder.stdout.readline() == "held\n"
        refused = dlkit("train", "--resume", "run", "--epochs", "3")
        assert refused.code == 1
        assert refused.stdout == ""
        assert f"error: run is locked: process {holder.pid} on " in refused.stderr
        assert "hint: wait for it, or choose another --out" in refused.stderr
        forced = dlkit("train", "mlp", "--out", "run", "--force")
        assert (forced.code, forced.stdout) == (1, "")
        now = contents(run_copy)
        assert {name: now[name] for name in before if name != "run.lock"} == {
            name: data for name, data in before.items() if name != "run.lock"
        }
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    resumed = dlkit("train", "--resume", "run", "--epochs", "3", "--quiet")
    assert (resumed.code, resumed.stdout) == (0, "run/best.safetensors\n")
    assert read_history(run_copy / "history.csv").columns["epoch"] == [1, 2, 3]


def test_holder_is_shown_safely(tmp_path: Path) -> None:
    with (tmp_path / "run.lock").open("w") as file:
        file.write("\x1b[31m" + "x" * 10_000)
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DlkitError) as caught, RunDir(tmp_path).locked():
            pass
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


def test_stale_files_of_a_killed_write_are_swept_under_the_lock(tmp_path: Path) -> None:
    (tmp_path / ".dlkit-tmp-9-abc").touch()
    with RunDir(tmp_path).locked():
        assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_run_that_appeared_meanwhile_is_not_touched(home: Path) -> None:
    run = create_run(Path("run"), "mlp-digits")
    (home / "run" / "last.safetensors").write_text("of another process")
    with pytest.raises(RunExistsError), run.locked():
        pass
    assert (home / "run" / "last.safetensors").read_text() == "of another process"


# The command


def test_existing_run_is_refused_before_torch_loads(run_copy: Path) -> None:
    before = contents(run_copy)
    script = "import sys; from dlkit.cli.app import run; code = run(sys.argv[1:]); print('torch' in sys.modules, code)"
    refused = subprocess.run(
        [sys.executable, "-c", script, "train", "mlp", "--out", "run"],
        cwd=run_copy.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert refused.stdout == "False 2\n"
    ((message, hint),) = faults(refused.stderr)
    assert message.startswith("--out run ")
    assert ("--resume run" in hint, "--force" in hint) == (True, True)
    assert contents(run_copy) == before


def test_forced_run_replaces_a_run_and_leaves_other_files(run_copy: Path, dlkit: Callable[..., Any]) -> None:
    (run_copy / "notes.txt").write_text("mine")
    (run_copy / "history.csv.bak").write_text("old")
    result = dlkit(*TRAIN, "--out", "run", "--force", "--no-plot")
    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert read_history(run_copy / "history.csv").columns["epoch"] == [1]
    assert (run_copy / "notes.txt").read_text() == "mine"
    assert not (run_copy / "history.csv.bak").exists()
    assert not (run_copy / "curves.png").exists()


@pytest.mark.parametrize("limit", [9_000, 35_000, 60_000], ids=["probes", "best", "last"])
@pytest.mark.quick(1)
def test_checkpoint_before_still_loads_when_the_disk_is_full(
    run_copy: Path, dlkit: Callable[..., Any], limit: int
) -> None:
    before = contents(run_copy)
    with largest_file(limit):
        full = dlkit("train", "--resume", "run", "--epochs", "4", "--quiet")
    assert (full.code, full.stdout) == (1, "")
    first, hint = full.stderr.splitlines()
    assert re.match(r"error: disk full: .* run/.*[\d,]+ bytes", first)
    assert hint.startswith("hint: ")
    assert contents(run_copy)["last.safetensors"] == before["last.safetensors"]
    assert load_checkpoint(run_copy / "last.safetensors").metadata["progress"]["position"]["epoch"] == 3
    assert not list(run_copy.glob(".dlkit-tmp-*"))
    assert dlkit("train", "--resume", "run", "--epochs", "4", "--quiet").code == 0
    assert read_history(run_copy / "history.csv").columns["epoch"] == [1, 2, 3, 4]


def test_read_only_disk_is_refused_before_anything_is_computed(
    run_copy: Path, home: Path, dlkit: Callable[..., Any]
) -> None:
    with mounted(home / "disk", "size=4m") as disk:
        shutil.copytree(run_copy, disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for words in (("mlp", "--out", "disk/new"), ("mlp", "--out", "disk/a/b"), ("--resume", "disk/run")):
            start = time.process_time()
            refused = dlkit("train", *words)
            assert time.process_time() - start < 1
            assert (refused.code, refused.stdout) == (1, "")
            ((message, hint),) = faults(refused.stderr)
            assert ("disk" in message, "read-only file system" in message, bool(hint)) == (True, True, True)


UNPRIVILEGED = """
import os, sys
from dlkit.cli.app import run
run(["train", "mlp", "--lr", "-1"])  # imports what errors need, while it can be read
if os.geteuid() == 0:
    os.setuid(65534)
codes = [run(["train", *words.split()]) for words in sys.argv[1:]]
print("torch" in sys.modules, codes)
"""


def test_folder_of_somebody_else_is_refused_before_torch_loads() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        (place / "run").mkdir()
        (place / "run" / "last.safetensors").touch()
        (place / "secret").mkdir(mode=0o700)
        for path in (place / "run", place):
            path.chmod(0o555)
        if os.geteuid():
            (place / "secret").chmod(0)
        words = ["mlp --out run/new", "mlp --out new", "mlp", "--resume run", "mlp --out secret/run"]
        refused = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, *words],
            cwd=place,
            capture_output=True,
            text=True,
            check=True,
        )
        for path in (place, place / "run", place / "secret"):
            path.chmod(0o700)
        assert sorted(path.name for path in place.rglob("*")) == ["last.safetensors", "run", "secret"]
    assert refused.stdout == "False [1, 1, 1, 1, 1]\n"
    assert refused.stderr.count("permission denied\nhint: ") == 5


def test_folder_that_vanishes_while_training_is_reported(home: Path) -> None:
    from dlkit.training.run import start_run

    config = resolve({"model": "mlp", "epochs": 2}, {})
    steps = iter(start_run(config, Path("run")))
    next(steps)
    shutil.rmtree("run")
    with pytest.raises(DlkitError) as caught:
        for _ in steps:
            pass
    assert caught.value.exit_code == 1
    assert "no such file or directory" in caught.value.message


@pytest.mark.slow
def test_one_of_two_trainings_in_a_folder_wins(home: Path, forks: ForkServer) -> None:
    both = [forks.start(home, *TRAIN, "--out", "run") for _ in range(2)]
    codes = sorted(process.wait() for process in both)
    assert codes in ([0, 1], [0, 2]), [process.stderr() for process in both]
    assert read_history(home / "run" / "history.csv").columns["epoch"] == [1]


def test_best_in_the_place_of_last_cannot_be_resumed(run_copy: Path, dlkit: Callable[..., Any]) -> None:
    shutil.copy(run_copy / "best.safetensors", run_copy / "last.safetensors")
    resumed = dlkit("train", "--resume", "run", "--epochs", "3")
    assert resumed.code == 0
    assert "run/last.safetensors " in resumed.stderr
    assert read_history(run_copy / "history.csv").columns["epoch"] == [1, 2, 3]
    for name in ("last", "last.prev"):
        shutil.copy(run_copy / "best.safetensors", run_copy / f"{name}.safetensors")
    refused = dlkit("train", "--resume", "run", "--epochs", "4")
    assert (refused.code, refused.stdout) == (4, "")
    assert [part for part in ("run/last.prev.safetensors ", "--resume") if part not in refused.stderr] == []


def test_runs_without_a_name_get_folders_of_their_own_when_they_start_at_once(home: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: create_run(None, "mlp-digits").path, range(40)))
    assert len(set(runs)) == 40
