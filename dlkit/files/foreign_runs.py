"""Several runs in one file: as columns `RUN - METRIC`, or as rows of which a column names the run."""

import re
from collections.abc import Iterator, Mapping, Sequence

Rows = Sequence[tuple[int, Sequence[str]]]
Table = tuple[list[str], Rows]

RANGES = ("__MIN", "__MAX")
SPLITS = ("train", "training", "val", "valid", "validation", "eval", "dev", "test")
RUN_COLUMNS = (
    *("run", "runs", "run_id", "run_name", "name", "experiment", "experiment_name"),
    *("trial", "trial_id", "trial_name", "fold", "seed", "model", "version"),
)
_FEWEST_ROWS = 2


def split_runs(header: Sequence[str], rows: Rows) -> dict[str, Table]:
    """Return the header and the rows of each run in a file by its name; one without a name where there is only one."""
    return _by_columns(header, rows) or _by_rows(header, rows) or {"": (list(header), rows)}


def is_export(header: Sequence[str]) -> bool:
    """Return whether a header is that of an export of Weights & Biases: a range beside the columns."""
    return any(name.endswith(RANGES) and name[: -len(RANGES[0])] in header for name in header)


def run_and_name(column: str) -> tuple[str, str]:
    """Take `sun-3 - val/loss` apart; the run is empty where the words are of one run, as in `loss - val`."""
    run, mark, name = column.rpartition(" - ")
    if not mark or {part.strip().lower() for part in (run, name)} & {*SPLITS, ""}:
        return "", column
    return run.strip(), name.strip()


def with_underscores(name: str) -> str:
    """Return a name in small letters, with underscores for blanks, slashes, points and hyphens: `Valid Loss`."""
    return re.sub(r"[\s/.\-]+", "_", name.strip().lower()).strip("_")


def _by_columns(header: Sequence[str], rows: Rows) -> dict[str, Table]:
    """Return the runs of an export, each with the columns that all share; none where it is of a single run."""
    parts = [run_and_name(name) for name in header]
    runs = list(dict.fromkeys(run for run, _ in parts if run))
    if len(runs) < 2:
        return {}
    tables: dict[str, Table] = {}
    for run in runs:
        own = [place for place, (other, _) in enumerate(parts) if other == run]
        shared = [place for place, (other, _) in enumerate(parts) if not other]
        tables[run] = (
            [header[place] if place in shared else parts[place][1] for place in (*shared, *own)],
            [
                (line, [row[place] for place in (*shared, *own)])
                for line, row in rows
                if any(row[place].strip() for place in own)
            ],
        )
    return tables


def _by_rows(header: Sequence[str], rows: Rows) -> dict[str, Table]:
    """Return the runs that columns such as `run`, `fold` or `seed` name, if each of them has its own epochs."""
    counted = [
        place
        for place, name in enumerate(header)
        if with_underscores(name) in ("epoch", "step", "global_step")
    ]
    naming = [
        place
        for place, name in enumerate(header)
        if with_underscores(name) in RUN_COLUMNS and len({row[place] for _, row in rows}) > 1
    ]
    if not (naming and counted):
        return {}
    found: dict[tuple[str, ...], list[tuple[int, Sequence[str]]]] = {}
    for line, row in rows:
        found.setdefault(tuple(row[place].strip() for place in naming), []).append((line, row))
    spans = [{row[counted[0]] for _, row in group} for group in found.values()]
    if len(rows) < _FEWEST_ROWS * len(found) or sum(map(len, spans)) == len(set().union(*spans)):
        return {}
    kept = [place for place in range(len(header)) if place not in naming]
    names = _names([header[place] for place in naming], found)
    return {
        name: (
            [header[place] for place in kept],
            [(line, [row[place] for place in kept]) for line, row in group],
        )
        for name, group in zip(names, found.values(), strict=True)
    }


def _names(columns: Sequence[str], found: Mapping[tuple[str, ...], object]) -> Iterator[str]:
    """Name runs by the texts that name them, and numbers together with their column: `fold 1`."""
    for values in found:
        yield ", ".join(
            f"{column.strip()} {value}" if re.fullmatch(r"[\d.+-]*", value) else value
            for column, value in zip(columns, values, strict=True)
        )
