"""Draw docs/augmentations.png from the augmentation itself: `python docs/write_augmentations.py`."""

from pathlib import Path

import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.data.images.augment import Augmentation

FIGURE = Path(__file__).with_name("augmentations.png")
SIDE, ENLARGED, GAP = 32, 2, 6
DIGITS, EPOCHS = (2, 3, 4), (1, 2, 3)


def columns() -> list[Tensor]:
    """Give the images, each (B, 1, H, W) from 0 to 1: as they are, then changed in three epochs by each kind."""
    digits = torch.from_numpy(load_digits().images[list(DIGITS)]).float()[:, None] / 16
    plain = F.interpolate(digits, size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
    mean = plain.mean()
    changed = [
        Augmentation(kind, seed=0, mirror=True).apply(plain - mean, torch.tensor(DIGITS), epoch) + mean
        for kind in ("light", "strong")
        for epoch in EPOCHS
    ]
    return [plain, *changed]


def drawn() -> Image.Image:
    """Put the images side by side, one row a digit."""
    step = SIDE * ENLARGED + GAP
    given = columns()
    page = Image.new("L", (len(given) * step + 2 * GAP, len(DIGITS) * step), 225)
    for place, images in enumerate(given):
        for row, image in enumerate(images[:, 0]):
            tile = Image.fromarray((255 - 255 * image.clamp(0, 1)).byte().numpy())
            across = place * step + GAP * ((place > 0) + (place > len(EPOCHS)))
            page.paste(tile.resize((SIDE * ENLARGED, SIDE * ENLARGED)), (across, row * step))
    return page


if __name__ == "__main__":
    drawn().save(FIGURE, optimize=True)
