import json
import os
import random
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crafted import SEALED, entry, flip, raw_file, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlkit.errors import CheckpointError
from dlkit.files.digest import verify
from dlkit.files.header import MAX_HEADER_BYTES, MAX_PARTS, read_header


def refusal(path: Path) -> CheckpointError:
    """Load a file that must be refused and return the refusal."""
    with pytest.raises(CheckpointError) as caught:
        verify(path)
    assert caught.value.exit_code == 4
    assert len(caught.value.message) < 600 + len(str(path))
    return caught.value


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", SEALED)
    assert verify(path)["name"] == "größe"
    for length in reversed(range(len(SEALED))):
        os.truncate(path, length)
        error = refusal(path)
        assert re.search(rf"truncated at byte {length:,} ", error.message)
        assert "last.prev.safetensors" in error.hint


def refuse_flips(path: Path, bits: Iterator[int] | range) -> None:
    """Flip one bit after the other, and back; whatever is flipped in a tensor must be reported by its name."""
    tensors = read_header(path).tensors
    for bit in bits:
        flip(path, bit)
        message = refusal(path).message
        flip(path, bit)
        damaged = [name for name, place in tensors.items() if place.begin <= bit // 8 < place.end]
        if damaged:
            assert f"{path} is damaged: tensor {damaged[0]} " in message
    verify(path)


@pytest.mark.slow
def test_no_flipped_bit_is_accepted(tmp_path: Path) -> None:
    path = write(tmp_path / "a", SEALED)
    refuse_flips(path, range(8 * len(SEALED)))


def test_no_flipped_bit_of_a_real_checkpoint_is_accepted(run_copy: Path) -> None:
    path = run_copy / "best.safetensors"
    random_source = random.Random(0)
    size = path.stat().st_size
    refuse_flips(path, (random_source.randrange(8 * size) for _ in range(500)))


EMPTY = json.dumps(entry("F32", [0], 0, 0))
NO_DICTIONARY = {
    "array": "[]",
    "nothing": "",
    "byte-order-mark": "\ufeff{}",
    "padding-first": " {}",
}
NO_JSON = {
    "open": "{ ",
    "trailing": "{} x",
    "nan": '{"a":NaN}',
    "deep-lists": '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
    "endless-number": '{"a":' + "9" * 5_000 + "}",
    "twice": f'{{"a":{EMPTY},"a":{EMPTY}}}',
    "metadata-twice": '{"__metadata__":{},"__metadata__":{}}',
}
NO_TENSOR = {
    "null": None,
    "list": ["F32", [0], [0, 0]],
    "empty": {},
    "no-place": {"dtype": "F32", "shape": [0]},
    "one-offset": {"dtype": "F32", "shape": [0], "data_offsets": [0]},
    "offsets-no-list": {"dtype": "F32", "shape": [0], "data_offsets": 0},
    "one-key-more": {**entry("F32", [0], 0, 0), "x": 1},
}
NO_DTYPE = [None, 5, "f32", "F33", "\x1b[31m", "F32" * 10**5]
NO_SIZE = [-1, 0.5, "1", None, True, 2**63, 2**64]
NO_SHAPE = [None, 4, [1] * 100_000]
WRONG_SIZE = {
    "too-many": (entry("F32", [2], 0, 4), 4),
    "too-few": (entry("F32", [1], 0, 8), 8),
    "backwards": (entry("F32", [1], 4, 0), 4),
    "huge": (entry("U8", [2**31, 2**31], 0, 0), 0),
    "wrapped-to-zero": (entry("U8", [2**32, 2**32], 0, 0), 0),
    "huge-beside-zero": (entry("U8", [2**62, 0], 0, 0), 0),
}
WRONG_PLACE = {
    "past-the-end": ({"a": entry("F32", [2], 0, 8)}, 4),
    "no-data": ({"a": entry("F32", [1], 0, 4)}, 0),
    "data-left-over": ({"a": entry("F32", [1], 0, 4)}, 5),
    "starts-late": ({"a": entry("F32", [1], 4, 8)}, 8),
    "hole": ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, 12),
    "overlap": ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, 12),
    "empty-inside": ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [0], 2, 2)}, 4),
    "empty-outside": ({"a": entry("F32", [1], 0, 4), "b": entry("F32", [0], 9, 9)}, 4),
}
NO_METADATA = [5, [], {"a": 1}, {"a": None}, {"a": {}}]
CLAIMED = [0, 1, MAX_HEADER_BYTES + 1, 2**32, 2**63, 2**64 - 1]
BEGINNINGS = {
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "numpy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}" + bytes(64),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "text": b"epoch,step\n1,2\n" * 9,
    "spaces": b" " * 64,
    "not-utf-8": raw_file(b'{"\xff":1}'),
    "utf-16": raw_file('{"a":1}'.encode("utf-16-le")),
}


