"""What simple methods make of some samples, which a network should reach too, and how validation differs."""

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from dlkit.inputs import Inputs
from dlkit.probes.layers import Signal

Samples = tuple[Inputs, Tensor]
"""Inputs and targets of N samples."""
Score = Callable[[Tensor, Tensor], float]
"""Judges answers by the targets: 0 for the best constant answer, 1 for a perfect one."""

_COLUMNS, _CODES = 128, 64
_MANY_COLUMNS = 10
_WITH_PLACES = 3  # axes: samples, places and features
_NEIGHBOURS = 5
_PENALTY = 1.0
_RARE, _OFTEN, _CUT = 0.05, 0.2, 0.05
_FEWER = 0.1
_ENOUGH, _OF_CHANCE = 10, 15.0
_TINY = 1e-12


@torch.no_grad()
def sample_signals(train: Samples, val: Samples, width: int) -> Iterator[Signal]:
    """Yield how well simple methods answer, and how far validation lies from training.

    Skill is 0 for the best constant answer and 1 for a perfect one, by classes or by squared errors.

    Args:
        train: Some training samples, without augmentation.
        val: Some validation samples.
        width: Outputs of the network: the number of classes.
    """
    (train_x, train_y), (val_x, val_y) = ((_columns(x), _numbers(y, width)) for x, y in (train, val))
    if not train_x.shape[1]:
        return
    classes = train_y.shape[1] > 1 and bool(((train_y == 0) | (train_y == 1)).all())
    yield from _simple_signals((train[0], train_x, train_y), (val[0], val_x, val_y), classes=classes)
    train_rows, val_rows = _projected(train[0], train_x), _projected(val[0], val_x)
    yield "", "repeated_rows", 1 - len(train_rows.unique()) / max(1, len(train_rows))
    if len(train_rows) and isinstance(train[0], Tensor) and train[0][0].numel() >= _MANY_COLUMNS:
        yield "", "commonest_row", train_rows.unique(return_counts=True)[1].max() / len(train_rows)
    yield "", "val_known_rows", torch.isin(val_rows, train_rows).float().mean()
    mean, std = train_x.mean(0), train_x.std(0, correction=0)
    varied = std > 0
    if varied.any():
        yield "", "column_scale", std.max() / std[varied].median()
        yield "", "column_outlier", _widest_tail(train_x, std)
        shift = (val_x.mean(0) - mean)[varied] / std[varied]
        yield "", "val_input_shift", shift.square().mean().sqrt()
        often = _varies(train_x, _RARE)
        if often.any():  # of rare categories, validation may have none
            yield "", "val_input_scale", (val_x.std(0, correction=0)[often] / std[often]).median()
            yield "", "val_column_shift", shift[often[varied]].abs().max()
        if _varies(train_x, _OFTEN).any():
            yield "", "val_column_scale", min(_least_spread(train_x, val_x), _least_spread(val_x, train_x))
            yield (
                "",
                "val_relation_shift",
                _relation_shift((train_x, train_y), (val_x, val_y), classes=classes),
            )
    if train[1].is_floating_point():
        spread = train_y.std(0, correction=0).clamp_min(_TINY)
        yield "", "val_target_shift", ((val_y.mean(0) - train_y.mean(0)) / spread).abs().max()
    else:
        yield "", "val_target_shift", (val_y.mean(0) - train_y.mean(0)).abs().sum() / 2
        yield "", "val_new_classes", val_y.mean(0)[train_y.mean(0) < _FEWER * val_y.mean(0)].sum()


@torch.no_grad()
def skill_of(train: Samples, val: Samples, width: int) -> float:
    """Return how well simple methods that know some samples answer others: 0 as a constant, 1 perfectly.

    Args:
        train: Inputs and targets that they know.
        val: Those that they are asked.
        width: Outputs of the network: the number of classes.
    """
    (x, y), (new_x, new_y) = ((_views(x, _columns(x)), _numbers(y, width)) for x, y in (train, val))
    score = _score_of_numbers if train[1].is_floating_point() else _score_of_classes
    return _best(
        row[0] for view, new in zip(x, new_x, strict=True) for row in _skills((view, y), (new, new_y), score)
    )


