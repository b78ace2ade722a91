"""The numbers a run computes in: float32, TensorFloat-32, bfloat16 or float16, and the scale that float16 needs."""

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dlkit.errors import MissingError
from dlkit.inputs import Inputs, call
from dlkit.settings.conflicts import DEVICES_OF_PRECISION, WITHOUT_IT
from dlkit.torch_compat import divide_all, update_loss_scale

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
_FIRST_SCALE = 2.0**16
_STEPS_TO_GROW = 2000
_AMPERE = (8, 0)
_CPU_INFO = Path("/proc/cpuinfo")


class Forward:
    """Passes inputs through a network in a precision.

    Weights, gradients and outputs are float32 whatever the precision; in bf16 and fp16, matrix products and
    convolutions take their factors in 16 bits (torch's autocast).

    Args:
        precision: `fp32`, `tf32`, `bf16` or `fp16`.
        device: Where the network is.
    """

    def __init__(self, precision: str = "fp32", device: torch.device | None = None) -> None:
        self._dtype = _HALF.get(precision)
        self._kind = "cpu" if device is None else device.type

    def __call__(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Return the outputs, shape (N, K)."""
        if self._dtype is None:
            plain: Tensor = call(model, inputs)
            return plain
        with torch.autocast(self._kind, self._dtype):
            outputs: Tensor = call(model, inputs)
        return outputs.float()


class LossScale:
    """Multiplies the loss so that float16 holds its small gradients (Micikevicius et al. 2018, section 3.2).

    The scale halves with each step whose gradients overflow, which is not applied, and doubles after 2,000 good ones:
    what torch's GradScaler does, but nothing here waits for the device. https://arxiv.org/abs/1710.03740

    Args:
        device: Where the gradients are.
        scale: The scale to begin with.
    """

    def __init__(self, device: torch.device, scale: float = _FIRST_SCALE) -> None:
        self.scale = torch.tensor(scale, device=device)
        self._good_steps = torch.zeros((), dtype=torch.int32, device=device)

    @torch.no_grad()
    def unscale(self, parameters: Sequence[nn.Parameter]) -> None:
        """Divide the gradients by the scale, a power of two: their bits stay."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        divide_all(gradients, self.scale)

    def overflow_at_smallest(self, overflowed: Tensor) -> Tensor:
        """Return 1.0 if gradients overflow although they are not scaled up any more, else 0.0, on the device.

        Only that is divergence; a step that is skipped at a larger scale is not.

        Args:
            overflowed: 1.0 if the step's gradients are not finite, else 0.0.
        """
        return overflowed * (self.scale <= 1.0)

    @torch.no_grad()
    def update(self, overflowed: Tensor, frozen: Tensor) -> None:
        """Halve or double the scale after a step, if it is due.

        Args:
            overflowed: 1.0 if the step's gradients were not finite, else 0.0.
            frozen: 1.0 where all must stay as it is, since the run has diverged, else 0.0.
        """
        scale, good_steps = self.scale.clone(), self._good_steps.clone()
        update_loss_scale(scale, good_steps, overflowed, _STEPS_TO_GROW)
        stay = frozen.bool()
        torch.where(stay, self.scale, scale, out=self.scale)
        torch.where(stay, self._good_steps, good_steps, out=self._good_steps)

    def state(self) -> dict[str, Tensor]:
        """Return scale and counter as tensors by name."""
        return {"scale": self.scale, "good_steps": self._good_steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned; a run that was in another precision so far has none.

        Raises:
            ValueError: No scale is like that.
        """
        if state:
            if not (
                0 < state["scale"].item() < math.inf and 0 <= state["good_steps"].item() < _STEPS_TO_GROW
            ):
                raise ValueError("scale does not fit")
            self.scale.copy_(state["scale"])
            self._good_steps.copy_(state["good_steps"])


def prepare_precision(precision: str, device: torch.device) -> None:
    """Check that the device computes in a precision, and let it use TensorFloat-32 in `tf32` alone.

    torch's own default is TensorFloat-32 for convolutions and float32 for matrix products.

    Raises:
        MissingError: The device does not.
    """
    on_cuda = device.type == "cuda" and torch.version.hip is None
    check_precision(
        precision,
        device,
        capability=torch.cuda.get_device_capability(device) if on_cuda else None,
        old_macos=device.type == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0),
    )
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"


def is_emulated(precision: str, device: torch.device, cpu_info: Path = _CPU_INFO) -> bool:
    """Return whether an x86 processor is known to compute bf16 with float32 instructions, which is far slower.

    Args:
        precision: Of the run.
        device: Where it computes.
        cpu_info: Where Linux lists the instructions of the processor.
    """
    if precision != "bf16" or device.type != "cpu" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        words = cpu_info.read_text().split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_tile"} & set(words)


def check_precision(
    precision: str,
    device: torch.device,
    *,
    capability: tuple[int, int] | None = None,
    old_macos: bool = False,
) -> None:
    """Check that a device computes in a precision.

    Args:
        precision: `fp32`, `tf32`, `bf16` or `fp16`.
        device: The device.
        capability: Its compute capability, if it is one of NVIDIA's.
        old_macos: Whether it runs under a macOS before 14.

    Raises:
        MissingError: The device does not compute in it.
    """
    kinds = DEVICES_OF_PRECISION.get(precision, (device.type,))
    if device.type not in kinds:
        raise MissingError(
            f"--precision {precision} needs {' or '.join(kinds)}; the device here is {device}",
            WITHOUT_IT,
        )
    if precision in ("tf32", "bf16") and capability is not None and capability < _AMPERE:
        raise MissingError(
            f"--precision {precision} needs compute capability 8.0; {device} has {capability[0]}.{capability[1]}",
            "--precision fp16 or fp32",
        )
    if precision == "bf16" and old_macos:
        raise MissingError("--precision bf16 on mps needs macOS 14", "--precision fp16 or fp32")
