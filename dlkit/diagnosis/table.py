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
    underfitting,
    validation,
    vanishing,
    wiring,
)

RULES: tuple[Rule, ...] = (
    *data.RULES,
    *validation.RULES,
    *targets.RULES,
    *wiring.RULES,
    *outputs.RULES,
    *modes.RULES,
    *initialisation.RULES,
    *rate.RULES,
    *regularisation.RULES,
    *vanishing.RULES,
    *activations.RULES,
    *generalisation.RULES,
    *underfitting.RULES,
    *loss.RULES,
)
COLUMNS = ("name", "stage", "title", "signals", "condition", "threshold", "healthy", "source", "cure")
