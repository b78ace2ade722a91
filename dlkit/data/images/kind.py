"""Folders of images as a kind of data."""

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind

FOLDER = DataKind(
    name="folder",
    load=deferred("dlkit.data.images.load:load_folder"),
    folder=True,
    recipe="image",
    refuses=("target", "features", *TABLE_SETTINGS),
    check=deferred("dlkit.data.images.check:check_folder"),
)
