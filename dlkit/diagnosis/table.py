"""The table of all rules, in the order in which causes are looked for."""

from dlkit.diagnosis.rule import Rule
from dlkit.diagnosis.rules import (
    activations,
    data,
    generalisation,
    initialisation,
    loss,
    modes,
    outputs,
    rate,
    regularisation,
    targets,
    wiring,
)

RULES: tuple[Rule, ...] = (
    *data.RULES,
    *targets.RULES,
    *wiring.RULES,
    *outputs.RULES,
    *modes.RULES,
    *initialisation.RULES,
    *rate.RULES,
    *regularisation.RULES,
    *activations.RULES,
    *generalisation.RULES,
    *loss.RULES,
)
COLUMNS = ("name", "stage", "title", "signals", "condition", "threshold", "healthy", "source", "cure")
