"""Warnings while a run goes on: once for each cause."""

from recordings import healthy

from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.watch import Watch, warning_text

HOT = [(step, "first.weight", "update_ratio", 4.0) for step in (1, 2, 3)]
WIDTHS = [(1, "first.weight", "units", 128.0), (1, "first.weight", "grad_norm", 1.0)]


def test_a_cause_is_returned_once_and_the_end_has_all_findings() -> None:
    watch = Watch(Recording(config={"model": "mlp", "data": "digits", "lr": 2.0}))

    (first,) = watch.observe(
        {"epoch": 1.0, "step": 20.0, "train_loss": 3.0, "val_loss": 3.0}, [*WIDTHS, *HOT]
    )
    again = watch.observe({"epoch": 2.0, "train_loss": 3.0, "val_loss": 3.0}, HOT)
    findings, new = watch.finish()

    assert first.rule == "lr_high"
    assert "--lr" in warning_text(first)
    assert again == []
    assert "lr_high" in {finding.rule for finding in findings}
    assert [finding for finding in new if finding.rule == "lr_high"] == []


def test_a_healthy_run_is_never_warned_of() -> None:
    watch = Watch(healthy())

    assert watch.observe({"epoch": 11.0, "train_loss": 0.1, "val_loss": 0.2}, []) == []
    assert watch.finish() == ([], [])
