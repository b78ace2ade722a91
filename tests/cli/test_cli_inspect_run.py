"""dlkit inspect run, history and rules."""

import csv
import json
import shlex
import shutil
import time
from pathlib import Path

import pytest
from refusals import assert_refused
from test_laziness import run_fresh

from dlkit.diagnosis.table import COLUMNS, RULES
from dlkit.files.run_lock import hold_lock

HEADER = "epoch,step,seconds,lr,train_loss,val_loss,train_accuracy,val_accuracy,grad_norm,update_ratio"


@pytest.fixture(scope="module")
def hot_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run at a rate far too high."""
    from dlkit.cli.app import run

    folder = tmp_path_factory.mktemp("hot") / "run"
    words = ["train", "mlp", "--lr", "5", "--epochs", "3", "--limit", "600", "--no-plot", "--quiet"]
    assert run([*words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def hot(hot_run: Path, home: Path) -> Path:
    return Path(shutil.copytree(hot_run, home / "hot"))


def test_a_healthy_run_has_no_findings(dlkit) -> None:
    trained = dlkit("train", "mlp", "--epochs", 8, "--no-plot", "--out", "a")
    found = dlkit("inspect", "run", "a")

    assert "warning" not in trained.stderr
    assert (found.code, found.stdout) == (0, "")
    assert "nothing found" in found.stderr
    assert json.loads(Path("a/findings.json").read_text())["findings"] == []
    assert dlkit("inspect", "run", "a", "--strict").code == 0


def test_the_cause_comes_first_with_a_cure_that_train_takes(dlkit, hot: Path) -> None:
    found = dlkit("inspect", "run", hot, "--json")

    first, *others = json.loads(found.stdout)["findings"]
    assert found.code == 0
    assert (first["rule"], first["level"], first["cause"], first["step"]) == ("lr_high", "warning", True, 1)
    assert first["value"] > first["threshold"] == 0.3
    assert (first["cure"]["option"], first["cure"]["value"]) == ("--lr", 0.03)
    assert others
    assert {other["because_of"] for other in others} == {"lr_high"}
    assert json.loads((hot / "findings.json").read_text()) == json.loads(found.stdout)
    cured = dlkit(
        "train",
        "mlp",
        "--limit",
        600,
        "--lr",
        first["cure"]["value"],
        "--epochs",
        6,
        "--no-plot",
        "--out",
        "b",
    )
    assert cured.code == 0
    assert dlkit("inspect", "run", "b", "--strict").code == 0


def test_text_indents_what_follows_and_strict_exits_with_1(dlkit, hot: Path) -> None:
    found = dlkit("inspect", "run", hot, "--strict")

    lines = found.stdout.splitlines()
    assert found.code == 1
    assert lines[0].startswith("warning: ")
    assert lines[1].startswith("  measured: ")
    assert "lower --lr from 5 to 0.03" in lines[2]
    assert all(line.startswith("  ") for line in lines[1:])


def test_train_warns_once_while_it_runs_and_names_the_command_at_the_end(dlkit) -> None:
    found = dlkit("train", "mlp", "--lr", 5, "--epochs", 4, "--limit", 600, "--no-plot", "--out", "a")

    lines = found.stderr.splitlines()
    warnings = [line for line in lines if line.startswith("warning:")]
    assert found.code == 0
    assert len(warnings) == 1
    assert "--lr from 5 to 0.03" in warnings[0]
    assert lines.index(warnings[0]) < lines.index("dlkit inspect run a says why")
    assert found.stdout == "a/best.safetensors\n"


def test_a_run_that_diverged_says_where(dlkit) -> None:
    trained = dlkit("train", "mlp", "--lr", "1e8", "--epochs", 2, "--limit", 600, "--no-plot", "--out", "a")
    found = dlkit("inspect", "run", "a", "--json")

    rules = {finding["rule"]: finding for finding in json.loads(found.stdout)["findings"]}
    assert trained.code == 5
    assert "dlkit inspect run a" in trained.stderr
    assert rules["lr_high"]["cause"]
    assert rules["nan"]["because_of"] == "lr_high"
    assert rules["nan"]["layer"] == "output"


def test_a_resumed_run_comes_to_the_findings_of_an_unbroken_one(dlkit) -> None:
    words = ("--lr", 5, "--limit", 600, "--no-plot")
    dlkit("train", "mlp", *words, "--epochs", 3, "--out", "whole")
    dlkit("train", "mlp", *words, "--epochs", 1, "--out", "part")
    for epochs in (2, 3):
        dlkit("train", "--resume", "part", "--epochs", epochs)

    whole, part = (
        [
            {**found, "confirm": ""}
            for found in json.loads(Path(name, "findings.json").read_text())["findings"]
        ]
        for name in ("whole", "part")
    )

    assert whole == part
    assert whole


def test_a_history_alone_shows_what_its_losses_tell(dlkit, home: Path) -> None:
    losses = [
        (2.3 * 0.7**epoch, max(1.0, 2.0 - 0.2 * epoch) + 0.1 * max(0, epoch - 6)) for epoch in range(1, 20)
    ]
    lines = [
        f"{epoch},{10 * epoch},{epoch},0.01,{train},{val},0.9,{0.8 - val / 10},1.0,0.01"
        for epoch, (train, val) in enumerate(losses, 1)
    ]
    (home / "history.csv").write_text("\n".join([HEADER, *lines]) + "\n")

    found = dlkit("inspect", "history", "history.csv", "--json")

    (finding,) = json.loads(found.stdout)["findings"]
    assert (finding["rule"], finding["step"], finding["cause"]) == ("overfit", 50, True)
    assert "epoch 5" in finding["message"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, "history.csv"),
        ("", "empty"),
        ("a,b\n1,2\n", "epoch"),
        (f"{HEADER}\n", "no epochs"),
        (f"{HEADER}\n1,x,1,1,1,1,1,1,1,1\n", "not a number"),
        ("epoch,train_loss\n1,2,3\n", "cells"),
    ],
)
def test_a_history_that_is_none_is_refused(text: str | None, part: str, dlkit, home: Path) -> None:
    if text is not None:
        (home / "history.csv").write_text(text)

    result = dlkit("inspect", "history", "history.csv")

    assert result.code == 3
    assert part in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n1,10,1,0.1,2.0,2.0,0.1,0.1,1,1\n",
        f"{HEADER}\n1,10,1,0.1,2.0,2.0,0.1,0.1,1,1\n2,20,2,0.1,nan,inf,0.1,0.1,1,1\n3,30,3,0.1,,,,,,\n",
        "epoch,train_loss,colour\n1,2.0,3\n2,1.0,3\n",
        f"{HEADER}\n1,10,1,0.1,2.0,2.0,0.1,0.1,1,1\n2,20,1,0.1,2.",
    ],
    ids=["one row", "NaN", "foreign columns", "cut off"],
)
def test_a_strange_history_is_read(text: str, dlkit, home: Path) -> None:
    (home / "history.csv").write_text(text)

    result = dlkit("inspect", "history", "history.csv", "--json")

    assert result.code == 0
    assert "Traceback" not in result.stderr
    assert json.loads(result.stdout)["run"] == "history.csv"


def test_what_is_no_run_is_refused(dlkit, home: Path) -> None:
    (home / "empty").mkdir()

    assert_refused(dlkit("inspect", "run", "missing"), 4, "missing", "run folder")
    assert_refused(dlkit("inspect", "run", "empty"), 4, "empty", "run folder")


def test_a_run_without_probes_is_judged_by_its_losses(dlkit, hot: Path) -> None:
    (hot / "probes.csv").unlink()

    found = dlkit("inspect", "run", hot, "--json")

    assert found.code == 0
    assert "probes.csv is missing" in found.stderr
    assert json.loads(found.stdout)["findings"]


def test_probes_that_are_cut_off_are_read_as_far_as_they_go(dlkit, hot: Path) -> None:
    text = (hot / "probes.csv").read_text()
    (hot / "probes.csv").write_text(text[: len(text) // 2] + "\n7,nonsense\n")

    found = dlkit("inspect", "run", hot, "--json")

    assert found.code == 0
    assert "left out" in found.stderr
    assert json.loads(found.stdout)["findings"][0]["rule"] == "lr_high"


def test_a_number_that_is_cut_off_is_left_out(dlkit, hot: Path) -> None:
    (hot / "probes.csv").write_text(
        "step,layer,signal,value\n1,a.weight,update_ratio,0.001\n2,a.weight,update_ratio,0."
    )

    found = dlkit("inspect", "updates", hot, "--json")

    assert "1 row cut off" in found.stderr
    assert json.loads(found.stdout)[0]["sampled"] == 1


def test_probes_of_which_only_a_part_of_the_header_is_there_have_no_rows(dlkit, hot: Path) -> None:
    (hot / "probes.csv").write_text("step,lay")

    found = dlkit("inspect", "run", hot)

    assert found.code == 0
    assert "has no rows" in found.stderr


def test_a_run_without_an_epoch_yet_is_judged_by_its_first_steps(dlkit, hot: Path) -> None:
    header = (hot / "history.csv").read_text().splitlines()[0]
    (hot / "history.csv").write_text(header + "\n")

    found = dlkit("inspect", "run", hot, "--json")

    assert found.code == 0
    assert "no epochs yet" in found.stderr
    assert json.loads(found.stdout)["findings"][0]["rule"] == "lr_high"


def test_probes_of_another_program_are_refused(dlkit, hot: Path) -> None:
    (hot / "probes.csv").write_text("a,b\n1,2\n")

    assert_refused(dlkit("inspect", "run", hot), 3, "probes.csv", "away")


def test_a_damaged_config_leaves_cures_without_numbers(dlkit, hot: Path) -> None:
    (hot / "config.toml").write_text("= nonsense")

    found = dlkit("inspect", "run", hot, "--json")

    assert found.code == 0
    assert "config.toml cannot be read" in found.stderr
    first = json.loads(found.stdout)["findings"][0]
    assert first["cure"]["value"] is None
    assert "config.toml" not in first["confirm"]


def test_a_run_that_is_being_trained_is_judged_by_what_is_sure(dlkit, hot: Path) -> None:
    (hot / "findings.json").unlink()
    with hold_lock(hot / "run.lock"):
        found = dlkit("inspect", "run", hot, "--json")

    assert found.code == 0
    assert "is being trained" in found.stderr
    assert {finding["rule"] for finding in json.loads(found.stdout)["findings"]} == {"lr_high"}
    assert not (hot / "findings.json").exists()


def test_ten_thousand_parameters_are_read_in_time(dlkit, home: Path, run_copy: Path) -> None:
    with (run_copy / "probes.csv").open("a", newline="") as file:
        writer = csv.writer(file)
        for index in range(10_000):
            writer.writerows(
                [(1, f"layer.{index}", "grad_norm", 1.0), (1, f"layer.{index}", "update_ratio", 1e-3)]
            )
    start = time.process_time()

    found = dlkit("inspect", "run", run_copy, "--json")

    assert found.code == 0
    assert time.process_time() - start < 20


OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.tied = nn.Linear(64, 64), nn.Linear(64, 64)
        self.tied.weight = self.first.weight
        self.codes = nn.Embedding(20, 64)
        self.head = nn.Linear(64, 10)

    def forward(self, inputs):
        inputs = inputs.flatten(1)
        codes = self.codes((4 * inputs.abs()).long().clamp(0, 19)).mean(1)
        hidden = torch.relu(self.tied(torch.relu(self.first(inputs) + codes)))
        return self.head(torch.relu(self.first(hidden)))
"""


