"""dlkit plot --report, as a user runs it."""

import pytest
from refusals import assert_refused

TRAIN = ["train", "mlp", "--epochs", "1", "--no-plot", "--quiet"]


@pytest.mark.slow
def test_report_on_a_run_and_on_two(dlkit, home):
    for lr in ("0.01", "0.1"):
        assert dlkit(*TRAIN, "--lr", lr, "--out", f"run-{lr}").code == 0
    one = dlkit("plot", "run-0.01", "--report", "one.html")
    assert (one.code, one.stdout) == (0, "one.html\n")
    text = (home / "one.html").read_text()
    assert len(text) < 3_000_000
    for part in ("accuracy", "Confusion", "Calibration", "hidden.0.linear.weight", "run-0.01/config.toml"):
        assert part in text
    assert dlkit("plot", "run-0.01", "run-0.1", "--report", "two.html", "--title", "Rates").code == 0
    text = (home / "two.html").read_text()
    assert "<h1>Rates</h1>" in text
    assert "lr 0.1" in text


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["r", "--report", "a.htm"], 2, "a.htm", "report.html"),
        (["none", "--report", "a.html"], 2, "none", "run"),
        (["r", "--report", "a.html", "--kind", "roc"], 2, "--kind", "-o"),
        (["r", "--report", "a.html", "--smooth", "3"], 2, "--smooth", "-o"),
        (["r", "--report", "a.html"], 4, "best.safetensors", ""),
        (["r", "--report", "no/where/a.html"], 4, "best.safetensors", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_report_that_cannot_be_made_is_refused(dlkit, home, words, code, message, hint):
    (home / "r").mkdir()
    (home / "r" / "history.csv").write_text("epoch,train_loss,val_loss\n1,0.5,0.6\n")
    assert_refused(dlkit("plot", *words), code, message, hint)
    assert not (home / "a.html").exists()
