"""Disks that fail: file operations that raise, that die with the process, or that remember what a power cut forgets."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dlkit.atomic import FileOps

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
    """

    def __init__(
        self,
        fail_at: int,
        failure: Callable[[], BaseException],
        *,
        for_ever: bool = False,
        late: bool = False,
    ) -> None:
        self.count = 0
        self._fail_at = fail_at
        self._failure = failure
        self._for_ever = for_ever
        self._late = late

    @property
    def failed(self) -> bool:
        return self.count >= self._fail_at

    def perform(self, operation: Callable[..., object], arguments: tuple[object, ...]) -> object:
        self.count += 1
        fails = self.count == self._fail_at or (self._for_ever and self.count > self._fail_at)
        if fails and not self._late:
            raise self._failure()
        result = operation(self, *arguments)
        if fails:
            if operation in (FileOps.open, FileOps.append):
                os.close(result)
            raise self._failure()
        return result


class RecordingOps(FileOps):
    """File operations that keep a log: the operation and the names of its files."""

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.written: list[bytes] = []
        self._names: dict[int, str] = {}

    def perform(self, operation: Callable[..., object], arguments: tuple[object, ...]) -> object:
        files = [item for item in arguments if isinstance(item, int | Path)]
        result = operation(self, *arguments)
        if operation in (FileOps.open, FileOps.append):
            self._names[result] = arguments[0].name
        names = [self._names[item] if isinstance(item, int) else item.name for item in files]
        self.log.append((operation.__name__, *names))
        self.written.append(bytes(arguments[1][:result]) if operation is FileOps.write else b"")
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
    """Give every folder that a power cut can leave after any of the recorded operations.

    Of names changed since the folder was last synced any subset may have reached the disk; of bytes written since a
    file was last synced none, half, or zeros in their place.

    Args:
        ops: What was done, each file under its name.
        before: The files that were on the disk, by name.
    """
    for end in range(len(ops.log) + 1):
        disk = _Disk(before)
        for (operation, *names), data in zip(ops.log[:end], ops.written[:end], strict=True):
            disk.do(operation, names, data)
        yield from disk.after_power_cut()


class _Disk:
    def __init__(self, files: dict[str, bytes]) -> None:
        self._written = list(files.values())
        self._synced = list(files.values())
        self._names = {name: number for number, name in enumerate(files)}
        self._synced_names = dict(self._names)
        self._pending: list[list[tuple[str, int | None]]] = []

    def do(self, operation: str, names: list[str], data: bytes) -> None:
        if operation == "open":
            self._written.append(b"")
            self._synced.append(b"")
            self._change((names[0], len(self._written) - 1))
        elif operation == "write":
            self._written[self._names[names[0]]] += data
        elif operation == "fsync":
            number = self._names[names[0]]
            self._synced[number] = self._written[number]
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
            for unsynced in ("lost", "half", "zeros"):
                yield {name: self._content(number, unsynced) for name, number in names.items()}

    def _content(self, number: int, unsynced: str) -> bytes:
        synced, rest = self._synced[number], self._written[number][len(self._synced[number]) :]
        return synced + {"lost": b"", "half": rest[: len(rest) // 2], "zeros": bytes(len(rest))}[unsynced]


def _apply(
    names: dict[str, int], changes: list[tuple[str, int | None]] | tuple[tuple[str, int | None], ...]
) -> None:
    for name, number in changes:
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
