"""Memory that runs out: a batch goes through in smaller pieces, or the run stops and says what would help."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from dlkit.device import peak_memory_mib
from dlkit.errors import DlkitError
from dlkit.inputs import Inputs, rows_of
from dlkit.objectives import Objective
from dlkit.training.compiling import uncompiled
from dlkit.training.precision import Forward, LossScale
from dlkit.training.torch_errors import raise_as_told

_DEVICE_IS_FULL = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)
_MACHINE_IS_FULL = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")
_FEWEST_WITH_BATCH_NORM = 4  # halves of 4 are 2, and a smaller last batch would leave a piece of one
_BYTES_IN_MIB = 2**20
_SHOWN_OUTPUTS = 3
_DOING = {"train": "training on", "val": "validating"}
_T = TypeVar("_T")


class Passes:
    """Takes batches forward and backward, in pieces where a whole one does not fit into the device's memory.

    A piece's loss counts by its share of the samples, as `--accumulate` counts batches, so that the gradient is that
    of the mean over the whole batch. Batch norm sees a piece at a time, and dropout draws for each.

    Args:
        model: The network that is trained.
        objective: Its loss.
        device: Where the network is.
        forward: Passes inputs through a network.
        scale: The scale of the loss; None for 1.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        device: torch.device,
        forward: Forward | None = None,
        scale: LossScale | None = None,
    ) -> None:
        self.scale = scale
        self._model = model
        self._objective = objective
        self._device = device
        self._forward = Forward() if forward is None else forward
        self._largest = {"train": 0, "val": 0}  # samples in a piece; 0 takes a batch whole
        self._done: list[tuple[Inputs, Tensor, float]] = []
        self._news: list[str] = []

    def backward(
        self, inputs: Inputs, targets: Tensor, *, share: float = 1.0, first: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Add a batch's gradients to those of its step.

        Args:
            inputs: Of N samples.
            targets: Their targets, shape (N,) or (N, D).
            share: Weight of the batch's mean loss in the step's.
            first: Whether it is the first batch of its step.

        Returns:
            The mean loss, and the outputs, shape (N, K).

        Raises:
            DlkitError: Not even the smallest pieces fit, or torch refuses a setting.
        """
        if first:
            self._done.clear()
        self._done.append((inputs, targets, share))

        def once_more() -> tuple[Tensor, Tensor]:
            """Differentiate all batches of the step so far: their gradients are in the same tensors."""
            for parameter in self._model.parameters():
                parameter.grad = None
            return [self._in_pieces(*batch) for batch in self._done][-1]

        def newest() -> tuple[Tensor, Tensor]:
            return self._in_pieces(inputs, targets, share)

        return self._until_it_fits("train", inputs, len(targets), newest, once_more)

    def outputs(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Give the outputs for inputs of N samples, shape (N, K), where nothing is trained.

        Raises:
            DlkitError: Not even one sample fits, or torch refuses a setting.
        """
        samples = len(inputs if isinstance(inputs, Tensor) else next(iter(inputs.values())))

        def all_pieces() -> Tensor:
            pieces = self._pieces("val", samples)
            if len(pieces) == 1:
                return self._forward(model, inputs)
            return torch.cat([self._forward(model, rows_of(inputs, *piece)) for piece in pieces])

        return self._until_it_fits("val", inputs, samples, all_pieces, all_pieces)

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """Say in one line that memory ran out in something that smaller pieces would not help.

        Args:
            doing: What is done, as in "the optimizer's step".

        Raises:
            DlkitError: It did, or torch refuses a setting.
        """
        try:
            yield
        except (RuntimeError, MemoryError) as err:
            if device_is_full(err) or machine_is_full(err):
                raise self._error(
                    doing, "a smaller network, or --optimizer sgd, which remembers least"
                ) from err
            raise_as_told(err)
            raise

    def take_news(self) -> list[str]:
        """Give what should be said and was not yet."""
        news, self._news = self._news, []
        return news

    def state(self) -> dict[str, Tensor]:
        """Give the sizes of pieces as tensors by name; empty while batches are whole."""
        return {name: torch.tensor(size) for name, size in self._largest.items() if size}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave.

        Raises:
            ValueError: No piece has that size.
        """
        for name in self._largest.keys() & state.keys():
            size = int(state[name].item())
            if size < 1:
                raise ValueError(f"memory.{name} does not fit")
            self._largest[name] = size

    def _until_it_fits(
        self, part: str, inputs: Inputs, samples: int, attempt: Callable[[], _T], again: Callable[[], _T]
    ) -> _T:
        while True:
            try:
                return attempt()
            except (RuntimeError, MemoryError) as err:
                if machine_is_full(err):
                    raise self._error(f"{_DOING[part]} {samples} samples", _in_half(samples)) from err
                if not device_is_full(err):
                    raise_as_told(err)
                    raise
            # Out of `except`, which keeps the tensors of the pass that failed.
            self._take_smaller_pieces(part, inputs, samples)
            attempt = again

    def _in_pieces(self, inputs: Inputs, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        pieces = self._pieces("train", len(targets))
        if len(pieces) == 1:
            return self._one_piece(inputs, targets, share)
        weights = [(stop - start) / len(targets) for start, stop in pieces]
        done = [
            self._one_piece(rows_of(inputs, start, stop), targets[start:stop], share * weight)
            for (start, stop), weight in zip(pieces, weights, strict=True)
        ]
        loss = torch.stack([loss * weight for (loss, _), weight in zip(done, weights, strict=True)]).sum()
        return loss, torch.cat([outputs for _, outputs in done])

    def _one_piece(self, inputs: Inputs, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        outputs = self._forward(self._model, inputs)
        loss = self._objective.loss(outputs, targets)
        weighted = loss if share == 1.0 else loss * share
        (weighted if self.scale is None else weighted * self.scale.scale).backward()
        return loss.detach(), outputs.detach()

    def _pieces(self, part: str, samples: int) -> Sequence[tuple[int, int]]:
        """Give where each piece starts and stops: as few as can be, as equal as can be."""
        largest = self._largest[part]
        count = -(-samples // largest) if largest else 1
        edges = [samples * index // count for index in range(count + 1)]
        return list(pairwise(edges))

    def _take_smaller_pieces(self, part: str, inputs: Inputs, samples: int) -> None:
        """Halve the pieces, and say so the first time.

        Raises:
            DlkitError: They are as small as they can be.
        """
        before = min(self._largest[part] or samples, samples)
        fewest = _FEWEST_WITH_BATCH_NORM if part == "train" and _has_batch_norm(self._model) else 1
        if before // 2 < fewest:
            helps = ["a smaller network, or --precision bf16", *_largest_outputs(self._model, inputs)]
            raise self._error(f"{_DOING[part]} {before} samples at a time", "; ".join(helps))
        if not self._largest[part]:
            text = f"{self._full(f'{_DOING[part]} {samples} samples')}; from now on in pieces of {before // 2} or fewer"
            aside = ", which make the same step; batch norm and dropout see a piece at a time"
            self._news.append(text + (aside if part == "train" else ""))
        self._largest[part] = before // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _error(self, doing: str, hint: str) -> DlkitError:
        return DlkitError(self._full(doing), hint)

    def _full(self, doing: str) -> str:
        return f"out of memory on {self._device} in {doing} ({peak_memory_mib(self._device):,.0f} MiB at the peak)"


def device_is_full(err: BaseException) -> bool:
    """Say whether an error tells that an accelerator's memory ran out."""
    return isinstance(err, torch.OutOfMemoryError) or any(words in str(err) for words in _DEVICE_IS_FULL)


def machine_is_full(err: BaseException) -> bool:
    """Say whether an error tells that the machine's memory ran out."""
    return isinstance(err, MemoryError) or any(words in str(err) for words in _MACHINE_IS_FULL)


def _in_half(samples: int) -> str:
    if samples < 2:
        return "a smaller network"
    return f"--batch-size {samples // 2} --accumulate 2 takes the same steps in about half the memory"


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _largest_outputs(model: nn.Module, inputs: Inputs) -> list[str]:
    """Name the layers with the largest outputs; nothing where there is no room even to look."""
    sizes: dict[str, int] = {}

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            sizes[name] = outputs.nbytes if isinstance(outputs, Tensor) else 0

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    hooks = [module.register_forward_hook(note(name)) for name, module in leaves]
    before = model.training
    try:
        with torch.no_grad(), uncompiled(model):
            Forward()(model.eval(), rows_of(inputs, 0, 1))
    except (RuntimeError, MemoryError):
        return []
    finally:
        model.train(before)
        for hook in hooks:
            hook.remove()
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN_OUTPUTS]
    told_sizes = ", ".join(f"{name} {size / _BYTES_IN_MIB:.3g} MiB" for name, size in largest)
    return [f"largest outputs, a sample: {told_sizes}"] if told_sizes else []
