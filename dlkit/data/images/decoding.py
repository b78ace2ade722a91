"""Threads that measure and decode images; Pillow releases the interpreter's lock while it decodes."""

import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dlkit.data.images.frame import CHECK, Frame, ImageFault, Measure
from dlkit.data.images.image_file import check, decode, measure

_MOST_THREADS = 16
_AHEAD = 4  # batches that are decoded, a thread, before the first is used


@dataclass(frozen=True)
class Decoded:
    """What came of some files.

    Args:
        faults: Position in the list of files, and what is wrong with it.
        measures: What the header of each sound file says.
        pixels: Shape (B, C, H, W), zeros where a file cannot be read; None where they were only measured.
    """

    faults: Sequence[tuple[int, str]]
    measures: Sequence[Measure]
    pixels: np.ndarray | None = None


class Decoder:
    """Measures and decodes lists of files.

    Args:
        threads: How many work at once; 0 works when asked, in the calling thread.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "decode") if threads else None
        # Once, since catch_warnings is not safe in threads: damaged EXIF data and the like are no concern of training.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def submit(self, files: Sequence[str], frame: Frame | None = None) -> Future[Decoded]:
        """Measure files, or decode them where a frame is given."""
        if self._pool is not None:
            return self._pool.submit(decode_files, files, frame)
        done: Future[Decoded] = Future()
        done.set_result(decode_files(files, frame))
        return done

    def run(self, batches: Iterable[Sequence[str]], frame: Frame | None = None) -> Iterator[Decoded]:
        """Measure or decode many files and yield the results in their order.

        Args:
            batches: Lists of files; few of them are in memory at once.
            frame: What to bring images to; None measures.
        """
        waiting: deque[Future[Decoded]] = deque()
        for files in batches:
            waiting.append(self.submit(files, frame))
            if len(waiting) > _AHEAD * self.threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def decode_files(files: Sequence[str], frame: Frame | None = None) -> Decoded:
    """Measure files, or decode them where a frame is given."""
    faults: list[tuple[int, str]] = []
    measures: list[Measure] = []
    shape = (len(files), frame.bands, frame.height, frame.width) if frame else (0,)
    pixels = np.zeros(shape, frame.dtype if frame else np.uint8)
    for position, path in enumerate(files):
        try:
            if frame is None:
                measures.append(measure(path))
            elif frame == CHECK:
                check(path)
            else:
                pixels[position] = decode(path, frame)
        except ImageFault as fault:
            faults.append((position, str(fault)))
    return Decoded(faults, measures, None if frame is None else pixels)


def pick_threads(asked: str = "auto") -> int:
    """Return the number of threads to decode with: as asked, or one a core."""
    if asked != "auto":
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return min(_MOST_THREADS, len(affinity(0)) if affinity else os.cpu_count() or 1)
