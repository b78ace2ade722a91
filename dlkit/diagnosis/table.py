"""The table of all rules, in the order in which causes are looked for."""

from dlkit.diagnosis.rule import STAGES, Rule
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

_BY_MODULE: tuple[Rule, ...] = (
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
RULES = tuple(sorted(_BY_MODULE, key=lambda rule: STAGES.index(rule.stage)))
COLUMNS = ("name", "stage", "title", "signals", "condition", "threshold", "healthy", "source", "cure")
