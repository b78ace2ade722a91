"""Folders of images as a kind of data."""

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import FOLDER_LAYOUTS, DataKind

# As in `image_file`, which loads Pillow; a test compares the two.
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)

FOLDER = DataKind(
    name="folder",
    load=deferred("dlkit.data.images.load:load_folder"),
    suffixes=IMAGE_SUFFIXES,
    folder=True,
    recipe="image",
    layouts=FOLDER_LAYOUTS,
    refuses=("target", "features", *TABLE_SETTINGS),
    check=deferred("dlkit.data.images.check:check_folder"),
)
