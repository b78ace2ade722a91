"""The folder of a search: begun or joined, once all that was typed is checked."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.own_code import check_named
from dlkit.cli.search.options import SEARCH_OPTIONS, Asked
from dlkit.cli.settings import Given
from dlkit.cli.verbose import phase
from dlkit.errors import ConfigError
from dlkit.files.atomic import probe_folder
from dlkit.files.run_places import next_numbered
from dlkit.files.sweep_dir import SweepDir
from dlkit.settings.search import EXAMPLE, Plan, find_plan_faults, grid_size
from dlkit.settings.spec import parse_code, parse_spec

if TYPE_CHECKING:
    from dlkit.search.study import Search

_OF_A_WORKER = ("threads", "device")


def begin_search(asked: Asked, given: Given, typed: set[str]) -> "Search":
    """Check a new search, without torch and Optuna at first, and make its folder.

    Args:
        asked: What the options of searches say.
        given: The settings that the user gave.
        typed: Options beside settings that were typed.

    Raises:
        DlkitError: An option is wrong, or data or folder are not available.
    """
    faults = [*given.faults, *_clashes(typed, joining=False)]
    plan = Plan(
        settings=given.settings,
        arguments=given.arguments,
        file=given.file,
        searched=asked.search,
        sampler=asked.sampler,
        pruner=asked.pruner,
        trials=1 if asked.trials is None else asked.trials,
    )
    if not asked.search:
        faults.append(ConfigError("there is nothing to search without --search", EXAMPLE))
    faults += find_plan_faults(plan)
    if asked.trials is None and asked.sampler != "grid":
        faults.append(ConfigError("--search needs --trials", "for example --trials 50"))
    if faults:
        raise ConfigError.of(faults)
    if asked.sampler == "grid":
        size = grid_size(plan.space)
        plan = replace(plan, trials=min(size, asked.trials or size))
        if asked.trials is not None and asked.trials > size:
            console.note(f"the grid has {size} combinations; --trials {asked.trials} is more")
    config = plan.config()
    check_named(config, given.settings)
    folder = Path("sweeps") if asked.out is None else asked.out
    if asked.out is not None and not asked.force:
        SweepDir(asked.out).refuse_taken()
    probe_folder(next(place for place in (folder, *folder.parents) if place.exists()))

    with phase("load torch"):
        from dlkit.search.study import create_search
        from dlkit.search.worker import with_digests

    with phase("load the data"), show_preparing():
        plan, notes = with_digests(plan)
    for text in notes:
        console.note(text)
    if asked.out is None:
        folder = next_numbered(folder, f"{config.model_name}-{parse_spec(config.data).name}")
    return create_search(SweepDir(folder), plan, force=asked.force)


def join_search(asked: Asked, given: Given, typed: set[str]) -> "Search":
    """Open a search, and check that its data and its code are those it began with.

    Args:
        asked: What the options of searches say.
        given: The settings that the user gave.
        typed: Options beside settings that were typed.

    Raises:
        DlkitError: An option is wrong, there is no search, or its data or code have changed.
    """
    faults = [*given.faults, *_clashes(typed, joining=True), *_join_faults(asked, given)]
    if faults:
        raise ConfigError.of(faults)
    assert asked.join is not None, "checked by the caller"
    SweepDir(asked.join).refuse_missing()
    with phase("load torch"):
        from dlkit.search.study import open_search
        from dlkit.search.worker import check_same

    changes = {name: given.typed[name] for name in _OF_A_WORKER if name in given.typed}
    search = open_search(SweepDir(asked.join), changes)
    for name in ("model", "data"):
        value = getattr(search.config, name)
        if name in given.typed and _whole(name, given.typed[name]) != value:
            raise ConfigError(
                f"{given.typed[name]} differs from the search's {value}",
                "leave it out, or start a new search",
            )
    check_named(search.config, given.typed)
    with phase("load the data"), show_preparing():
        check_same(search)
    if asked.trials is not None:
        if asked.trials < search.plan.trials:
            raise ConfigError(
                f"--trials {asked.trials} is fewer than the search's {search.plan.trials}",
                "it can only be increased",
            )
        search.grow(asked.trials)
    return search


def _whole(name: str, text: str) -> str:
    """Return a network or data as a search keeps them: with the whole path."""
    return str(parse_code(text) or text) if name == "model" else parse_spec(text).text


def _clashes(typed: set[str], *, joining: bool) -> list[ConfigError]:
    """Find options that cannot be used with a search."""
    allowed = {"join", "trials", "jobs"} if joining else {*SEARCH_OPTIONS, "out", "force", "config_file"}
    option = "--join" if joining else "--search"
    fixed = "the search has its own; start a new one to change it"
    hint = fixed if joining and not typed & {"force", "out"} else "leave one of them out"
    flags = [f"--{name.removesuffix('_file').replace('_', '-')}" for name in sorted(typed - allowed)]
    return [ConfigError(f"{flag} cannot be used with {option}", hint) for flag in flags]


def _join_faults(asked: Asked, given: Given) -> list[ConfigError]:
    fixed = [name for name in given.typed if name not in (*_OF_A_WORKER, "model", "data")]
    named = [f"--{name.replace('_', '-')}" for name in fixed]
    named += ["-s"] * bool(given.arguments)
    faults = [
        ConfigError(
            f"{name} cannot be used with --join", "the search has its own; start a new one to change it"
        )
        for name in named
    ]
    if asked.trials is not None and asked.trials < 1:
        faults.append(ConfigError(f"--trials {asked.trials} is below 1", "for example --trials 50"))
    return faults
