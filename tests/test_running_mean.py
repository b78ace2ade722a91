"""Loss and metric over the samples of an epoch so far."""

from dataclasses import replace

import pytest
import torch
from descriptions import OF_CLASSES
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from dlkit.metrics import METRICS
from dlkit.objectives import Objective, build_objective
from dlkit.running_mean import RunningMean

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(100, 3, generator=GENERATOR)
CLASSES = torch.randint(3, (100,), generator=GENERATOR)


def in_batches(size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(LOGITS.split(size), CLASSES.split(size), strict=True))


def feed(running: RunningMean, objective: Objective, batches: list[tuple[Tensor, Tensor]]) -> None:
    for outputs, targets in batches:
        running.add(objective.loss(outputs, targets), outputs, targets)


@pytest.mark.parametrize("size", [1, 7, 10, 64, 100])
@pytest.mark.parametrize("fold_every", [1, 4, 16])
def test_running_mean_equals_a_direct_computation(size: int, fold_every: int) -> None:
    objective = build_objective(OF_CLASSES)
    running = RunningMean(objective, fold_every)

    feed(running, objective, in_batches(size))

    loss, metric = running.read()
    assert loss == pytest.approx(F.cross_entropy(LOGITS.double(), CLASSES).item(), rel=1e-6)
    assert metric == (LOGITS.argmax(1) == CLASSES).double().mean().item()
    assert running.samples == 100
    last_outputs, last_targets = in_batches(size)[-1]
    assert running.last_loss() == F.cross_entropy(last_outputs, last_targets).item()


def test_wide_outputs_are_folded_in_at_once_and_not_kept() -> None:
    classes = tuple(str(number) for number in range(1000))
    objective = build_objective(replace(OF_CLASSES, class_names=classes))
    running = RunningMean(objective, 16, rewindable=True)
    outputs = torch.randn(60, 1000, generator=GENERATOR)
    targets = torch.where(torch.arange(60) % 3 == 0, outputs.argmax(1), 0)

    feed(running, objective, list(zip(outputs.split(7), targets.split(7), strict=True)))
    state = running.state()
    running.rewind(5)

    assert "pending_outputs" not in state
    assert sum(tensor.numel() for tensor in state.values()) == 3 * 9  # sizes, losses and sums of nine batches
    loss, metric = running.read()
    assert loss == pytest.approx(F.cross_entropy(outputs[:35], targets[:35]).item(), rel=1e-6)
    assert metric == pytest.approx((outputs[:35].argmax(1) == targets[:35]).double().mean().item())


def test_reading_changes_nothing() -> None:
    objective = build_objective(OF_CLASSES)
    read, unread = RunningMean(objective, 4), RunningMean(objective, 4)
    for outputs, targets in in_batches(7):
        feed(read, objective, [(outputs, targets)])
        read.read()
        feed(unread, objective, [(outputs, targets)])

    assert read.read() == unread.read()


MONITORED = replace(build_objective(OF_CLASSES), monitored=METRICS["macro_f1"])
KEPT = replace(build_objective(OF_CLASSES), monitored=METRICS["roc_auc"])


@pytest.mark.parametrize("objective", [MONITORED, KEPT], ids=["sums", "kept"])
def test_a_monitored_metric_is_that_of_all_samples_and_can_be_taken_back(objective: Objective) -> None:
    batches = in_batches(7)
    whole, rewound = RunningMean(objective, 4), RunningMean(objective, 4, rewindable=True)
    feed(whole, objective, batches[:6])
    feed(rewound, objective, batches)
    rewound.rewind(6)

    count = sum(len(targets) for _, targets in batches[:6])
    probs, targets = LOGITS[:count].softmax(1), CLASSES[:count]
    expected = {
        "macro_f1": f1_score(targets, probs.argmax(1), average="macro"),
        "roc_auc": roc_auc_score(
            targets, probs.double() / probs.double().sum(1, keepdim=True), multi_class="ovr"
        ),
    }
    assert whole.read_monitored() == pytest.approx(expected[objective.monitored.name])
    assert rewound.read_monitored() == whole.read_monitored()
    assert RunningMean(build_objective(OF_CLASSES)).read_monitored() is None


@pytest.mark.parametrize(
    "objective", [build_objective(OF_CLASSES), MONITORED, KEPT], ids=["plain", "monitored", "kept"]
)
@pytest.mark.parametrize("stop", range(1, 16))
def test_running_mean_resumes_with_the_same_bits_after_any_batch(stop: int, objective: Objective) -> None:
    batches = in_batches(7)
    whole, first, second = (RunningMean(objective, 4) for _ in range(3))
    feed(whole, objective, batches)

    feed(first, objective, batches[:stop])
    second.restore({name: tensor.clone() for name, tensor in first.state().items()}, CPU)
    assert second.read() == first.read()
    assert second.last_loss() == first.last_loss()
    feed(second, objective, batches[stop:])

    assert second.read() == whole.read()
    assert second.read_monitored() == whole.read_monitored()
    assert second.state().keys() == whole.state().keys()
    assert all(map(torch.equal, second.state().values(), whole.state().values()))


def test_state_is_empty_before_the_first_batch_and_after_clearing() -> None:
    objective = build_objective(OF_CLASSES)
    running = RunningMean(objective)
    assert running.state() == {}
    running.restore({}, CPU)

    feed(running, objective, in_batches(50))
    running.clear()

    assert running.state() == {}
    assert running.samples == 0


def test_adding_keeps_no_graph() -> None:
    objective = build_objective(OF_CLASSES)
    running = RunningMean(objective, 1)
    outputs = LOGITS.clone().requires_grad_()

    feed(running, objective, [(outputs, CLASSES)])

    assert not any(tensor.requires_grad for tensor in running.state().values())
