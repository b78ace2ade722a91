"""A file while it arrives: the part that is here, and the check that it became the one published."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from dlkit.errors import file_error
from dlkit.files.atomic import OPS, FileOps
from dlkit.settings.catalogue import RemoteFile


class PartFile:
    """The beginning of a file, as far as it came, and the entity tag that it came with.

    Only one process may write to it at a time.

    Args:
        target: What the whole file will be called; the part is `<target>.part`.
        ops: The file operations; passed in by tests.
    """

    def __init__(self, target: Path, ops: FileOps = OPS) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._tag_path = target.with_name(f"{target.name}.part.json")
        self._ops = ops

    def size(self) -> int:
        """Count the bytes that are here.

        Raises:
            DlkitError: It cannot be read.
        """
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
        except OSError as err:
            raise file_error(err, self.path, "read") from err

    def tag(self, url: str) -> str | None:
        """Give the entity tag of what is here, if it came from this URL and had one."""
        try:
            kept = json.loads(self._tag_path.read_text(encoding="utf-8"))
            return str(kept["tag"]) if kept["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, url: str, tag: str | None) -> None:
        """Forget what is here, and remember where the new beginning comes from.

        A weak tag (`W/...`) does not stand for the same bytes, so it is not kept.

        Raises:
            DlkitError: The files cannot be changed.
        """
        self.drop()
        if tag is not None and not tag.startswith("W/"):
            with _told("write", self._tag_path):
                self._tag_path.write_text(json.dumps({"url": url, "tag": tag}), encoding="utf-8")

    def drop(self) -> None:
        """Forget what is here.

        Raises:
            DlkitError: It cannot be removed.
        """
        with _told("remove", self.path):
            self._ops.unlink(self.path)
            self._ops.unlink(self._tag_path)

    def append(self, chunks: Iterator[bytes]) -> None:
        """Write what comes behind what is here, and wait until it is on the disk.

        Raises:
            DlkitError: It cannot be written; what is here already stays.
        """
        with _told("write", self.path):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            for chunk in chunks:
                rest = memoryview(chunk)
                with _told("write", self.path):
                    while rest:
                        rest = rest[self._ops.write(descriptor, rest) :]
            with _told("write", self.path):
                self._ops.fsync(descriptor)
        finally:
            os.close(descriptor)

    def keep(self) -> None:
        """Give the whole file its name.

        Raises:
            DlkitError: It cannot be renamed.
        """
        with _told("write", self._target):
            self._ops.rename(self.path, self._target)
            self._ops.unlink(self._tag_path)
            self._ops.fsync_folder(self._target.parent)


def difference(path: Path, file: RemoteFile) -> str:
    """Say in which way a file on the disk is not the one published; empty when it is.

    Raises:
        DlkitError: It cannot be read.
    """
    with _told("read", path):
        if not path.is_file():
            return "is not there"
        size = path.stat().st_size
        if size != file.size:
            return f"has {size:,} bytes, not {file.size:,}"
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    return "" if found == file.sha256 else f"has the SHA-256 {found}, not {file.sha256}"


@contextlib.contextmanager
def _told(doing: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise file_error(err, path, doing) from err
