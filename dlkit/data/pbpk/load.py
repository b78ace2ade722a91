"""Drug concentrations in 14 organs as a data set: simulated, or read from a file; split by compound."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Request, above_median
from dlkit.data.pbpk.curves_file import read_curves
from dlkit.data.pbpk.organs import FLOWS, ORGANS, VOLUMES, Compounds, draw_compounds, simulate
from dlkit.data.splits import split_at_random, split_folds
from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import FIELDS, flag
from dlkit.settings.spec import Spec, parse_spec

_SIMULATOR = "pbpk simulator 1"  # part of the fingerprint: another way to simulate gives other data
_NOT_OURS = (
    *("target", "features", "task", "normalize", "scale_target", "augment", "size"),
    *("stratify", "group", "by_time", "split_file"),
)
_DRUG_FEATURES = ("dose", "clearance_hepatic", "clearance_renal")


@dataclass(frozen=True)
class CurveSplit:
    """The compounds of one split.

    Args:
        doses: mg, shape (M,), M at least the largest row.
        clearances: By liver and kidneys, L/h, shape (M, 2).
        partition: Partition coefficients, shape (M, 14).
        times: h, shape (T,).
        curves: Concentrations, mg/L, shape (M, 14, T).
        rows: Rows that belong to the split, shape (N,), int64.
    """

    doses: Tensor
    clearances: Tensor
    partition: Tensor
    times: Tensor
    curves: Tensor
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sample_bytes(self) -> int:
        """Bytes that one compound takes in a batch."""
        return self.curves[0].nbytes

    @property
    def stored_bytes(self) -> int:
        """Bytes of the stored curves."""
        return self.curves.nbytes

    @property
    def in_memory(self) -> None:
        """Nothing that is one tensor a sample."""
        return

    def samples(self) -> Iterator[Tensor]:
        """Yield nothing: a sample is several tensors."""
        yield from ()

    def to(self, device: torch.device) -> Self:
        """Return the same split with its stored tensors on a device."""
        names = ("doses", "clearances", "partition", "times", "curves", "rows")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def with_rows(self, rows: Tensor) -> Self:
        """Return a split of other rows of the same stored data."""
        return replace(self, rows=rows)

    def joined(self, others: Sequence[Self]) -> Self:
        """Return this split and others of the same stored data, one after the other, as one."""
        return replace(self, rows=torch.cat([self.rows, *(other.rows for other in others)]))

    def strata(self) -> Tensor:
        """Return for each compound whether its dose lies above the median."""
        return above_median(self.doses.index_select(0, self.rows))

    def batch(
        self,
        rows: Tensor,
        device: torch.device,
        epoch: int | None = None,  # noqa: ARG002 - nothing is random
    ) -> tuple[Mapping[str, Tensor], Tensor]:
        """Make the inputs of B compounds by name, and their curves, mg/L, shape (B, 14, T)."""
        doses, clearances, partition, curves = (
            stored.index_select(0, rows).to(device, non_blocking=True)
            for stored in (self.doses, self.clearances, self.partition, self.curves)
        )
        times = self.times.to(device, non_blocking=True).expand(len(rows), -1)
        return {"doses": doses, "clearances": clearances, "partition": partition, "times": times}, curves


@dataclass(frozen=True)
class _Curves:
    """Curves as they were simulated or read, and what is said of them."""

    compounds: Compounds
    concentrations: np.ndarray
    times: np.ndarray
    saturable: bool
    fingerprint: str
    source: str
    licence: str
    notes: tuple[str, ...] = ()


def load_pbpk(request: Request) -> DataSet:
    """Simulate the curves that a spec asks for, or read them from its file, and split them by compound.

    Raises:
        DataError: The file is missing or faulty, or the data are not the ones trained on.
        ConfigError: The data are of another kind, or a setting does not apply to them.
    """
    _check_settings(request)
    found = _read(request) if request.spec.path is not None else _simulated(request)
    request.check_fingerprint(found.fingerprint)
    compounds = found.compounds
    stored = CurveSplit(
        doses=_tensor(compounds.doses),
        clearances=_tensor(np.column_stack([compounds.hepatic, compounds.renal])),
        partition=_tensor(compounds.partition),
        times=_tensor(found.times),
        curves=_tensor(found.concentrations),
        rows=torch.arange(len(compounds.doses)),
    )
    splits = _split(stored, request, found.fingerprint)
    description = _describe(request.spec, found, {name: len(split) for name, split in splits.items()})
    return DataSet(description, splits, organ_graph(), found.notes)


def organ_graph() -> dict[str, Tensor]:
    """Return the body as tensors by name, for a network to keep.

    Returns:
        `volumes`, L, shape (14,); `edges`, the two ends of each exchange of blood, shape (13, 2); `flows` on them,
        L/h, shape (13,); `cleared`, the compartments that the hepatic and the renal clearance leave from, shape
        (2,); `dosed`, the compartment that the dose goes into, shape ().
    """
    blood = ORGANS.index("blood")
    return {
        "volumes": _tensor(VOLUMES),
        "edges": torch.tensor([[blood, organ] for organ in range(len(ORGANS)) if organ != blood]),
        "flows": _tensor(FLOWS),
        "cleared": torch.tensor([blood, blood]),
        "dosed": torch.tensor(blood),
    }


def _check_settings(request: Request) -> None:
    config, spec = request.config, request.spec
    if spec.kind not in ("pbpk", "arrays") or (spec.path is not None and spec.path.suffix.lower() != ".npz"):
        raise ConfigError(
            f"--data {spec.text} does not hold concentration curves",
            "pbpk simulates them, e.g. pbpk:n=1000,seed=42; an .npz file holds measured ones",
        )
    given = {name: getattr(config, name) for name in _NOT_OURS}
    wrong = [flag(name, value) for name, value in given.items() if value != FIELDS[name].default]
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)} cannot be used with concentration curves: compounds are split at random, and their "
            "inputs and outputs are fixed",
            "leave it out",
        )


def _simulated(request: Request) -> _Curves:
    arguments: Mapping[str, Any] = request.spec.arguments
    doses = (arguments["dose_min"], arguments["dose_max"])
    if doses[0] > doses[1]:
        raise ConfigError(
            f"--data {request.spec.text}: dose_min={doses[0]:g} is above dose_max={doses[1]:g}",
            "exchange them",
        )
    compounds = draw_compounds(arguments["n"], arguments["seed"], doses)
    times = np.linspace(0.0, arguments["hours"], arguments["times"])
    saturable = bool(arguments["saturable"])
    concentrations = simulate(compounds, times, arguments["km"] if saturable else math.inf)
    if arguments["noise"]:
        random = np.random.RandomState(arguments["seed"])
        error = np.exp(arguments["noise"] * random.standard_normal(concentrations.shape))
        concentrations[:, :, 1:] *= error[:, :, 1:]  # at t = 0 nothing is measured: the dose is known
    said = ",".join(f"{name}={value}" for name, value in arguments.items())
    entry = DATA["pbpk"]
    return _Curves(
        compounds=compounds,
        concentrations=concentrations,
        times=times,
        saturable=saturable,
        fingerprint=hashlib.sha256(f"{_SIMULATOR}:{said}".encode()).hexdigest(),
        source=entry.source,
        licence=entry.licence,
        notes=tuple(_shared_compounds(request)),
    )


def _shared_compounds(request: Request) -> list[str]:
    """Return how many of the simulated compounds are among those that the checkpoint was trained on."""
    trained_on = request.trained_on
    if trained_on is None or request.same_data or trained_on.name.partition(":")[0] != "pbpk":
        return []
    arguments: Mapping[str, Any] = request.spec.arguments
    theirs: Mapping[str, Any] = parse_spec(trained_on.name).arguments
    stop = theirs["seed"] + theirs["n"]
    shared = min(stop, arguments["seed"] + arguments["n"]) - max(theirs["seed"], arguments["seed"])
    if shared <= 0:
        return []
    return [
        f"{shared:,} of the {arguments['n']:,} compounds are among those of {trained_on.name}, which the network was "
        f"trained on; seeds from {stop} on give others"
    ]


def _read(request: Request) -> _Curves:
    assert request.spec.path is not None, "it was looked at before"
    new = request.trained_on is not None and not request.same_data
    file = read_curves(request.spec.path, unlabelled=new)
    arrays = (*vars(file.compounds).values(), file.concentrations, file.times)
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    notes = []
    if file.unused:
        notes.append(f"{request.spec.path.name}: not used: {', '.join(map(repr, file.unused))}")
    if np.isnan(file.concentrations).all():
        notes.append(f"{request.spec.path.name} has no concentrations: predicted and not scored")
    return _Curves(
        compounds=file.compounds,
        concentrations=file.concentrations,
        times=file.times,
        saturable=False,
        fingerprint=digest.hexdigest(),
        source=str(request.spec.path),
        licence="",
        notes=tuple(notes),
    )


def _split(stored: CurveSplit, request: Request, fingerprint: str) -> dict[str, CurveSplit]:
    """Split by compound; data that nothing was trained on are for testing, all of them."""
    if not request.same_data:
        return {"test": stored}
    config = request.config
    alike = np.zeros(len(stored), dtype=np.int64)
    shares: dict[str, Any] = {"val": config.val, "seed": config.seed, "fingerprint": fingerprint}
    if config.folds is not None and config.fold is not None:
        rows = split_folds(alike, fold=config.fold, folds=config.folds, **shares)
    else:
        rows = split_at_random(alike, test=config.test, **shares)
    limits = {"train": config.limit}
    return {name: stored.with_rows(torch.from_numpy(part[: limits.get(name)])) for name, part in rows.items()}


def _describe(spec: Spec, found: _Curves, split_sizes: Mapping[str, int]) -> DataDescription:
    organs, times = len(ORGANS), len(found.times)
    features = (*_DRUG_FEATURES, *(f"partition_{organ}" for organ in ORGANS))
    return DataDescription(
        name=spec.text,
        kind="pbpk",
        task="regression",
        input_shape=(len(features),),
        named_inputs={
            "doses": ("float32", ()),
            "clearances": ("float32", (len(_DRUG_FEATURES) - 1,)),
            "partition": ("float32", (organs,)),
            "times": ("float32", (times,)),
        },
        target_shape=(organs, times),
        target_names=ORGANS,
        feature_names=features,
        units="mg/L",
        learned={"saturable": found.saturable},
        split_sizes=dict(split_sizes),
        source=found.source,
        licence=found.licence,
        fingerprint=found.fingerprint,
    )


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
