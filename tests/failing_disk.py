"""Disks that fail: file operations that raise, that die with the process, or that remember what a power cut forgets."""

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator

from dlkit.files.atomic import OPS, FileOps

SECTOR = 64
OPERATIONS = tuple(name for name in vars(FileOps) if not name.startswith("_"))


class Died(BaseException):
    """The process ended here: nothing that was to be done afterwards was done."""


class FailingOps(FileOps):
    """File operations of which one fails.

    Args:
        fail_at: Which one, from 1.
        failure: Makes what is raised.
        for_ever: All later ones fail too.
        late: The operation takes effect before it fails.
        base: Carries the operations out.
    """

    def __init__(
        self,
        fail_at: int,
        failure: Callable[[], BaseException],
        *,
        for_ever: bool = False,
        late: bool = False,
        base: FileOps = OPS,
    ) -> None:
        self.count = 0
        self._counting = threading.Lock()
        self._fail_at = fail_at
        self._failure = failure
        self._for_ever = for_ever
        self._late = late
        self._base = base

    @property
    def failed(self) -> bool:
        return self.count >= self._fail_at

    def perform(self, operation: Callable[..., object], arguments: tuple[object, ...]) -> object:
        with self._counting:
            self.count += 1
            fails = self.count == self._fail_at or (self._for_ever and self.count > self._fail_at)
        if fails and not self._late:
            raise self._failure()
        result = getattr(self._base, operation.__name__)(*arguments)
        if fails:
            if operation in (FileOps.open, FileOps.append):
                os.close(result)
            raise self._failure()
        return result


class RecordingOps(FileOps):
    """File operations that keep a log: the operation, the names of its files, and what was written where.

    Reading leaves nothing on a disk and is left out.
    """

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.written: list[tuple[bytes, int | None]] = []
        self._names: dict[int, str] = {}

    def perform(self, operation: Callable[..., object], arguments: tuple[object, ...]) -> object:
        files = arguments[:1] if isinstance(arguments[0], int) else arguments
        result = operation(self, *arguments)
        if operation in (FileOps.read_at, FileOps.free_bytes):
            return result
        if operation in (FileOps.open, FileOps.append):
            self._names[result] = arguments[0].name
        names = [self._names[item] if isinstance(item, int) else item.name for item in files]
        self.log.append((operation.__name__, *names))
        written = bytes(arguments[1][:result]) if operation in (FileOps.write, FileOps.write_at) else b""
        self.written.append((written, arguments[2] if operation is FileOps.write_at else None))
        return result

    @property
    def operations(self) -> list[str]:
        return [name for name, *_ in self.log]


def _through_perform(operation: Callable[..., object]) -> Callable[..., object]:
    def performed(self: FailingOps | RecordingOps, *arguments: object) -> object:
        return self.perform(operation, arguments)

    return performed


for _name in OPERATIONS:
    for _kind in (FailingOps, RecordingOps):
        setattr(_kind, _name, _through_perform(vars(FileOps)[_name]))


def states_after_power_cut(ops: RecordingOps, before: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Give every folder that a power cut can leave after any of the recorded operations, each once.

    Of names changed since the folder was last synced any subset may have reached the disk; of what was written since
    a file was last synced nothing, zeros in its place, or a random part, sector by sector.

    Args:
        ops: What was done, each file under its name.
        before: The files that were on the disk, by name.
    """
    seen: set[int] = set()
    for end in range(len(ops.log) + 1):
        disk = _Disk(before)
        for (operation, *names), written in zip(ops.log[:end], ops.written[:end], strict=True):
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
        """Give the bytes if what was not synced is `kept`, `lost`, `zeros` or a random part, `random-<seed>`."""
        found = bytearray(self.synced)
        draw = random.Random(unsynced)
        for position, data in self.unsynced if unsynced != "lost" else ():
            for start in range(0, len(data), SECTOR):
                sector = data[start : start + SECTOR]
                kind = draw.choice(("kept", "lost", "zeros")) if unsynced.startswith("random") else unsynced
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
        if operation == "open" or (operation == "append" and names[0] not in self._names):
            self._files.append(_File(b""))
            self._change((names[0], len(self._files) - 1))
        elif operation in ("write", "write_at"):
            self._files[self._names[names[0]]].write(data, position)
        elif operation == "fsync":
            file = self._files[self._names[names[0]]]
            file.synced, file.unsynced = file.content("kept"), []
        elif operation == "link":
            self._change((names[1], self._names[names[0]]))
        elif operation == "rename":
            self._change((names[1], self._names[names[0]]), (names[0], None))
        elif operation == "unlink":
            self._change((names[0], None))
        elif operation == "fsync_folder":
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
