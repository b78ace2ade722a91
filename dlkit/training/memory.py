"""Memory that runs out: batches go through the network in smaller pieces, or the run stops with a hint."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from dlkit.device import peak_memory_mib
from dlkit.errors import FullMemoryError
from dlkit.inputs import Inputs, call, rows_of
from dlkit.probes.parameters import ProbeRow
from dlkit.torch_compat import is_device_full, is_host_full
from dlkit.training.compute import raise_setting_error, uncompiled

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_FEWEST_WITH_BATCH_NORM = 4  # halves of 4 are 2, and a smaller last batch would leave a piece of one
_BYTES_IN_MIB = 2**20
_SHOWN_OUTPUTS = 3
_DOING = {"train": "training on", "val": "validating"}
_T = TypeVar("_T")


class Pieces:
    """Splits batches into pieces that fit into the device's memory, and halves the pieces when it runs out.

    Args:
        model: The network that is trained.
        device: Where it is.
        processes: How many share each batch.
        rank: Which of them this one is.
    """

    def __init__(self, model: nn.Module, device: torch.device, *, processes: int = 1, rank: int = 0) -> None:
        self._processes = processes
        self._rank = rank
        self._reported = 0
        self._model = model
        self._device = device
        self._largest = {"train": 0, "val": 0}  # samples in a piece; 0 leaves batches whole
        self._messages: list[str] = []

    def split(self, part: str, samples: int) -> list[tuple[int, int]]:
        """Return start and stop of each piece of a batch: as few as possible, as equal as possible.

        Args:
            part: `train` or `val`.
            samples: Samples in the batch.
        """
        largest = self._largest[part]
        if not largest:
            return [(0, samples)]
        count = -(-samples // largest)
        return list(pairwise(samples * index // count for index in range(count + 1)))

    def retry(
        self,
        part: str,
        inputs: Inputs,
        samples: int,
        attempt: Callable[[], _T],
        *,
        repeatable: Callable[[], bool] = lambda: True,
    ) -> _T:
        """Return what a call returns, which takes batches in the pieces of `split`; repeat it until they fit.

        Args:
            part: `train` or `val`.
            inputs: Of a batch, to measure the layers with if nothing helps.
            samples: Samples in the largest batch.
            attempt: Called again, from the start, after each failure.
            repeatable: Whether a failed attempt may be repeated; not once other processes count on it.

        Raises:
            FullMemoryError: The smallest pieces do not fit, the attempt cannot be repeated, the machine's memory is
                full, or torch refuses a setting.
        """
        while True:
            try:
                return attempt()
            except (RuntimeError, MemoryError) as err:
                if not is_device_full(err) or not repeatable():
                    hint = _half_batch_hint(samples * self._processes)
                    self._raise_known(err, f"{_DOING[part]} {_samples(samples)}", hint)
                    raise
            # After `except`, which holds the tensors of the attempt that failed.
            self._halve(part, inputs, samples)

    @contextmanager
    def error_context(self, doing: str, hint: str) -> Iterator[None]:
        """Report in one line that memory ran out, or what torch refuses because of a setting.

        Args:
            doing: What is done, as in "the optimizer's step".
            hint: What helps against full memory.

        Raises:
            DlkitError: One of them happened.
        """
        try:
            yield
        except (RuntimeError, MemoryError) as err:
            self._raise_known(err, doing, hint)
            raise

    def rows(self, step: int) -> list[ProbeRow]:
        """Return the row of probes.csv, of a step, with the size of the pieces of training; none of whole batches."""
        size = self._largest["train"]
        return [(step, "", "piece_size", float(size))] if size else []

    def pop_messages(self) -> list[str]:
        """Return the messages since the last call."""
        messages, self._messages = self._messages, []
        return messages

    @property
    def splitting_rank(self) -> int:
        """The rank of this process if it splits its slices of batches; 0 if it does not, or is the first."""
        return self._rank if any(self._largest.values()) else 0

    def report_rank(self, rank: int) -> None:
        """Report, once, that another process splits its slices, as its `splitting_rank` says."""
        if rank and not self._reported:
            self._reported = rank
            self._messages.append(
                f"out of memory in rank {rank} of {self._processes}; it now splits its slices of batches into pieces"
            )

    def state(self) -> dict[str, Tensor]:
        """Return the sizes of pieces as tensors by name; empty while batches are whole."""
        return {name: torch.tensor(size) for name, size in self._largest.items() if size}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned.

        Raises:
            ValueError: A size is not positive.
        """
        for name in self._largest.keys() & state.keys():
            size = int(state[name].item())
            if size < 1:
                raise ValueError(f"memory.{name} does not fit")
            self._largest[name] = size
            self._reported = self._processes

    def _raise_known(self, err: BaseException, doing: str, hint: str) -> None:
        if is_device_full(err) or is_host_full(err):
            raise FullMemoryError(self._full_message(doing), hint) from err
        raise_setting_error(err)

    def _halve(self, part: str, inputs: Inputs, samples: int) -> None:
        before = min(self._largest[part] or samples, samples)
        fewest = _FEWEST_WITH_BATCH_NORM if part == "train" and _has_batch_norm(self._model) else 1
        if before // 2 < fewest:
            hints = ["a smaller network, or --precision bf16", *_largest_outputs(self._model, inputs)]
            raise FullMemoryError(
                self._full_message(f"{_DOING[part]} {_samples(before)} at a time"), "; ".join(hints)
            )
        if not self._largest[part]:
            full = self._full_message(f"{_DOING[part]} {_samples(samples)}")
            same = "; the step stays the same, but batch norm and dropout see one piece at a time"
            self._messages.append(
                f"{full}; batches are now split into pieces of {before // 2} or fewer{same if part == 'train' else ''}"
            )
        self._largest[part] = before // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _full_message(self, doing: str) -> str:
        return f"out of memory on {self._device} in {doing} ({peak_memory_mib(self._device):,.0f} MiB at the peak)"


def _half_batch_hint(samples: int) -> str:
    if samples < 2:
        return "a smaller network"
    return f"--batch-size {samples // 2} --accumulate 2 takes the same steps in about half the memory"


def _has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, _BATCH_NORMS) for module in model.modules())


def _largest_outputs(model: nn.Module, inputs: Inputs) -> list[str]:
    """Name the layers with the largest outputs; nothing where memory is too full to measure them."""
    sizes: dict[str, int] = {}

    def measure(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            sizes[name] = outputs.nbytes if isinstance(outputs, Tensor) else 0

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    hooks = [module.register_forward_hook(measure(name)) for name, module in leaves]
    before = model.training
    try:
        with torch.no_grad(), uncompiled():
            call(model.eval(), rows_of(inputs, 0, 1))
    except (RuntimeError, MemoryError):
        return []
    finally:
        model.train(before)
        for hook in hooks:
            hook.remove()
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN_OUTPUTS]
    shown = ", ".join(f"{name} {size / _BYTES_IN_MIB:.3g} MiB" for name, size in largest)
    return [f"largest outputs per sample: {shown}"] if shown else []


def _samples(count: int) -> str:
    return f"{count} sample{'s' * (count != 1)}"