def _projected(inputs: Inputs, columns: Tensor) -> Tensor:
    """Return a number for each sample, by which those that are alike are found: of an image, by all of it."""
    rows = inputs.flatten(1).cpu().nan_to_num(0.0) if isinstance(inputs, Tensor) else columns
    return rows.double() @ torch.arange(1, rows.shape[1] + 1, dtype=torch.float64).sin()


def _varies(columns: Tensor, share: float) -> Tensor:
    """Return of each column whether more than a share of its values differ from the median one."""
    return (columns != columns.median(0).values).float().mean(0) > share


def _least_spread(one: Tensor, other: Tensor) -> float:
    """Return the least spread of a column in one part over that in another, without its furthest values.

    Of columns of which many values differ: of others, a part may have one value alone.
    """
    columns = _without_tails(one, other)
    if not columns[0].numel():
        return 1.0
    before, after = (part.std(0, correction=0) for part in columns)
    return min((after / before.clamp_min(_TINY)).tolist(), default=1.0)


def _relation_shift(
    train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor], *, classes: bool
) -> Tensor | float:
    """Return the largest difference, in validation, of the correlation of a column with a target or a class.

    Classes of few samples are left out, and a difference counts in proportion to what chance makes of many.
    """
    columns = _without_tails(train[0], val[0])
    if classes:
        enough = torch.minimum(train[1].sum(0), val[1].sum(0)) >= _ENOUGH
        targets = train[1][:, enough], val[1][:, enough]
    else:
        targets = _without_tails(train[1], val[1])
    if not columns[0].shape[1] or not targets[0].shape[1]:
        return 0.0
    before, after = (_correlations(x, y) for x, y in zip(columns, targets, strict=True))
    chance = _OF_CHANCE * math.sqrt(1 / len(train[0]) + 1 / len(val[0]))
    return (after - before).abs().max() / max(1.0, chance)


def _correlations(x: Tensor, y: Tensor) -> Tensor:
    """Return the correlation of each column with each target, shape (C, K); 0 where one does not vary."""
    scaled = [(each - each.mean(0)) / each.std(0, correction=0).clamp_min(_TINY) for each in (x, y)]
    return scaled[0].T @ scaled[1] / len(x)


def _without_tails(train: Tensor, val: Tensor) -> tuple[Tensor, Tensor]:
    """Return the columns in which many values differ, cut to the middle nine tenths of the training values."""
    often = _varies(train, _OFTEN)
    if not often.any():  # quantiles of nothing are an error
        return train[:, often], val[:, often]
    low, high = torch.quantile(train[:, often], torch.tensor([_CUT, 1 - _CUT]), dim=0)
    return train[:, often].clamp(low, high), val[:, often].clamp(low, high)


def _widest_tail(columns: Tensor, std: Tensor) -> Tensor:
    """Return the largest standard deviation of a column over the median distance from its median."""
    distances = (columns - columns.median(0).values).abs().median(0).values
    return torch.where(distances > 0, std / distances.clamp_min(_TINY), 0.0).max()


def _columns(inputs: Inputs) -> Tensor:
    """Return some numbers of each sample, shape (N, C): at most 128, and how often each of 64 codes is among them."""
    tensors = [inputs] if isinstance(inputs, Tensor) else list(inputs.values())
    values = [
        each.flatten(1) if each.ndim > 1 else each[:, None] for each in tensors if not each.is_complex()
    ]
    columns = torch.cat([each.float().cpu() for each in values], 1)
    columns = columns[:, :: max(1, math.ceil(columns.shape[1] / _COLUMNS))].nan_to_num(0.0, 0.0, 0.0)
    if any(each.is_floating_point() for each in tensors):
        return columns
    counts = (columns[:, :, None] == torch.arange(_CODES)).sum(1)
    return torch.cat([columns, counts], 1)


def _numbers(targets: Tensor, width: int) -> Tensor:
    """Return targets as numbers, shape (N, K): a column for each class."""
    if targets.is_floating_point():
        return _columns(targets)
    return (targets.cpu()[:, None] == torch.arange(width)).float()


