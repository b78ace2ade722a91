"""Tables as a kind of data."""

from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.settings.deferred import deferred
from dlkit.settings.kinds import DataKind, Summary

if TYPE_CHECKING:
    from dlkit.data.findings import Finding
    from dlkit.settings.config import TrainConfig


TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
TEXT_SUFFIXES = (".txt", ".dat", ".data", ".tab", ".asc", ".rdb")  # what stands between their fields shows
PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zip")


def table_suffixes(path: Path) -> tuple[str, str]:
    """Return how the name of a table's file ends, as `.csv` and `.gz`; the first is empty if it is no table's."""
    *_, before, last = ["", "", *(suffix.lower() for suffix in path.suffixes)]
    before, last = (".csv" if suffix in TEXT_SUFFIXES else suffix for suffix in (before, last))
    if last in TABLE_SUFFIXES:
        return last, ""
    return (before, last) if last in PACKED_SUFFIXES and before in TABLE_SUFFIXES else ("", "")


def check(config: "TrainConfig") -> "list[Finding]":
    """Look for faults in the columns and rows of a table, and in its samples where a target is named."""
    from dlkit.data.check import check_loaded
    from dlkit.data.findings import Finding
    from dlkit.data.preparing import report
    from dlkit.data.tables.blocks import find_random_split
    from dlkit.data.tables.own_split import find_own_split
    from dlkit.data.tables.reading.files.wide import no_garbage_collection
    from dlkit.data.tables.reading.options import TableOptions
    from dlkit.data.tables.reading.table_file import read_table
    from dlkit.data.tables.reports.check import check_table, find_groups, find_times
    from dlkit.settings.spec import parse_spec
    from dlkit.settings.texts import fields_of

    with no_garbage_collection():
        table = read_table(
            config.data, options=TableOptions.of(config), progress=report(parse_spec(config.data).name)
        )
        features = list(filter(None, fields_of(config.features))) if config.features else None
        findings = [
            Finding(level="note", rule="reading", where=table.source, count=len(table), message=note, cure="")
            for note in table.notes
        ]
        findings += check_table(table, config.target, features, config.task)
        if config.target is None:
            return findings
        for find in (find_own_split, find_random_split, find_groups, find_times):
            findings += find(table, config)
        return check_loaded(config, findings, table)


def describe(config: "TrainConfig") -> Summary:
    """Describe each column of a table; it needs no target."""
    from dlkit.data.preparing import report
    from dlkit.data.tables.reading.options import TableOptions
    from dlkit.data.tables.reading.table_file import read_table
    from dlkit.data.tables.reports.summary import COLUMNS, column_facts, table_facts
    from dlkit.settings.spec import parse_spec

    table = read_table(
        config.data,
        options=TableOptions.of(config),
        progress=report(parse_spec(config.data).name),
    )
    return Summary(
        facts=table_facts(table),
        listing="columns",
        columns=COLUMNS,
        rows=column_facts(table),
        notes=table.notes,
    )


TABLE = DataKind(
    name="table",
    load=deferred("dlkit.data.tables.load:load_tabular"),
    suffixes=(
        *TABLE_SUFFIXES,
        *TEXT_SUFFIXES,
        *(end + packed for end in TABLE_SUFFIXES + TEXT_SUFFIXES for packed in PACKED_SUFFIXES),
    ),
    stdin=True,
    refuses=("augment", "bands", "num_workers", "size"),
    borrows=("coords", "split_by_block"),
    cuts_both=True,
    check=check,
    describe=describe,
    splits=deferred("dlkit.data.tables.load:rows_of_splits"),
)
