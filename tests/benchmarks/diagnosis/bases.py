"""What is trained: a network on data with settings that work, split into a tuned-on and a held-out part."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Value = str | int | float | bool

NETWORKS = Path(__file__).with_name("networks.py")


@dataclass(frozen=True, kw_only=True)
class Base:
    """A run that works, which faults and healthy variants are put into.

    Args:
        name: Short.
        part: `first`, `second`, `heldout`, `third`, `fourth`, `fifth` or `sixth`.
        model: A built-in network, or a class in `networks`.
        data: A set of `data.py`, or `--data` of a built-in one.
        form: `npz`, `csv` or `folder`; empty for a built-in one.
        epochs, batch: Its length and its batch size.
        optimizer: The one it uses.
        lrs: Rates that suit sgd and adam.
        metric: Judged by its last value on the validation split.
        tolerance: What the metric may lose beyond the spread of healthy runs; a share for errors.
        chance: The metric of the best constant.
        settings: More options of `dlkit train`, by name without the dashes.
        arguments: What `-s` sets.
        networks: The file of an own network.
        traits: What faults and variants ask for: `classes`, `image`, `relu`, `deep`, ...
    """

    name: str
    part: str
    model: str
    data: str
    form: str = "npz"
    epochs: int
    batch: int
    optimizer: str
    lrs: tuple[float, float]
    metric: str = "accuracy"
    tolerance: float = 0.04
    chance: float
    settings: Mapping[str, Value] = field(default_factory=dict)
    arguments: Mapping[str, Value] = field(default_factory=dict)
    networks: Path = NETWORKS
    traits: frozenset[str] = field(default_factory=frozenset)

    @property
    def own(self) -> bool:
        """Whether the network is own code."""
        return self.model[0].isupper()

    @property
    def lr(self) -> float:
        return self.lrs[0] if self.optimizer == "sgd" else self.lrs[1]

    @property
    def own_settings(self) -> dict[str, Value]:
        """All options but the data, the seed and the folder."""
        return {
            "epochs": self.epochs,
            "batch-size": self.batch,
            "optimizer": self.optimizer,
            "lr": self.lr,
            **self.settings,
        }


def _traits(text: str) -> frozenset[str]:
    return frozenset(text.split())


BASES = (
    Base(
        name="digits-mlp",
        part="first",
        model="mlp",
        data="digits",
        form="",
        epochs=12,
        batch=64,
        optimizer="sgd",
        lrs=(0.03, 2e-3),
        chance=0.1,
        traits=_traits("classes image mlp scales"),
    ),
    Base(
        name="digits-conv",
        part="first",
        model="Conv",
        data="digits",
        epochs=6,
        batch=32,
        optimizer="sgd",
        lrs=(0.05, 4e-3),
        chance=0.1,
        traits=_traits("classes image relu batchnorm scales"),
    ),
    Base(
        name="cancer",
        part="first",
        model="Mlp",
        data="cancer",
        form="csv",
        epochs=25,
        batch=32,
        optimizer="adam",
        lrs=(0.03, 2e-3),
        chance=0.63,
        traits=_traits("classes relu table"),
    ),
    Base(
        name="friedman",
        part="first",
        model="Mlp",
        data="friedman",
        epochs=30,
        batch=32,
        optimizer="adam",
        lrs=(0.02, 4e-3),
        chance=3.9,
        metric="mae",
        tolerance=0.2,
        traits=_traits("relu scales"),
    ),
    Base(
        name="noisy",
        part="first",
        model="Mlp",
        data="noisy",
        epochs=12,
        batch=32,
        optimizer="adamw",
        lrs=(0.02, 2e-3),
        chance=0.5,
        settings={"schedule": "cosine", "weight-decay": 0.1},
        traits=_traits("classes relu scales overfits"),
    ),
    Base(
        name="digits-deep",
        part="first",
        model="Mlp",
        data="digits",
        epochs=15,
        batch=32,
        optimizer="sgd",
        lrs=(0.03, 1e-3),
        chance=0.1,
        arguments={"depth": 6},
        traits=_traits("classes relu deep scales"),
    ),
    Base(
        name="spatial",
        part="first",
        model="spatial",
        data="spatial:n=1000",
        form="",
        epochs=8,
        batch=64,
        optimizer="adamw",
        lrs=(0.03, 4e-3),
        chance=0.33,
        metric="mae",
        tolerance=0.35,
        settings={"schedule": "onecycle", "val": 0.25},
    ),
    Base(
        name="groups-table",
        part="second",
        model="mlp",
        data="groups",
        form="csv",
        epochs=30,
        batch=64,
        optimizer="adamw",
        lrs=(0.05, 2e-3),
        chance=0.2,
        settings={"schedule": "cosine"},
        arguments={"hidden": "64,64"},
        traits=_traits("classes table mlp"),
    ),
    Base(
        name="images-cnn",
        part="second",
        model="cnn",
        data="large_digits",
        epochs=6,
        batch=32,
        optimizer="sgd",
        lrs=(0.03, 3e-3),
        chance=0.1,
        arguments={"width": 8},
        traits=_traits("classes image scales"),
    ),
    Base(
        name="waves-gru",
        part="second",
        model="Recurrent",
        data="waves",
        epochs=10,
        batch=32,
        optimizer="adam",
        lrs=(0.05, 1e-2),
        chance=0.25,
        arguments={"width": 24},
        traits=_traits("classes relu scales"),
    ),
    Base(
        name="circuit",
        part="second",
        model="mlp",
        data="circuit",
        arguments={"hidden": "64,64"},
        epochs=25,
        batch=32,
        optimizer="adamw",
        lrs=(0.02, 3e-3),
        chance=310,
        metric="mae",
        tolerance=0.2,
        traits=_traits("mlp scales"),
    ),
    Base(
        name="pbpk",
        part="second",
        model="pbpk",
        data="pbpk:n=150,times=25",
        form="",
        epochs=15,
        batch=16,
        optimizer="adam",
        lrs=(0.1, 2e-2),
        chance=0.85,
        metric="mae",
        tolerance=0.35,
        settings={"schedule": "onecycle", "grad-clip": 1, "val": 0.3},
    ),
    Base(
        name="digits-residual",
        part="second",
        model="Residual",
        data="digits",
        epochs=8,
        batch=32,
        optimizer="adam",
        lrs=(0.03, 2e-3),
        chance=0.1,
        traits=_traits("classes deep scales"),
    ),
    Base(
        name="spirals",
        part="second",
        model="Mlp",
        data="spirals",
        epochs=40,
        batch=32,
        optimizer="adam",
        lrs=(0.1, 1e-2),
        chance=0.33,
        arguments={"act": "tanh"},
        traits=_traits("classes curved overfits"),
    ),
    Base(
        name="digits-wide",
        part="second",
        model="Mlp",
        data="large_digits",
        epochs=12,
        batch=64,
        optimizer="sgd",
        lrs=(0.03, 1e-3),
        chance=0.1,
        settings={"weight-decay": 1e-4},
        arguments={"depth": 3},
        traits=_traits("classes relu deep scales overfits"),
    ),
)
