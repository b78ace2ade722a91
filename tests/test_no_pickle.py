"""No pickle is ever run; the ones here are written by hand, so that no test uses the pickle module."""

import gzip
import io
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crafted import entry, raw_file, write

ROOT = Path(__file__).resolve().parent.parent
CANARY = "touch canary"
TEXT = CANARY.encode()
LONG_TEXT = b"X" + struct.pack("<I", len(TEXT)) + TEXT
SHORT_TEXT = b"\x8c" + bytes([len(TEXT)]) + TEXT
CALL = b"\x8c\x05posix\x8c\x06system\x93" + SHORT_TEXT + b"\x85R."
FRAME = b"\x95" + struct.pack("<Q", len(CALL))
MAGIC_NUMBER = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PICKLES = {
    "protocol-0": b"cposix\nsystem\n(S'" + TEXT + b"'\ntR.",
    "protocol-1": b"cposix\nsystem\n(U" + bytes([len(TEXT)]) + TEXT + b"tR.",
    "protocol-2": b"\x80\x02cposix\nsystem\n" + LONG_TEXT + b"\x85R.",
    "protocol-3": b"\x80\x03cposix\nsystem\n" + LONG_TEXT + b"\x85R.",
    "protocol-4": b"\x80\x04" + FRAME + CALL,
    "protocol-5": b"\x80\x05" + FRAME + CALL,
}


def zipped(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return buffer.getvalue()


DISGUISED = {
    **PICKLES,
    "torch-zip": zipped({"archive/data.pkl": PICKLES["protocol-2"], "archive/version": b"3\n"}),
    "torch-legacy": b"\x80\x02" + MAGIC_NUMBER + b"\x80\x02M\xe9\x03." + PICKLES["protocol-2"],
    "gzip": gzip.compress(PICKLES["protocol-4"], mtime=0),
    "padded": PICKLES["protocol-2"] + bytes(4096),
    "behind-a-header": raw_file({}, PICKLES["protocol-4"]),
    "in-a-tensor": raw_file({"a": entry("U8", [len(CALL)], 0, len(CALL))}, CALL),
    "in-the-metadata": raw_file({"__metadata__": {"dlkit": PICKLES["protocol-0"].decode()}}),
    "in-the-header": raw_file(PICKLES["protocol-4"]),
}
NAMED = {
    "protocol-2",
    "protocol-3",
    "protocol-4",
    "protocol-5",
    "torch-zip",
    "torch-legacy",
    "gzip",
    "padded",
}


@pytest.mark.parametrize("extension", ["safetensors", "pt", "ckpt"])
@pytest.mark.parametrize("disguise", DISGUISED)
def test_pickle_is_never_run(home: Path, dlkit: Callable[..., Any], disguise: str, extension: str) -> None:
    path = write(home / f"model.{extension}", DISGUISED[disguise])
    for words in (("eval", path.name), ("inspect", "show", path.name), ("inspect", "weights", path.name)):
        if disguise == "in-a-tensor" and words[1] == "show":
            continue
        result = dlkit(*words)
        assert (result.code, result.stdout) == (4, ""), words
        assert "Traceback" not in result.stderr
        if disguise in NAMED:
            assert "hint: dlkit never unpickles" in result.stderr
    assert [file.name for file in home.iterdir()] == [path.name]


@pytest.mark.parametrize("disguise", DISGUISED)
def test_pickle_in_the_place_of_the_last_checkpoint_is_never_run(
    run_copy: Path, dlkit: Callable[..., Any], disguise: str
) -> None:
    for name in ("last", "last.prev"):
        write(run_copy / f"{name}.safetensors", DISGUISED[disguise])
    result = dlkit("train", "--resume", "run", "--epochs", "3")
    assert (result.code, result.stdout) == (4, "")
    assert not Path("canary").exists()
    assert (run_copy / "last.safetensors").read_bytes() == DISGUISED[disguise]


AUDIT = """
import sys
sys.argv = ["dlkit"]
watching = False
FORBIDDEN = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen")

def watch(event, arguments):
    if watching and event in FORBIDDEN:
        print("AUDIT", event, file=sys.stderr)
    if watching and event == "exec" and str(getattr(arguments[0], "co_filename", "")).startswith("<"):
        if arguments[0].co_filename not in ("<string>", "<frozen importlib._bootstrap>"):
            print("AUDIT exec", arguments[0].co_filename, file=sys.stderr)
    if watching and event == "open" and str(arguments[0]).endswith("canary"):
        print("AUDIT open", arguments[0], file=sys.stderr)

sys.addaudithook(watch)
from dlkit.cli.app import run
lines = [line.split() for line in sys.stdin]
codes = [run(words) for words in lines[:3]]  # all that these import is imported now
watching = True
print(codes, [run(words) for words in lines[3:]])
"""


@pytest.mark.slow
def test_loading_never_unpickles_or_starts_anything(run_copy: Path) -> None:
    good = ["eval run --json", "inspect show run", "train --resume run --epochs 3 --quiet --no-plot"]
    lines = good + good
    for disguise, data in DISGUISED.items():
        write(run_copy.parent / f"{disguise}.safetensors", data)
        lines.append(f"eval {disguise}.safetensors")
    result = subprocess.run(
        [sys.executable, "-c", AUDIT],
        input="\n".join(lines),
        cwd=run_copy.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AUDIT" not in result.stderr, result.stderr
    assert result.stdout.splitlines()[-1] == f"[0, 0, 0] {[0, 0, 0] + [4] * len(DISGUISED)}"
    assert not (run_copy.parent / "canary").exists()


def test_numpy_never_unpickles() -> None:
    """Imports of pickle, joblib and their kind are refused by ruff."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "dlkit").rglob("*.py")]
    assert [text for text in sources if re.search(r"allow_pickle(?!=False)|read_pickle", text)] == []