Case = tuple[str, bytes]


def texts() -> Iterator[Case]:
    for name, text in {**NO_DICTIONARY, **NO_JSON}.items():
        yield f"text-{name}", raw_file(text)
    for number, metadata in enumerate(NO_METADATA):
        yield f"metadata-{number}", raw_file({"__metadata__": metadata})


def single_tensors() -> Iterator[Case]:
    for name, value in NO_TENSOR.items():
        yield f"no-tensor-{name}", raw_file({"a": value})
    for number, dtype in enumerate(NO_DTYPE):
        yield f"dtype-{number}", raw_file({"a": entry(dtype, [1], 0, 4)}, bytes(4))
    for number, size in enumerate(NO_SIZE):
        for place, values in {
            "shape": ([size], 0, 0),
            "begin": ([0], size, 0),
            "end": ([0], 0, size),
        }.items():
            yield f"{place}-{number}", raw_file({"a": entry("U8", *values)})
    for number, shape in enumerate(NO_SHAPE):
        yield f"shape-is-{number}", raw_file({"a": entry("U8", shape, 0, 1)}, b"a")
    for name, (tensor, payload) in WRONG_SIZE.items():
        yield f"size-{name}", raw_file({"a": tensor}, bytes(payload))


def lengths_and_places() -> Iterator[Case]:
    for name, (header, payload) in WRONG_PLACE.items():
        yield f"place-{name}", raw_file(header, bytes(payload))
    for claimed in CLAIMED:
        yield f"claimed-{claimed}", raw_file("{}", bytes(64), claimed)
    for claimed in (10, 52, 70):
        yield f"claimed-of-54-{claimed}", raw_file({"a": entry()}, bytes(4), claimed)


def noise() -> Iterator[Case]:
    for name, data in BEGINNINGS.items():
        yield f"begins-{name}", data
    random_source = random.Random(0)
    for number in range(10):
        yield f"noise-{number}", random_source.randbytes(random_source.randrange(9, 400))
    for number in range(10):
        kept = random_source.randrange(8, len(SEALED))
        yield f"noise-from-{kept}-{number}", SEALED[:kept] + random_source.randbytes(len(SEALED) - kept)


FILES = [*texts(), *single_tensors(), *lengths_and_places(), *noise()]


