"""dlkit data split: write down which rows train, validate and test."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from dlkit.catalogue import DATA
from dlkit.cli import console
from dlkit.cli.options import given_options
from dlkit.cli.prepare_bar import show_preparing
from dlkit.config import FIELDS, TrainConfig, find_faults
from dlkit.contradictions import find_contradictions
from dlkit.errors import ConfigError
from dlkit.resolve import config_of_data
from dlkit.spec import parse_spec

if TYPE_CHECKING:
    import numpy as np

_HELP = {name: field.metadata.get("help", "") for name, field in FIELDS.items()}


def split(
    context: Context,
    spec: Annotated[str, Argument(metavar="SPEC", help="A table, or any other data.")],
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="FILE", help="The .csv file to write. Default: stdout.")
    ] = None,
    target: Annotated[str | None, Option(help=f"{_HELP['target']} Its classes are split evenly.")] = None,
    val: Annotated[float, Option(help=_HELP["val"])] = TrainConfig.val,
    test: Annotated[float, Option(help=_HELP["test"])] = TrainConfig.test,
    stratify: Annotated[bool | None, Option("--stratify/--no-stratify", help=_HELP["stratify"])] = None,
    group: Annotated[str | None, Option(help=_HELP["group"])] = None,
    by_time: Annotated[str | None, Option(help=_HELP["by_time"])] = None,
    folds: Annotated[int | None, Option(help=_HELP["folds"])] = None,
    fold: Annotated[int | None, Option(help=_HELP["fold"])] = None,
    seed: Annotated[int, Option(help=_HELP["seed"])] = TrainConfig.seed,
    force: Annotated[bool, Option("--force", "-f", help="Replace the file in --out.")] = False,
) -> None:
    """Write which row belongs to which split, for train --split-file; rows are counted from 0."""
    config = _checked(
        {
            "data": spec,
            "target": target,
            "val": val,
            "test": test,
            "stratify": stratify,
            "group": group,
            "by_time": by_time,
            "folds": folds,
            "fold": fold,
            "seed": seed,
        },
        given_options(context, ("COMMANDLINE",)),
        out,
    )
    if out is not None and out.exists() and not force:
        raise ConfigError(f"--out {out} is there already", "choose another name, or --force to replace it")
    from dlkit.atomic import write_file
    from dlkit.data.table_splits import splits_csv

    with show_preparing():
        rows, total = _rows(config)
    counts = ", ".join(f"{len(members):,} {name}" for name, members in rows.items())
    console.note(f"{config.data} has {total:,} rows: {counts}")
    content = splits_csv(rows)
    if out is None:
        console.print_text(content)
    else:
        write_file(out, content.encode())
        console.print_paths([out])


def _checked(settings: dict[str, Any], typed: set[str], out: Path | None) -> TrainConfig:
    """Hold the settings to what they may be, all faults at once."""
    faults: list[ConfigError] = []
    try:
        settings["data"] = parse_spec(settings["data"], "SPEC").text
    except ConfigError as err:
        faults.append(err)
    config = TrainConfig(model="mlp", **settings)
    if not faults:
        faults += find_faults(config)
        faults += find_contradictions(config, {name: settings[name] for name in typed & settings.keys()})
    if out is not None and out.suffix.lower() != ".csv":
        faults.append(ConfigError(f"--out {out} does not end in .csv", "for example -o split.csv"))
    if faults:
        raise ConfigError.of(faults)
    return config


def _rows(config: TrainConfig) -> "tuple[Mapping[str, np.ndarray], int]":
    """Give the rows of each split, and how many rows there are in all."""
    if parse_spec(config.data).kind == "table":
        from dlkit.data.tabular import rows_of_splits

        return rows_of_splits(config)
    from dlkit.data.datasets import load_dataset

    spec = parse_spec(config.data)
    if spec.built_in:
        config = replace(config, model=config_of_data(spec).model, **DATA[spec.name].settings)
    dataset = load_dataset(config)
    rows = {name: part.rows.numpy() for name, part in dataset.splits.items()}
    every = [row for members in rows.values() for row in members.tolist()]
    if len(set(every)) < len(every):
        raise ConfigError(
            f"SPEC {config.data} comes with a test part of its own, so its rows have no numbers in common",
            "train takes that part as it is",
        )
    return rows, len(every)