@pytest.mark.slow
def test_tied_weights_and_layers_used_twice_are_healthy_through_five_resumptions(dlkit, home: Path) -> None:
    (home / "net.py").write_text(OWN)
    words = ("--data", "digits", "--epochs", 4, "--lr", 0.05, "--no-plot", "--out", "a")
    assert dlkit("train", "net.py:Net", *words).code == 0
    for epochs in range(5, 10):
        assert dlkit("train", "net.py:Net", "--resume", "a", "--epochs", epochs).code == 0

    found = dlkit("inspect", "run", "a", "--json")

    assert (found.code, json.loads(found.stdout)["findings"]) == (0, [])
    assert "9 epochs" in found.stderr


def test_rules_are_listed_as_they_are(dlkit) -> None:
    listed = dlkit("inspect", "rules", "--json")
    plain = dlkit("inspect", "rules")

    assert [row["name"] for row in json.loads(listed.stdout)] == [rule.name for rule in RULES]
    assert plain.stdout.splitlines()[0] == "\t".join(COLUMNS)
    assert len(plain.stdout.splitlines()) == 1 + len(RULES)


def test_neither_torch_nor_pandas_is_loaded(trained_run: Path, home: Path) -> None:
    run = shutil.copytree(trained_run, home / "run")
    lines = [
        ["inspect", "history", run / "history.csv"],
        ["inspect", "run", run],
        ["inspect", "rules"],
    ]

    codes, loaded = run_fresh(lines, home)

    assert (codes, loaded) == ([0] * 3, [])


