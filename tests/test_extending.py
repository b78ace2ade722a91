"""What is added from outside is used from the command line as what is built in."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dlkit.data.dataset import DataSet, Request
from dlkit.data.kinds import KINDS
from dlkit.data.prepared import Source, fingerprint
from dlkit.data.stored import split_source
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.tasks import TASKS, Outputs
from dlkit.files.description import DataDescription
from dlkit.metrics import METRICS, Metric
from dlkit.plotting.kinds import PLOT_KINDS, Drawing, PlotKind
from dlkit.settings.arguments import Argument
from dlkit.settings.kinds import DataKind
from dlkit.settings.models import MODELS, ModelRecord
from dlkit.settings.optimizers import OPTIMIZERS, OptimizerRecord

FAST = ("--epochs", "2", "--no-plot", "-o", "run")


def build_linear(
    description: DataDescription, arguments: Mapping[str, Any], _context: Mapping[str, Tensor]
) -> nn.Module:
    linear = nn.Linear(torch.Size(description.input_shape).numel(), description.num_outputs)
    linear.weight.data.fill_(arguments["start"])
    return nn.Sequential(nn.Flatten(), linear)


def build_momentless(groups: list[dict[str, Any]], *, lr: float, **_: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=lr, fused=True)


def load_dice(request: Request) -> DataSet:
    assert request.spec.path is not None
    numbers = torch.tensor([int(word) for word in request.spec.path.read_text().split()])
    parts = {"all": (numbers.float().unsqueeze(1), numbers % 2)}
    description = DataDescription(
        name=request.spec.text,
        kind="dice",
        task="classification",
        input_shape=(1,),
        class_names=("even", "odd"),
        split_sizes={},
    )
    return split_source(Source(parts, 1.0, fingerprint(parts)), description, request)


def read_sizes(
    _path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> list[tuple[str, int]]:
    return [(row[header.index("layer")], int(row[header.index("size")])) for _, row in rows]


def draw_sizes(drawing: Drawing) -> Figure:
    figure = Figure()
    figure.subplots().bar(*zip(*drawing.inputs[0], strict=True))
    return figure


def is_wrong(preds: Tensor, targets: Tensor) -> Tensor:
    return preds.argmax(1) != targets


class Counted(Classes):
    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        return [(["throws"], [[len(self.targets)]])]


def count_throws(found: Outputs) -> Counted:
    names = found.dataset.description.class_names
    return Counted(names=names, targets=found.targets, probs=found.preds)


@pytest.fixture
def added() -> Iterator[None]:
    """A toy in every registry, taken out again afterwards."""
    toys: list[tuple[dict[str, Any], str, Any]] = [
        (
            MODELS,
            "toy",
            ModelRecord(
                name="toy",
                build=build_linear,
                help="A linear map.",
                recipe="image",
                arguments={"start": Argument(default=0.0, help="Every weight at the start.")},
            ),
        ),
        (OPTIMIZERS, "momentless", OptimizerRecord(name="momentless", build=build_momentless, lr=0.125)),
        (KINDS, "dice", DataKind(name="dice", load=load_dice, suffixes=(".dice",), task="throws")),
        (TASKS, "throws", count_throws),
        (
            PLOT_KINDS,
            "sizes",
            PlotKind(
                name="sizes",
                holds="sizes",
                recognise=lambda header, _rows: list(header) == ["layer", "size"],
                read=read_sizes,
                draw=draw_sizes,
            ),
        ),
        (
            METRICS,
            "error_rate",
            Metric(
                name="error_rate",
                tasks=("classification", "throws"),
                higher_is_better=False,
                terms=is_wrong,
            ),
        ),
    ]
    for registry, name, record in toys:
        registry[name] = record
    yield
    for registry, name, _ in toys:
        del registry[name]


def history(run: str = "run") -> list[dict[str, str]]:
    with Path(run, "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_model_is_trained_and_evaluated(dlkit: Callable[..., Any], added: None) -> None:
    assert dlkit("train", "toy", "-s", "start=0.5", *FAST).code == 0

    assert dlkit("eval", "run").code == 0
    assert dlkit("train", "toy", "-s", "stat=0.5").code == 2
    assert "toy" in dlkit("train", "tyo").stderr


def test_an_optimizer_is_used_resumed_and_has_its_own_rate(dlkit: Callable[..., Any], added: None) -> None:
    assert dlkit("train", "mlp", "--optimizer", "momentless", *FAST).code == 0

    assert {row["lr"] for row in history()} == {"0.125"}
    assert dlkit("train", "--resume", "run", "--epochs", "3").code == 0
    assert dlkit("train", "mlp", "--optimizer", "momentless", "--momentum", "0.5").code == 2


def test_a_data_kind_is_shown_checked_trained_on_and_reported_as_its_task(
    dlkit: Callable[..., Any], added: None
) -> None:
    Path("a.dice").write_text(" ".join(str(number) for number in range(200)))

    assert json.loads(dlkit("data", "show", "a.dice", "--json").stdout)["task"] == "classification"
    assert dlkit("data", "check", "a.dice").code == 0
    assert dlkit("data", "split", "a.dice", "-o", "split.csv").code == 0
    assert dlkit("train", "mlp", "--data", "a.dice", *FAST).code == 0
    assert "throws" in dlkit("eval", "run").stdout
    assert dlkit("eval", "run", "--baselines").code == 2


def test_a_plot_kind_is_told_by_its_header_or_by_name(dlkit: Callable[..., Any], added: None) -> None:
    Path("sizes.csv").write_text("layer,size\nhidden,3\noutput,2\n")

    assert dlkit("plot", "sizes.csv").stdout == "sizes.png\n"
    assert dlkit("plot", "sizes.csv", "--kind", "sizes", "-o", "b.svg").code == 0
    assert dlkit("plot", "sizes.csv", "--smooth", "3").code == 2


def test_a_metric_is_monitored_recorded_plotted_and_evaluated(dlkit: Callable[..., Any], added: None) -> None:
    assert dlkit("train", "mlp", "--monitor", "val_error_rate", "--patience", "5", *FAST).code == 0

    rows = history()
    for row in rows:
        assert float(row["val_error_rate"]) == pytest.approx(1 - float(row["val_accuracy"]))
    assert float(rows[1]["train_error_rate"]) < float(rows[0]["train_error_rate"])
    assert dlkit("plot", "run", "-y", "error_rate").code == 0
    metrics = json.loads(dlkit("eval", "run", "--json").stdout)["metrics"]
    assert metrics["error_rate"]["value"] == pytest.approx(1 - metrics["accuracy"]["value"])
