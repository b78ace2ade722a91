"""A rule: a record of what it reads and where it draws the line, beside the function that looks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dlkit.diagnosis.findings import Evidence
from dlkit.diagnosis.recording import Recording

STAGES = ("data", "wiring", "initialisation", "learning rate", "activations", "loss", "generalisation")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule.

    Args:
        name: Its short name.
        title: What it is about, in a few words.
        stage: Where in the training it looks; causes of an earlier stage come first.
        signals: The signals and columns that it reads.
        threshold: What the value is compared with.
        condition: The condition in words.
        healthy: What healthy runs have.
        source: Where the rule comes from.
        cure: What it suggests, in words.
        find: Looks; returns what it found, or None.
        explains: Rules whose findings follow from this one.
        live: It is sure enough to warn while the run trains.
    """

    name: str
    title: str
    stage: str
    signals: tuple[str, ...]
    threshold: float
    condition: str
    healthy: str
    source: str
    cure: str
    find: Callable[[Recording, float], Evidence | None]
    explains: tuple[str, ...] = ()
    live: bool = False

    def to_row(self) -> Mapping[str, str | float]:
        """Return the row of the table of rules."""
        return {
            "name": self.name,
            "stage": self.stage,
            "title": self.title,
            "signals": ", ".join(self.signals),
            "condition": self.condition,
            "threshold": self.threshold,
            "healthy": self.healthy,
            "source": self.source,
            "cure": self.cure,
        }


OF_WIRING = (
    "inputs_ignored",
    "vanishing",
    "dead",
    "saturated",
    "flat_loss",
    "underfit",
    "init",
    "majority",
    "lr_low",
    "labels",
    "overfit",
    "mode_gap",
    "linear",
    "lr_high",
    "bottleneck",
)
"""The rules whose findings follow from a fault of the network's wiring."""

OF_LAYERS = (
    "flat_loss",
    "not_updated",
    "bottleneck",
    "underfit",
    "majority",
    "inputs_ignored",
    "lr_low",
    "unstable",
    "labels",
)
"""The rules whose findings follow from what layers do not pass on."""

OF_SCALE = (
    "init",
    "lr_high",
    "lr_low",
    "dead",
    "saturated",
    "nan",
    "exploding",
    "flat_loss",
    "underfit",
    "overfit",
    "mode_gap",
    "vanishing",
    "unstable",
    "labels",
    "majority",
    "over_regularised",
)
"""The rules whose findings follow from inputs or targets of an extreme scale."""