FULL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, room: int = 0) -> None:
        super().__init__()
        self.room = room
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, inputs):
        if self.training and len(inputs) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(inputs)
"""


def test_a_run_that_failed_for_want_of_memory_is_diagnosed(dlkit, home: Path) -> None:
    (home / "full.py").write_text(FULL)
    words = ("full.py:Net", "--data", "digits", "--epochs", 2, "--no-plot", "--batch-size", 64)
    assert dlkit("train", *words, "--out", "none").code == 1
    assert dlkit("train", *words, "-s", "room=16", "--out", "some").code == 0

    failed, pieces = (
        json.loads(dlkit("inspect", "run", run, "--json").stdout)["findings"] for run in ("none", "some")
    )

    assert [(found["rule"], found["level"], found["cause"], found["step"]) for found in failed] == [
        ("memory", "warning", True, 1)
    ]
    assert failed[0]["cure"]["option"] == "--batch-size"
    assert failed[0]["cure"]["value"] < 64
    assert [(found["level"], found["value"]) for found in pieces if found["rule"] == "memory"] == [
        ("note", 16)
    ]


def test_the_line_that_confirms_runs_as_it_is_printed(dlkit, home: Path) -> None:
    assert dlkit("train", "mlp", "--lr", 5, "--epochs", 3, "--no-plot", "--out", "a run").code == 0

    confirms = [
        found["confirm"]
        for found in json.loads(dlkit("inspect", "run", "a run", "--json").stdout)["findings"]
    ]

    assert any("'a run'" in confirm for confirm in confirms)
    assert not any("RUN" in confirm for confirm in confirms)
    command = next(confirm for confirm in confirms if confirm.startswith("dlkit inspect lr"))
    found = dlkit(*shlex.split(command.removesuffix("finds a rate"))[1:])
    assert found.code == 0
    assert 0 < float(found.stdout) < 5
