"""Folders of images as a kind of data."""

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import FOLDER_LAYOUTS, DataKind

FOLDER = DataKind(
    name="folder",
    load=deferred("dlkit.data.images.load:load_folder"),
    folder=True,
    recipe="image",
    layouts=FOLDER_LAYOUTS,
    refuses=("target", "features", *TABLE_SETTINGS),
    check=deferred("dlkit.data.images.check:check_folder"),
)
