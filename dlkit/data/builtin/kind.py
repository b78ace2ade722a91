"""Built-in images as a kind of data."""

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind

BUILTIN = DataKind(
    name="images",
    load=deferred("dlkit.data.builtin.load:load_builtin"),
    recipe="image",
    refuses=(
        *("bands", "size", "target", "features", *TABLE_SETTINGS),
        *("group", "by_time", "split_file", "folds", "stratify"),
    ),
    draw=deferred("dlkit.data.summary:images_by_class"),
)
