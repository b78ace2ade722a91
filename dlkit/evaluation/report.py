"""How a checkpoint does on a split: loss, scores as the kind of data has them, and predictions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from dlkit.evaluation.certainty.intervals import Certainty, Intervals
from dlkit.evaluation.section import Section
from dlkit.evaluation.tasks import Results
from dlkit.files.atomic import new_file
from dlkit.files.csv_text import csv_text
from dlkit.files.run_dir import RunDir
from dlkit.files.sweep_dir import count_trials
from dlkit.metrics import Metric, number
from dlkit.settings.gates import ENDS, Gate

_LINES_AT_ONCE = 10_000
_BYTES_A_LINE = 40


@dataclass(frozen=True, kw_only=True)
class Report:
    """How one checkpoint does on one split.

    Args:
        checkpoint: Its file.
        data: The data set.
        split: Which part of it.
        loss: Mean loss over the samples whose target is known; NaN where none is.
        metrics: Numbers by name; empty where no target is known.
        measured: The records of these metrics.
        intervals: The ends of the 95 % interval of each metric that has one.
        certainty: How the intervals were made.
        places: One a sample: its row in the stored data, or its file.
        results: Targets and outputs, with what its kind of data has to tell.
        non_finite: Samples whose outputs are NaN or infinite; they are not scored.
        notes: Messages for the user of the data.
        warnings: That the network is no better than a constant answer.
        baselines: Metrics of simpler methods by their name.
        leads: By how much the network is better than each by the deciding metric, and the ends of the interval.
        sections: Tables that say where the network fails.
        images: The worst samples as PNG files, where they are images.
        run: The folder of the run, which keeps files on its own data; None for other data, or a checkpoint elsewhere.
    """

    checkpoint: Path
    data: str
    split: str
    loss: float
    metrics: Mapping[str, float]
    places: Sequence[int | str]
    results: Results
    measured: Sequence[Metric] = ()
    intervals: Intervals = field(default_factory=dict)
    certainty: Certainty = field(default_factory=Certainty)
    non_finite: int = 0
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    leads: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sections: Sequence[Section] = ()
    images: Sequence[bytes] = ()
    run: RunDir | None = None

    @property
    def name(self) -> str:
        """What messages call the network: its run folder if it is the best of the run, else its file."""
        run = RunDir(self.checkpoint.parent)
        return str(run.path if run.path.name and self.checkpoint == run.best else self.checkpoint)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the predictions as JSON values."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "n": len(self.places),
            **({"non_finite": self.non_finite} if self.non_finite else {}),
            "loss": number(self.loss),
            "metrics": {
                name: dict(
                    zip(("value", "lo", "hi"), (value, *self.intervals.get(name, (None, None))), strict=True)
                )
                for name, value in self.metrics.items()
            },
            "per_class": [],
            "confusion": [],
            "baselines": self.baselines,
            **({"chosen_from": trials} if (trials := count_trials(self.checkpoint)) else {}),
            **self.results.to_dict(),
            **({"leads": leads} if (leads := _leads(self.leads)) else {}),
            **{section.name: section.to_dicts() for section in self.sections},
        }

    def unmet(self, gates: Sequence[Gate]) -> list[str]:
        """Return a message for each limit that a metric is beyond."""
        found = []
        for gate in gates:
            value = self.loss if gate.metric == "loss" else self.metrics.get(gate.metric)
            if gate.end:
                value = dict(zip(ENDS, self.intervals.get(gate.metric, (None, None)), strict=True))[gate.end]
            if not gate.holds(value):
                shown = "not defined" if value is None or math.isnan(value) else f"{value:.6g}"
                found.append(
                    f"{gate.option} {gate.name}={gate.limit:g} is not met by {self.name}: it is {shown}"
                )
        return found

    def predictions_csv(self) -> Iterator[str]:
        """Yield the predictions as the kind of data has them, a line a sample or a value, many lines at a time."""
        lines = self.results.lines(self.places)
        while some := list(islice(lines, _LINES_AT_ONCE)):
            yield csv_text(some)

    def write_predictions(self, path: Path) -> None:
        """Write the predictions into a CSV.

        Raises:
            DlkitError: It cannot be written.
        """
        roughly = _BYTES_A_LINE * len(self.places)
        with new_file(path, roughly) as new, new.open("w", encoding="utf-8", newline="") as file:
            file.writelines(self.predictions_csv())


def _leads(leads: Mapping[str, tuple[float, float, float]]) -> dict[str, dict[str, float]]:
    return {method: dict(zip(("value", "lo", "hi"), lead, strict=True)) for method, lead in leads.items()}
