"""What data sets are built in, with their sources, licences and files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlkit.settings.arguments import Argument, ArgumentValue, resolve_arguments


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file that a data set is made of: its name, its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class DataEntry:
    """A built-in data set: what it is, whose it is, the files it is made of, and whether a mirrored sample is one.

    `settings` are those that it takes other values of than the defaults, its columns for example.
    """

    kind: str = "images"
    task: str
    samples: int
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    licence: str
    source: str
    mirrors: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    mirror: bool = True
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, spec: str, typed: Mapping[str, str]) -> dict[str, ArgumentValue]:
        """Fill the arguments of a spec such as `spatial:n=5000` up with the defaults.

        Raises:
            ConfigError: Arguments that the data set does not take, or values they cannot have; all at once.
        """
        return resolve_arguments(
            self.arguments, typed, prefix=f"--data {spec.partition(':')[0]}:", owner="it"
        )

    @property
    def embedded(self) -> bool:
        """Whether it comes with the installed packages."""
        return not self.files

    @property
    def download_bytes(self) -> int:
        """What has to be downloaded; 0 for what is embedded."""
        return sum(file.size for file in self.files)


_DIGITS = tuple("0123456789")
_IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def _idx_files(*sizes_and_sums: tuple[int, str]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(name=name, size=size, sha256=digest)
        for name, (size, digest) in zip(_IDX_NAMES, sizes_and_sums, strict=True)
    )


DATA: Mapping[str, DataEntry] = {
    "digits": DataEntry(
        mirror=False,
        task="classification",
        samples=1797,
        input_shape=(1, 8, 8),
        class_names=_DIGITS,
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/80 (embedded in scikit-learn)",
    ),
    "mnist": DataEntry(
        mirror=False,
        task="classification",
        samples=70_000,
        input_shape=(1, 28, 28),
        class_names=_DIGITS,
        licence="CC BY-SA 3.0",
        source="http://yann.lecun.com/exdb/mnist/",
        mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
        files=_idx_files(
            (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "fashion-mnist": DataEntry(
        task="classification",
        samples=70_000,
        input_shape=(1, 28, 28),
        class_names=(
            "t-shirt",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        files=_idx_files(
            (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
    "kmnist": DataEntry(
        mirror=False,
        task="classification",
        samples=70_000,
        input_shape=(1, 28, 28),
        class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        licence="CC BY-SA 4.0",
        source="https://github.com/rois-codh/kmnist",
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        files=_idx_files(
            (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
    ),
    "cifar10": DataEntry(
        task="classification",
        samples=60_000,
        input_shape=(3, 32, 32),
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        licence="not stated",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        files=(
            RemoteFile(
                name="cifar-10-binary.tar.gz",
                size=170_052_171,
                sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
    "spatial": DataEntry(
        kind="spatial",
        task="regression",
        samples=2316,
        input_shape=(),
        class_names=(),
        licence="MIT",
        source="simulated: value = sin(t) lat + cos(t) lon + noise",
        arguments={
            "n": Argument(default=2316, low=30, high=10_000_001, help="Observations."),
            "noise": Argument(default=0.02, low=0, high=1e6, help="Standard deviation of a value's error."),
            "t_max": Argument(default=50.0, low=1e-3, high=1e9, help="Times are uniform from 0 to here."),
            "seed": Argument(default=0, low=0, high=2**32, help="Of the simulation."),
        },
        settings={
            "coords": "lon,lat",
            "time": "t",
            "target": "value",
            "window": 1.0,
            "min_neighbors": 0,
            "batch_size": 64,
            "epochs": 40,
        },
    ),
    "pbpk": DataEntry(
        kind="pbpk",
        task="regression",
        samples=1000,
        input_shape=(),
        class_names=(),
        licence="MIT",
        source="simulated; the equations are in docs/pbpk.md",
        arguments={
            "n": Argument(default=1000, low=10, high=1_000_000, help="Compounds."),
            "seed": Argument(
                default=42, low=0, high=2**32, help="Of the first compound; the next one has the next seed."
            ),
            "hours": Argument(default=24.0, low=0.001, high=10_000, help="The last time, h."),
            "times": Argument(
                default=100, low=2, high=100_000, help="Times from 0 to the last, evenly spread."
            ),
            "dose_min": Argument(default=10.0, low=1e-6, high=1e9, help="The smallest dose, mg."),
            "dose_max": Argument(default=1000.0, low=1e-6, high=1e9, help="The largest dose, mg."),
            "saturable": Argument(
                default=False,
                help="The liver's clearance falls with the concentration (Michaelis and Menten).",
            ),
            "km": Argument(
                default=1.0, low=1e-6, high=1e6, help="Where it has fallen to a half, mg/L in the blood."
            ),
            "noise": Argument(
                default=0.0, low=0, high=10, help="Standard deviation of the measurements' log error."
            ),
        },
    ),
}
