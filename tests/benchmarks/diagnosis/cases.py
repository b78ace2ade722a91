"""What is run: every base with every fault and every healthy variant that it allows, at several seeds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tests.benchmarks.diagnosis.bases import Base, Value

_QUIET = ("--no-plot", "--quiet", "--force", "--threads", "1", "--device", "cpu")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is other than in a base.

    Args:
        settings: Options of `dlkit train`; None takes one away.
        arguments: What `-s` sets.
        data: One of `data.CHANGES`.
        own_band: It learns from other data, so it is healthy by its own seeds and not by the base.
        start_from_base: It starts from the weights of the base's run at the same seed.
        metric: Judged by it; empty for the base's.
    """

    settings: Mapping[str, Value | None] = field(default_factory=dict)
    arguments: Mapping[str, Value] = field(default_factory=dict)
    data: str = "clean"
    own_band: bool = False
    start_from_base: bool = False
    metric: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A way to spoil a run.

    Args:
        name: Short.
        part: `first`, `second`, `heldout`, `third`, `fourth`, `fifth` or `sixth`.
        causes: The right answers, the best first: names of `CAUSES` in `score.py`.
        change: Makes it, for a base.
        needs: Traits that a base must have; `own` for a network of `networks.py`.
        never: Traits that it must not have.
        bases: Only these, where any are named.
    """

    name: str
    part: str
    causes: tuple[str, ...]
    change: Callable[[Base], Change]
    needs: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    bases: tuple[str, ...] = ()

    def fits(self, base: Base) -> bool:
        """Return whether it can be made on a base."""
        if self.bases and base.name not in self.bases:
            return False
        traits = base.traits | ({"own", base.form} if base.own else {base.form, "built-in"})
        traits |= {base.model, f"base-{base.name}"}
        on_files = self.change(base).data == "clean" or bool(base.form)
        return on_files and self.needs <= traits and not self.never & traits


@dataclass(frozen=True)
class Families:
    """Makes the faults of a part whose families name their bases; causes and bases are separated by spaces."""

    part: str

    def fault(self, name: str, causes: str, bases: str, change: Callable[[Base], Change]) -> Fault:
        """Return a fault of some bases."""
        return Fault(
            name=name, part=self.part, causes=tuple(causes.split()), bases=tuple(bases.split()), change=change
        )

    def code(self, name: str, causes: str, bases: str) -> Fault:
        """Return a mistake in an own network: its `-s fault=` has the same name with underscores."""
        return self.fault(name, causes, bases, lambda _: Change(arguments={"fault": name.replace("-", "_")}))

    def data(self, name: str, causes: str, bases: str, **settings: Value) -> Fault:
        """Return a mistake in the data: one of `data.CHANGES`."""
        return self.fault(name, causes, bases, lambda _: Change(data=name, settings=settings))


def setting(**settings: Value | None) -> Callable[[Base], Change]:
    """Return what sets options of `dlkit train`, their dashes written as underscores."""
    return lambda _: Change(settings={name.replace("_", "-"): value for name, value in settings.items()})


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run.

    Args:
        base: What it is made from.
        name: Of the variant or the fault.
        change: What is other than in the base.
        seed: Of the run.
        causes: Right answers to what is wrong; empty for a healthy variant.
        part: `tuned`, `heldout` or `mixed`: a family of one part on a base of the other.
    """

    base: Base
    name: str
    change: Change
    seed: int
    causes: tuple[str, ...] = ()
    part: str

    @property
    def key(self) -> str:
        """The name of its folder."""
        return f"{self.base.name}/{'fault' if self.causes else 'healthy'}-{self.name}/{self.seed}"

    @property
    def band(self) -> str:
        """Which healthy runs it is compared with."""
        if not self.change.own_band:
            return self.base.name
        return f"{self.base.name}/{self.name}"

    def mended(self) -> "Case | None":
        """Return the run with its fault in the code or the data taken out; None where it is in neither."""
        arguments = {name: value for name, value in self.change.arguments.items() if name != "fault"}
        change = replace(self.change, arguments=arguments, data="clean")
        return replace(self, change=change) if change != self.change else None

    def words(self, data: Iterable[str], folder: object, cure: Iterable[tuple[str, str]] = ()) -> list[str]:
        """Return the command line.

        Args:
            data: The options that name the data.
            folder: The run folder.
            cure: Options in place of its own, as they are printed: `("--lr", "0.001")`.
        """
        base, change = self.base, self.change
        model = f"{base.networks}:{base.model}" if base.own else base.model
        settings: dict[str, Value | None] = {**base.own_settings, **change.settings, "seed": self.seed}
        arguments = {**base.arguments, **change.arguments}
        for option, value in cure:
            if option == "-s":
                name, _, text = value.partition("=")
                arguments[name] = text
            else:
                named: dict[str, Value | None] = {"None": None, "": True, "True": True}  # None leaves it out
                settings[option.lstrip("-")] = named.get(value, value)
        options: list[str] = []
        for name, setting in settings.items():
            if setting is True:
                options += [f"--{name}"]
            elif setting is not None and setting is not False:
                options += [f"--{name}", str(setting)]
        for name, argument in arguments.items():
            options += ["-s", f"{name}={argument}"]
        return ["train", model, *data, *options, "--out", str(folder), *_QUIET]
