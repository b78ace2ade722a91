"""Readers of files that people and programs write, fed with thousands of damaged ones: an answer or one line, soon."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from crafted import SEALED

from dlkit.errors import CheckpointError, ConfigError, DataError, DlkitError
from dlkit.files.digest import verify
from dlkit.files.history import cut_back, read_history
from dlkit.settings.resolve import read_config_file, resolve

HISTORY = (
    b"epoch,step,seconds,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm,update_ratio,"
    b"samples_per_second,memory_mib\n1,10,1.2,0.01,0.5,0.4,0.8,0.9,1.0,0.001,1000.5,200.0\n"
    b"2,20,2.4,0.01,0.4,0.3,0.85,0.91,,nan,1000.5,200.0\n3,30,3.6,0.01,inf,0.3,0.9,0.92,1.0,1e-05,1000.5,200.0\n"
)
SETTINGS = b"""\
model = "mlp"
data = "digits"
epochs = 5
lr = 0.01
plot = true
optimizer = "adamw"
max_time = "30m"
normalize = "0.5,0.5"

[arguments]
hidden = [128, 64]
dropout = 0.2
"""
TOKENS: dict[str, tuple[bytes, ...]] = {
    "safetensors": (b"{}", b'{"a":', b"[" * 999, b'"data_offsets":[0,0]', b"\xff" * 8, b"1e999", b"NaN"),
    "history": (
        b",",
        b"\n",
        b'"',
        b"\r\n",
        b"\x00",
        b"epoch,step",
        b"nan",
        b"-1e999",
        b"\xef\xbb\xbf",
        b"\xff",
    ),
    "config": (
        *(
            b"[",
            b"[[",
            b"]",
            b"=",
            b"\n",
            b'"',
            b'"""',
            b"#",
            b".",
            b"{a=",
            b"[" * 999,
            b"inf",
            b"-nan",
            b"0x1",
        ),
        *(b"9" * 400, b"1979-05-27", b"\\x", b"lr.x = 1\n", b"epochs = 5\n", b"[arguments.x]\n", b"\xff"),
    ),
}


def mutated(draw: random.Random, data: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """Change some places of a file: bytes, pieces, and what means something to its reader."""
    found = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        place = draw.randrange(len(found) + 1)
        piece = found[place : place + draw.choice((1, 2, 8, 40))]
        kind = draw.randrange(6)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            found[place:place] = draw.choice(tokens)
        elif kind == 2:
            del found[place : place + len(piece)]
        elif kind == 3:
            found[place:place] = piece * draw.choice((1, 2, 50))
        elif kind == 4:
            found[place : place + len(piece)] = draw.randbytes(len(piece))
        else:
            del found[draw.choice((place, len(found))) :]
    return bytes(found)


def read_and_cut(path: Path) -> None:
    read_history(path)
    cut_back(path, 20)
    assert max(read_history(path).columns["step"]) <= 20


def read_and_resolve(path: Path) -> None:
    settings, faults = read_config_file(path)
    resolve({}, {}, file=settings, faults=faults)


READERS: dict[str, tuple[bytes, Callable[[Path], object], type[DlkitError]]] = {
    "safetensors": (SEALED, verify, CheckpointError),
    "history": (HISTORY, read_and_cut, DataError),
    "config": (SETTINGS, read_and_resolve, ConfigError),
}


def feed(kind: str, seeds: range, path: Path) -> int:
    """Read mutated files one after the other; give how many were accepted."""
    data, read, refusal = READERS[kind]
    accepted = 0
    for seed in seeds:
        damaged = mutated(random.Random(seed), data, TOKENS[kind])
        path.write_bytes(damaged)
        start = time.process_time()
        try:
            read(path)
        except refusal as err:
            told = err.faults
        else:
            told = ()
            accepted += damaged != data
        assert time.process_time() - start < 1, seed
        for fault in told:  # which may tell a value of the file
            assert fault.message.isprintable(), seed
            assert len(fault.message) < 1000 + len(damaged), seed
        for backup in path.parent.glob("*.bak*"):
            backup.unlink()
    return accepted


@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_read_or_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    accepted = feed(kind, range(150), tmp_path / "file")
    assert kind != "safetensors" or accepted == 0
