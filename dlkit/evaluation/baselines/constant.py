"""The answer that needs no input: the most frequent class, or the mean."""

import numpy as np
import torch

from dlkit.data.dataset import DataSet


def constant_answer(dataset: DataSet, count: int) -> tuple[str, np.ndarray] | None:
    """Return the name of the best constant answer by the training samples, and its predictions of N samples.

    Args:
        dataset: The data; their description knows the training samples.
        count: N.

    Returns:
        `majority class` and its share and those of the others as probabilities, shape (N, K), or `mean` and the mean of
        the targets, shape (N, D, ...); None where the training samples are not known.
    """
    about = dataset.description
    if about.class_names:
        counts = np.array(about.class_counts, dtype=np.float64)
        if not counts.sum():
            return None
        return "majority class", np.tile(counts / counts.sum(), (count, 1))
    scaling = about.target_scaling
    if scaling is not None and scaling.scale == 1 and len(about.target_shape) == 1:
        return "mean", np.tile(np.array(scaling.mean), (count, 1))
    train = dataset.splits.get("train")
    if train is None:
        return None
    _, targets = train.batch(train.rows, torch.device("cpu"))
    mean = targets.double().mean(0).numpy()
    return "mean", np.broadcast_to(mean, (count, *mean.shape))
