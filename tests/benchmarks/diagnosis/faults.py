"""Faults, by family; which families thresholds may be tuned on was set before there was any threshold."""

from collections.abc import Callable, Iterator

from tests.benchmarks.diagnosis.bases import Base
from tests.benchmarks.diagnosis.cases import Case, Change, Fault, setting

_CLOSED = (
    "third",
    "fourth",
    "fifth",
    "sixth",
)  # neither their families nor their bases are mixed with others


def fault_cases(base: Base, seeds: range) -> Iterator[Case]:
    """Yield every faulty run of a base; those of `heldout` and of the parts after it on their own bases."""
    from tests.benchmarks.diagnosis.fifth.faults import FIFTH_FAULTS
    from tests.benchmarks.diagnosis.fourth.faults import FOURTH_FAULTS
    from tests.benchmarks.diagnosis.heldout.faults import HELDOUT_FAULTS
    from tests.benchmarks.diagnosis.sixth.faults import SIXTH_FAULTS
    from tests.benchmarks.diagnosis.third.faults import THIRD_FAULTS

    closed = (*THIRD_FAULTS, *FOURTH_FAULTS, *FIFTH_FAULTS, *SIXTH_FAULTS)
    for fault in (*FAULTS, *HELDOUT_FAULTS, *closed):
        own_bases = fault.part in ("heldout", *_CLOSED) or base.part in _CLOSED
        if fault.fits(base) and (not own_bases or base.part == fault.part):
            part = base.part if base.part == fault.part else "mixed"
            for seed in seeds:
                yield Case(
                    base=base,
                    name=fault.name,
                    change=fault.change(base),
                    seed=seed,
                    causes=fault.causes,
                    part=part,
                )


def _code(fault: str, **arguments: float | str) -> Callable[[Base], Change]:
    return lambda _: Change(arguments={"fault": fault, **arguments})


def _data(change: str, **settings: float | str) -> Callable[[Base], Change]:
    return lambda _: Change(data=change, settings=settings)


def _rate(factor: float, *, swapped: bool = False) -> Callable[[Base], Change]:
    """Multiply the rate that suits the optimizer; the other one where swapped."""

    def change(base: Base) -> Change:
        name = base.optimizer if not swapped else ("adam" if base.optimizer == "sgd" else "sgd")
        rate = base.lrs[0] if name == "sgd" else base.lrs[1]
        return Change(settings={"optimizer": name, "lr": rate * factor})

    return change


def _too_long(base: Base) -> Change:
    return Change(
        settings={"epochs": base.epochs * 12, "lr": base.lr * 2, "schedule": "none", "weight-decay": 0},
        arguments={"width": 256, "depth": 3},
    )


def _too_few_rows(base: Base) -> Change:
    return Change(settings={"limit": 24, "epochs": base.epochs * 12, "batch-size": 8})


