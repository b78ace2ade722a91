"""Images that do not fit into memory: decoded by threads shortly before they are needed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import normalised
from dlkit.data.images.augment import Augmentation
from dlkit.data.images.decoding import Decoded, Decoder
from dlkit.data.images.frame import Frame
from dlkit.errors import DataError, printable
from dlkit.files.description import Normalisation

_TASKS_A_THREAD = 2
_KEPT_AHEAD = 8
_IMAGES_AT_ONCE = 256


class Streams:
    """The images of a folder, decoded on demand.

    Args:
        root: The folder.
        names: The files in it.
        frame: What they are brought to.
        decoder: Decodes them.
    """

    def __init__(self, root: Path, names: Sequence[str], frame: Frame, decoder: Decoder) -> None:
        self.frame = frame
        self._root = root
        self._names = names
        self._decoder = decoder
        self._ahead: dict[bytes, list[Future[Decoded]]] = {}

    def expect(self, rows: Tensor) -> None:
        """Begin to decode images that will be asked for, as this very batch, by `pixels`."""
        key = _key(rows)
        if key in self._ahead:
            return
        while len(self._ahead) >= _KEPT_AHEAD:  # batches that nobody asked for in the end
            for future in self._ahead.pop(next(iter(self._ahead))):
                future.cancel()
        files = [f"{self._root}/{self._names[row]}" for row in rows.tolist()]
        most = max(1, -(-len(files) // (_TASKS_A_THREAD * max(1, self._decoder.threads))))
        self._ahead[key] = [
            self._decoder.submit(files[start : start + most], self.frame)
            for start in range(0, len(files), most)
        ]

    def pixels(self, rows: Tensor) -> Tensor:
        """Return images, shape (B, C, H, W), uint8, or float32 where they have 16 bits.

        Raises:
            DataError: One cannot be read.
        """
        self.expect(rows)
        batch = [future.result() for future in self._ahead.pop(_key(rows))]
        pieces: list[np.ndarray] = []
        done = 0
        for decoded in batch:
            for position, text in decoded.faults:
                name = self._names[int(rows[done + position])]
                raise DataError(
                    f"--data {printable(str(self._root), 300)}: {printable(name, 100)} {text}",
                    "fix or remove it",
                )
            assert decoded.pixels is not None, "a frame was given"
            done += len(decoded.pixels)
            pieces.append(decoded.pixels)
        return torch.from_numpy(np.concatenate(pieces))


@dataclass(frozen=True)
class StreamedSplit:
    """Rows of a folder of images.

    Args:
        streams: All images of the folder.
        targets: Their classes, shape (M,), int64.
        rows: Those that belong to the split, shape (N,), int64.
        normalisation: How stored values become inputs.
        augmentation: How images are changed where a batch is trained on.
    """

    streams: Streams
    targets: Tensor
    rows: Tensor
    normalisation: Normalisation | None
    augmentation: Augmentation | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sample_bytes(self) -> int:
        """Bytes that one sample takes in a batch."""
        frame = self.streams.frame
        return 4 * frame.bands * frame.height * frame.width

    @property
    def stored_bytes(self) -> int:
        """Nothing is kept."""
        return 0

    @property
    def in_memory(self) -> None:
        """Nothing is kept."""
        return

    def samples(self) -> Iterator[Tensor]:
        """Yield the images, some hundred at a time."""
        for rows in self.rows.split(_IMAGES_AT_ONCE):
            yield self.streams.pixels(rows)

    def to(self, device: torch.device) -> Self:  # noqa: ARG002 - images go there batch by batch
        """Return the same split: there is nothing to move."""
        return self

    def with_rows(self, rows: Tensor) -> Self:
        """Return a split of other rows of the same folder."""
        return replace(self, rows=rows)

    def joined(self, others: Sequence[Self]) -> Self:
        """Return this split and others, one after the other, as one."""
        rows = torch.cat([self.rows, *(other.rows for other in others)])
        return replace(self, rows=rows, augmentation=None)

    def strata(self) -> Tensor:
        """Return the class of each sample."""
        return self.targets.index_select(0, self.rows)

    def expect(self, rows: Tensor) -> None:
        """Begin to make a batch of these rows, before it is asked for."""
        self.streams.expect(rows)

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """Make inputs, float32, shape (B, C, H, W), and targets, shape (B,), of some rows.

        Raises:
            DataError: An image cannot be read.
        """
        inputs = normalised(
            self.streams.pixels(rows).to(device), self.normalisation, missing=self.streams.frame.missing
        )
        if self.augmentation is not None and epoch is not None:
            inputs = self.augmentation.apply(inputs, rows, epoch)
        return inputs, self.targets.index_select(0, rows).to(device)


def _key(rows: Tensor) -> bytes:
    return rows.numpy().tobytes()
