"""A file while it arrives: the part that is here, and the check that it became the one published."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from dlkit.errors import file_error
from dlkit.files import atomic
from dlkit.settings.catalogue import RemoteFile


class PartFile:
    """The beginning of a file, as far as it came, and the entity tag that it came with.

    Only one process may write to it at a time.

    Args:
        target: What the whole file will be called; the part is `<target>.part`.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._tag_path = target.with_name(f"{target.name}.part.json")

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
            atomic.disk.remove(self.path)
            atomic.disk.remove(self._tag_path)

    def append(self, chunks: Iterator[bytes]) -> None:
        """Write what comes behind what is here, and wait until it is on the disk.

        Raises:
            DlkitError: It cannot be written; what is here already stays.
        """
        with _told("write", self.path):
            atomic.disk.append(self.path, b"")
        for chunk in chunks:
            with _told("write", self.path):
                atomic.disk.append(self.path, chunk)
        with _told("write", self.path):
            atomic.disk.sync(self.path)

    def keep(self) -> None:
        """Give the whole file its name.

        Raises:
            DlkitError: It cannot be renamed.
        """
        with _told("write", self._target):
            atomic.disk.rename(self.path, self._target)
            atomic.disk.remove(self._tag_path)
            atomic.disk.sync(self._target.parent)


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