def _simple_signals(
    train: tuple[Inputs, Tensor, Tensor], val: tuple[Inputs, Tensor, Tensor], *, classes: bool
) -> Iterator[Signal]:
    """Yield how far the best method gets within each part and from one to the other, and the most that one loses.

    Args:
        train: Inputs of the training samples, their columns and their targets as numbers.
        val: Those of validation.
        classes: The targets are classes.
    """
    (inputs, columns, y), (new_inputs, new_columns, new_y) = train, val
    score = _score_of_classes if classes else _score_of_numbers
    scores = (score, _score_of_recalls) if classes else (score,)
    rows: list[tuple[float, ...]] = []
    for view, new in zip(_views(inputs, columns), _views(new_inputs, new_columns), strict=True):
        within, within_new = (
            _skills((x[::2], known[::2]), (x[1::2], known[1::2]), score)
            for x, known in ((view, y), (new, new_y))
        )
        across = _skills((view, y), (new, new_y), *scores)
        rows += [
            (one[0], other[0], *both) for one, other, both in zip(within, within_new, across, strict=True)
        ]
    names = ("simple_train", "simple_val", "simple_skill", "simple_balanced")
    for name, values in zip(names, zip(*rows, strict=True), strict=False):
        yield "", name, _best(values)
    yield "", "simple_drop", _best(min(row[:2]) - max(row[2], 0.0) for row in rows)


def _best(values: Iterable[float]) -> float:
    """Return the largest value that is a number; NaN for none."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _views(inputs: Inputs, columns: Tensor) -> list[Tensor]:
    """Return what simple methods look at: the columns, and of sequences, sets and images what is over all places.

    That is mean, spread, least and largest value of each feature or channel, in whatever order the places are.
    """
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.ndim < _WITH_PLACES:
        return [columns]
    values = inputs.float().cpu().nan_to_num(0.0, 0.0, 0.0)
    values = (
        values.flatten(2) if values.ndim > _WITH_PLACES else values.transpose(1, 2)
    )  # (N, features, places)
    values = values[:, :_COLUMNS]
    pooled = (values.mean(2), values.std(2, correction=0), values.amin(2), values.amax(2))
    return [columns, torch.cat(pooled, 1)]


def _skills(known: tuple[Tensor, Tensor], asked: tuple[Tensor, Tensor], *scores: Score) -> list[list[float]]:
    """Return of each of two methods that know some samples how well it answers others, by each score.

    NaN where all answers are alike, or where there are too few samples.
    """
    (x, y), (new_x, new_y) = known, asked
    if len(y) < _NEIGHBOURS or not len(new_y):
        return [[math.nan] * len(scores)] * 2
    mean, std = x.mean(0), x.std(0, correction=0)
    std = torch.where(std > 0, std, 1.0)
    x, new_x = (x - mean) / std, (new_x - mean) / std
    return [
        [score(each, new_y) for score in scores] for each in (_neighbours(x, y, new_x), _linear(x, y, new_x))
    ]


def _neighbours(x: Tensor, y: Tensor, new_x: Tensor) -> Tensor:
    """Return the mean of the five nearest."""
    nearest = torch.cdist(new_x, x).topk(_NEIGHBOURS, largest=False).indices
    return y[nearest].mean(1)


def _linear(x: Tensor, y: Tensor, new_x: Tensor) -> Tensor:
    """Return what ridge regression answers."""
    middle = y.mean(0)
    products = x.T @ x + _PENALTY * torch.eye(x.shape[1])
    weights: Tensor = torch.linalg.solve(products, x.T @ (y - middle))
    return new_x @ weights + middle


def _score_of_classes(answers: Tensor, targets: Tensor) -> float:
    right = (answers.argmax(1) == targets.argmax(1)).float().mean()
    right, share = torch.stack([right, targets.mean(0).max()]).tolist()
    return (right - share) / (1 - share) if share < 1 else math.nan


def _score_of_recalls(answers: Tensor, targets: Tensor) -> float:
    """Judge by the mean over classes of the share of their samples that is answered right."""
    answered = torch.zeros_like(targets).scatter_(1, answers.argmax(1, keepdim=True), 1.0)
    right = answered * targets
    present = targets.sum(0) > 0
    recall = (right.sum(0)[present] / targets.sum(0)[present]).mean().item()
    share = 1 / targets.shape[1]
    return (recall - share) / (1 - share)


def _score_of_numbers(answers: Tensor, targets: Tensor) -> float:
    errors = (answers - targets).square().sum()
    spread = (targets - targets.mean(0)).square().sum()
    return 1 - (errors / spread).item() if spread > 0 else math.nan
