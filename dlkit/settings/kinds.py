"""What dlkit asks of a kind of data: how it is named on the command line, loaded, checked, described and reported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlkit.settings.deferred import deferred

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from dlkit.data.dataset import DataSet, Request, Split
    from dlkit.data.findings import Finding
    from dlkit.data.tables.table import Table
    from dlkit.settings.config import TrainConfig
    from dlkit.settings.spec import Spec

FOLDER_LAYOUTS = ("classes", "splits")
ARRAY_LAYOUTS = ("nchw", "nhwc", "nhw", "ntf", "nft")
_CHECK = deferred("dlkit.data.check:check_loaded")
_BASELINES = deferred("dlkit.evaluation.baselines.plain:plain_baselines")
_DESCRIBE = deferred("dlkit.data.summary:describe")
_SPLITS = deferred("dlkit.data.summary:rows_of_splits")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What `data show` prints of data.

    Args:
        facts: By name.
        listing: The name of the table that follows.
        columns: Its header.
        rows: Its rows; may be empty.
        notes: Messages for the user.
        dataset: The data set, where it was loaded.
    """

    facts: Mapping[str, Any]
    listing: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int]]
    notes: Sequence[str] = ()
    dataset: "DataSet | None" = None


@dataclass(frozen=True, kw_only=True)
class DataKind:
    """One kind of data; it is made in its folder under `data/` and listed in `data/kinds.py`.

    Functions may be `deferred`, so that nothing heavy loads with the record.

    Args:
        name: As it stands in the description of a data set.
        load: Makes the data set that was asked for.
        suffixes: Ends of file names that are of this kind.
        folder: A folder is of this kind.
        code: A function in `file.py:name` is of this kind.
        stdin: `--data -` is of this kind.
        option: The setting that asks for data of another kind to be read as this one; empty if none does.
        recipe: The recipe of a network that goes by its data; see `settings.recipes`.
        recipe_of: Chooses the recipe by the spec and the settings given, where files of the kind differ.
        panel: Heading in the help of the settings that only this kind has; empty if it has none.
        refuses: Settings that cannot be used with the data.
        borrows: Settings in the panel of another kind that the data have as well.
        layouts: What --layout may be beside auto.
        cuts_both: --val and --test are both shares of all samples.
        check: Finds faults; what `data check` prints.
        check_samples: Finds faults of the samples that only this kind can have; None for none.
        describe: Makes what `data show` prints.
        splits: Returns the rows of each split and the number of all rows; what `data split` writes.
        draw: Returns up to N samples as images, shape (N, H, W, C), and their titles; None if they are no images.
        task: The evaluation task, where the description's own task does not decide it.
        baselines: Predicts a split by simpler methods, given the seed: by name, shaped as the network's predictions.
        distances: Returns the distance of each sample to its nearest observation; None if there is none.
        drawings: Returns a split as N random draws of what its samples see, to be averaged; None if nothing is drawn.
    """

    name: str
    load: "Callable[[Request], DataSet]"
    suffixes: tuple[str, ...] = ()
    folder: bool = False
    code: bool = False
    stdin: bool = False
    option: str = ""
    recipe: str = "table"
    recipe_of: "Callable[[Spec, Mapping[str, Any]], str] | None" = None
    panel: str = ""
    refuses: tuple[str, ...] = ()
    borrows: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    cuts_both: bool = False
    check: "Callable[[TrainConfig], list[Finding]]" = _CHECK
    check_samples: "Callable[[DataSet, Table | None], list[Finding]] | None" = None
    describe: "Callable[[TrainConfig], Summary]" = _DESCRIBE
    splits: "Callable[[TrainConfig], tuple[Mapping[str, np.ndarray], int]]" = _SPLITS
    draw: "Callable[[DataSet, int], tuple[Tensor, list[str]]] | None" = None
    task: str = ""
    baselines: "Callable[[DataSet, str, int], Mapping[str, np.ndarray]]" = _BASELINES
    distances: "Callable[[DataSet, Split], np.ndarray] | None" = None
    drawings: "Callable[[Split, int], list[Split]] | None" = None


def data_kinds() -> dict[str, DataKind]:
    """Return all kinds of data by name; `data/` lies above `settings/`, so its list is looked up when it is needed."""
    kinds: dict[str, DataKind] = import_module("dlkit.data.kinds").KINDS
    return kinds
