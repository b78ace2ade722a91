"""How long a network takes: latency and throughput of its forward pass, by batch size."""

import time
from collections.abc import Iterator

import numpy as np
import torch

from dlkit.evaluation.section import Section
from dlkit.evaluation.subject import Subject
from dlkit.inputs import Inputs, call, on_device

_SIZES = (1, 8, 32, 128, 512)
_WARM_UP_SECONDS, _SECONDS = 0.1, 0.4
_FEWEST, _MOST = 5, 1_000


def measure(subject: Subject, split: str) -> Section:
    """Return the time of a forward pass by batch size, after a warm-up: median and 5 to 95 % of the repetitions.

    The batches are samples of the split, on the device already.

    Args:
        subject: The network and its data.
        split: Where the samples are from.
    """
    part = subject.dataset.split(split)
    rows = []
    for size in _SIZES:
        which = part.rows[torch.arange(size) % len(part)]
        inputs, _ = part.batch(which, torch.device("cpu"))
        moved = on_device(inputs, subject.device)
        seconds = np.array(list(_repetitions(subject, moved)))
        median, low, high = np.quantile(seconds, (0.5, 0.05, 0.95)) * 1000
        rows.append([size, float(median), float(low), float(high), size / float(median) * 1000, len(seconds)])
    return Section(
        name="bench",
        columns=["batch_size", "ms", "ms_5", "ms_95", "samples_per_second", "repetitions"],
        rows=rows,
    )


@torch.inference_mode()
def _repetitions(subject: Subject, inputs: Inputs) -> Iterator[float]:
    """Yield the seconds of single passes."""
    subject.model.eval()
    begin = time.perf_counter()
    count = 0
    while True:
        start = time.perf_counter()
        call(subject.model, inputs)
        if subject.device.type != "cpu":
            torch.accelerator.synchronize(subject.device)
        end = time.perf_counter()
        if start - begin >= _WARM_UP_SECONDS:
            yield end - start
            count += 1
        if count >= _MOST or (count >= _FEWEST and end - begin >= _WARM_UP_SECONDS + _SECONDS):
            return
