"""The cause, what follows from it, and the findings as text and JSON."""

import json
from collections.abc import Sequence

import pytest
from recordings import CONSTANT, constant, healthy, stuck

from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.findings import to_json, to_lines
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import STAGES
from dlkit.diagnosis.table import RULES


def hot() -> Recording:
    """A rate far too high: huge first steps, dead units, a flat loss; and layers that are not the optimizer's."""
    return healthy(
        {
            "update_ratio": {"first.weight": constant(3.0)},
            "dead": {"relu": constant(1.0)},
            "mean_loss": {"": constant(CONSTANT)},
            "frozen": {"second.weight": [(1, 1.0)]},
        },
        history=stuck(),
        lr=2.0,
        freeze="second.*",
    )


def test_a_healthy_run_has_no_findings() -> None:
    assert diagnose(healthy()) == []


def test_the_earliest_warning_is_the_cause_and_the_others_follow() -> None:
    found = diagnose(hot())

    assert [(finding.rule, finding.cause, finding.because_of) for finding in found] == [
        ("lr_high", True, None),
        ("dead", False, "lr_high"),
        ("underfit", False, "lr_high"),
        ("flat_loss", False, "lr_high"),
        ("frozen", False, None),
    ]


def test_a_cause_is_what_no_other_finding_explains_even_if_it_is_looked_for_later() -> None:
    recording = healthy(
        {
            "output_min": {"": constant(0.03)},
            "output_max": {"": constant(0.08)},
            "output_spread": {"": constant(0.0)},
            "dead": {"relu": constant(1.0)},
            "mean_loss": {"": constant(CONSTANT)},
        },
        history=stuck(),
    )

    found = {finding.rule: (finding.cause, finding.because_of) for finding in diagnose(recording)}

    assert found["dead"] == (True, None)
    assert found["inputs_ignored"] == found["flat_loss"] == (False, "dead")


def test_of_causes_that_explain_each_other_the_one_that_explains_most_is_named() -> None:
    layers = ("first.weight", "second.weight", "output.weight")
    recording = healthy(
        {
            "grad_norm": dict(zip(layers, (constant(1e-6), constant(0.1), constant(1.0)), strict=True)),
            "output_spread": {"": constant(0.0)},
            "dead": {"relu": constant(1.0)},
            "mean_loss": {"": constant(CONSTANT)},
        },
        history=stuck(),
    )

    found = {finding.rule: (finding.cause, finding.because_of) for finding in diagnose(recording)}

    assert found["vanishing"] == (True, None)
    assert found["dead"] == found["inputs_ignored"] == found["flat_loss"] == (False, "vanishing")


def test_the_table_is_in_the_order_of_the_stages() -> None:
    stages = [STAGES.index(rule.stage) for rule in RULES]

    assert stages == sorted(stages)


def test_while_a_run_goes_on_only_sure_rules_look() -> None:
    recording = hot()
    recording.finished = False

    assert {finding.rule for finding in diagnose(recording)} == {"lr_high", "frozen"}


def test_lines_have_one_cure_and_indent_what_follows() -> None:
    lines = to_lines(diagnose(hot()))

    assert lines[0].startswith("warning: learning rate too high: ")
    assert lines[1] == (
        "  measured: 3; threshold: 0.3; healthy: up to 0.106 in the first steps; first seen at step 1"
    )
    assert lines[2] == "  cure: lower --lr from 2 to 0.02"
    assert lines[4].startswith("  warning: dead units: 100%")
    assert lines[5].startswith("    measured: 1; threshold: 0.75; healthy: up to 0.52; first seen at step ")
    assert next(line for line in lines[6:] if not line.startswith(" ")).startswith("note: frozen layers")
    assert sum(line.startswith("  cure") for line in lines) == 2


def test_json_has_every_key_and_no_nan() -> None:
    document = json.loads(to_json("runs/a", diagnose(hot())))

    assert document["run"] == "runs/a"
    first = document["findings"][0]
    assert set(first) == {
        "rule",
        "level",
        "cause",
        "because_of",
        "layer",
        "step",
        "value",
        "threshold",
        "healthy",
        "message",
        "cure",
        "confirm",
    }
    assert (first["layer"], first["step"], first["value"], first["threshold"]) == (
        "first.weight",
        1,
        3.0,
        0.3,
    )
    assert (first["cure"]["option"], first["cure"]["value"]) == ("--lr", 0.02)


def test_a_cure_never_names_an_argument_that_the_network_has_not() -> None:
    recording = hot()
    recording.config = {**recording.config, "model": "net.py:Net"}

    cures = {finding.rule: finding.evidence.cure.option for finding in diagnose(recording)}

    assert cures["dead"] == "code"
    assert cures["lr_high"] == "--lr"


def deep(layers: int) -> Recording:
    """A run that learned nothing, of so many equal layers."""
    names = [f"body.{place}.weight" for place in range(layers)]
    signals = ("grad_norm", "update_ratio", "weight_norm", "size", "units", "inputs", "unit_spread")
    return healthy(
        {signal: {name: constant(4.0, [1, 11]) for name in names} for signal in signals}, history=stuck()
    )


def test_the_rules_look_at_each_layer_of_a_deep_network_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    points = Recording.points

    def counted(recording: Recording, *where: str) -> Sequence[tuple[int, float]]:
        nonlocal looks
        looks += 1
        return points(recording, *where)

    monkeypatch.setattr(Recording, "points", counted)
    found = []
    for layers in (50, 100):
        looks = 0
        diagnose(deep(layers))
        found.append(looks)

    assert found[1] < 2.5 * found[0]  # 4 times where each look goes through all layers
