"""What the rules of diagnosis need of a run, measured at few steps: the loss, the batch, the outputs of each layer."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.inputs import Inputs, rows_of
from dlkit.models.table_inputs import TableInputs
from dlkit.objectives import Objective
from dlkit.probes.layers import LayerProbe, Signal, rank_of, std_of
from dlkit.probes.parameters import ProbeRow
from dlkit.running_mean import RunningMean
from dlkit.training.compute import uncompiled
from dlkit.training.signals.data import SIMPLE, batch_signals, data_signals
from dlkit.training.signals.network import network_signals, received_by_first, slope_signals

if TYPE_CHECKING:
    from dlkit.training.step import Parts

Forward = Callable[[nn.Module, Inputs], Tensor]
Batch = tuple[Inputs, Tensor]

_STEPS = frozenset(digit * 10**power for digit in (1, 2, 5) for power in range(12)) | {0}
_EPOCHS = frozenset(round(2 ** (power / 2)) for power in range(60))
_EVALUATED_STEPS = frozenset(step for step in _STEPS if step == 0 or (step >= 10 and str(step)[0] in "15"))
_COMPARED = frozenset({2, 3})  # in its first pass, a network may set its weights by the data
_SAMPLES = 512
_EVALUATED = 256
_DIFFERENTIATED = 32
_LOSSES_PER_EPOCH = 8
_TINY = 1e-30
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


class Signals:
    """Measures the steps 0, 1, 2, 5, 10, 20, 50 ... of a run, and its validations, on the device.

    Args:
        model: The network.
        objective: Its loss.
        layers: Watch the layers; not where they are compiled.
    """

    def __init__(self, model: nn.Module, objective: Objective, *, layers: bool = True) -> None:
        self._model = model
        self._objective = objective
        self._layers = layers
        self._functions = True
        self._unread: tuple[Batches, Batches, int, tuple[Tensor, Tensor] | None] | None = None
        self._rows: list[tuple[int, str, str, Tensor | float]] = []
        self._watched: tuple[int, LayerProbe] | None = None

    def due(self, step: int) -> bool:
        """Return whether the step after so many steps of the run is measured."""
        return step in _STEPS

    def watching(self, forward: Forward, step: int) -> Forward:
        """Return a forward pass whose first call records the layers.

        Args:
            forward: Passes inputs through the network, with gradients to come.
            step: Number of the step in the run, from 1.
        """
        if not self._layers:
            return forward
        probe = LayerProbe(self._model, find_faults=step == 1, functions=self._functions)
        self._watched = (step, probe)
        calls = 0

        def watched(model: nn.Module, inputs: Inputs) -> Tensor:
            nonlocal calls
            calls += 1
            if calls > 1:
                return forward(model, inputs)
            before = _norms(model) if step in _COMPARED else None
            with probe.watching():
                outputs = forward(model, inputs)
            if before is not None:
                self._add(step, [("", "overwritten", _largest_change(before, _norms(model)))])
            return outputs

        return watched

    def watching_validation(self, forward: Forward, epoch: int, step: int, model: nn.Module) -> Forward:
        """Return a forward pass that records the layers for the first samples of a validation.

        Args:
            forward: Passes inputs through the network.
            epoch: The epoch that ends; of a long run, few are measured.
            step: Steps that are done.
            model: The network that is validated.
        """
        if not self._layers or epoch not in _EPOCHS:
            return forward
        probe = LayerProbe(model, find_dead=True, functions=self._functions)
        self._watched = (step, probe)
        samples = 0

        def watched(model: nn.Module, inputs: Inputs) -> Tensor:
            nonlocal samples
            if samples >= _SAMPLES:
                return forward(model, inputs)
            with probe.watching():
                outputs = forward(model, inputs)
            samples += len(outputs)
            return outputs

        return watched

    @torch.no_grad()
    def measure(self, parts: "Parts", batch: Batch, result: tuple[Tensor, Tensor], step: int) -> None:
        """Measure a step after its gradients were computed and before it is taken.

        Args:
            parts: What is trained.
            batch: Inputs and targets, on the device.
            result: Their mean loss and outputs.
            step: Number of the step in the run, from 1.
        """
        (inputs, targets), (loss, outputs) = batch, result
        if step == 1:
            self._add(step, _network_signals(self._model))
            width = outputs.shape[1] if outputs.ndim > 1 else 1
            self._unread = (parts.train, parts.val, width, self._received(parts))
        self._add_watched()
        self._add(step, [("", "loss", loss)])
        self._add(step, batch_signals(inputs, targets, outputs, _codes_of(self._model)))
        if step - 1 in _EVALUATED_STEPS:
            self._add(step, _spreads_of_units(self._model))
            self._add(step, self._evaluation_signals(parts, batch, outputs, step))

    def close_epoch(self, running: RunningMean, position_step: int, epoch_start: int) -> list[ProbeRow]:
        """Return what was measured since the last call; waits for the device.

        Args:
            running: The losses of the epoch's batches.
            position_step: Steps of the run that are done.
            epoch_start: Those that were done when the epoch began.
        """
        self._add_watched()
        losses = running.losses()
        is_early = epoch_start < _LOSSES_PER_EPOCH * len(losses)
        parts = _LOSSES_PER_EPOCH if is_early and len(losses) >= 2 * _LOSSES_PER_EPOCH else 1
        for part in range(parts):
            start, stop = (len(losses) * end // parts for end in (part, part + 1))
            done = epoch_start + (position_step - epoch_start) * (part + 1) // parts
            mean = math.fsum(losses[start:stop]) / (stop - start)
            self._rows.append((done, "", "mean_loss", mean))
        rows = self.rows()
        self._rows = []
        return rows

    def rows(self) -> list[ProbeRow]:
        """Return what was measured in the epoch so far; waits for the device."""
        self._add_watched()
        values = self._read()
        rows: list[ProbeRow] = []
        for (step, layer, signal, _), value in zip(self._rows, values, strict=True):
            if signal.endswith("_rms"):  # the mean is the row before
                rows.append((step, layer, f"{signal[:-4]}_std", std_of(rows[-1][3], value)))
            else:
                rows.append((step, layer, signal, value))
        return rows

    def forget_after(self, step: int) -> None:
        """Drop what was measured in later steps of the run: they were skipped."""
        self._watched = None
        self._unread = None if step < 1 else self._unread
        self._rows = [row for row in self._rows if row[0] <= step]

    def state(self) -> dict[str, Tensor]:
        """Return what was measured in the epoch so far as tensors by name; waits for the device."""
        if not self._rows:
            return {}
        values = self._read()
        names = "".join(f"{layer}\n{signal}\n" for _, layer, signal, _ in self._rows)
        return {
            "steps": torch.tensor([row[0] for row in self._rows]),
            "values": torch.tensor(values, dtype=torch.float64),
            "names": torch.frombuffer(bytearray(names.encode()), dtype=torch.uint8),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned.

        Raises:
            ValueError: It is not from there.
        """
        if not state:
            return
        if any(state[name].ndim != 1 for name in ("names", "steps", "values")):
            raise ValueError("the signals are no lists")
        names = bytes(state["names"].tolist()).decode().split("\n")[:-1]
        columns = (state["steps"].tolist(), names[::2], names[1::2], state["values"].tolist())
        self._rows = list(zip(*columns, strict=True))

    def _add(self, step: int, signals: Iterable[Signal]) -> None:
        self._rows += [(step, layer, signal, value) for layer, signal, value in signals]

    def _add_watched(self) -> None:
        if self._watched is not None:
            step, probe = self._watched
            self._add(step, probe.finish())
            self._functions = probe.found_functions
            self._watched = None

    def _read(self) -> list[float]:
        """Return the values of all rows, with one transfer."""
        if self._unread is not None:
            train, val, width, received = self._unread
            self._unread = None
            found = data_signals(train, val, self._objective, width, received)
            self._rows[:0] = [(1, layer, signal, value) for layer, signal, value in found]
        tensors = [
            (rank_of(row[3]) if row[3].ndim else row[3]).float()
            for row in self._rows
            if isinstance(row[3], Tensor)
        ]
        read = iter(torch.stack(tensors).tolist() if tensors else [])
        return [next(read) if isinstance(row[3], Tensor) else float(row[3]) for row in self._rows]

    def _received(self, parts: "Parts") -> tuple[Tensor, Tensor] | None:
        """Return what the network's first layer receives of some samples of both parts; None if it is these."""
        if any(isinstance(module, TableInputs) for module in self._model.modules()):
            return None  # categories are embedded on the way
        found: list[Tensor | None] = []
        self._model.eval()
        try:
            with uncompiled(), contextlib.suppress(Exception):  # own code that takes batches alone
                samples = [batches.some_samples(SIMPLE) for batches in (parts.train, parts.val)]
                found = [
                    received_by_first(self._model, parts.forward, each[0])
                    for each in samples
                    if each is not None
                ]
        finally:
            self._model.train()
        train, val = found if len(found) > 1 else (None, None)
        return None if train is None or val is None else (train, val)

    def _evaluation_signals(self, parts: "Parts", batch: Batch, outputs: Tensor, step: int) -> list[Signal]:
        """Pass some of the batch through the network in evaluation mode, and compare."""
        inputs, targets = batch
        count = min(len(targets), _EVALUATED)
        few, found = targets[:count], list[Signal]()
        self._model.eval()
        try:
            with uncompiled():
                evaluated = parts.predict(self._model, rows_of(inputs, 0, count))
                if step == 1:
                    with contextlib.suppress(Exception):  # own code that takes whole batches alone
                        fewer = rows_of(inputs, 0, min(count, _DIFFERENTIATED))
                        found += slope_signals(
                            self._model,
                            parts.forward,
                            lambda outputs: self._objective.loss(outputs, few[:_DIFFERENTIATED]),
                            fewer,
                        )
                    with contextlib.suppress(Exception):
                        found += network_signals(
                            self._model, parts.forward, rows_of(inputs, 0, count), evaluated
                        )
        finally:
            self._model.train()
        found += [
            ("", "train_loss", self._objective.loss(outputs[:count], few)),
            ("", "eval_loss", self._objective.loss(evaluated, few)),
            ("", "mode_difference", _difference(outputs[:count].float(), evaluated.float())),
            (
                "",
                "order_difference",
                _difference(*(each.float().sort(0).values for each in (outputs[:count], evaluated))),
            ),
        ]
        if count > 1:
            found.append(("", "output_spread", evaluated.float().std(0, correction=0).mean()))
        return found


