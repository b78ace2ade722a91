"""Each rule finds what it is for, and is silent on a healthy run."""

import math
from collections.abc import Callable

import pytest
from recordings import CONSTANT, constant, healthy, stuck, whole

from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import STAGES
from dlkit.diagnosis.table import RULES
from dlkit.settings.config import FIELDS

FLAT = {"mean_loss": {"": constant(CONSTANT)}}
BY_NAME = {rule.name: rule for rule in RULES}


def rates(value: float) -> dict[str, list[tuple[int, float]]]:
    return {layer: constant(value) for layer in ("first.weight", "second.weight", "output.weight")}


UNITS = {
    name: [(1, width)]
    for name, width in (("first.weight", 128.0), ("second.weight", 128.0), ("output.weight", 10.0))
}

FOUND: dict[str, tuple[str, Callable[[], Recording], str, str | None]] = {
    "NaN in the inputs": (
        "bad_data",
        lambda: healthy({"non_finite_inputs": {"": [(7, 1.0)]}}),
        "warning",
        None,
    ),
    "the same input again and again": (
        "constant_input",
        lambda: healthy(whole(input_constant=1.0)),
        "warning",
        None,
    ),
    "a constant input that was to be left alone": (
        "constant_input",
        lambda: healthy(whole(input_constant=1.0), normalize="none"),
        "warning",
        "--normalize",
    ),
    "inputs of thousands": (
        "input_scale",
        lambda: healthy({**whole(input_mean=4000.0), **FLAT}, history=stuck(), normalize="none"),
        "warning",
        "--normalize",
    ),
    "inputs so far away that their spread is lost by rounding": (
        "input_scale",
        lambda: healthy({**whole(input_mean=5000.0, input_std=0.0), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "tiny inputs": (
        "input_scale",
        lambda: healthy({**whole(input_std=1e-4), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "batches of one class": ("unshuffled", lambda: healthy(whole(label_entropy=0.4)), "warning", None),
    "numbers in order": (
        "unshuffled",
        lambda: healthy(
            {**whole(target_variance=0.1, whole_target_variance=2.0), "label_entropy": {}, "classes": {}}
        ),
        "warning",
        None,
    ),
    "only the largest class": (
        "majority",
        lambda: healthy(whole(whole_label_share=0.8, predicted_share=1.0), history=stuck()),
        "warning",
        "--balance",
    ),
    "only the largest class, with probabilities of use": (
        "majority",
        lambda: healthy(
            whole(whole_label_share=0.8, predicted_share=1.0),
            history={**stuck(0.9), "val_accuracy": [0.8] * 10},
        ),
        "note",
        "--balance",
    ),
    "no gradient": (
        "no_gradient",
        lambda: healthy(
            {"grad_missing": {"first.weight": constant(1.0)}, "detached": {"body": constant(1.0)}}
        ),
        "warning",
        None,
    ),
    "a plain list of layers": (
        "unregistered",
        lambda: healthy({"unregistered": {"Linear": [(1, 1.0)]}}),
        "warning",
        None,
    ),
    "a parameter that never moves": (
        "not_updated",
        lambda: healthy({"update_ratio": {**rates(4e-3), "first.weight": constant(0.0)}}),
        "warning",
        None,
    ),
    "most frozen": (
        "frozen",
        lambda: healthy(
            {"frozen": {"first.weight": [(1, 1.0)], "second.weight": [(1, 1.0)]}},
            history=stuck(0.5),
            freeze="*",
        ),
        "warning",
        "--freeze",
    ),
    "frozen with weights of another run": (
        "frozen",
        lambda: healthy(
            {"frozen": {"first.weight": [(1, 1.0)], "second.weight": [(1, 1.0)]}}, freeze="*", init="x"
        ),
        "note",
        "--freeze",
    ),
    "random features that are meant and do well": (
        "frozen",
        lambda: healthy(
            {"frozen": {"first.weight": [(1, 1.0)], "second.weight": [(1, 1.0)]}, **whole(simple_skill=0.4)}
        ),
        "note",
        None,
    ),
    "softmax": ("softmax", lambda: healthy(whole(output_min=0.0, output_sum_error=1e-7)), "warning", None),
    "sigmoid": ("softmax", lambda: healthy(whole(output_min=0.2, output_max=0.9)), "warning", None),
    "tanh": ("softmax", lambda: healthy(whole(output_min=-0.99, output_max=0.98)), "warning", None),
    "relu": ("softmax", lambda: healthy(whole(output_min=0.0)), "warning", None),
    "outputs that are always the same": (
        "inputs_ignored",
        lambda: healthy(whole(output_spread=0.0)),
        "warning",
        None,
    ),
    "another loss in evaluation": (
        "mode_gap",
        lambda: healthy(whole(eval_loss=3.0), history=stuck(0.6)),
        "warning",
        None,
    ),
    "another loss in evaluation of small batches": (
        "mode_gap",
        lambda: healthy(
            {**whole(eval_loss=3.0), "batch_norm": {"norm": [(1, 1.0)]}}, history=stuck(0.6), batch_size=4
        ),
        "warning",
        "--batch-size",
    ),
    "units alike": (
        "init",
        lambda: healthy(
            {"unit_spread": {"first.weight": [(1, 0.0), (11, 0.0)]}}, arguments={"init": "zeros"}
        ),
        "warning",
        "-s",
    ),
    "a huge first loss": (
        "init",
        lambda: healthy({**whole(loss=40.0, eval_loss=41.0), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "two units for ten classes": (
        "bottleneck",
        lambda: healthy(
            {
                "inputs": {
                    "first.weight": [(1, 64.0)],
                    "second.weight": [(1, 2.0)],
                    "output.weight": [(1, 128.0)],
                }
            },
            history=stuck(0.6),
        ),
        "warning",
        "-s",
    ),
    "a mean that all units become": (
        "bottleneck",
        lambda: healthy(
            {"act_rank": {"first": [(1, 63.0)], "second": [(1, 1.0)], "output": [(1, 1.0)]}},
            history=stuck(0.6),
        ),
        "warning",
        "-s",
    ),
    "a narrow place that does no harm": (
        "bottleneck",
        lambda: healthy({"inputs": {"first.weight": [(1, 64.0)], "output.weight": [(1, 2.0)]}}),
        "note",
        "-s",
    ),
    "a huge first step": (
        "lr_high",
        lambda: healthy({"update_ratio": rates(2.0)}, history=stuck(0.9), lr=5.0),
        "warning",
        "--lr",
    ),
    "large late steps": (
        "lr_high",
        lambda: healthy({"update_ratio": rates(0.1), **FLAT}, history=stuck(), lr=0.5),
        "warning",
        "--lr",
    ),
    "a rising loss": (
        "lr_high",
        lambda: healthy({"mean_loss": {"": [(step, 0.1 * step) for step in (1, 20, 60, 90)]}}, lr=0.5),
        "warning",
        "--lr",
    ),
    "divergence": ("nan", lambda: healthy({"non_finite_forward": {"output": [(4, 1.0)]}}), "warning", "--lr"),
    "a NaN in the history": (
        "nan",
        lambda: healthy(history={"val_loss": [1.0, math.nan]}),
        "warning",
        "--lr",
    ),
    "tiny steps": (
        "lr_low",
        lambda: healthy({"update_ratio": rates(1e-6), **FLAT}, history=stuck(), lr=1e-5),
        "warning",
        "--lr",
    ),
    "batches of two": (
        "small_batch",
        lambda: healthy(FLAT, history=stuck(0.7), batch_size=2),
        "warning",
        "--batch-size",
    ),
    "batches of two that diverged": (
        "small_batch",
        lambda: healthy(history={"train_loss": [], "val_loss": [], "val_accuracy": []}, batch_size=2),
        "warning",
        "--batch-size",
    ),
    "labels that are smoothed away": (
        "over_regularised",
        lambda: healthy(FLAT, history=stuck(), label_smoothing=0.97),
        "warning",
        "--label-smoothing",
    ),
    "weights that start very large": (
        "init",
        lambda: healthy(
            {"weight_norm": {"second.weight": constant(100.0)}, **FLAT},
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "weights that shrank and grew again": (
        "over_regularised",
        lambda: healthy(
            {"weight_norm": {"first.weight": [(1, 5.0), (51, 0.5), (200, 2.5)]}, **FLAT},
            history=stuck(),
            weight_decay=20.0,
        ),
        "warning",
        "--weight-decay",
    ),
    "outputs along one line": (
        "bottleneck",
        lambda: healthy(
            {
                "act_rank": {"first": [(1, 63.0)], "relu": [(1, 63.0)], "output": [(1, 1.0)]},
                "act_spread": {"output": [(1, 0.5)]},
                "units": {**UNITS, "output.weight": [(1, 10.0)]},
            },
            history=stuck(0.6),
        ),
        "warning",
        "-s",
    ),
    "one epoch of few steps": (
        "underfit",
        lambda: healthy(
            {"grad_norm": {"first.weight": [(1, 1.0), (30, 1.0)]}},
            history={
                "epoch": [1.0],
                "step": [30.0],
                "train_loss": [0.8 * CONSTANT],
                "val_loss": [0.4 * CONSTANT],
                "train_accuracy": [0.3],
                "val_accuracy": [0.6],
            },
        ),
        "warning",
        "--epochs",
    ),
    "a column that tells the targets of training alone": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_relation_shift=0.9),
            history={**stuck(0.9), "train_loss": [0.1] * 10},
        ),
        "warning",
        None,
    ),
    "features times a thousandth, within the network": (
        "vanishing",
        lambda: healthy(
            {"act_spread": {"first": [(1, 0.9)], "relu": [(1, 0.8)], "output": [(1, 0.004)]}, **FLAT},
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "features times a thousandth": (
        "vanishing",
        lambda: healthy({**whole(output_spread=2e-5), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "a column that is empty in validation": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_column_scale=0.0, simple_train=0.3), history=stuck(0.5)
        ),
        "warning",
        None,
    ),
    "a column of other units in validation": (
        "val_differs",
        lambda: healthy(whole(val_input_shift=0.5, val_column_shift=9.0, simple_train=0.9), history=stuck()),
        "warning",
        None,
    ),
    "samples learned by heart, among columns that say nothing": (
        "overfit",
        lambda: healthy(
            history={"train_loss": [0.01] * 10, "val_loss": [2.4] * 10, "val_accuracy": [0.2] * 10}
        ),
        "warning",
        None,
    ),
    "an early stop while validation gets better": (
        "underfit",
        lambda: healthy(
            history={name: values[:2] for name, values in healthy().history.items()},
            patience=1,
            min_delta=1.0,
        ),
        "warning",
        "--min-delta",
    ),
    "the gradients of an epoch added up": (
        "underfit",
        lambda: healthy(
            {"grad_norm": {"first.weight": [(1, 1.0), (10, 1.0)]}},
            history={**stuck(0.8), "step": [float(epoch) for epoch in range(1, 11)]},
            accumulate=200,
        ),
        "warning",
        "--accumulate",
    ),
    "random numbers for inputs": (
        "inputs_ignored",
        lambda: healthy(whole(inputs_used=0.0, evaluation_noise=1.5, batch_dependence=1.0), history=stuck()),
        "warning",
        None,
    ),
    "weights that shrink": (
        "over_regularised",
        lambda: healthy(
            {"weight_norm": {"first.weight": [(1, 5.0), (200, 0.1)]}, **FLAT},
            history=stuck(),
            weight_decay=0.5,
        ),
        "warning",
        "--weight-decay",
    ),
    "most units dropped": (
        "over_regularised",
        lambda: healthy({"dropout": {"drop": [(1, 0.95)]}, **FLAT}, history=stuck()),
        "warning",
        "-s",
    ),
    "vanishing gradients": (
        "vanishing",
        lambda: healthy(
            {"grad_norm": {**rates(1.0), "first.weight": constant(1e-9)}, **FLAT},
            history=stuck(),
            arguments={"activation": "sigmoid"},
        ),
        "warning",
        "-s",
    ),
    "a gradient that grows": (
        "exploding",
        lambda: healthy(
            {
                "grad_norm": {"first.weight": [*constant(1.0), (202, 1e4)]},
                "mean_loss": {"": [(20, 1.0), (40, 0.8), (60, 1.0)]},
            },
            history=stuck(0.4),
        ),
        "warning",
        "--grad-clip",
    ),
    "dead units": (
        "dead",
        lambda: healthy({"dead": {"relu": constant(0.99)}, **FLAT}, history=stuck()),
        "warning",
        "-s",
    ),
    "few samples of another class that nothing tells": (
        "underfit",
        lambda: healthy(
            whole(whole_label_share=0.94, simple_skill=0.05, simple_balanced=0.05),
            history={**stuck(0.98), "train_loss": [0.8 * CONSTANT] * 10},
        ),
        "note",
        "--epochs",
    ),
    "some dead units": ("dead", lambda: healthy({"dead": {"relu": constant(0.6)}}), "note", "-s"),
    "saturated units": (
        "saturated",
        lambda: healthy({"saturated": {"tanh": constant(0.9)}, **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "labels of others": (
        "labels",
        lambda: healthy(
            history={
                "val_loss": [1.1 * CONSTANT, 1.5 * CONSTANT, 2 * CONSTANT],
                "val_accuracy": [0.1, 0.12, 0.08],
            }
        ),
        "warning",
        None,
    ),
    "a validation loss that rises": (
        "overfit",
        lambda: healthy(
            history={
                "val_loss": [1.5, 1.2, 1.0, 1.1, 1.3, 1.5, 1.7, 1.9, 2.0, 2.1],
                "val_accuracy": [0.5, 0.6, 0.7, 0.7, 0.68, 0.66, 0.65, 0.59, 0.58, 0.57],
            }
        ),
        "warning",
        "--patience",
    ),
    "a validation loss that rises while the metric stays": (
        "overfit",
        lambda: healthy(history={"val_loss": [1.5, 1.2, 1.0, 1.1, 1.3, 1.5, 1.7, 1.9, 2.0, 2.1]}),
        "note",
        "--patience",
    ),
    "a slow loss": (
        "underfit",
        lambda: healthy(
            {"mean_loss": {"": [(20 * i, CONSTANT * (1 - 0.03 * i)) for i in range(1, 8)]}},
            history=stuck(0.8),
        ),
        "warning",
        "--epochs",
    ),
    "a loss that stays": ("flat_loss", lambda: healthy(FLAT, history=stuck()), "warning", "--lr"),
    "a loss that jumps": (
        "unstable",
        lambda: healthy(history={"train_loss": [2.0, 1.8, 1.6, 1.5, 1.4, 1.0, 1.5, 0.9, 1.4, 0.8]}),
        "note",
        "--lr",
    ),
    "pieces": ("memory", lambda: healthy(whole(piece_size=16.0)), "note", "--batch-size"),
    "nearly constant inputs of which nothing can be learned": (
        "constant_input",
        lambda: healthy({**whole(input_constant=0.9, simple_skill=0.01), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "a column of another scale": (
        "column_scale",
        lambda: healthy(
            {**whole(column_scale=500.0, simple_skill=0.9), **FLAT}, history=stuck(), normalize="none"
        ),
        "warning",
        "--normalize",
    ),
    "a column of another scale that does no harm": (
        "column_scale",
        lambda: healthy(whole(column_scale=500.0, simple_skill=0.7), normalize="none"),
        "note",
        "--normalize",
    ),
    "one target of a million": (
        "target_outlier",
        lambda: healthy(whole(whole_target_max=38.0)),  # of 1,455 samples: 38 squared is 1,444
        "warning",
        None,
    ),
    "validation inputs that were not prepared": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=4.0, val_input_scale=1.0, simple_train=0.9),
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "validation inputs of another spread": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_input_scale=0.1, simple_train=0.9),
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "classes that only validation has": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_target_shift=0.9, simple_train=0.9),
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "other validation inputs that do no harm": (
        "val_differs",
        lambda: healthy(whole(val_input_shift=4.0, simple_train=0.5)),
        "note",
        None,
    ),
    "the largest class of very unequal ones": (
        "majority",
        lambda: healthy(
            whole(whole_label_share=0.97, predicted_share=0.96),
            history={**stuck(), "val_balanced_accuracy": [0.2] * 10, "val_accuracy": [0.98] * 10},
        ),
        "warning",
        "--balance",
    ),
    "a gradient that is zero though outputs differ": (
        "no_gradient",
        lambda: healthy({"grad_norm": {**rates(1.0), "first.weight": constant(0.0)}}),
        "warning",
        None,
    ),
    "outputs that depend on other samples": (
        "mixed_samples",
        lambda: healthy({**whole(batch_dependence=0.5), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "outputs that hardly depend on other samples": (
        "mixed_samples",
        lambda: healthy({**whole(batch_dependence=0.008), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "one half of the inputs": (
        "inputs_ignored",
        lambda: healthy(whole(inputs_used=0.5, input_std=1.0)),
        "warning",
        None,
    ),
    "inputs divided once more, and much is learned": (
        "input_scale",
        lambda: healthy({"received_mean": {"first": [(1, 0.0)]}, "received_std": {"first": [(1, 0.004)]}}),
        "warning",
        None,
    ),
    "an accuracy that falls in the last epoch": (
        "unstable",
        lambda: healthy(history={**healthy().history, "val_accuracy": [*[0.99] * 9, 0.55]}),
        "warning",
        "--lr",
    ),
    "outputs that depend on other samples and are right": (
        "mixed_samples",
        lambda: healthy(whole(batch_dependence=0.5)),
        "note",
        None,
    ),
    "outputs that are random in evaluation": (
        "mode_gap",
        lambda: healthy({**whole(batch_dependence=0.5, evaluation_noise=0.5), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "no gradient at all": (
        "no_gradient",
        lambda: healthy({"grad_norm": rates(0.0), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "a class that only validation has": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_target_shift=0.1, val_new_classes=0.1, simple_train=0.9),
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "targets that lie elsewhere in validation": (
        "val_differs",
        lambda: healthy(
            {**whole(val_input_shift=0.1, val_target_shift=2.0, simple_train=0.9), "classes": {}},
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "a few rows again and again": (
        "overfit",
        lambda: healthy(
            whole(repeated_rows=0.97), history={"val_loss": [1.2] * 10, "val_accuracy": [0.6] * 10}
        ),
        "warning",
        None,
    ),
    "few samples that are enough": (
        "overfit",
        lambda: healthy(whole(samples=40.0), history={"val_loss": [0.8] * 10, "val_accuracy": [0.8] * 10}),
        "note",
        None,
    ),
    "labels of which most are wrong": (
        "labels",
        lambda: healthy(
            whole(simple_train=0.05, simple_val=0.9, simple_skill=0.4),
            history={**stuck(0.6), "val_accuracy": [0.5] * 10},
        ),
        "warning",
        None,
    ),
    "no activation": (
        "linear",
        lambda: healthy(whole(curvature=1e-7, simple_skill=0.95), history=stuck(0.6)),
        "warning",
        None,
    ),
    "an own network whose activation was taken out": (
        "linear",
        lambda: healthy(
            whole(curvature=1e-7, simple_skill=0.95),
            history=stuck(0.6),
            model="net.py:Net",
            arguments={"act": "none"},
        ),
        "warning",
        "-s",
    ),
    "no activation where none is needed": (
        "linear",
        lambda: healthy(whole(curvature=1e-7, simple_skill=0.6)),
        "note",
        None,
    ),
    "a third of the inputs": (
        "inputs_ignored",
        lambda: healthy(whole(inputs_used=0.33, simple_skill=0.9), history=stuck(0.6)),
        "warning",
        None,
    ),
    "other outputs in evaluation without dropout": (
        "mode_gap",
        lambda: healthy(whole(mode_difference=1.5, simple_skill=0.9), history=stuck(0.6)),
        "warning",
        None,
    ),
    "weights that start near zero": (
        "init",
        lambda: healthy(
            {
                "weight_norm": {
                    layer: [(1, 0.01)] for layer in ("first.weight", "second.weight", "output.weight")
                }
            },
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "momentum over thousands of batches": (
        "lr_high",
        lambda: healthy(history=stuck(0.6), momentum=0.9995),
        "warning",
        "--momentum",
    ),
    "gradients clipped to nothing": (
        "lr_low",
        lambda: healthy(
            {"update_ratio": rates(1e-6), **FLAT},
            history={**stuck(), "grad_norm": [1.0] * 10},
            grad_clip=1e-5,
        ),
        "warning",
        "--grad-clip",
    ),
    "an activation that lets nothing through": (
        "dead",
        lambda: healthy(
            {"act_std": {"gate": constant(0.0)}, "act_mean": {"gate": constant(0.0)}, "dead": {}, **FLAT},
            history=stuck(),
        ),
        "warning",
        "-s",
    ),
    "training labels that neighbours cannot tell": (
        "labels",
        lambda: healthy(whole(simple_train=0.01, simple_val=0.8, simple_skill=0.0), history=stuck()),
        "warning",
        None,
    ),
    "twenty samples": (
        "overfit",
        lambda: healthy(
            whole(samples=20.0), history={"val_loss": [1.2] * 10, "val_accuracy": [0.6] * 10}, limit=20
        ),
        "warning",
        "--limit",
    ),
    "a handful of steps": (
        "underfit",
        lambda: healthy(
            {"grad_norm": {"first.weight": [(1, 1.0), (3, 1.0)]}},
            history={**{name: values[:3] for name, values in stuck(0.9).items()}, "step": [1.0, 2.0, 3.0]},
            batch_size=4096,
        ),
        "warning",
        "--batch-size",
    ),
    "a code for missing values": (
        "input_scale",
        lambda: healthy({**whole(column_outlier=3000.0), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "some targets of another unit": (
        "target_outlier",
        lambda: healthy({**whole(whole_target_max=20.0, whole_target_tail=900.0), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "validation from another range of one column": (
        "val_differs",
        lambda: healthy(whole(val_input_shift=0.3, val_column_shift=2.2, simple_train=0.9), history=stuck()),
        "warning",
        None,
    ),
    "classes that have other numbers in validation": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, simple_train=0.9, simple_val=0.8, simple_skill=-0.2),
            history=stuck(1.5),
        ),
        "warning",
        None,
    ),
    "twelve rows again and again": (
        "overfit",
        lambda: healthy(
            whole(repeated_rows=0.97, val_known_rows=0.0),
            history={**stuck(1.5), "train_loss": [1.0] * 10, "train_accuracy": [1.0] * 10},
        ),
        "warning",
        None,
    ),
    "an unequal class beside which nothing can be told": (
        "majority",
        lambda: healthy(
            {**whole(whole_label_share=0.9, predicted_share=1.0, simple_balanced=0.02), **FLAT},
            history={**stuck(), "val_accuracy": [0.9] * 10},
        ),
        "note",
        "--balance",
    ),
    "half of the training labels wrong": (
        "labels",
        lambda: healthy(whole(simple_train=0.05, simple_val=0.7), history=stuck(0.5)),
        "warning",
        None,
    ),
    "a trial of a few steps": (
        "underfit",
        lambda: healthy(
            {"grad_norm": {"first.weight": [(1, 1.0), (3, 1.0)]}},
            history={
                **{name: values[:2] for name, values in healthy(history=stuck(0.9)).history.items()},
                "step": [1.0, 2.0],
            },
            limit=60,
        ),
        "note",
        "--batch-size",
    ),
    "numbers that went through softplus": (
        "softmax",
        lambda: healthy({**whole(output_min=0.01), "output_sum_error": {}}, history=stuck()),
        "warning",
        None,
    ),
    "a mean of the inputs": (
        "inputs_ignored",
        lambda: healthy(
            {"act_rank": {"first": [(1, 1.0)], "relu": [(1, 1.0)]}, "units": UNITS}, history=stuck()
        ),
        "warning",
        None,
    ),
    "noise on the inputs in training": (
        "mode_gap",
        lambda: healthy({**whole(train_loss=2.2, eval_loss=0.6), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "half of the matrices at one value, which their biases part": (
        "init",
        lambda: healthy(
            {"unit_spread": {layer: [(1, 0.0), (11, 0.3)] for layer in ("first.weight", "second.weight")}},
            history=stuck(0.5),
        ),
        "warning",
        None,
    ),
    "samples that change places in training": (
        "mode_gap",
        lambda: healthy({**whole(mode_difference=0.15), **FLAT}, history=stuck()),
        "warning",
        None,
    ),
    "a low rate that stays below neighbours": (
        "lr_low",
        lambda: healthy({"update_ratio": rates(1e-3), **whole(simple_skill=0.9)}, history=stuck(0.45)),
        "warning",
        "--lr",
    ),
    "an average that has not left the start": (
        "mode_gap",
        lambda: healthy(history={**stuck(), "train_loss": [0.2] * 10}, ema=0.9999),
        "warning",
        "--ema",
    ),
    "less than what neighbours reach": (
        "underfit",
        lambda: healthy(
            {**whole(simple_skill=0.95), "mean_loss": {"": constant(0.5 * CONSTANT)}},
            history={**stuck(0.5), "val_accuracy": [0.5] * 10},
        ),
        "warning",
        None,
    ),
    "values of thousands within the network": (
        "input_scale",
        lambda: healthy(
            {"received_mean": {"first": [(1, 120.0)]}, "received_std": {"first": [(1, 60.0)]}},
            history=stuck(0.5),
        ),
        "warning",
        None,
    ),
    "codes of 1e20 beside which all is alike": (
        "input_scale",
        lambda: healthy(whole(stored_std=1e19, input_constant=0.7)),
        "warning",
        None,
    ),
    "few different rows, of which little is learned": (
        "constant_input",
        lambda: healthy(whole(input_constant=0.8, repeated_rows=0.6), history=stuck(0.8)),
        "warning",
        None,
    ),
    "an activation whose result nothing uses": (
        "linear",
        lambda: healthy({"unused": {"act": [(1, 1.0)]}}, history=stuck(0.5)),
        "warning",
        None,
    ),
    "weights that forward cuts off": (
        "not_updated",
        lambda: healthy({"overwritten": {"": [(2, 0.3), (3, 0.2)]}}, history=stuck()),
        "warning",
        None,
    ),
    "a hook that turns gradients round": (
        "no_gradient",
        lambda: healthy(whole(slope=-0.8), history=stuck()),
        "warning",
        None,
    ),
    "a detached branch beside one with gradients": (
        "no_gradient",
        lambda: healthy(whole(slope=2.5), history=stuck(0.5)),
        "warning",
        None,
    ),
    "weights for another network's width": (
        "init",
        lambda: healthy(
            {
                "weight_norm": {
                    name: constant(80.0) for name in ("first.weight", "second.weight", "output.weight")
                },
                "size": {name: [(1, 8192.0)] for name in ("first.weight", "second.weight", "output.weight")},
            },
            history=stuck(0.5),
        ),
        "warning",
        None,
    ),
    "what tells samples apart is lost on the way": (
        "inputs_ignored",
        lambda: healthy(whole(simple_skill=0.9, received_skill=0.1), history=stuck(0.5)),
        "warning",
        None,
    ),
    "a weight under which one answer pays": (
        "majority",
        lambda: healthy(
            whole(whole_label_share=0.3, predicted_share=1.0),
            history={**stuck(0.2), "val_accuracy": [0.3] * 10},
            target_weights="a=1000",
        ),
        "warning",
        "--target-weights",
    ),
    "a penalty that keeps the network from what simple methods reach": (
        "over_regularised",
        lambda: healthy(whole(simple_skill=0.95), history=stuck(0.4), l1=0.02),
        "warning",
        "--l1",
    ),
    "numbers that are all below zero": (
        "softmax",
        lambda: healthy(
            {**whole(output_min=-2.0, output_max=-0.1), "output_sum_error": {}, "classes": {}},
            history=stuck(),
        ),
        "warning",
        None,
    ),
    "a column that another relation was learned with": (
        "val_differs",
        lambda: healthy(
            whole(
                val_input_shift=0.1, simple_train=0.96, simple_val=0.99, simple_skill=0.76, val_samples=90.0
            ),
            history={**stuck(0.2), "train_loss": [0.02] * 10},
        ),
        "warning",
        None,
    ),
    "noise on the targets of training alone": (
        "labels",
        lambda: healthy(
            {
                **whole(simple_train=0.0, simple_val=0.8, val_samples=300.0),
                "classes": {},
            },
            history={"train_loss": [2.0] * 10, "val_loss": [0.1] * 10},
        ),
        "warning",
        None,
    ),
    "outputs of dropout that are far apart": (
        "mode_gap",
        lambda: healthy({**whole(mode_difference=2.0), "batch_norm": {}}, history=stuck(0.4)),
        "warning",
        None,
    ),
    "gaps in validation alone": (
        "val_differs",
        lambda: healthy(whole(val_input_shift=0.1, val_missing=0.3), history=stuck(0.4)),
        "warning",
        None,
    ),
    "a rotation that one simple method does not see": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, simple_drop=0.4, simple_train=0.8, simple_val=0.8),
            history={**stuck(0.9), "train_loss": [0.1] * 10},
        ),
        "warning",
        None,
    ),
    "files that could not be read": (
        "constant_input",
        lambda: healthy(whole(commonest_row=0.9), history=stuck(0.5)),
        "warning",
        None,
    ),
    "samples in another order while training": (
        "mixed_samples",
        lambda: healthy(whole(mode_difference=1.4, order_difference=1e-6), history=stuck()),
        "warning",
        None,
    ),
    "rounding in evaluation alone": (
        "mode_gap",
        lambda: healthy(whole(eval_loss=0.3, train_loss=0.1, mode_difference=0.05), history=stuck(0.1)),
        "warning",
        None,
    ),
    "a rate that rises until steps are far too large": (
        "lr_high",
        lambda: healthy(
            {
                "update_ratio": {"first.weight": [(1, 0.01), (51, 1.2), (201, 0.01)]},
                "weight_norm": {"first.weight": constant(5.0)},
            },
            history=stuck(),
            schedule="onecycle",
        ),
        "warning",
        "--lr",
    ),
    "no hidden layer": (
        "linear",
        lambda: healthy(
            {**whole(curvature=1e-7, simple_skill=0.9), "units": {"output.weight": [(1, 10.0)]}},
            history=stuck(0.4),
            arguments={"hidden": ""},
        ),
        "warning",
        "-s",
    ),
    "all frozen, and random features do rather well": (
        "frozen",
        lambda: healthy(
            {"frozen": {name: [(1, 1.0)] for name in ("first.weight", "second.weight", "output.weight")}},
            history=stuck(0.1),
            freeze="*",
        ),
        "warning",
        "--freeze",
    ),
    "a rate of another optimizer": (
        "lr_high",
        lambda: healthy(
            {"update_ratio": rates(0.02)}, history=stuck(0.4), optimizer="adam", lr=0.5, schedule="onecycle"
        ),
        "warning",
        "--lr",
    ),
    "half of the training rows labelled otherwise": (
        "labels",
        lambda: healthy(
            whole(simple_train=0.3, simple_val=0.76, val_samples=300.0, samples=500.0), history=stuck(0.6)
        ),
        "warning",
        None,
    ),
    "half of the training targets drawn at random": (
        "labels",
        lambda: healthy(
            history={"train_loss": [0.7 * CONSTANT] * 10, "val_loss": [0.4 * CONSTANT] * 10},
        ),
        "warning",
        None,
    ),
    "an enormous penalty on a run that is good": (
        "over_regularised",
        lambda: healthy(history=stuck(0.08), l1=0.1),
        "warning",
        "--l1",
    ),
    "gates that let next to nothing pass": (
        "vanishing",
        lambda: healthy(whole(output_spread=1e-9, inputs_used=1.0), history=stuck()),
        "warning",
        None,
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_rule_finds_its_fault(name: str) -> None:
    rule, make, level, option = FOUND[name]

    evidence = BY_NAME[rule].find(make(), BY_NAME[rule].threshold)

    assert evidence is not None
    assert evidence.level == level
    assert (None if evidence.cure.option == "code" else evidence.cure.option) == option
    if option and option.startswith("--"):
        assert option.removeprefix("--").replace("-", "_") in FIELDS
        assert evidence.cure.value is not None or option in ("--freeze", "--limit", "--target-weights")


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {rule for rule, *_ in FOUND.values()} == set(BY_NAME)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    "recording",
    [healthy(), healthy(finished=False), Recording(), Recording(history=healthy().history)],
    ids=["healthy", "going on", "empty", "history alone"],
)
def test_a_rule_is_silent_on_a_healthy_run_and_without_signals(rule, recording) -> None:
    assert rule.find(recording, rule.threshold) is None


SILENT: dict[str, tuple[str, Callable[[], Recording]]] = {
    "a data-dependent start, once": (
        "not_updated",
        lambda: healthy({"overwritten": {"": [(2, 0.3), (3, 0.0)]}}, history=stuck()),
    ),
    "gradients of a straight-through estimator in a run that is good": (
        "no_gradient",
        lambda: healthy(whole(slope=2.5), history=stuck(0.1)),
    ),
    "embeddings of spread one": (
        "init",
        lambda: healthy(
            {
                "weight_norm": {"first.weight": constant(80.0), "second.weight": constant(80.0)},
                "size": {name: [(1, 8192.0)] for name in ("first.weight", "second.weight")},
                "embedding": {"first": [(1, 1.0)], "second": [(1, 1.0)]},
            },
            history=stuck(0.5),
        ),
    ),
    "two classes whose first outputs are all above zero": (
        "softmax",
        lambda: healthy(
            {
                "output_min": {"": constant(0.01, (1, 2, 3, 6))},
                "output_max": {"": constant(0.9, (1, 2, 3, 6))},
                "classes": {"": [(1, 2.0)]},
            },
            finished=False,
        ),
    ),
    "batches of one sample, of which the first loss says little": (
        "init",
        lambda: healthy(whole(loss=4.0 * CONSTANT, eval_loss=4.0 * CONSTANT), history=stuck(), batch_size=1),
    ),
    "fine-tuning at a low rate": (
        "lr_low",
        lambda: healthy(
            {**whole(simple_skill=0.9), "update_ratio": rates(1e-3)}, history=stuck(0.45), init="x"
        ),
    ),
    "training that gets as far as simple methods, and validation that does not": (
        "underfit",
        lambda: healthy(
            whole(simple_skill=0.8),
            history={
                "val_loss": [0.65 * CONSTANT] * 10,
                "train_loss": [0.25 * CONSTANT] * 10,
                "val_accuracy": [0.3] * 10,
            },
        ),
    ),
    "outputs of sigmoids around a half": (
        "vanishing",
        lambda: healthy(
            {
                "act_spread": {"first": [(1, 0.9)], "gate": [(1, 0.01)]},
                "act_mean": {"gate": [(1, 0.5)]},
                "saturated": {"gate": constant(0.0)},
            },
            history=stuck(),
        ),
    ),
    "a class token that starts at zero": (
        "lr_high",
        lambda: healthy(
            {
                "update_ratio": {
                    "first.weight": constant(4e-3),
                    "second.weight": [(2, 0.97), (3, 0.5), (201, 0.01)],
                },
                "weight_norm": {"first.weight": constant(5.0), "second.weight": [(1, 0.0), (201, 0.5)]},
            },
            history=stuck(0.6),
        ),
    ),
    "training behind validation because of augmentation": (
        "labels",
        lambda: healthy(
            history={"train_loss": [0.7 * CONSTANT] * 10, "val_loss": [0.4 * CONSTANT] * 10}, augment="strong"
        ),
    ),
    "training behind validation because of dropout": (
        "labels",
        lambda: healthy(
            {"dropout": {"drop": [(1, 0.5)]}},
            history={"train_loss": [0.7 * CONSTANT] * 10, "val_loss": [0.4 * CONSTANT] * 10},
        ),
    ),
    "noise in evaluation, by which what the first layer receives tells little": (
        "inputs_ignored",
        lambda: healthy(
            whole(simple_skill=0.9, received_skill=0.1, evaluation_noise=0.4), history=stuck(0.5)
        ),
    ),
    "units that are zero since all inputs are alike to them": (
        "dead",
        lambda: healthy({**whole(inputs_used=0.0), "dead": {"relu": constant(0.8)}}, history=stuck()),
    ),
    "weights that shrink since nothing reaches them": (
        "over_regularised",
        lambda: healthy(
            {**whole(inputs_used=0.0), "weight_norm": {"first.weight": [(1, 5.0), (201, 0.5)]}},
            history=stuck(),
        ),
    ),
    "a few steps of one answer": (
        "majority",
        lambda: healthy(
            {**whole(whole_label_share=0.8, predicted_share=1.0), "grad_norm": {"first.weight": [(9, 1.0)]}},
            history={**stuck(), "step": [1.0 * epoch for epoch in range(1, 11)]},
        ),
    ),
    "one column of data, in a network of many units": (
        "bottleneck",
        lambda: healthy(
            {
                "act_std": {name: constant(0.5) for name in ("first", "relu", "second", "output")},
                "act_rank": {"first": [(1, 1.0)], "relu": [(1, 9.0)], "output": [(1, 9.0)]},
                "inputs": {
                    "first.weight": [(1, 1.0)],
                    "second.weight": [(1, 128.0)],
                    "output.weight": [(1, 128.0)],
                },
            },
            history=stuck(0.5),
        ),
    ),
    "a relation that training does not have at all": (
        "val_differs",
        lambda: healthy(
            whole(val_input_shift=0.1, val_relation_shift=0.9, simple_train=0.02, simple_val=0.9),
            history=stuck(0.9),
        ),
    ),
    "as little as neighbours reach": (
        "underfit",
        lambda: healthy(whole(simple_skill=0.25), history=stuck(0.75)),
    ),
    "a loss near a constant's while the classes are learned": (
        "flat_loss",
        lambda: healthy(FLAT, history={**stuck(), "val_accuracy": [0.5] * 10}),
    ),
    "validation of twelve samples": (
        "labels",
        lambda: healthy(whole(val_samples=12.0), history={**stuck(1.2), "train_loss": [1.0] * 10}),
    ),
    "labels that neighbours learn": (
        "labels",
        lambda: healthy(whole(simple_skill=0.8), history={**stuck(1.2), "train_loss": [1.0] * 10}),
    ),
    "a first loss of equal shares for unequal classes": (
        "init",
        lambda: healthy(whole(constant_loss=0.3), history=stuck(0.3)),
    ),
    "evaluation that is worse and good": (
        "mode_gap",
        lambda: healthy({**whole(eval_loss=3.0), "batch_norm": {"norm": [(1, 1.0)]}}, history=stuck(0.1)),
    ),
    "a scale that starts at one, before there is a second step": (
        "init",
        lambda: healthy({"unit_spread": {"places": [(1, 0.0)]}}, finished=False),
    ),
    "an unequal class that plain accuracy shows": (
        "underfit",
        lambda: healthy(
            {**whole(simple_skill=0.9, whole_label_share=0.5), "mean_loss": {"": constant(0.2 * CONSTANT)}},
            history={**stuck(0.6), "val_accuracy": [0.9] * 10, "val_balanced_accuracy": [0.5] * 10},
        ),
    ),
    "batches of heavy-tailed targets": (
        "unshuffled",
        lambda: healthy(
            {
                **whole(target_variance=1.0, whole_target_variance=2.0, whole_target_max=12.0),
                "label_entropy": {},
                "classes": {},
            }
        ),
    ),
    "noise on the inputs beside what is first lost": (
        "init",
        lambda: healthy({**whole(loss=12.0, eval_loss=2.3), **FLAT}, history=stuck()),
    ),
    "outputs of one sign that hardly differ": (
        "softmax",
        lambda: healthy({**whole(output_min=0.05, output_max=0.13), **FLAT}, history=stuck()),
    ),
    "dropout of a function, by which the run learns": (
        "mode_gap",
        lambda: healthy(whole(mode_difference=0.6, train_loss=1.2, eval_loss=0.5), history=stuck(0.5)),
    ),
    "twenty rows by --limit": (
        "labels",
        lambda: healthy(whole(samples=20.0), history={**stuck(1.2), "train_loss": [1.0] * 10}, limit=20),
    ),
    "rounding of a lower precision": (
        "mixed_samples",
        lambda: healthy({**whole(batch_dependence=0.008), **FLAT}, history=stuck(), precision="bf16"),
    ),
    "an accuracy that falls somewhat in the last epoch": (
        "unstable",
        lambda: healthy(history={**healthy().history, "val_accuracy": [*[0.99] * 9, 0.75]}),
    ),
    "a long first step after which validation gets better": (
        "lr_high",
        lambda: healthy(
            {"update_ratio": rates(0.5)},
            history={"train_loss": [0.99 * CONSTANT], "val_loss": [0.6 * CONSTANT], "step": [20.0]},
            finished=False,
        ),
    ),
    "a long first step in the first epoch": (
        "lr_high",
        lambda: healthy(
            {"update_ratio": rates(0.5)},
            history={"train_loss": [CONSTANT], "val_loss": [CONSTANT], "step": [20.0]},
            finished=False,
        ),
    ),
    "a loss that rose in an epoch at whose end validation is best": (
        "lr_high",
        lambda: healthy(
            {"mean_loss": {"": [(20, 3.0), (40, 90.0), (60, 80.0)]}},
            history={"train_loss": [3.0, 90.0, 80.0], "val_loss": [1.9, 9.0, 1.8]},
            finished=False,
        ),
    ),
    "a loss that was high for one part of an epoch": (
        "lr_high",
        lambda: healthy(
            {"mean_loss": {"": [(20, 3.0), (40, 90.0), (60, 3.0)]}},
            history={"train_loss": [3.0, 90.0, 3.0], "val_loss": [1.9, 1.7, 1.8]},
            finished=False,
        ),
    ),
    "codes of which swaps change the outputs for a few samples": (
        "inputs_ignored",
        lambda: healthy({**whole(inputs_used=0.4), "input_std": {}}, history=stuck(0.5)),
    ),
    "an average of a short run that is good": (
        "mode_gap",
        lambda: healthy(ema=0.999),
    ),
    "outputs along one line that are all nearly alike": (
        "bottleneck",
        lambda: healthy(
            {
                "act_rank": {"first": [(1, 63.0)], "relu": [(1, 63.0)], "output": [(1, 1.0)]},
                "act_spread": {"output": [(1, 1e-8)]},
            },
            history=stuck(0.6),
        ),
    ),
    "outputs that differ less from layer to layer": (
        "vanishing",
        lambda: healthy(
            {"act_spread": {"first": [(1, 0.2)], "relu": [(1, 0.05)], "output": [(1, 0.015)]}, **FLAT},
            history=stuck(),
        ),
    ),
    "a few steps that get as far as simple methods": (
        "underfit",
        lambda: healthy(
            {"grad_norm": {"first.weight": [(1, 1.0), (12, 1.0)]}, **whole(simple_skill=0.42)},
            history={**stuck(0.6), "step": [float(epoch) for epoch in range(3, 13)]},
        ),
    ),
    "an early stop that --min-delta did not cause": (
        "underfit",
        lambda: healthy(
            history={name: values[:8] for name, values in healthy().history.items()},
            patience=1,
            min_delta=1e-4,
        ),
    ),
    "a loss that jumps in the last epoch": (
        "overfit",
        lambda: healthy(
            history={
                "train_loss": [0.01] * 9 + [0.04],
                "val_loss": [0.03] * 9 + [0.56],
                "val_accuracy": [0.99] * 9 + [0.86],
            }
        ),
    ),
    "first steps that are large, of a run that fits": (
        "lr_high",
        lambda: healthy(
            {"update_ratio": {"first.weight": [(1, 0.4), (2, 0.2), (51, 0.004), (201, 0.004)]}},
            history={"train_loss": [0.01] * 10, "val_loss": [2.4] * 10, "val_accuracy": [0.2] * 10},
        ),
    ),
    "the part of an image that is used": (
        "bottleneck",
        lambda: healthy(
            {
                "act_rank": {"first": [(1, 63.0)], "relu": [(1, 1.0)], "output": [(1, 1.0)]},
                **whole(inputs_used=0.1),
            },
            history=stuck(),
        ),
    ),
    "steps along random outputs": (
        "lr_high",
        lambda: healthy({"update_ratio": rates(0.5), **whole(evaluation_noise=0.3), **FLAT}, history=stuck()),
    ),
    "far targets while the run goes on": (
        "target_outlier",
        lambda: healthy(
            {**whole(whole_target_max=20.0, whole_target_tail=900.0), **FLAT}, history=stuck(), finished=False
        ),
    ),
    "few samples of a class, by balanced accuracy": (
        "underfit",
        lambda: healthy(
            whole(simple_skill=0.9, simple_balanced=0.9),
            history={**stuck(0.4), "val_accuracy": [], "val_balanced_accuracy": [0.6] * 10},
        ),
    ),
    "a table of few combinations, in both parts": (
        "val_differs",
        lambda: healthy(whole(val_input_shift=0.1, repeated_rows=0.97, val_known_rows=1.0, simple_skill=0.9)),
    ),
    "outputs that are random, not mixed": (
        "mixed_samples",
        lambda: healthy({**whole(batch_dependence=0.5, evaluation_noise=0.5), **FLAT}, history=stuck()),
    ),
    "a history of one epoch": (
        "underfit",
        lambda: Recording(history={"train_loss": [2.0], "val_loss": [1.6], "step": [23.0]}),
    ),
    "a large target among many": (
        "target_outlier",
        lambda: healthy(whole(whole_target_max=9.0, samples=150.0)),
    ),
    "a large target among few": (
        "target_outlier",
        lambda: healthy(whole(whole_target_max=6.4, samples=42.0)),
    ),
    "a large target whose logarithm is learned": (
        "target_outlier",
        lambda: healthy(whole(whole_target_max=38.0), loss="log1p"),
    ),
    "updates lost by rounding where all are tiny": (
        "not_updated",
        lambda: healthy({"update_ratio": {**rates(1e-7), "first.weight": constant(0.0)}}),
    ),
    "a loss that swings while it trains": (
        "lr_high",
        lambda: healthy({"mean_loss": {"": [(20, 1.0), (40, 0.1), (60, 0.9), (80, 0.9)]}}, finished=False),
    ),
}


@pytest.mark.parametrize("name", SILENT)
def test_a_rule_is_silent_on_what_is_no_fault(name: str) -> None:
    rule, make = SILENT[name]

    assert BY_NAME[rule].find(make(), BY_NAME[rule].threshold) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_whole(rule) -> None:
    row = rule.to_row()

    assert rule.stage in STAGES
    assert all(row[column] != "" for column in row)
    assert set(rule.explains) <= set(BY_NAME) - {rule.name}


def test_causes_of_an_earlier_stage_come_first() -> None:
    places = [STAGES.index(rule.stage) for rule in RULES if rule.stage not in ("loss", "generalisation")]

    assert places == sorted(places)


def test_a_rule_bears_signals_that_are_not_finite() -> None:
    recording = healthy()
    for layers in recording.signals.values():
        for points in layers.values():
            points[-1] = (points[-1][0], math.nan)
            points.append((999, math.inf))

    for rule in RULES:
        rule.find(recording, rule.threshold)


def test_a_branch_that_ends_in_one_number_is_no_narrow_place() -> None:
    branch = {"first": [(1, 63.0)], "branch": [(1, 1.0)], "second": [(1, 60.0)], "output": [(1, 1.0)]}
    units = {"first.weight": [(1, 128.0)], "branch.weight": [(1, 1.0)], "second.weight": [(1, 128.0)]}
    recording = healthy({"act_rank": branch, "units": units}, history=stuck(0.6))

    assert BY_NAME["bottleneck"].find(recording, BY_NAME["bottleneck"].threshold) is None


@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"data": "t.csv"}, "data check"),
        ({"data": "t.csv", "by_time": "day"}, "divided by --by-time, so the scores are those on new ones"),
        ({"data": "t.csv", "group": "person"}, "--folds 5 tests on all"),
        ({"data": "folder"}, "put them together"),
    ],
)
def test_the_cure_of_parts_that_differ_goes_by_how_they_were_split(config: dict[str, str], part: str) -> None:
    recording = healthy(whole(val_input_shift=0.5, val_column_shift=9.0), history=stuck(), **config)

    found = BY_NAME["val_differs"].find(recording, BY_NAME["val_differs"].threshold)

    assert part in found.cure.text


def test_losses_that_did_not_fall_are_not_said_to_have_fallen_by_nothing() -> None:
    evidence = BY_NAME["underfit"].find(healthy(FLAT, history=stuck(1.2)), BY_NAME["underfit"].threshold)

    assert evidence is not None
    assert "0%" not in evidence.message
    assert "best constant answer" in evidence.message
