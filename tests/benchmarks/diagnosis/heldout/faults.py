"""The held-out families of faults, written after the thresholds were frozen."""

from collections.abc import Callable

from tests.benchmarks.diagnosis.bases import Base
from tests.benchmarks.diagnosis.cases import Change, Fault

_TURNS = (
    "juice",
    "houses",
    "stones",
    "wages",
    "cards",
    "written",
    "wine",
    "rings",
    "rolled",
    "steps",
    "letters",
)


def _traits(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _code(name: str, fault: str, causes: str, **more: frozenset[str]) -> Fault:
    """Return a mistake in an own network."""
    needs = frozenset({"own"}) | more.pop("needs", frozenset())
    change = Change(arguments={"fault": fault})
    return Fault(
        name=name, part="heldout", causes=tuple(causes.split()), change=lambda _: change, needs=needs, **more
    )


def _every_second(
    name: str, causes: str, turn: int, change: Callable[[Base], Change], never: str = "", needs: str = ""
) -> Fault:
    """Return a fault of the data or the settings, which every second base takes in its turn."""
    others = [base for index, base in enumerate(_TURNS) if (index + turn) % 2]
    return Fault(
        name=name,
        part="heldout",
        causes=tuple(causes.split()),
        change=change,
        needs=_traits(needs),
        never=_traits(never) | {f"base-{base}" for base in others},
    )


def _data(change: str, **settings: str) -> Callable[[Base], Change]:
    return lambda _: Change(data=change, settings=settings)


def _rate(factor: float) -> Callable[[Base], Change]:
    return lambda base: Change(settings={"lr": base.lr * factor})


HELDOUT_FAULTS = (
    _code("part-of-inputs", "part_of_inputs", "inputs_ignored underfit"),
    _code("noisy-inputs", "noisy_inputs", "mode_gap underfit", never=_traits("codes")),
    _code("hard-step", "hard_step", "no_gradient vanishing"),
    _code("always-dropped", "always_dropped", "over_regularised mode_gap"),
    _code("new-layer", "new_layer", "unregistered"),
    _code("division", "division", "nan"),
    _code("times-1000", "times_1000", "init exploding lr_high"),
    _code("wrong-reshape", "wrong_reshape", "mixed_samples inputs_ignored"),
    _code("weights-put-back", "weights_put_back", "not_updated"),
    _code("softmax-over-batch", "softmax_over_batch", "mixed_samples softmax", needs=_traits("classes")),
    _code("relu-output", "relu_output", "softmax dead"),
    _code("one-output", "one_output", "no_gradient bottleneck flat_loss", needs=_traits("classes")),
    Fault(
        name="depth-20",
        part="heldout",
        causes=("vanishing", "init", "saturated"),
        change=lambda _: Change(arguments={"depth": 20, "act": "tanh", "norm": "none"}),
        needs=_traits("own"),
        never=_traits("Stacked Attention Codes"),
    ),
    _every_second("sorted-split", "val_differs unshuffled", 0, _data("sorted")),
    _every_second("unscaled-validation", "val_differs mode_gap", 1, _data("unscaled-validation"), "codes"),
    _every_second("permuted-validation", "val_differs labels", 0, _data("permuted-validation"), "codes"),
    _every_second("shuffled-validation", "labels", 1, _data("shuffled-validation")),
    _every_second("mostly-wrong", "labels", 0, _data("mostly-wrong")),
    _every_second("few-distinct", "overfit", 1, _data("few-distinct")),
    Fault(
        name="target-outlier",
        part="heldout",
        causes=("target_outlier",),
        change=_data("target-outlier"),
        never=_traits("classes"),
    ),
    _every_second(
        "column-units",
        "column_scale input_scale",
        0,
        _data("column-units", normalize="none"),
        "codes image Attention",
    ),
    _every_second("missing-code", "input_scale bad_data", 1, _data("missing-code"), "codes"),
    _every_second("missing-class", "val_differs majority labels", 0, _data("missing-class"), needs="classes"),
    _every_second("long-warm-up", "lr_low underfit", 1, lambda _: Change(settings={"warmup-steps": 30000})),
    _every_second("rate-times-30", "lr_high exploding nan", 0, _rate(30)),
    _every_second("rate-over-100", "lr_low underfit", 1, _rate(0.01)),
    Fault(
        name="raw-target",
        part="heldout",
        causes=("init", "lr_low"),
        change=lambda _: Change(settings={"no-scale-target": True}),
        never=_traits("classes"),
    ),
    _every_second(
        "l1-of-classes", "flat_loss underfit", 0, lambda _: Change(settings={"loss": "l1"}), needs="classes"
    ),
)
