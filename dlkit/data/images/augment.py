"""Images changed at random while training, on their device: a function of seed, epoch and row alone."""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import TrainConfig

_SHIFT = 1 / 8  # of the side, to either side
_AREA = (0.5, 1.0)  # share of the image that a crop keeps
_ASPECT = 4 / 3  # a crop is at most this much wider or higher than the image
_ERASED = (0.02, 0.2)  # share of the image that is erased
_ERASED_ASPECT = 3.0
_ERASE_SHARE = 0.5  # of the images
_MASK = 0xFFFFFFFF
_DRAWS = 12


@dataclass(frozen=True)
class Augmentation:
    """How images are changed.

    Args:
        kind: `light` shifts and mirrors; `strong` crops, mirrors and erases.
        seed: The run's seed.
        mirror: Whether a mirrored image is still of its class.
    """

    kind: str
    seed: int
    mirror: bool

    def shown(self) -> str:
        """Return what is done."""
        mirrored = (
            "mirrored left to right (half of them)"
            if self.mirror
            else "never mirrored, since they are characters"
        )
        if self.kind == "light":
            return f"--augment light: training images are shifted by up to an eighth and {mirrored}"
        return (
            "--augment strong: training images are cropped to between half and all of their area, half of them lose a "
            f"rectangle, and they are {mirrored}"
        )

    def apply(self, inputs: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """Change images.

        Args:
            inputs: Normalised images, shape (B, C, H, W), float32.
            rows: Their rows in the stored data, shape (B,), int64.
            epoch: Number of the epoch.

        Returns:
            Others of the same shape, dtype and device.
        """
        draws = uniform(self.seed, epoch, rows.to(inputs.device), _DRAWS)
        flips = draws[:, 0] < 0.5 if self.mirror else torch.zeros_like(draws[:, 0], dtype=torch.bool)
        if self.kind == "light":
            return _shift(inputs, flips, draws[:, 1], draws[:, 2])
        cropped = _crop(inputs, flips, draws[:, 1:5])
        return _erase(cropped, draws[:, 5:10])


def augmentation_of(config: TrainConfig, description: DataDescription) -> Augmentation | None:
    """Return the augmentation that the settings ask for; None for none.

    Raises:
        ConfigError: The samples are no images.
    """
    if config.augment == "none":
        return None
    if len(description.input_shape) != 3 or description.named_inputs:
        raise ConfigError(
            f"--augment {config.augment} changes images; {description.name} has samples of shape "
            f"{description.input_shape}",
            "leave it out",
        )
    entry = DATA.get(description.name)
    return Augmentation(config.augment, config.seed, mirror=entry is None or entry.mirror)


def uniform(seed: int, epoch: int, rows: Tensor, count: int) -> Tensor:
    """Return numbers in [0, 1) that depend on seed, epoch, row and their place alone, on any device alike.

    A counter goes through the finaliser of MurmurHash3 (Appleby 2011) twice; there is no state, so that neither the
    size of a batch nor the place where a run was resumed matters.

    Args:
        seed: The run's seed.
        epoch: Number of the epoch.
        rows: Rows, shape (B,), int64.
        count: How many numbers a row.

    Returns:
        Shape (B, count), float32.
    """
    digest = hashlib.sha256(f"augment/{seed}/{epoch}".encode()).digest()
    keys = [int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8)]
    places = torch.arange(count, device=rows.device, dtype=torch.int64)
    mixed = _mix((rows & _MASK) ^ keys[0])
    mixed = _mix(mixed ^ ((rows >> 32) & _MASK) ^ keys[1])
    mixed = _mix((mixed[:, None] + places * 0x9E3779B9 + keys[2]) & _MASK)
    return (mixed >> 8).to(torch.float32) * 2.0**-24


def _mix(values: Tensor) -> Tensor:
    """Scramble 32-bit numbers held in int64; their products wrap at 64 bits, the lower 32 stay exact."""
    values = values ^ (values >> 16)
    values = (values * 0x85EBCA6B) & _MASK
    values = values ^ (values >> 13)
    values = (values * 0xC2B2AE35) & _MASK
    return values ^ (values >> 16)


def _shift(inputs: Tensor, flips: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Shift images by whole pixels; what comes in at a border is its mirror image."""
    height, width = inputs.shape[2:]
    across = _shifted(width, right)
    across = torch.where(flips[:, None], width - 1 - across, across)
    places = _shifted(height, down)[:, :, None] * width + across[:, None, :]  # (B, H, W)
    flat = inputs.flatten(2)
    index = places.flatten(1)[:, None, :].expand(-1, inputs.shape[1], -1)
    return flat.gather(2, index).view_as(inputs)


def _shifted(side: int, draws: Tensor) -> Tensor:
    """Return the pixel that comes to each place along one side, shape (B, side)."""
    most = round(side * _SHIFT)
    places = torch.arange(side, device=draws.device) + ((2 * most + 1) * draws).long()[:, None] - most
    places = places.abs()
    return torch.where(places >= side, 2 * side - 2 - places, places).clamp_(0, side - 1)


def _crop(inputs: Tensor, flips: Tensor, draws: Tensor) -> Tensor:
    """Take a part of each image and bring it back to size, as in Szegedy et al. 2014."""
    area = _AREA[0] + (_AREA[1] - _AREA[0]) * draws[:, 0]
    aspect = torch.exp((2 * draws[:, 1] - 1) * math.log(_ASPECT))
    across = (area * aspect).sqrt().clamp(max=1.0)
    down = (area / aspect).sqrt().clamp(max=1.0)
    theta = torch.zeros(len(inputs), 2, 3, device=inputs.device)
    theta[:, 0, 0] = torch.where(flips, -across, across)
    theta[:, 1, 1] = down
    theta[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - across)
    theta[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - down)
    grid = F.affine_grid(theta, list(inputs.shape), align_corners=False)
    return F.grid_sample(inputs, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _erase(inputs: Tensor, draws: Tensor) -> Tensor:
    """Set a rectangle of some images to zero, the mean, as in Zhong et al. 2017 (https://arxiv.org/abs/1708.04896)."""
    height, width = inputs.shape[2:]
    area = _ERASED[0] + (_ERASED[1] - _ERASED[0]) * draws[:, 1]
    aspect = torch.exp((2 * draws[:, 2] - 1) * math.log(_ERASED_ASPECT))
    wide, high = (area * aspect).sqrt().clamp(max=1.0), (area / aspect).sqrt().clamp(max=1.0)
    left, top = draws[:, 3] * (1 - wide), draws[:, 4] * (1 - high)
    across = (torch.arange(width, device=inputs.device) + 0.5) / width
    down = (torch.arange(height, device=inputs.device) + 0.5) / height
    in_columns = (across >= left[:, None]) & (across < (left + wide)[:, None])
    in_rows = (down >= top[:, None]) & (down < (top + high)[:, None])
    chosen = draws[:, 0] < _ERASE_SHARE
    gone = in_rows[:, :, None] & in_columns[:, None, :] & chosen[:, None, None]
    return inputs.masked_fill(gone[:, None], 0.0)
