"""How much memory is free for data."""

import resource
from pathlib import Path

import pytest

from dlkit.data.memory import available_memory

GIB = 2**30


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   10485760 kB\n")
    (tmp_path / "proc" / "self" / "status").write_text("VmSize:\t 1048576 kB\n")
    return tmp_path / "proc"


def write(folder: Path, **values: object) -> Path:
    for name, value in values.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return folder


def test_seven_tenths_of_what_the_machine_has_free_may_be_used(proc: Path, tmp_path: Path) -> None:
    assert available_memory(proc, tmp_path / "none") == int(0.7 * 10 * GIB)


def test_a_container_s_limit_counts_and_its_caches_do_not(proc: Path, tmp_path: Path) -> None:
    second = write(
        tmp_path / "v2",
        memory_dot_max=4 * GIB,
        memory_dot_current=3 * GIB,
        memory_dot_stat=f"anon 5\ninactive_file {2 * GIB}",
    )
    first = write(
        tmp_path / "v1", memory__memory_dot_limit_in_bytes=2 * GIB, memory__memory_dot_usage_in_bytes=GIB
    )
    without = write(tmp_path / "no", memory_dot_max="max")

    assert available_memory(proc, second) == int(0.7 * 3 * GIB)
    assert available_memory(proc, first) == int(0.7 * GIB)
    assert available_memory(proc, without) == int(0.7 * 10 * GIB)


def test_a_limit_of_the_process_counts(proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (3 * GIB, 3 * GIB))

    assert available_memory(proc, tmp_path / "none") == int(0.7 * 2 * GIB)


def test_machines_without_proc_have_what_is_built_in(tmp_path: Path) -> None:
    assert available_memory(tmp_path / "none", tmp_path / "none") > 100 * 2**20