@pytest.fixture
def little_memory() -> Iterator[Callable[[], None]]:
    """Let this process take at most 200 MB more than it has, once the function is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)

    def limit() -> None:
        if not Path("/proc/self/statm").exists():
            pytest.skip("needs /proc to see the memory in use")
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + 200 * 10**6, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


REFUSALS = r" is (damaged|truncated|not a safetensors)| has an oversized| was not written"


def refuse_cheaply(path: Path, limit: Callable[[], None]) -> None:
    limit()
    start = time.process_time()
    message = refusal(path).message.removeprefix(str(path))
    assert time.process_time() - start < 1
    assert re.match(REFUSALS, message), message
    assert message.isprintable()


@pytest.mark.parametrize("data", [data for _, data in FILES], ids=[name for name, _ in FILES])
def test_lying_file_is_refused_at_once(
    tmp_path: Path, little_memory: Callable[[], None], data: bytes
) -> None:
    refuse_cheaply(write(tmp_path / "a", data), little_memory)


def filled(unit: str, head: str = '{"a":[', tail: str = "0]}", *, most: int = MAX_HEADER_BYTES) -> str:
    return head + unit * ((most - len(head.encode()) - len(tail)) // len(unit.encode())) + tail


def numbered(unit: str, count: int, head: str = "{", tail: str = "}") -> str:
    return head + ",".join(unit % index for index in range(count)) + tail


JUST_BELOW = {
    "tensors": lambda: numbered(f'"%x":{EMPTY}', MAX_PARTS // 8 - 9),
    "lists": lambda: "".join(['{"a":[', "[]," * (MAX_PARTS - 9), "0]}"]),
    "metadata": lambda: numbered('"%x":"ab"', MAX_PARTS // 2 - 9, '{"__metadata__":{', "}}"),
    "inner-lists": lambda: (
        '{"__metadata__":{"dlkit":"{\\"format\\":1,\\"a\\":[' + "[]," * (MAX_PARTS - 9) + '0]}"}}'
    ),
    "last-tensor": lambda: (
        numbered(f'"%x":{EMPTY}', MAX_PARTS // 8 - 9)[:-1] + f',"z":{json.dumps(entry())}}}'
    ),
}
OVERSIZED = {
    "lists": lambda: filled("[],"),
    "texts": lambda: filled('"ab",'),
    "names": lambda: numbered('"%x":0', 1_300_000),
    "tensors": lambda: numbered(f'"%x":{EMPTY}', MAX_PARTS // 8),
    "shape": lambda: filled("1,", '{"a":{"dtype":"F32","data_offsets":[0,4],"shape":[', "1]}}"),
    "deep": lambda: '{"a":' + "[" * 8_000_000 + "]" * 8_000_000 + "}",
    "one-number": lambda: '{"a":' + "9" * 16_000_000 + "}",
    "one-name": lambda: '{"' + "a" * 16_000_000 + '":5}',
    "escaped-name": lambda: '{"' + "\\u0007" * 2_600_000 + '":5}',
}


@pytest.mark.parametrize("name", OVERSIZED)
@pytest.mark.quick(2)
def test_oversized_header_is_refused_at_once(
    tmp_path: Path, little_memory: Callable[[], None], name: str
) -> None:
    path = write(tmp_path / "a", raw_file(OVERSIZED[name]()))
    refuse_cheaply(path, little_memory)


@pytest.mark.slow
@pytest.mark.parametrize("name", JUST_BELOW)
def test_header_just_below_the_limits_takes_little_memory(
    tmp_path: Path, little_memory: Callable[[], None], name: str
) -> None:
    path = write(tmp_path / "a", raw_file(JUST_BELOW[name]()))
    refuse_cheaply(path, little_memory)


@pytest.mark.slow
def test_file_of_as_many_tensors_as_may_be_is_read(tmp_path: Path) -> None:
    count = MAX_PARTS // 8
    path = write(tmp_path / "a", raw_file(numbered(f'"%x":{EMPTY}', count)))
    assert len(read_header(path).tensors) == count


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
sizes = st.integers(-2, 40) | st.sampled_from([2**31, 2**62, 2**63]) | json_values
tensor_entries = json_values | st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "U8", "BF16", "F64", "X"]) | json_values,
        "shape": st.lists(sizes, max_size=4) | json_values,
        "data_offsets": st.lists(sizes, max_size=3) | json_values,
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.dictionaries(st.text(max_size=8) | st.just("__metadata__"), tensor_entries, max_size=4),
    payload=st.binary(max_size=64),
    claimed=st.none() | st.integers(0, 200),
)
def test_any_header_is_refused_or_covers_its_file(
    tmp_path: Path, header: dict[str, Any], payload: bytes, claimed: int | None
) -> None:
    path = write(tmp_path / "a", raw_file(json.dumps(header), payload, claimed))
    try:
        tensors = read_header(path).tensors
    except CheckpointError:
        return
    covered = sum(place.end - place.begin for place in tensors.values())
    assert covered <= len(payload) + len(json.dumps(header))
    assert all(8 <= place.begin <= place.end <= path.stat().st_size for place in tensors.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(SEALED) - 1), inserted=st.binary(max_size=9), dropped=st.integers(0, 9))
def test_no_edit_of_a_sealed_file_is_accepted(
    tmp_path: Path, place: int, inserted: bytes, dropped: int
) -> None:
    edited = SEALED[:place] + inserted + SEALED[place + dropped :]
    path = write(tmp_path / "a", edited)
    if edited == SEALED:
        verify(path)
    else:
        refusal(path)


SEEN = {
    "truncated": (SEALED[:300], "byte 300 "),
    "flipped": (SEALED[:-3] + b"\x01" + SEALED[-2:], "tensor "),
    "foreign": (raw_file({"a": entry()}, bytes(4)), "dlkit"),
    "text": (b"epoch,step\n1,2\n", "safetensors"),
    "empty": (b"", "byte 0 "),
    "no-network": (SEALED, "no network"),
}


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("verb", [("eval",), ("inspect", "weights"), ("inspect", "grads")], ids="-".join)
def test_commands_refuse_a_bad_file_in_one_line(
    home: Path, dlkit: Callable[..., Any], verb: tuple[str, ...], name: str
) -> None:
    data, says = SEEN[name]
    write(home / "bad.safetensors", data)
    result = dlkit(*verb, "bad.safetensors")
    assert (result.code, result.stdout) == (4, "")
    first, *rest = result.stderr.splitlines()
    assert first.startswith("error: bad.safetensors ")
    assert says in first
    assert [line.split(":")[0] for line in rest] in ([], ["hint"])
    assert (home / "bad.safetensors").read_bytes() == data
