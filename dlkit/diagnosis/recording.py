"""What a run recorded, as the rules read it: settings, history and signals, with the few sums they share."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Point = tuple[int, float]
"""Step and value."""

_MAX_POINTS = 1000
_FIRST_POINTS = 50
_SO_FAR = 0.05
_CHANCE, _USUAL_TAIL, _BALANCED = 2.0, 5.0, 0.5
_ALIKE = 1e-6
_FEW_EPOCHS, _MUCH_DROPPED = 3, 0.3
_MOSTLY_REPEATED, _ROWS_READ, _HALF = 0.8, 384, 0.5

VERY_FEW = 50
"""So many samples a network learns by heart."""

WHOLE = ""
"""The layer of signals that are of the whole network."""


@dataclass
class Recording:
    """A run so far.

    Args:
        config: Its settings; empty where they are not known.
        history: Columns of history.csv, an entry an epoch; None where nothing was measured.
        signals: Points of probes.csv by signal and layer, in the order of the steps.
        folder: The run folder, for commands that look into it; empty where there is none.
        file: The history, where there is nothing else.
        finished: The run came to its end; rules about the outcome apply.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    history: dict[str, list[float | None]] = field(default_factory=dict)
    signals: dict[str, dict[str, list[Point]]] = field(default_factory=dict)
    folder: str = ""
    file: str = ""
    finished: bool = True

    def add_epoch(self, row: Mapping[str, float | None]) -> None:
        """Add a row of history.csv."""
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)

    def add_signals(self, rows: Iterable[tuple[int, str, str, float]]) -> None:
        """Add rows of probes.csv: step, layer, signal, value; of a long run, ever fewer are kept."""
        for step, layer, signal, value in rows:
            points = self.signals.setdefault(signal, {}).setdefault(layer, [])
            points.append((step, value))
            if len(points) > _MAX_POINTS:
                del points[_FIRST_POINTS::2]

    def points(self, signal: str, layer: str = WHOLE) -> list[Point]:
        """Return the finite points of a signal of one layer."""
        return [point for point in self.signals.get(signal, {}).get(layer, ()) if math.isfinite(point[1])]

    def layers(self, signal: str) -> dict[str, list[Point]]:
        """Return the finite points of a signal by layer, layers without any left out."""
        found = {layer: self.points(signal, layer) for layer in self.signals.get(signal, {})}
        return {layer: points for layer, points in found.items() if points}

    def number(self, signal: str, layer: str = WHOLE) -> float | None:
        """Return the first finite value of a signal; None if there is none."""
        points = self.points(signal, layer)
        return points[0][1] if points else None

    def column(self, name: str) -> list[float]:
        """Return the finite values of a column of the history."""
        return [value for value in self.history.get(name, ()) if value is not None and math.isfinite(value)]

    @property
    def epochs(self) -> int:
        """Epochs that are done."""
        return max(map(len, self.history.values()), default=0)

    @property
    def steps(self) -> int:
        """Steps that are done, as far as is known."""
        counted = [int(value) for value in self.column("step")]
        sampled = [points[-1][0] for points in self.signals.get("grad_norm", {}).values() if points]
        return max([0, *counted, *sampled])

    @property
    def metric(self) -> str | None:
        """Name of the metric beside the loss, if there is one."""
        names = [name[4:] for name in self.history if name.startswith("val_") and name != "val_loss"]
        return names[0] if names else None

    @property
    def constant_loss(self) -> float | None:
        """The loss of the best constant answer; the first loss where it was not recorded."""
        recorded = self.number("constant_loss")
        if recorded is not None:
            return recorded if recorded > 0 else None
        first = [*self.column("train_loss")[:1], *self.column("val_loss")[:1]]
        return max(first) if first and max(first) > 0 else None

    @property
    def train_losses(self) -> list[float]:
        """The course of the training loss: means over parts of an epoch where recorded, else over epochs."""
        return [value for _, value in self.points("mean_loss")] or self.column("train_loss")

    def gain(self, column: str = "val_loss") -> float | None:
        """Return the share of the best constant answer's loss that training took off, at the best epoch."""
        losses, constant = self.column(column), self.constant_loss
        return None if not losses or constant is None else 1 - min(losses) / constant

    @property
    def skill(self) -> float | None:
        """Return how far validation got from a constant answer (0) to a perfect one (1), by its loss or its classes."""
        by_loss, classes = self.gain(), self.number("classes")
        balanced, plain = self.column("val_balanced_accuracy"), self.column("val_accuracy")
        share = 1 / classes if balanced and classes else self.number("whole_label_share")
        accuracies = balanced or plain
        if not accuracies or share is None or share >= 1:
            return by_loss
        by_classes = (statistics.median(accuracies[len(accuracies) // 2 :]) - share) / (1 - share)
        return by_classes if by_loss is None else max(by_loss, by_classes)

    @property
    def simple(self) -> float | None:
        """Return the skill of nearest neighbours or linear regression on the same data; None where not measured."""
        return self.number("simple_skill")

    def falls_short(self, by: float) -> bool:
        """Return whether the skill is lower than that of simple methods, by so much and more than by chance."""
        simple, skill, samples = self.simple, self.skill, self.number("val_samples")
        if self.column("val_balanced_accuracy") and self.number("classes"):
            simple, by = (
                self.number("simple_balanced"),
                max(2 * by, _BALANCED),
            )  # of few samples of some classes
        if simple is None or skill is None:
            return False
        accuracies, share = self.column("val_accuracy"), self.number("whole_label_share") or 0.0
        if accuracies and share < 1:  # simple methods are judged by plain accuracy
            skill = max(skill, (statistics.median(accuracies[len(accuracies) // 2 :]) - share) / (1 - share))
        tail = max(1.0, (self.number("whole_target_max") or 0.0) / _USUAL_TAIL)
        return simple - skill > tail * max(by, _CHANCE / math.sqrt(samples or 1.0))

    @property
    def distinct_samples(self) -> float | None:
        """The number of training samples, without repetitions where most rows are some."""
        samples, repeated = self.number("samples"), self.number("repeated_rows") or 0.0
        if samples is None or repeated < _MOSTLY_REPEATED:
            return samples
        return (1 - repeated) * min(samples, _ROWS_READ)

    @property
    def repeats_few(self) -> bool:
        """Whether training has very few samples that differ, each many times, and validation has others."""
        distinct, known = self.distinct_samples, self.number("val_known_rows")
        if distinct is None or distinct > VERY_FEW or distinct == self.number("samples"):
            return False
        return known is None or known < _HALF

    def learned_less(self, limit: float) -> bool:
        """Return whether less was learned than a limit; while the run trains, whether next to nothing was so far."""
        if not self.finished:
            return self.learned_nothing
        return self.skill is None or self.skill < limit

    @property
    def learned_nothing(self) -> bool:
        """Whether neither validation nor training got noticeably further than the best constant answer."""
        return max(self.skill or 0.0, self.gain("train_loss") or 0.0) < _SO_FAR

    def suffers(self, well: float, by: float = 0.1) -> bool:
        """Return whether validation is neither near a perfect answer nor near what simple methods make of the data."""
        return self.skill is None or self.skill < well or self.falls_short(by)

    @property
    def ignores_inputs(self) -> bool:
        """Whether at the first step the outputs did not depend on the inputs at all."""
        used, spreads = self.number("inputs_used"), self.points("output_spread")[:1]
        alike = any(value <= _ALIKE * self.output_sizes().get(step, 0.0) for step, value in spreads)
        return used == 0 or (used is None and alike)

    @property
    def training_behind(self) -> float:
        """How much worse training is than validation in each of the last epochs, by the best constant answer's loss.

        0 where something makes it worse on purpose: dropout, augmentation, smoothed labels, balanced classes.
        """
        train, val, constant = self.column("train_loss"), self.column("val_loss"), self.constant_loss
        dropped = max((points[0][1] for points in self.layers("dropout").values()), default=0.0)
        made_worse = (
            self.config.get("augment", "none") != "none"
            or self.config.get("label_smoothing")
            or self.config.get("balance", "none") != "none"
            or self.config.get("target_weights")
            or dropped > _MUCH_DROPPED
            or self.mode_difference
            or self.number("evaluation_noise")
        )
        if made_worse or constant is None or len(train) < _FEW_EPOCHS or len(val) < _FEW_EPOCHS:
            return 0.0
        last = zip(train[-_FEW_EPOCHS:], val[-_FEW_EPOCHS:], strict=False)
        return max(0.0, min(trained - validated for trained, validated in last) / constant)

    @property
    def mode_difference(self) -> float:
        """How far outputs differ between training and evaluation mode at the first step, without a layer for it."""
        dropped = any(found[0][1] > 0 for found in self.layers("dropout").values())
        if dropped or self.layers("batch_norm"):
            return 0.0
        return self.number("mode_difference") or 0.0

    def output_sizes(self) -> dict[int, float]:
        """Return the largest output by step, without its sign."""
        sizes: dict[int, float] = {}
        for signal in ("output_std", "output_min", "output_max"):
            for step, value in self.points(signal):
                sizes[step] = max(sizes.get(step, 0.0), abs(value))
        return sizes

    @property
    def matrices(self) -> list[str]:
        """Names of the trained parameters of two axes or more, in the order in which they compute, if that is known."""
        found = [name for name in self.signals.get("units", {}) if name in self.signals.get("grad_norm", {})]
        called = {layer: place for place, layer in enumerate(self.signals.get("act_std", {}))}
        layers = {name: name.rpartition(".")[0] for name in found}
        if not called.keys() >= set(layers.values()):
            return found
        return sorted(found, key=lambda name: called[layers[name]])


def late(points: Sequence[Point]) -> list[Point]:
    """Return the points of the last half of the steps, at least one."""
    if not points:
        return []
    middle = (points[0][0] + points[-1][0]) / 2
    return [point for point in points if point[0] >= middle]


def early(points: Sequence[Point], until: int = 11) -> list[Point]:
    """Return the points of the first steps."""
    return [point for point in points if point[0] <= until]


def median(points: Sequence[Point]) -> float:
    """Return the median of the values; NaN for none."""
    return statistics.median(value for _, value in points) if points else math.nan


def persists(points: Sequence[Point], limit: float) -> bool:
    """Return whether at least half of the values of the last half lie above a limit, the last included."""
    found = late(points)
    above = [value > limit for _, value in found]
    return bool(above) and above[-1] and 2 * sum(above) >= len(above)


def first_above(points: Sequence[Point], limit: float) -> int | None:
    """Return the first step whose value lies above a limit."""
    return next((step for step, value in points if value > limit), None)