def _few_steps(base: Base) -> Change:
    return Change(settings={"batch-size": 4096, "epochs": max(2, base.epochs // 4)})


def _sigmoids(base: Base) -> Change:
    if base.model == "mlp":
        return Change(arguments={"activation": "sigmoid", "hidden": ",".join(["48"] * 9)})
    return Change(arguments={"act": "sigmoid", "depth": 9})


def _imbalanced(base: Base, smoothing: float = 0.0) -> Change:
    return Change(
        data="imbalance80",
        settings={"monitor": "val_balanced_accuracy", "label-smoothing": smoothing},
        metric="balanced_accuracy",
    )


def _frozen(base: Base) -> Change:
    return Change(
        settings={"freeze": {"mlp": "hidden.*", "spatial": "phi.*,omega.*"}.get(base.model, "blocks.*")}
    )


def _dropout(base: Base) -> Change:
    return Change(arguments={"dropout": 0.95})


def _traits(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWN, _CLASSES = frozenset({"own"}), frozenset({"own", "classes"})

FAULTS = (
    # Wiring: a gradient that does not arrive, parameters that do not move, inputs that are not used.
    Fault(name="detached", part="first", causes=("no_gradient",), change=_code("detached"), needs=_OWN),
    Fault(
        name="no-grad-block",
        part="second",
        causes=("no_gradient",),
        change=_code("no_grad_block"),
        needs=_OWN,
    ),
    Fault(
        name="rounded",
        part="second",
        causes=("no_gradient", "vanishing"),
        change=_code("rounded"),
        needs=_OWN,
    ),
    Fault(name="frozen-blocks", part="first", causes=("frozen",), change=_code("frozen_blocks"), needs=_OWN),
    Fault(
        name="frozen-by-glob",
        part="second",
        causes=("frozen",),
        change=_frozen,
        never=_traits("cnn pbpk"),
    ),
    Fault(
        name="inputs-zeroed",
        part="first",
        causes=("inputs_ignored",),
        change=_code("inputs_zeroed"),
        needs=_OWN,
    ),
    Fault(
        name="first-sample",
        part="second",
        causes=("inputs_ignored",),
        change=_code("first_sample"),
        needs=_OWN,
    ),
    Fault(name="softmax", part="first", causes=("softmax",), change=_code("softmax"), needs=_CLASSES),
    Fault(
        name="sigmoid-output",
        part="second",
        causes=("softmax", "saturated"),
        change=_code("sigmoid_output"),
        needs=_CLASSES,
    ),
    Fault(
        name="bottleneck",
        part="first",
        causes=("bottleneck", "underfit"),
        change=_code("bottleneck"),
        needs=_OWN,
    ),
    Fault(
        name="pooled-head",
        part="second",
        causes=("bottleneck", "underfit"),
        change=_code("pooled_head"),
        needs=_OWN,
    ),
    # Initialisation and activations.
    Fault(name="zero-init", part="first", causes=("init",), change=_code("zero_init"), needs=_OWN),
    Fault(
        name="zero-init-mlp",
        part="first",
        causes=("init",),
        change=lambda _: Change(arguments={"init": "zeros"}),
        needs=_traits("mlp"),
    ),
    Fault(name="constant-init", part="second", causes=("init",), change=_code("constant_init"), needs=_OWN),
    Fault(
        name="big-init",
        part="first",
        causes=("exploding", "init", "input_scale"),
        change=_code("big_init"),
        needs=_OWN,
    ),
    Fault(
        name="outputs-times-100",
        part="second",
        causes=("exploding", "init", "lr_high"),
        change=_code("outputs_times_100"),
        needs=_OWN,
    ),
    Fault(
        name="deep-sigmoid",
        part="first",
        causes=("vanishing", "saturated"),
        change=_sigmoids,
        needs=frozenset(),
        never=_traits("Conv Recurrent Residual cnn spatial pbpk"),
    ),
    Fault(
        name="small-init",
        part="second",
        causes=("vanishing", "init"),
        change=_code("small_init"),
        needs=_OWN,
    ),
    Fault(
        name="dead-biases",
        part="first",
        causes=("dead", "init"),
        change=_code("dead_biases"),
        needs=_traits("own relu"),
    ),
    Fault(
        name="threshold",
        part="second",
        causes=("dead",),
        change=lambda _: Change(arguments={"act": "threshold", "norm": "none"}),
        needs=_OWN,
    ),
    Fault(
        name="saturated-init",
        part="first",
        causes=("saturated", "init"),
        change=_code("saturated_init", act="tanh", norm="none"),
        needs=_OWN,
    ),
    Fault(
        name="inputs-times-100",
        part="second",
        causes=("saturated", "input_scale"),
        change=_code("inputs_times_100", act="sigmoid", norm="none"),
        needs=_OWN,
    ),
    Fault(name="log-of-inputs", part="first", causes=("nan",), change=_code("log_inputs"), needs=_OWN),
    Fault(name="sqrt-of-zero", part="second", causes=("nan",), change=_code("sqrt_features"), needs=_OWN),
    Fault(
        name="slow-batch-norm",
        part="first",
        causes=("mode_gap",),
        change=_code("slow_batch_norm"),
        needs=_OWN,
    ),
    Fault(name="own-norm", part="second", causes=("mode_gap",), change=_code("own_norm"), needs=_OWN),
    # Learning rate, batch, length.
    Fault(name="lr-high", part="first", causes=("lr_high", "exploding", "nan"), change=_rate(300)),
    Fault(
        name="lr-high-other",
        part="second",
        causes=("lr_high", "exploding", "nan"),
        change=_rate(300, swapped=True),
    ),
    Fault(
        name="momentum",
        part="second",
        causes=("lr_high",),
        change=lambda base: Change(settings={"optimizer": "sgd", "lr": base.lrs[0], "momentum": 0.9995}),
    ),
    Fault(name="lr-low", part="first", causes=("lr_low",), change=_rate(1e-3)),
    Fault(name="lr-low-other", part="second", causes=("lr_low",), change=_rate(1e-3, swapped=True)),
    Fault(
        name="clip-tiny",
        part="second",
        causes=("lr_low",),
        change=lambda base: Change(settings={"optimizer": "sgd", "lr": base.lrs[0], "grad-clip": 1e-5}),
    ),
    Fault(
        name="batch-1",
        part="first",
        causes=("small_batch", "lr_high"),
        change=lambda base: Change(settings={"batch-size": 1, "lr": base.lr * 3, "epochs": base.epochs // 3}),
        never=_traits("batchnorm image spatial Recurrent"),
    ),
    Fault(
        name="batch-2-norm",
        part="second",
        causes=("small_batch", "mode_gap", "lr_high"),
        change=lambda base: Change(
            settings={"batch-size": 2, "epochs": base.epochs // 3}, arguments={"norm": "batch"}
        ),
        needs=_OWN,
        never=_traits("Recurrent"),
    ),
    Fault(
        name="one-epoch",
        part="first",
        causes=("underfit", "lr_low"),
        change=setting(epochs=1, schedule="none"),
    ),
    Fault(name="few-steps", part="second", causes=("underfit", "lr_low"), change=_few_steps),
    # Regularisation and fit.
    Fault(name="weight-decay", part="first", causes=("over_regularised",), change=setting(weight_decay=3.0)),
    Fault(name="l1", part="second", causes=("over_regularised",), change=setting(l1=0.1)),
    Fault(
        name="dropout",
        part="second",
        causes=("over_regularised", "mode_gap"),
        change=_dropout,
        never=_traits("spatial pbpk"),
    ),
    Fault(
        name="too-long", part="first", causes=("overfit",), change=_too_long, needs=_traits("own overfits")
    ),
    Fault(
        name="too-few-rows", part="second", causes=("overfit",), change=_too_few_rows, needs=_traits("npz")
    ),
    Fault(
        name="one-unit",
        part="first",
        causes=("bottleneck", "underfit"),
        change=lambda base: Change(arguments={"width" if base.own else "hidden": 1}),
        never=_traits("spatial pbpk cnn"),
    ),
    Fault(
        name="no-activation",
        part="second",
        causes=("underfit",),
        change=lambda _: Change(arguments={"act": "none"}),
        needs=_OWN,
    ),
    # Data.
    Fault(name="shuffled-labels", part="first", causes=("labels",), change=_data("shuffled")),
    Fault(name="shifted-labels", part="second", causes=("labels",), change=_data("shifted")),
    Fault(
        name="constant-inputs",
        part="first",
        causes=("constant_input", "inputs_ignored"),
        change=_data("constant"),
    ),
    Fault(
        name="clipped-inputs",
        part="second",
        causes=("constant_input", "inputs_ignored"),
        change=_data("clipped"),
    ),
    Fault(
        name="not-normalised",
        part="first",
        causes=("input_scale",),
        change=_data("scaled1000", normalize="none"),
        needs=_traits("scales"),
    ),
    Fault(
        name="wrong-mean-std",
        part="second",
        causes=("input_scale",),
        change=setting(normalize="0,10000"),
        needs=_traits("image"),
    ),
    Fault(
        name="one-outlier", part="second", causes=("input_scale", "constant_input"), change=_data("outlier")
    ),
    Fault(name="imbalance", part="first", causes=("majority",), change=_imbalanced, needs=_traits("classes")),
    Fault(
        name="imbalance-smoothed",
        part="second",
        causes=("majority",),
        change=lambda base: _imbalanced(base, smoothing=0.05),
        needs=_traits("classes"),
    ),
)
