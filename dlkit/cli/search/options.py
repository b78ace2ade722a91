"""The options of a search."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from dlkit.settings.search import PRUNERS, SAMPLERS

SEARCH_OPTIONS = {"search", "trials", "sampler", "pruner", "jobs", "join"}

_PANEL = "Search"

SearchOption = Annotated[
    list[str] | None,
    Option(
        "--search",
        metavar="KEY=RANGE",
        help="Search a setting, or s.NAME of the network: lr=1e-4..1e-1:log, s.dropout=0..0.5, "
        "optimizer=sgd,adamw; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
TrialsOption = Annotated[
    int | None, Option("--trials", metavar="N", help="Number of trials.", rich_help_panel=_PANEL)
]
SamplerOption = Annotated[
    str, Option("--sampler", help=f"{', '.join(SAMPLERS[:-1])} or {SAMPLERS[-1]}.", rich_help_panel=_PANEL)
]
PrunerOption = Annotated[
    str,
    Option(
        "--pruner",
        help=f"How poor trials are stopped early: {', '.join(PRUNERS[:-1])} or {PRUNERS[-1]}.",
        rich_help_panel=_PANEL,
    ),
]
JobsOption = Annotated[
    int,
    Option(
        "--jobs",
        metavar="N",
        min=1,
        max=256,
        help="Processes that train trials at the same time, with one thread each.",
        rich_help_panel=_PANEL,
    ),
]
JoinOption = Annotated[
    Path | None,
    Option("--join", metavar="SWEEP", help="Continue an existing search.", rich_help_panel=_PANEL),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options of searches say.

    Args:
        search: The ranges.
        trials: How many trials.
        sampler: What chooses the settings.
        pruner: What ends trials early.
        join: The search to continue.
        out: The folder of a new search.
        force: Replace the search in that folder.
        jobs: How many processes train.
    """

    search: list[str]
    trials: int | None
    sampler: str
    pruner: str
    join: Path | None
    out: Path | None
    force: bool = False
    jobs: int = 1
