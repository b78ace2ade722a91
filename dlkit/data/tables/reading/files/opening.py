"""Files of tables as they are opened: unpacked, and as UTF-8."""

import bz2
import codecs
import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import lzma
import shlex
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from dlkit.data.tables.reading.files.encodings import foreign_encoding, wide_encoding
from dlkit.data.tables.reading.files.surroundings import (
    blank_separated,
    geo_eas_names,
    is_blank_separated,
    split_values,
)
from dlkit.errors import DataError, printable

BY_LINES = r"sep=r'\s+', index_col=False"  # the names stand in a line each
_HEAD_BYTES = 2**16
_COPY_BYTES = 2**20
_DAMAGED = (EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@contextlib.contextmanager
def opened(path: Path, source: str, packed: str) -> Iterator[tuple[BinaryIO, str, str]]:
    """Open a file that can be read more than once, unpacked and as UTF-8; and what `as_utf8` has to say of it.

    Raises:
        DataError: It is damaged, or a .zip of more or less than one file.
    """
    with path.open("rb") as plain, contextlib.ExitStack() as stack:
        file = cast("BinaryIO", plain)
        if packed:
            file = stack.enter_context(spooled(stack.enter_context(_unpacked(file, source, packed)), source))
        start = plain.peek(4)[:4] if path.is_file() and not packed else b""
        wide = wide_encoding(start) if _has_wide_mark(start) else ""
        if not packed and (wide or not path.is_file()):
            file = stack.enter_context(spooled(file, source))
        copy, note, way = stack.enter_context(as_utf8(file, source, packed=bool(packed)))
        yield copy, note, f"encoding='{wide}'" if wide else way


@contextlib.contextmanager
def as_utf8(file: BinaryIO, source: str, *, packed: bool = False) -> Iterator[tuple[BinaryIO, str, str]]:
    """Open text in an encoding that shows, as UTF-8; what is to be reported of it; how pandas reads it."""
    encoding, example = (
        ("", "") if not packed and source.lower().endswith(".parquet") else foreign_encoding(file)
    )
    if not encoding:
        parquet = not packed and source.lower().endswith(".parquet")
        start = b"" if parquet else file.read(_HEAD_BYTES)
        if names := geo_eas_names(start):
            with _of_geo_eas(file, names) as copy:
                note = (
                    f"{source} is a GEO-EAS file: the {len(names):,} lines below its title name the columns"
                )
                yield copy, note, BY_LINES
        elif not is_blank_separated(start):
            yield file, "", ""
        else:
            with _with_commas(file) as copy:
                yield copy, f"{source} has blanks between its columns", r"sep=r'\s+'"
        return
    with spooled(file, source, encoding) as copy:
        yield (
            copy,
            (
                f"{source} is not UTF-8 and read as {encoding}, e.g. '{printable(example, 40)}'; if that is wrong: "
                f"iconv -f ENCODING -t UTF-8 {shlex.quote(source)} > utf8.csv"
            ),
            f"encoding='{encoding}'",
        )


@contextlib.contextmanager
def _with_commas(file: BinaryIO) -> Iterator[BinaryIO]:
    """Return a copy of a file of fields with blanks between, line for line, as CSV."""
    with tempfile.TemporaryFile() as copy:
        text = io.TextIOWrapper(copy, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        file.seek(0)
        for line in file:
            if line.startswith(b"#"):
                text.write(line.decode())
            else:
                writer.writerow(blank_separated(line.decode()))
        text.detach()
        yield cast("BinaryIO", copy)


@contextlib.contextmanager
def _of_geo_eas(file: BinaryIO, names: Sequence[str]) -> Iterator[BinaryIO]:
    """Return a copy of a file of GEO-EAS, line for line, as CSV with comments above."""
    with tempfile.TemporaryFile() as copy:
        text = io.TextIOWrapper(copy, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        text.write("#\n" * (len(names) + 1))
        writer.writerow(names)
        file.seek(0)
        for line in itertools.islice(file, len(names) + 2, None):
            writer.writerow(split_values(line.decode()) if line.strip() else ())
        text.detach()
        yield cast("BinaryIO", copy)


@contextlib.contextmanager
def _unpacked(file: BinaryIO, source: str, packed: str) -> Iterator[BinaryIO]:
    """Open the content of a compressed file."""
    if packed == ".zip":
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile as err:
            raise DataError(f"{source} is not a zip file", "name it by its content") from err
        with archive:
            names = [name for name in archive.namelist() if not name.startswith(("__MACOSX/", "."))]
            if len(names) != 1:
                raise DataError(
                    f"{source} holds {len(names):,} files; a table is a single one",
                    "unpack it, and name the file",
                )
            with archive.open(names[0]) as stream:
                yield cast("BinaryIO", stream)
    elif packed == ".zst":
        yield cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
    else:
        opener: Any = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[packed]
        with opener.open(file) as stream:
            yield stream


@contextlib.contextmanager
def spooled(stream: BinaryIO, source: str = "standard input", encoding: str = "") -> Iterator[BinaryIO]:
    """Return what a stream holds, as UTF-8, as a file that can be read more than once.

    Args:
        stream: What to read.
        source: What it is called in messages.
        encoding: That of its text; UTF-8 or as its first bytes say by default.
    """
    with tempfile.TemporaryFile() as file:
        start = b""
        try:
            start = stream.read(4)
            encoding = wide_encoding(start) if _has_wide_mark(start) else encoding
            if encoding:
                for text in codecs.iterdecode(_pieces(stream, start), encoding):
                    file.write(text.encode())
            else:
                file.write(start)
                shutil.copyfileobj(stream, file, _COPY_BYTES)
        except (*_DAMAGED, OSError) as err:
            raise DataError(
                f"{source} cannot be unpacked: {printable(str(err), 120)}", "copy or download it again"
            ) from err
        except UnicodeDecodeError as err:
            raise DataError(
                f"{source} begins as {encoding} text and is not: {err.reason}",
                "write it as UTF-8",
            ) from err
        file.flush()
        yield cast("BinaryIO", file)


def _pieces(stream: BinaryIO, start: bytes) -> Iterator[bytes]:
    yield start
    while piece := stream.read(_COPY_BYTES):
        yield piece


def _has_wide_mark(start: bytes) -> bool:
    return start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or start == codecs.BOM_UTF32_BE


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 over a file."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
