"""The samples that a network is farthest from: a table, and the images."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import Split, unstandardised
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.section import Section
from dlkit.evaluation.tasks import Results
from dlkit.files.description import DataDescription

_LEAST = 1e-30
_CPU = torch.device("cpu")
_SLACK = 1e-3


def worst_samples(
    count: int, results: Results, there: np.ndarray, places: Sequence[int | str]
) -> tuple[Section, np.ndarray]:
    """Return the samples with the largest loss, the worst first, and which of all samples they are.

    Classes go by minus the logarithm of the probability of the true one, numbers by the absolute error, averaged over
    several outputs.

    Args:
        count: How many.
        results: Targets and outputs.
        there: Which of all samples are scored, ascending.
        places: The place of each sample.
    """
    preds, truth = results.pairs()
    if isinstance(results, Classes):
        name, losses = "loss", _log_losses(preds, truth)
    else:
        name, losses = "error", np.abs(preds.astype(np.float64) - truth).reshape(len(truth), -1).mean(1)
    worst = np.argsort(-losses, kind="stable")[:count]
    which = there[worst]
    header, *described = _described(results, which, [places[sample] for sample in which])
    rows = [
        [rank, *row, float(loss)]
        for rank, (row, loss) in enumerate(zip(described, losses[worst], strict=True), 1)
    ]
    return Section(name="worst", columns=["rank", *header, name], rows=rows), which


def images_of(part: Split, which: np.ndarray, about: DataDescription) -> list[bytes]:
    """Return samples as PNG files; none where they are no images.

    Args:
        part: The samples.
        which: Which of them.
        about: Says whether they are images, and how pixels became inputs.
    """
    if len(about.input_shape) != 3 or about.named_inputs or about.input_dtype != "float32":
        return []
    inputs, _ = part.batch(part.rows[torch.from_numpy(which)], _CPU)
    assert isinstance(inputs, Tensor), "images are one input"
    return [_png(pixels) for pixels in _pixels(inputs, about)]


def _log_losses(probs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    given = probs[np.arange(len(targets)), targets].astype(np.float64)
    losses: np.ndarray = -np.log(np.maximum(given, _LEAST))
    return losses


def _described(results: Results, which: np.ndarray, places: Sequence[int | str]) -> list[Sequence[Any]]:
    """Return a header, and what is reported of each sample."""
    if isinstance(results, Classes):
        names, probs, targets = results.names, results.probs[which], results.targets[which]
        preds, each = probs.argmax(1), np.arange(len(which))
        parts = zip(places, targets, preds, probs[each, targets], probs[each, preds], strict=True)
        rows = [
            [place, names[target], names[pred], float(true), float(given)]
            for place, target, pred, true, given in parts
        ]
        return [["index", "target", "pred", "prob_target", "prob_pred"], *rows]
    if isinstance(results, Numbers):
        few = replace(
            results, targets=results.targets[which], preds=results.preds[which], spread=None, half=None
        )
        return [list(line) for line in few.lines(places)]
    return [["index"], *([place] for place in places)]


def _pixels(inputs: Tensor, about: DataDescription) -> np.ndarray:
    """Return inputs, shape (N, C, H, W), as bytes, shape (N, H, W) or (N, H, W, 3)."""
    inputs = unstandardised(inputs, about.normalisation)
    shown = inputs[:, :3] if inputs.shape[1] >= 3 else inputs[:, :1]
    lo, hi = shown.amin(), shown.amax()
    if lo < -_SLACK or hi > 1 + _SLACK:  # values of another range than pixels
        shown = (shown - lo) / (hi - lo)
    pixels = (shown.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return pixels if pixels.shape[-1] == 3 else pixels[..., 0]


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