def _codes_of(model: nn.Module) -> frozenset[int]:
    """Return which features of a table are codes, of which mean and spread say nothing."""
    return frozenset(
        code for module in model.modules() if isinstance(module, TableInputs) for code in module.codes
    )


def _network_signals(model: nn.Module) -> Iterator[Signal]:
    """Yield what the network has before its first step: sizes, and which parameters are frozen."""
    for name, parameter in model.named_parameters():
        yield name, "size", parameter.numel()
        if not parameter.requires_grad:
            yield name, "frozen", 1.0
        if parameter.ndim > 1 and parameter.numel():
            yield name, "units", parameter.shape[0]
            if parameter.ndim == 2:  # the few channels of a convolution come from many places
                yield name, "inputs", parameter.shape[1]
    for name, module in model.named_modules():
        if isinstance(module, _BATCH_NORMS):
            yield name, "batch_norm", 1.0
        if isinstance(module, _DROPOUTS):
            yield name, "dropout", module.p
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            yield name, "embedding", 1.0


def _spreads_of_units(model: nn.Module) -> Iterator[Signal]:
    """Yield how far the units of each matrix differ, as a share of its largest weight."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and parameter.numel() and parameter.shape[0] > 1:
            ranges = parameter.float().amax(0) - parameter.float().amin(0)
            yield name, "unit_spread", ranges.mean() / parameter.float().abs().amax().clamp_min(_TINY)


@torch.no_grad()
def _norms(model: nn.Module) -> Tensor:
    """Return the norm of each trained parameter, shape (L,)."""
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
    return torch.stack([torch.linalg.vector_norm(parameter) for parameter in trained])


def _largest_change(before: Tensor, after: Tensor) -> Tensor:
    """Return the largest change of a norm, as a share of it."""
    return ((after - before).abs() / before.clamp_min(_TINY)).amax()


def _difference(trained: Tensor, evaluated: Tensor) -> Tensor:
    """Return how far outputs as trained on lie from those in evaluation mode, as a share of their spread."""
    return (trained - evaluated).square().mean().sqrt() / (evaluated.std(correction=0) + _TINY)
