"""Disks that fail: calls that raise, that die with the process, or that remember what a power cut forgets.

`with using(FailingDisk(3, error)): ...` puts one in the place of `dlkit.files.atomic.disk`, the one seam that all
writing goes through.
"""

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from dlkit.files import atomic
from dlkit.files.atomic import Disk

SECTOR = 64
OPERATIONS = tuple(name for name in vars(Disk) if not name.startswith("_"))
AnyDisk = TypeVar("AnyDisk", bound=Disk)
WRITING = ("write", "write_tensors", "append", "overwrite")


class Died(BaseException):
    """The process ended here: nothing that was to be done afterwards was done."""


@contextlib.contextmanager
def using(disk: AnyDisk) -> Iterator[AnyDisk]:
    before, atomic.disk = atomic.disk, disk
    try:
        yield disk
    finally:
        atomic.disk = before


class FailingDisk(Disk):
    """A disk of which one call fails.

    Args:
        fail_at: Which one, from 1.
        failure: Makes what is raised.
        for_ever: All later ones fail too.
        late: The call takes effect before it fails; else half of what was to be written is.
        base: Carries the calls out.
    """

    def __init__(
        self,
        fail_at: int,
        failure: Callable[[], BaseException],
        *,
        for_ever: bool = False,
        late: bool = False,
        base: Disk | None = None,
    ) -> None:
        self.count = 0
        self._fail_at = fail_at
        self._failure = failure
        self._for_ever = for_ever
        self._late = late
        self._base = base or Disk()

    @property
    def failed(self) -> bool:
        return self.count >= self._fail_at

    def perform(self, operation: str, *arguments: object) -> object:
        self.count += 1
        fails = self.count == self._fail_at or (self._for_ever and self.count > self._fail_at)
        if fails and not self._late:
            self._write_half(operation, arguments)
            raise self._failure()
        result = getattr(self._base, operation)(*arguments)
        if fails:
            raise self._failure()
        return result

    def _write_half(self, operation: str, arguments: tuple[object, ...]) -> None:
        with contextlib.suppress(OSError):
            if operation == "write_tensors":  # safetensors writes under a name of its own first
                arguments[0].with_name(".tmpAbCdEf").write_bytes(b"half a header")
            elif operation in WRITING:
                path, data, *position = arguments
                getattr(self._base, operation)(path, data[: len(data) // 2], *position)


class RecordingDisk(Disk):
    """A disk that keeps a log: the call, the names of its files, and what was written where."""

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.written: list[tuple[bytes, int | None]] = []

    def perform(self, operation: str, *arguments: object) -> object:
        paths = [item for item in arguments if isinstance(item, Path)]
        if operation == "sync" and paths[0].is_dir():
            operation, call = "sync_folder", "sync"
        else:
            call = operation
        result = getattr(Disk, call)(self, *arguments)
        if operation == "free_bytes":
            return result
        data = b""
        if operation in WRITING:
            data = paths[0].read_bytes() if operation == "write_tensors" else arguments[1]
        self.log.append((operation, *map(_name, paths)))
        self.written.append((data, arguments[2] if operation == "overwrite" else None))
        return result

    @property
    def operations(self) -> list[str]:
        return [name for name, *_ in self.log]


def _name(path: Path) -> str:
    inside = path.parent.name.startswith(".dlkit-tmp-")
    return f"{path.parent.name}/{path.name}" if inside else path.name


def _through_perform(operation: str) -> Callable[..., object]:
    def performed(self: FailingDisk | RecordingDisk, *arguments: object) -> object:
        return self.perform(operation, *arguments)

    return performed


for _operation in OPERATIONS:
    for _class in (FailingDisk, RecordingDisk):
        setattr(_class, _operation, _through_perform(_operation))


def states_after_power_cut(recorded: RecordingDisk, before: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Yield every folder that a power cut can leave after any of the recorded calls, each once.

    Of names changed since the folder was last synced any subset may have reached the disk; of what was written since
    a file was last synced nothing, zeros in its place, or a random part, sector by sector.

    Args:
        recorded: What was done, each file under its name.
        before: The files that were on the disk, by name.
    """
    seen: set[int] = set()
    for end in range(len(recorded.log) + 1):
        disk = _Disk(before)
        for (operation, *names), written in zip(recorded.log[:end], recorded.written[:end], strict=True):
            disk.do(operation, names, *written)
        for state in disk.after_power_cut():
            key = hash(frozenset(state.items()))
            if key not in seen:
                seen.add(key)
                yield state


class _File:
    def __init__(self, synced: bytes) -> None:
        self.synced = synced
        self.unsynced: list[tuple[int, bytes]] = []

    def write(self, data: bytes, position: int | None) -> None:
        self.unsynced.append((len(self.content("kept")) if position is None else position, data))

    def content(self, unsynced: str) -> bytes:
        """Return the bytes if what was not synced is `kept`, `lost`, `zeros` or a random part, `random-<seed>`."""
        found = bytearray(self.synced)
        random_source = random.Random(unsynced)
        for position, data in self.unsynced if unsynced != "lost" else ():
            for start in range(0, len(data), SECTOR):
                sector = data[start : start + SECTOR]
                kind = (
                    random_source.choice(("kept", "lost", "zeros"))
                    if unsynced.startswith("random")
                    else unsynced
                )
                if kind != "lost":
                    place = position + start
                    found.extend(bytes(max(0, place + len(sector) - len(found))))
                    found[place : place + len(sector)] = sector if kind == "kept" else bytes(len(sector))
        return bytes(found)


class _Disk:
    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = [_File(data) for data in files.values()]
        self._names = {name: number for number, name in enumerate(files)}
        self._synced_names = dict(self._names)
        self._pending: list[list[tuple[str, int | None]]] = []

    def do(self, operation: str, names: list[str], data: bytes, position: int | None) -> None:
        if operation in WRITING:
            if names[0] not in self._names:
                self._files.append(_File(b""))
                self._change((names[0], len(self._files) - 1))
            self._files[self._names[names[0]]].write(data, position)
        elif operation == "sync":
            file = self._files[self._names[names[0]]]
            file.synced, file.unsynced = file.content("kept"), []
        elif operation == "link":
            self._change((names[1], self._names[names[0]]))
        elif operation == "rename":
            self._change((names[1], self._names[names[0]]), (names[0], None))
        elif operation == "remove":
            self._change((names[0], None))
        elif operation == "remove_folder":
            self._change(*((name, None) for name in self._names if name.startswith(f"{names[0]}/")))
        elif operation == "sync_folder":
            self._synced_names, self._pending = dict(self._names), []

    def _change(self, *changes: tuple[str, int | None]) -> None:
        self._pending.append(list(changes))
        _apply(self._names, changes)

    def after_power_cut(self) -> Iterator[dict[str, bytes]]:
        for kept in itertools.product((False, True), repeat=len(self._pending)):
            names = dict(self._synced_names)
            for changes in itertools.compress(self._pending, kept):
                _apply(names, changes)
            for unsynced in ("lost", "zeros", "random-1", "random-2", "random-3", "random-4"):
                yield {name: self._files[number].content(unsynced) for name, number in names.items()}


def _apply(
    names: dict[str, int], changes: list[tuple[str, int | None]] | tuple[tuple[str, int | None], ...]
) -> None:
    for name, number in changes:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
