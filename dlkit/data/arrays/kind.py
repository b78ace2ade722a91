"""Arrays, in files and from functions, as two kinds of data."""

from typing import TYPE_CHECKING

from dlkit.settings.config import TABLE_SETTINGS
from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import ARRAY_LAYOUTS, DataKind

if TYPE_CHECKING:
    from dlkit.data.dataset import DataSet, Request


def load(request: "Request") -> "DataSet":
    """Load the arrays of a file, or the concentration curves that it holds."""
    from dlkit.data.arrays.load import load_arrays
    from dlkit.data.pbpk.curves_file import holds_curves
    from dlkit.data.pbpk.load import load_pbpk

    path, trained_on = request.spec.path, request.trained_on
    curves = (trained_on is not None and trained_on.kind == "pbpk") or (
        path is not None and holds_curves(path)
    )
    return load_pbpk(request) if curves else load_arrays(request)


ARRAYS = DataKind(
    name="arrays",
    load=load,
    suffixes=(".npz", ".npy"),
    recipe_of=deferred("dlkit.data.arrays.roles:recipe_of"),
    layouts=ARRAY_LAYOUTS,
    refuses=("size", *TABLE_SETTINGS),
)

FUNCTION = DataKind(
    name="function",
    load=deferred("dlkit.data.arrays.functions:load_function"),
    code=True,
    layouts=ARRAY_LAYOUTS,
    refuses=("size", *TABLE_SETTINGS),
)
